"""What other programs write, read by ours."""

import gzip
import json
import subprocess

import numpy as np

import samples
from common import Image, affine, differences, our_segments, rasterised, with_sitk
from round_trips import Skipped, check, need, need_command


def ours(desk, source, *options):
    """An image or mask as the program converts it."""
    out = desk.scratch / "ours.nrrd"
    desk.run("convert", source, out, *options)
    image, _ = with_sitk(out)
    return Image(image.array[0], image.affine)


def equal(desk, source, array, matrix, *options):
    difference = differences(ours(desk, source, *options), Image(array, matrix))
    assert difference is None, difference


def each_orientation():
    return {"axial": np.eye(3), "sagittal": samples.SAGITTAL, "coronal": samples.CORONAL, "oblique": samples.OBLIQUE}


@check
def pydicom_series(desk):
    """CT series written by pydicom, in four orientations, with a slope"""
    need("pydicom")
    for name, turn in each_orientation().items():
        shape, matrix = samples.grid((9, 7, 6), turn=turn)
        array = samples.hu(shape, desk.random) // 2 * 2
        samples.write_series(desk.folder(name), array, matrix, slope=2.0, intercept=-1000.0)
        equal(desk, desk.scratch / name, array, matrix)


@check
def simpleitk_series(desk):
    """CT series written by SimpleITK"""
    sitk = need("SimpleITK")
    for name, turn in each_orientation().items():
        shape, matrix = samples.grid((9, 7, 6), turn=turn)
        array = samples.hu(shape, desk.random)
        folder = desk.folder(name)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        for k in range(shape[0]):
            plane = sitk.GetImageFromArray(array[k])
            plane.SetSpacing([float(np.linalg.norm(matrix[:3, a])) for a in (0, 1)])
            rows = [matrix[:3, a] / np.linalg.norm(matrix[:3, a]) for a in (0, 1)]
            position = matrix[:3, 3] + matrix[:3, 2] * k
            for tag, value in {
                "0008|0060": "CT",
                "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
                "0008|0018": f"1.2.826.0.1.3680043.2.1125.1.{k + 1}",
                "0020|000d": "1.2.826.0.1.3680043.2.1125.2",
                "0020|000e": "1.2.826.0.1.3680043.2.1125.3",
                "0020|0052": "1.2.826.0.1.3680043.2.1125.4",
                "0020|0013": str(k + 1),
                "0020|0032": "\\".join(f"{v:.6f}" for v in position),
                "0020|0037": "\\".join(f"{v:.9f}" for r in rows for v in r),
                "0018|0050": str(float(np.linalg.norm(matrix[:3, 2]))),
                "0028|1053": "1",
                "0028|1052": "0",
            }.items():
                plane.SetMetaData(tag, value)
            writer.SetFileName(str(folder / f"slice{k}.dcm"))
            writer.Execute(plane)
        equal(desk, folder, array, matrix)


def highdicom_seg(desk, turn, kind, overlap=False, syntax=None, frames=None, empty=False):
    """A series and its SEG by highdicom: (folder, SEG file, masks by segment number, matrix)."""
    hd = need("highdicom")
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    folder = desk.folder(f"ct{len(list(desk.scratch.iterdir()))}")
    # 9 x 7 pixels: no multiple of 8.
    shape, matrix = samples.grid((9, 7, 6), turn=turn)
    sets = samples.write_series(folder, samples.hu(shape, desk.random), matrix)
    first, second = samples.mask(shape, desk.random), samples.mask(shape, desk.random)
    if not overlap:
        second &= ~first
    if frames is not None:
        first[[k for k in range(shape[0]) if k not in frames]] = False
        second[[k for k in range(shape[0]) if k not in frames]] = False
    if empty:
        second[:] = False
    types = hd.seg.SegmentationTypeValues
    pixels = np.stack([first, second], -1)
    if kind == "FRACTIONAL":
        pixels = pixels.astype(np.float32) * 0.75
    elif kind == "LABELMAP":
        pixels = first.astype(np.uint8) + 2 * second.astype(np.uint8)
    else:
        pixels = pixels.astype(np.uint8)
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=n,
            segment_label=name,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Liver,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for n, name in ((1, "first"), (2, "second"))
    ]
    options = {"fractional_type": hd.seg.SegmentationFractionalTypeValues.OCCUPANCY} if kind == "FRACTIONAL" else {}
    if syntax:
        options["transfer_syntax_uid"] = syntax
    seg = hd.seg.Segmentation(
        source_images=sets, pixel_array=pixels, segmentation_type=getattr(types, kind),
        segment_descriptions=descriptions, series_instance_uid=generate_uid(), series_number=5,
        sop_instance_uid=generate_uid(), instance_number=1, manufacturer="Peers", manufacturer_model_name="Peers",
        software_versions="1", device_serial_number="1", **options,
    )
    path = desk.scratch / f"{folder.name}.dcm"
    seg.save_as(path)
    return folder, path, {1: first, 2: second}, matrix


def same_segments(desk, path, masks, matrix, *options):
    out = desk.scratch / "ours.seg.nrrd"
    ended = desk.run("convert", path, out, *options)
    our_grid, found = our_segments(out)
    for number, wanted in masks.items():
        ours = [m for (_, value), m in found.items() if value == number]
        assert ours, f"segment {number} is missing"
        difference = differences(Image(ours[0].astype(int), our_grid), Image(wanted.astype(int), matrix))
        assert difference is None, f"segment {number}: {difference}"
    return ended.err


@check
def highdicom_binary(desk):
    """Binary SEG by highdicom, in four orientations, on its series and alone"""
    for turn in each_orientation().values():
        folder, path, masks, matrix = highdicom_seg(desk, turn, "BINARY")
        same_segments(desk, path, masks, matrix, "--reference", folder)
        same_segments(desk, path, masks, matrix)


@check
def highdicom_overlapping(desk):
    """Overlapping SEG by highdicom keeps every segment whole, and says so"""
    folder, path, masks, matrix = highdicom_seg(desk, samples.OBLIQUE, "BINARY", overlap=True)
    said = same_segments(desk, path, masks, matrix, "--reference", folder)
    both = int((masks[1] & masks[2]).sum())
    assert f"{both} voxels belong to more than one segment" in said, said
    flat = ours(desk, path)
    wanted = np.where(masks[2], 2, masks[1].astype(int))
    assert differences(flat, Image(wanted, matrix)) is None, "the later segment wins in one label map"
    for number, name in ((1, "first"), (2, "second")):
        equal(desk, path, masks[number].astype(int) * number, matrix, "--segment", name)


@check
def highdicom_fractional(desk):
    """Fractional SEG by highdicom, with the threshold told"""
    folder, path, masks, matrix = highdicom_seg(desk, np.eye(3), "FRACTIONAL")
    said = same_segments(desk, path, masks, matrix, "--reference", folder)
    assert "parts of a voxel that are filled" in said and "128" in said, said


@check
def highdicom_labelmap(desk):
    """Label map SEG by highdicom"""
    for turn in (np.eye(3), samples.SAGITTAL):
        folder, path, masks, matrix = highdicom_seg(desk, turn, "LABELMAP")
        same_segments(desk, path, masks, matrix, "--reference", folder)


@check
def highdicom_sparse(desk):
    """SEG by highdicom with frames missing, single slices and an empty segment"""
    for frames in ([0, 3, 4], [2]):
        folder, path, masks, matrix = highdicom_seg(desk, np.eye(3), "BINARY", frames=frames)
        same_segments(desk, path, masks, matrix, "--reference", folder)
    folder, path, masks, matrix = highdicom_seg(desk, np.eye(3), "BINARY", empty=True)
    same_segments(desk, path, masks, matrix, "--reference", folder)


@check
def highdicom_compressed(desk):
    """Compressed SEG by highdicom and pydicom: RLE, JPEG 2000, JPEG-LS, deflated"""
    need("highdicom")
    from pydicom import dcmread, uid

    done = []
    for kind, syntax in (
        ("FRACTIONAL", uid.RLELossless), ("LABELMAP", uid.RLELossless), ("FRACTIONAL", uid.JPEG2000Lossless),
        ("FRACTIONAL", uid.JPEGLSLossless), ("BINARY", uid.RLELossless),
    ):
        try:
            folder, path, masks, matrix = highdicom_seg(desk, np.eye(3), kind, syntax=syntax)
        except Exception as error:
            if isinstance(error, Skipped):
                raise
            done.append(f"{kind} {syntax.name} not written by highdicom ({type(error).__name__})")
            continue
        same_segments(desk, path, masks, matrix, "--reference", folder)
        done.append(f"{kind} {syntax.name}")
    folder, path, masks, matrix = highdicom_seg(desk, np.eye(3), "BINARY")
    data_set = dcmread(path)
    data_set.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    data_set.save_as(path)
    same_segments(desk, path, masks, matrix, "--reference", folder)
    # Deflated Image Frame Compression: each frame is a raw DEFLATE stream of its own (PS3.5 section A.4.13).
    for kind in ("LABELMAP", "BINARY"):
        folder, path, masks, matrix = highdicom_seg(desk, np.eye(3), kind)
        frame_deflated(path)
        same_segments(desk, path, masks, matrix, "--reference", folder)
    return ", ".join([*done, "BINARY deflated", "LABELMAP and BINARY deflated by frame"])


def frame_deflated(path):
    """Packs each frame by itself; one-bit frames then start at a byte of their own."""
    import zlib

    from pydicom import dcmread
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit

    data_set = dcmread(path)
    bits = int(data_set.BitsAllocated)
    size = int(data_set.Rows) * int(data_set.Columns)
    stored = np.frombuffer(data_set.PixelData, np.uint8)
    stored = np.unpackbits(stored, bitorder="little") if bits == 1 else stored
    streams = []
    for n in range(int(data_set.NumberOfFrames)):
        frame = stored[n * size : (n + 1) * size]
        frame = np.packbits(frame, bitorder="little") if bits == 1 else frame
        packer = zlib.compressobj(wbits=-15)
        stream = packer.compress(frame.tobytes()) + packer.flush()
        streams.append(stream + b"\0" * (len(stream) % 2))
    data_set.PixelData = encapsulate(streams)
    data_set["PixelData"].VR = "OB"
    data_set["PixelData"].is_undefined_length = True
    # pydicom does not know the syntax yet: it is put in the place of one of the same length.
    data_set.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    data_set.save_as(path)
    bytes_ = path.read_bytes()
    path.write_bytes(bytes_.replace(JPEGBaseline8Bit.encode(), b"1.2.840.10008.1.2.8.1\0", 1))


@check
def sagittal_seg_on_axial_series(desk):
    """Sagittal SEG by highdicom on an axial series"""
    hd = need("highdicom")
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    shape, matrix = samples.grid((9, 7, 6))
    folder = desk.folder("ct")
    sets = samples.write_series(folder, samples.hu(shape, desk.random), matrix)
    wanted = samples.mask(shape, desk.random)
    steps = [matrix[:3, a] for a in range(3)]
    columns, rows = range(shape[2]), range(shape[0])[::-1]
    # Frames across i; their rows run along +j and their columns along -k.
    pixels = np.stack([wanted[::-1, :, i] for i in columns]).astype(np.uint8)
    positions = [
        hd.PlanePositionSequence(
            hd.CoordinateSystemNames.PATIENT, (matrix[:3, 3] + steps[0] * i + steps[2] * rows[0]).tolist()
        )
        for i in columns
    ]
    unit = [s / np.linalg.norm(s) for s in steps]
    seg = hd.seg.Segmentation(
        source_images=sets, pixel_array=pixels, segmentation_type="BINARY",
        segment_descriptions=[
            hd.seg.SegmentDescription(1, "side", codes.SCT.Organ, codes.SCT.Liver, hd.seg.SegmentAlgorithmTypeValues.MANUAL)
        ],
        series_instance_uid=generate_uid(), series_number=5, sop_instance_uid=generate_uid(), instance_number=1,
        manufacturer="Peers", manufacturer_model_name="Peers", software_versions="1", device_serial_number="1",
        plane_positions=positions,
        plane_orientation=hd.PlaneOrientationSequence(
            hd.CoordinateSystemNames.PATIENT, [*unit[1].tolist(), *(-unit[2]).tolist()]
        ),
        pixel_measures=hd.PixelMeasuresSequence(
            pixel_spacing=[float(np.linalg.norm(steps[2])), float(np.linalg.norm(steps[1]))],
            slice_thickness=float(np.linalg.norm(steps[0])),
        ),
    )
    path = desk.scratch / "side.dcm"
    seg.save_as(path)
    same_segments(desk, path, {1: wanted}, matrix, "--reference", folder)


@check
def nibabel_forms(desk):
    """NIfTI by nibabel: qform, sform, neither, both apart, mirrored, scaled, NIfTI-2, big-endian, pairs"""
    nib = need("nibabel")
    shape, lps = samples.grid((5, 6, 7), turn=samples.OBLIQUE)
    ras = np.diag([-1, -1, 1, 1]) @ lps
    mirrored = ras @ np.diag([1, 1, -1, 1])
    array = samples.hu(shape, desk.random)
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])

    def save(name, image, wanted=array, matrix=lps):
        path = desk.scratch / name
        nib.save(image, str(path))
        equal(desk, path, wanted, matrix)

    def image(matrix, qcode, scode, kind=nib.Nifti1Image, data=array):
        made = kind(data.T, None)
        made.set_qform(matrix if qcode else None, code=qcode)
        made.set_sform(matrix if scode else None, code=scode)
        return made

    for name, codes in {"both": (1, 1), "q": (1, 0), "s": (0, 1), "aligned": (2, 2), "mni": (0, 4)}.items():
        save(f"{name}.nii.gz", image(ras, *codes))
        save(f"{name}-mirrored.nii", image(mirrored, *codes), matrix=flip @ mirrored)
    save("two.nii", image(ras, 1, 1, nib.Nifti2Image))
    save("pair.hdr", image(ras, 1, 1, nib.Nifti1Pair))
    save("pair2.hdr", image(ras, 1, 1, nib.Nifti2Pair))
    big = nib.Nifti1Image(array.T, ras, nib.Nifti1Header(endianness=">"))
    save("big.nii.gz", big)
    # nibabel stores the numbers as they are beside a slope that was set.
    scaled = image(ras, 1, 1)
    scaled.header.set_slope_inter(2.0, 100.0)
    save("scaled.nii", scaled, wanted=array.astype(int) * 2 + 100)
    assert (np.asarray(nib.load(str(desk.scratch / "scaled.nii")).dataobj).T == array.astype(int) * 2 + 100).all()
    apart = image(ras, 1, 1)
    apart.set_qform(ras @ affine([9, 0, 0], np.eye(3)), code=1)
    path = desk.scratch / "apart.nii"
    nib.save(apart, str(path))
    assert "qform" in desk.run("convert", path, desk.scratch / "a.nrrd").err
    equal(desk, path, array, lps)
    # nibabel sets a code when it saves: both are taken out of the file again.
    nib.save(image(ras, 1, 1), str(desk.scratch / "neither.nii"))
    with open(desk.scratch / "neither.nii", "r+b") as file:
        file.seek(252)
        file.write(bytes(4))
    assert "does not say how the patient lies" in desk.run("convert", desk.scratch / "neither.nii", desk.scratch / "n.nrrd").err
    for refused, dtype, word in (("rgb", np.dtype([(c, "u1") for c in "RGB"]), "RGB"), ("complex", np.complex64, "complex")):
        data = np.zeros(shape[::-1], dtype)
        nib.save(nib.Nifti1Image(data, ras), str(desk.scratch / f"{refused}.nii"))
        assert word in desk.refused("convert", desk.scratch / f"{refused}.nii", desk.scratch / "r.nrrd")


@check
def nibabel_labels(desk):
    """NIfTI masks by nibabel: floats with whole values, scaled, slightly skew, turned axes, on their series"""
    nib = need("nibabel")
    need("pydicom")
    shape, lps = samples.grid((5, 6, 7), turn=samples.OBLIQUE)
    folder = desk.folder("ct")
    samples.write_series(folder, samples.hu(shape, desk.random), lps)
    labels = desk.random.integers(0, 4, shape)
    ras = np.diag([-1, -1, 1, 1]) @ lps

    def on_series(name, image, *words):
        path = desk.scratch / name
        nib.save(image, str(path))
        equal(desk, path, labels, lps, "--reference", folder)
        said = desk.run("convert", path, desk.scratch / "x.nrrd", "--reference", folder).err
        for word in words:
            assert word in said, said
        assert words or not said, said

    on_series("f32.nii.gz", nib.Nifti1Image(labels.T.astype(np.float32), ras))
    on_series("f64.nii.gz", nib.Nifti1Image(labels.T.astype(np.float64), ras))
    scaled = nib.Nifti1Image(labels.T.astype(np.uint8) * 60, ras)
    scaled.header.set_slope_inter(1 / 60, 0)
    on_series("scaled.nii", scaled)
    # Axes in another order and sense: voxel for voxel the same.
    turned = nib.as_closest_canonical(nib.Nifti1Image(labels.T.astype(np.uint8), ras))
    on_series("turned.nii.gz", nib.Nifti1Image(np.asarray(turned.dataobj).transpose(2, 0, 1), turned.affine[:, [2, 0, 1, 3]]))
    skew = ras.copy()
    skew[0, 2] += 0.02
    on_series("skew.nii", nib.Nifti1Image(labels.T.astype(np.uint8), skew), "beside the image's")
    far = ras.copy()
    far[0, 3] += 5
    nib.save(nib.Nifti1Image(labels.T.astype(np.uint8), far), str(desk.scratch / "far.nii"))
    assert "away from it" in desk.refused("convert", desk.scratch / "far.nii", desk.scratch / "x.nrrd", "--reference", folder)


@check
def simpleitk_volumes(desk):
    """NIfTI and NRRD by SimpleITK, of every number type, attached and detached"""
    sitk = need("SimpleITK")
    for ending in ("nii", "nii.gz", "nrrd", "nhdr", "hdr"):
        for kind in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64):
            shape, matrix = samples.grid((5, 6, 7), turn=samples.OBLIQUE)
            if ending == "hdr" and kind in (np.int8, np.uint16, np.uint32):
                continue
            array = desk.random.integers(0, 100, shape).astype(kind)
            image = sitk.GetImageFromArray(array)
            spacing = np.linalg.norm(matrix[:3, :3], axis=0)
            image.SetSpacing(spacing.tolist())
            image.SetOrigin(matrix[:3, 3].tolist())
            image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
            path = desk.scratch / f"{np.dtype(kind).name}.{ending}"
            sitk.WriteImage(image, str(path), ending.endswith(("gz", "nrrd")))
            equal(desk, path, array, matrix)


@check
def pynrrd_files(desk):
    """NRRD by pynrrd: raw, gzip, text, detached, layers of 3D Slicer; slices in a list and a pattern of files"""
    nrrd = need("nrrd")
    shape, matrix = samples.grid((5, 6, 7), turn=samples.OBLIQUE)
    array = samples.hu(shape, desk.random)
    header = {
        "space": "left-posterior-superior", "space directions": matrix[:3, :3].T, "space origin": matrix[:3, 3],
        "kinds": ["domain"] * 3,
    }
    for encoding in ("raw", "gzip", "ascii"):
        for detached in (False, True):
            path = desk.scratch / f"{encoding}.{'nhdr' if detached else 'nrrd'}"
            nrrd.write(str(path), array.T, {**header, "encoding": encoding}, detached_header=detached)
            equal(desk, path, array, matrix)
    ras = {**header, "space": "right-anterior-superior"}
    flip = np.diag([-1.0, -1.0, 1.0])
    ras["space directions"], ras["space origin"] = (flip @ matrix[:3, :3]).T, flip @ matrix[:3, 3]
    nrrd.write(str(desk.scratch / "ras.nrrd"), array.T, ras)
    equal(desk, desk.scratch / "ras.nrrd", array, matrix)
    vectors = " ".join("(" + ",".join(repr(float(v)) for v in matrix[:3, a]) + ")" for a in range(3))
    text = (
        f"NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 5 6 7\n"
        f"space directions: {vectors}\nspace origin: ({','.join(repr(float(v)) for v in matrix[:3, 3])})\n"
        "endian: little\nencoding: gzip\ndata file: "
    )
    for k in range(shape[0]):
        (desk.scratch / f"part{k:02}.gz").write_bytes(gzip.compress(array[k].astype("<i2").tobytes()))
    names = "\n".join(f"part{k:02}.gz" for k in range(shape[0]))
    for name, rest in (("list", f"LIST\n{names}\n"), ("pattern", "part%02d.gz 0 6 1\n")):
        (desk.scratch / f"{name}.nhdr").write_text(text + rest)
        equal(desk, desk.scratch / f"{name}.nhdr", array, matrix)
    masks = {1: samples.mask(shape, desk.random), 2: samples.mask(shape, desk.random)}
    layers = np.stack([masks[1].T * 1, masks[2].T * 2]).astype(np.uint8)
    directions = np.vstack([np.full(3, np.nan), matrix[:3, :3].T])
    slicer = {
        **header, "space directions": directions, "kinds": ["list", "domain", "domain", "domain"],
        **{f"Segment{n}_{k}": v for n in (0, 1) for k, v in
           {"ID": f"S{n}", "Name": f"part {n}", "LabelValue": str(n + 1), "Layer": str(n), "Color": "1 0 0"}.items()},
    }
    nrrd.write(str(desk.scratch / "layers.seg.nrrd"), layers, slicer)
    same_segments(desk, desk.scratch / "layers.seg.nrrd", masks, matrix)


@check
def rt_utils_structures(desk):
    """RTSTRUCT by rt-utils, rasterised on its series"""
    rt_utils = need("rt_utils")
    shape, matrix = samples.grid((40, 36, 5), spacing=(0.9, 0.9, 3.0))
    folder = desk.folder("ct")
    samples.write_series(folder, samples.hu(shape, desk.random), matrix)
    z, y, x = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    ring = ((x - 20) ** 2 + (y - 17) ** 2 < 13**2) & ~((x - 20) ** 2 + (y - 17) ** 2 < 6**2)
    ring &= (z > 0) & (z < 4)
    spots = (((x - 8) ** 2 + (y - 8) ** 2 < 45) | ((x - 30) ** 2 + (y - 27) ** 2 < 50)) & (z < 3)
    made = rt_utils.RTStructBuilder.create_new(dicom_series_path=str(folder))
    for name, wanted in (("ring", ring), ("spots", spots)):
        made.add_roi(mask=wanted.transpose(1, 2, 0), name=name)
    path = desk.scratch / "rt.dcm"
    made.save(str(path))
    out = desk.scratch / "ours.seg.nrrd"
    desk.run("convert", path, out, "--reference", folder)
    our_grid, found = our_segments(out)
    import pydicom

    contours = {int(c.ReferencedROINumber): c.ContourSequence for c in pydicom.dcmread(path).ROIContourSequence}
    dice = []
    for n, (name, wanted) in enumerate((("ring", ring), ("spots", spots)), 1):
        mask = next(m for (found_name, _), m in found.items() if found_name == name)
        points = [np.array(c.ContourData, float).reshape(-1, 3) for c in contours[n]]
        assert (mask == rasterised(points, shape, our_grid)).all(), f"{name} differs from its contours filled in Python"
        dice.append(2 * (mask & wanted).sum() / (mask.sum() + wanted.sum()))
        # rt-utils draws its contours through the outermost voxel centres, half of which then are outside.
        assert dice[-1] > 0.85, f"Dice {dice[-1]:.3f}"
    return "Dice against the drawn mask " + ", ".join(f"{d:.3f}" for d in dice)


@check
def sides_of_pictures(desk):
    """PNG and JPEG masks by SimpleITK, by name and by order, mirrored ones told and set right"""
    sitk = need("SimpleITK")
    need("pydicom")
    shape, matrix = samples.grid((64, 60, 16))
    folder = desk.folder("ct")
    z, y, x = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    organ = (x - 22) ** 2 + (y - 21) ** 2 + 4 * (z - 6) ** 2 < 180
    body = (x - 32) ** 2 + (y - 30) ** 2 < 29**2
    image = np.where(organ, 110, np.where(body, 20, -1000)) + desk.random.integers(-8, 8, shape)
    samples.write_series(folder, image.astype(np.int16), matrix)
    for ending in ("png", "jpg"):
        pictures = desk.folder(ending)
        for k in range(shape[0]):
            # Mirrored top to bottom, as some tools store pictures.
            picture = sitk.GetImageFromArray((organ[k, ::-1] * 255).astype(np.uint8))
            sitk.WriteImage(picture, str(pictures / f"{k:03}.{ending}"))
        out = desk.scratch / "ours.nrrd"
        said = desk.run("convert", pictures, out, "--reference", folder).err
        assert "--flip y" in said, said
        equal(desk, pictures, organ.astype(int), matrix, "--reference", folder, "--flip", "y")
        (pictures / f"000.{ending}").unlink()
        said = desk.run("convert", pictures, out, "--reference", folder, "--flip", "y").err
        assert "1 slice has no picture" in said, said


@check
def dcmqi_segs(desk):
    """SEG by dcmqi from label maps, two of which overlap"""
    need_command("itkimage2segimage")
    nib = need("nibabel")
    shape, matrix = samples.grid((9, 7, 6), turn=samples.OBLIQUE)
    folder = desk.folder("ct")
    samples.write_series(folder, samples.hu(shape, desk.random), matrix)
    masks = {1: samples.mask(shape, desk.random), 2: samples.mask(shape, desk.random)}
    files = []
    for number, mask in masks.items():
        files.append(str(desk.scratch / f"mask{number}.nii.gz"))
        nib.save(nib.Nifti1Image(mask.T.astype(np.uint8), np.diag([-1, -1, 1, 1]) @ matrix), files[-1])
    code = lambda value, meaning: {"CodeValue": value, "CodingSchemeDesignator": "SCT", "CodeMeaning": meaning}
    segment = lambda name: {
        "labelID": 1, "SegmentLabel": name, "SegmentDescription": name, "SegmentAlgorithmType": "MANUAL",
        "SegmentedPropertyCategoryCodeSequence": code("123037004", "Anatomical Structure"),
        "SegmentedPropertyTypeCodeSequence": code("10200004", "Liver"),
    }
    described = {
        "ContentCreatorName": "Peer", "SeriesDescription": "Segmentation", "SeriesNumber": "300", "InstanceNumber": "1",
        "segmentAttributes": [[segment("first")], [segment("second")]],
    }
    (desk.scratch / "about.json").write_text(json.dumps(described))
    path = desk.scratch / "seg.dcm"
    done = subprocess.run(
        ["itkimage2segimage", "--inputImageList", ",".join(files), "--inputDICOMDirectory", str(folder),
         "--inputMetadata", str(desk.scratch / "about.json"), "--outputDICOM", str(path)],
        capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr[-300:]
    same_segments(desk, path, masks, matrix, "--reference", folder)
