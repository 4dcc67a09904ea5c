"""What our program writes, read by others."""

import json
import subprocess
from pathlib import Path

import numpy as np

import samples
from common import Image, affine, differences, rasterised, with_nibabel, with_sitk
from round_trips import Skipped, check, need, need_command


def series_with_labels(desk, turn=np.eye(3), size=(9, 7, 6), gaps=()):
    """A CT series and labels 0 to 2 on it: (folder, mask file, labels, matrix). Slices in `gaps` have no label."""
    nib = need("nibabel")
    need("pydicom")
    folder = desk.folder(f"ct{len(list(desk.scratch.iterdir()))}")
    shape, matrix = samples.grid(size, turn=turn)
    samples.write_series(folder, samples.hu(shape, desk.random), matrix)
    labels = desk.random.integers(0, 3, shape).astype(np.uint8)
    labels[list(gaps)] = 0
    path = desk.scratch / f"{folder.name}.nii.gz"
    nib.save(nib.Nifti1Image(labels.T, np.diag([-1, -1, 1, 1]) @ matrix), str(path))
    return folder, path, labels, matrix


def our_seg(desk, **options):
    """The SEG that our program writes for such a series."""
    folder, mask, labels, matrix = series_with_labels(desk, **options)
    path = desk.scratch / f"{folder.name}-seg.dcm"
    desk.run("convert", mask, path, "--reference", folder, "--to", "seg")
    return folder, path, labels, matrix


KINDS = {
    "axial, 63 pixels a frame": {},
    "oblique": {"turn": samples.OBLIQUE},
    "sagittal": {"turn": samples.SAGITTAL},
    "one slice": {"size": (9, 7, 1)},
    "slices without labels": {"gaps": (0, 2, 3)},
    "one slice drawn": {"gaps": (0, 1, 2, 4, 5)},
    "13 x 11": {"size": (13, 11, 4)},
}


@check
def seg_in_highdicom(desk):
    """SEG read by highdicom, in seven shapes"""
    need("highdicom")
    for name, options in KINDS.items():
        folder, path, labels, _ = our_seg(desk, **options)
        same_segments(path, folder, {n: labels == n for n in (1, 2)}, name)


@check
def seg_in_dcmqi(desk):
    """SEG read by dcmqi"""
    need_command("segimage2itkimage")
    need("SimpleITK")
    for name in ("axial, 63 pixels a frame", "oblique", "sagittal", "13 x 11"):
        _, path, labels, matrix = our_seg(desk, **KINDS[name])
        out = desk.folder(f"theirs{len(list(desk.scratch.iterdir()))}")
        done = subprocess.run(
            ["segimage2itkimage", "--inputDICOM", str(path), "--outputDirectory", str(out), "-t", "nrrd"],
            capture_output=True, text=True,
        )
        assert done.returncode == 0, done.stderr[-300:]
        found = np.zeros(labels.shape, int)
        for part in out.glob("*.nrrd"):
            theirs = with_sitk(part)[0]
            found = np.maximum(found, onto(theirs, labels.shape, matrix))
        assert (found == labels).all(), f"{name}: differs"


def onto(image, shape, matrix):
    """The numbers of a cropped image on a grid of the same voxels."""
    out = np.zeros(shape, int)
    target = Image(out, matrix)
    for k, j, i in np.argwhere(image.array[0]):
        point = image.affine @ [i, j, k, 1]
        v = target.voxel(point[:3])
        assert np.abs(v - np.round(v)).max() < 0.01, "between voxels"
        x, y, z = np.round(v).astype(int)
        out[z, y, x] = image.array[0][k, j, i]
    return out


def with_an_empty_segment(desk):
    """A series, and a mask on it whose second segment has no voxel: (folder, mask file)."""
    need("pydicom")
    shape, matrix = samples.grid((9, 7, 6))
    folder = desk.folder("ct")
    samples.write_series(folder, samples.hu(shape, desk.random), matrix)
    labels = samples.mask(shape, desk.random).astype(np.uint8)
    vectors = " ".join("(" + ",".join(repr(float(v)) for v in matrix[:3, a]) + ")" for a in range(3))
    header = (
        "NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 9 7 6\nencoding: raw\n"
        f"space directions: {vectors}\nspace origin: ({','.join(repr(float(v)) for v in matrix[:3, 3])})\n"
        "Segment0_Name:=drawn\nSegment0_LabelValue:=1\nSegment1_Name:=empty\nSegment1_LabelValue:=2\n\n"
    )
    source = desk.scratch / "named.seg.nrrd"
    source.write_bytes(header.encode() + labels.tobytes())
    return folder, source


@check
def seg_of_an_empty_segment(desk):
    """SEG with a segment that has no voxel, read by highdicom and without errors in dciodvfy"""
    hd = need("highdicom")
    need_command("dciodvfy")
    folder, source = with_an_empty_segment(desk)
    path = desk.scratch / "seg.dcm"
    desk.run("convert", source, path, "--reference", folder, "--to", "seg")
    no_errors(path)
    seg = hd.seg.segread(path)
    assert [seg.get_segment_description(n).segment_label for n in seg.segment_numbers] == ["drawn", "empty"]


@check
def seg_in_dcmtk(desk):
    """SEG read by DCMTK: the very bits"""
    need_command("dcmdump")
    import pydicom

    for name in ("axial, 63 pixels a frame", "13 x 11", "one slice"):
        _, path, labels, _ = our_seg(desk, **KINDS[name])
        raw = desk.folder(f"raw{len(list(desk.scratch.iterdir()))}")
        done = subprocess.run(["dcmdump", "-q", "+W", str(raw), str(path)], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
        bits = np.unpackbits(np.frombuffer(next(raw.iterdir()).read_bytes(), np.uint8), bitorder="little")
        data_set = pydicom.dcmread(path, stop_before_pixels=True)
        size = data_set.Rows * data_set.Columns
        positions = sorted({tuple(f.PlanePositionSequence[0].ImagePositionPatient) for f in data_set.PerFrameFunctionalGroupsSequence}, key=lambda p: p[2])
        for n, frame in enumerate(data_set.PerFrameFunctionalGroupsSequence):
            number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            k = positions.index(tuple(frame.PlanePositionSequence[0].ImagePositionPatient))
            wanted = (labels[k] == number).ravel()
            assert (bits[n * size : (n + 1) * size] == wanted).all(), f"{name}: frame {n} differs"


def no_errors(path):
    """dciodvfy finds no error in a file."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
    errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
    assert not errors, f"{path.name}: " + "; ".join(errors[:5])


@check
def seg_in_dciodvfy(desk):
    """SEG without errors in dciodvfy, in seven shapes"""
    need_command("dciodvfy")
    for options in KINDS.values():
        no_errors(our_seg(desk, **options)[1])


@check
def ct_in_dciodvfy(desk):
    """Generated CT series without errors in dciodvfy"""
    need_command("dciodvfy")
    out = desk.scratch / "set"
    desk.run("phantom", "--kind", "chest", "--layout", "chaos", "--patients", "1", "--size", "32", "--slices", "3", "--out", out)
    files = sorted(out.rglob("*.dcm"))
    assert files
    for path in files:
        no_errors(path)


@check
def structures_in_dciodvfy(desk):
    """RTSTRUCT without errors in dciodvfy, and back again with Dice 0.98"""
    need_command("dciodvfy")
    nib = need("nibabel")
    need("pydicom")
    if "rtstruct" not in desk.run("convert", "--help").out:
        raise Skipped("writing RTSTRUCT")
    shape, matrix = samples.grid((40, 36, 5), spacing=(0.9, 0.9, 3.0), turn=samples.OBLIQUE)
    folder = desk.folder("ct")
    samples.write_series(folder, samples.hu(shape, desk.random), matrix)
    z, y, x = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    ring = ((x - 20) ** 2 + (y - 17) ** 2 < 13**2) & ~((x - 20) ** 2 + (y - 17) ** 2 < 6**2) & (z > 0)
    mask = desk.scratch / "ring.nii.gz"
    nib.save(nib.Nifti1Image(ring.T.astype(np.uint8), np.diag([-1, -1, 1, 1]) @ matrix), str(mask))
    path = desk.scratch / "rs.dcm"
    desk.run("convert", mask, path, "--reference", folder, "--to", "rtstruct")
    no_errors(path)
    back = desk.scratch / "back.nrrd"
    desk.run("convert", path, back, "--reference", folder)
    found = with_sitk(back)[0].array[0] != 0
    dice = 2 * (found & ring).sum() / (found.sum() + ring.sum())
    assert dice >= 0.98, f"Dice {dice:.4f}"
    return f"Dice {dice:.4f}"


@check
def overlapping_segments_stay_whole(desk):
    """Overlapping segments whole in our SEG, read by highdicom, and in our RTSTRUCT, filled in Python; without errors in
    dciodvfy"""
    need("highdicom")
    need_command("dciodvfy")
    from from_peers import highdicom_seg

    for turn in (np.eye(3), samples.OBLIQUE):
        folder, theirs, masks, matrix = highdicom_seg(desk, turn, "BINARY", overlap=True)
        assert (masks[1] & masks[2]).any()
        for kind in ("seg", "rtstruct"):
            path = desk.scratch / f"{folder.name}-{kind}.dcm"
            said = desk.run("convert", theirs, path, "--reference", folder, "--to", kind).err
            assert "is kept there" not in said, said
            no_errors(path)
            if kind == "seg":
                same_segments(path, folder, masks)
            else:
                same_regions(path, masks, matrix)


@check
def structures_of_one_slice_and_an_empty_region(desk):
    """RTSTRUCT of one slice, and with a region that has no contour, without errors in dciodvfy"""
    need_command("dciodvfy")
    pydicom = need("pydicom")
    folder, mask, labels, matrix = series_with_labels(desk, size=(9, 7, 1))
    path = desk.scratch / "one.dcm"
    desk.run("convert", mask, path, "--reference", folder, "--to", "rtstruct")
    no_errors(path)
    same_regions(path, {n: labels == n for n in (1, 2)}, matrix)
    folder, source = with_an_empty_segment(desk)
    path = desk.scratch / "empty.dcm"
    desk.run("convert", source, path, "--reference", folder, "--to", "rtstruct")
    no_errors(path)
    data_set = pydicom.dcmread(path)
    assert [r.ROIName for r in data_set.StructureSetROISequence] == ["drawn", "empty"]
    assert ["ContourSequence" in r for r in data_set.ROIContourSequence] == [True, False]


def same_segments(path, folder, masks, name="SEG"):
    """The frames of a SEG are the masks on the slices of a folder, as highdicom finds them by instance."""
    hd = need("highdicom")
    import pydicom

    seg = hd.seg.segread(path)
    assert list(seg.segment_numbers) == list(masks), f"{name}: segments {list(seg.segment_numbers)}"
    uids = [pydicom.dcmread(p).SOPInstanceUID for p in sorted(folder.iterdir())]
    for number, wanted in masks.items():
        pixels = seg.get_pixels_by_source_instance(
            uids, segment_numbers=[number], combine_segments=False, ignore_spatial_locations=True,
            assert_missing_frames_are_empty=True,
        )
        wrong = int((pixels[..., 0] != wanted).sum())
        assert pixels[..., 0].shape == wanted.shape and wrong == 0, f"{name}: {wrong} pixels of segment {number} differ"


def same_regions(path, masks, matrix):
    """The contours of a structure set, filled in Python, are the masks on a grid."""
    import pydicom

    regions = {int(r.ReferencedROINumber): r for r in pydicom.dcmread(path).ROIContourSequence}
    assert list(regions) == list(masks), f"regions {list(regions)}"
    for number, wanted in masks.items():
        points = [np.array(c.ContourData, float).reshape(-1, 3) for c in regions[number].get("ContourSequence", [])]
        wrong = int((rasterised(points, wanted.shape, matrix) != wanted).sum())
        assert wrong == 0, f"region {number}: {wrong} voxels differ"


# Sideways shift of a slice against the one before, in mm along columns, and slices that are missing.
UNEVEN = {"tilted": (0.7, ()), "tilted the other way": (-1.1, ()), "with gaps": (0.0, (2, 5)), "both": (0.7, (3,))}


@check
def masks_of_uneven_series(desk):
    """SEG and RTSTRUCT on tilted series and series with gaps: equal voxel by voxel in highdicom by source instance, and
    filled in Python; without errors in dciodvfy"""
    need("highdicom")
    need_command("dciodvfy")
    nib = need("nibabel")
    for name, (lean, gone) in UNEVEN.items():
        folder = desk.folder(name)
        shape, matrix = samples.grid((9, 7, 8))
        matrix[:3, 2] += lean * matrix[:3, 1] / np.linalg.norm(matrix[:3, 1])
        samples.write_series(folder, samples.hu(shape, desk.random), matrix)
        kept = [k for k in range(shape[0]) if k not in gone]
        labels = desk.random.integers(0, 3, shape).astype(np.uint8)
        labels[list(gone)] = 0
        mask = desk.scratch / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(labels.T, np.diag([-1, -1, 1, 1]) @ matrix), str(mask))
        # Drawn while all slices are there; then some are lost. What is written goes by way of the regular grid.
        drawn = desk.scratch / f"{name}.dcm"
        desk.run("convert", mask, drawn, "--reference", folder, "--to", "seg")
        for k in gone:
            (folder / f"{k:03}.dcm").unlink()
        for kind in ("seg", "rtstruct"):
            path = desk.scratch / f"{name}-{kind}.dcm"
            desk.run("convert", drawn, path, "--reference", folder, "--resample", "--to", kind)
            no_errors(path)
            if kind == "seg":
                same_segments(path, folder, {n: (labels == n)[kept] for n in (1, 2)})
            else:
                same_regions(path, {n: labels == n for n in (1, 2)}, matrix)
    return ", ".join(UNEVEN)


def volume(desk, turn):
    """A volume file to convert, its numbers and its grid."""
    nib = need("nibabel")
    shape, matrix = samples.grid((5, 6, 7), turn=turn)
    array = samples.hu(shape, desk.random)
    path = desk.scratch / f"in{len(list(desk.scratch.iterdir()))}.nii.gz"
    nib.save(nib.Nifti1Image(array.T, np.diag([-1, -1, 1, 1]) @ matrix), str(path))
    return path, array, matrix


@check
def volumes_in_simpleitk_and_nibabel(desk):
    """NIfTI and NRRD volumes voxel and affine equal in SimpleITK and nibabel"""
    need("SimpleITK")
    for turn in (np.eye(3), samples.SAGITTAL, samples.OBLIQUE, samples.OBLIQUE @ np.diag([1, 1, -1])):
        source, array, matrix = volume(desk, turn)
        for ending in ("nii", "nii.gz", "nrrd"):
            path = desk.scratch / f"out.{ending}"
            desk.run("convert", source, path)
            readers = [with_sitk(path)[0]]
            readers[0] = Image(readers[0].array[0], readers[0].affine)
            if ending != "nrrd":
                readers.append(with_nibabel(path))
                import nibabel

                header = nibabel.load(str(path)).header
                assert np.allclose(header.get_qform(), header.get_sform(), atol=1e-4), "qform and sform differ"
            for theirs in readers:
                assert theirs.array.shape == array.shape and (theirs.array == array).all(), f"{ending}: voxels differ"
                assert np.abs(theirs.affine - matrix).max() < 1e-4, f"{ending}: affine differs"


@check
def masks_in_simpleitk_and_nibabel(desk):
    """NIfTI and NRRD masks voxel and affine equal in SimpleITK and nibabel, with large label numbers"""
    nib = need("nibabel")
    need("SimpleITK")
    shape, matrix = samples.grid((5, 6, 7), turn=samples.OBLIQUE)
    for numbers in ([0, 1, 2], [0, 7, 300], [0, 3, 70_000]):
        labels = np.array(numbers)[desk.random.integers(0, 3, shape)]
        source = desk.scratch / "labels.nii.gz"
        nib.save(nib.Nifti1Image(labels.T.astype(np.int32), np.diag([-1, -1, 1, 1]) @ matrix), str(source))
        for ending in ("nii.gz", "nrrd", "seg.nrrd"):
            path = desk.scratch / f"out.{ending}"
            desk.run("convert", source, path, "--mask")
            theirs = [with_sitk(path)[0]]
            theirs[0] = Image(theirs[0].array[0], theirs[0].affine)
            if ending == "nii.gz":
                theirs.append(with_nibabel(path))
            for image in theirs:
                assert (image.array == labels).all(), f"{ending}: voxels differ"
                assert np.abs(image.affine - matrix).max() < 1e-4, f"{ending}: affine differs"


@check
def layers_in_pynrrd(desk):
    """Overlapping segments as layers of a 3D Slicer segmentation, read by pynrrd"""
    nrrd = need("nrrd")
    from from_peers import highdicom_seg

    _, seg, masks, _ = highdicom_seg(desk, samples.OBLIQUE, "BINARY", overlap=True)
    path = desk.scratch / "out.seg.nrrd"
    desk.run("convert", seg, path)
    data, header = nrrd.read(str(path))
    assert data.ndim == 4 and header["kinds"][0] == "list"
    for n in range(2):
        layer = data[int(header[f"Segment{n}_Layer"])]
        mask = (layer == int(header[f"Segment{n}_LabelValue"])).T
        wanted = masks[int(header[f"Segment{n}_LabelValue"])]
        assert (mask == wanted).all() or (mask[::-1] == wanted).all(), f"segment {n} differs"


@check
def segmentation_in_slicerio(desk):
    """A 3D Slicer segmentation read by slicerio: names, colours and voxels"""
    slicerio = need("slicerio")
    folder, mask, labels, _ = series_with_labels(desk, turn=samples.OBLIQUE)
    path = desk.scratch / "out.seg.nrrd"
    desk.run("convert", mask, path, "--reference", folder)
    theirs = slicerio.read_segmentation(str(path))
    assert [s["name"] for s in theirs["segments"]], "no segment"
    colors = set()
    for segment in theirs["segments"]:
        voxels = np.asarray(theirs["voxels"]).T == segment["labelValue"]
        wanted = labels == segment["labelValue"]
        assert (voxels == wanted).all() or (voxels[::-1] == wanted).all(), f"{segment['name']} differs"
        colors.add(tuple(segment["color"]))
    assert len(colors) == len(theirs["segments"]) == 2, f"colours {colors}"


def in_browser(path):
    """What dcmjs, which viewers in a browser read DICOM with, finds in a file."""
    need_command("node")
    script = Path(__file__).with_name("dicom_in_browser.cjs")
    done = subprocess.run(["node", str(script), str(path)], capture_output=True, text=True)
    if "Cannot find module 'dcmjs'" in done.stderr:
        raise Skipped("dcmjs")
    assert done.returncode == 0, done.stderr[-300:]
    return json.loads(done.stdout)


@check
def seg_in_dcmjs(desk):
    """SEG read by dcmjs, as viewers in a browser do: the bits of every frame at its place"""
    for name, options in KINDS.items():
        _, path, labels, matrix = our_seg(desk, **options)
        theirs = in_browser(path)
        found = np.zeros(labels.shape, int)
        target = Image(found, matrix)
        for frame in theirs["frames"]:
            if not frame["ones"]:
                continue
            # The frames lie on the series' slices.
            v = target.voxel(np.array(frame["position"], float))
            assert np.abs(v - np.round(v)).max() < 0.01, f"{name}: a frame between slices"
            k = int(round(v[2]))
            flat = found[k].reshape(-1)
            flat[frame["ones"]] = frame["segment"]
        assert theirs["references"] == labels.shape[0], f"{name}: {theirs['references']} images are referenced"
        assert len(theirs["segments"]) == 2, f"{name}: {theirs['segments']}"
        assert (found == labels).all(), f"{name}: differs"


@check
def rtstruct_in_dcmjs(desk):
    """RTSTRUCT read by dcmjs: closed planar contours of both structures, each on an image of the series"""
    pydicom = need("pydicom")
    folder, mask, labels, matrix = series_with_labels(desk)
    path = desk.scratch / "rt.dcm"
    desk.run("convert", mask, path, "--reference", folder, "--to", "rtstruct")
    theirs = in_browser(path)
    images = {pydicom.dcmread(p, stop_before_pixels=True).SOPInstanceUID for p in folder.iterdir()}
    assert len(theirs["names"]) == 2
    target = Image(labels, matrix)
    for structure in theirs["contours"]:
        slices = set()
        for contour in structure["contours"]:
            points = np.array(contour["points"]).reshape(-1, 3)
            assert contour["kind"] == "CLOSED_PLANAR" and contour["image"] in images
            depth = [target.voxel(p)[2] for p in points]
            assert np.ptp(depth) < 0.01 and len(points) >= 3
            slices.add(int(round(depth[0])))
        wanted = {k for k in range(labels.shape[0]) if (labels[k] == structure["roi"]).any()}
        assert slices == wanted, f"contours in slices {slices}, voxels in {wanted}"


@check
def ct_in_simpleitk_and_dcm2niix(desk):
    """Generated CT series read by SimpleITK as its own NIfTI"""
    sitk = need("SimpleITK")
    out = desk.scratch / "set"
    desk.run("phantom", "--kind", "abdomen", "--layout", "chaos", "--patients", "1", "--size", "32", "--slices", "5", "--out", out)
    folder = next(p.parent for p in out.rglob("*.dcm"))
    path = desk.scratch / "ct.nii.gz"
    desk.run("convert", folder, path)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    theirs = sitk.ReadImage(names)
    mine = sitk.ReadImage(str(path))
    assert (sitk.GetArrayFromImage(theirs) == sitk.GetArrayFromImage(mine)).all(), "voxels differ"
    assert np.allclose(theirs.GetOrigin(), mine.GetOrigin(), atol=1e-3) and np.allclose(theirs.GetDirection(), mine.GetDirection(), atol=1e-5)


@check
def converted_ct_in_dciodvfy_and_simpleitk(desk):
    """Image as a DICOM series: without errors in dciodvfy, voxels and places equal in SimpleITK, patient and study those of
    its reference alone"""
    need_command("dciodvfy")
    sitk = need("SimpleITK")
    pydicom = need("pydicom")
    reference = desk.folder("reference")
    shape, matrix = samples.grid((9, 7, 3))
    first = samples.write_series(reference, samples.hu(shape, desk.random), matrix)[0]
    for turn in (np.eye(3), samples.SAGITTAL, samples.OBLIQUE, samples.OBLIQUE @ np.diag([1, 1, -1])):
        source, array, matrix = volume(desk, turn)
        for shares in (False, True):
            out = desk.scratch / f"dicom{len(list(desk.scratch.iterdir()))}"
            desk.run("convert", source, out, "--to", "dicom", *(["--reference", reference] if shares else []))
            files = sorted(out.iterdir())
            assert len(files) == len(array)
            for path in files:
                no_errors(path)
            mine = [pydicom.dcmread(p, stop_before_pixels=True) for p in files]
            assert len({d.SOPInstanceUID for d in mine}) == len(files) and len({d.SeriesInstanceUID for d in mine}) == 1
            assert all(d.ImageType[:2] == ["DERIVED", "SECONDARY"] and "QualityControlSubject" not in d for d in mine)
            for name in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
                assert (mine[0][name].value == first[name].value) == shares, f"{name}, shared: {shares}"
            image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(out)))
            direction = np.array(image.GetDirection()).reshape(3, 3)
            grid = affine(image.GetOrigin(), [direction[:, a] * image.GetSpacing()[a] for a in range(3)])
            difference = differences(Image(array, matrix), Image(sitk.GetArrayFromImage(image), grid))
            assert difference is None, difference


@check
def pictures_in_simpleitk(desk):
    """Image as PNG pictures: the greys of its window (PS3.3 C.11.2.1.2.1) in SimpleITK"""
    sitk = need("SimpleITK")
    source, array, _ = volume(desk, np.eye(3))
    for center, width in ((40, 400), (-600, 1500)):
        out = desk.scratch / f"window{width}"
        desk.run("convert", source, out, "--window", f"{center},{width}")
        grey = np.clip((array - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255
        files = sorted(out.iterdir())
        assert len(files) == len(array)
        for k, path in enumerate(files):
            picture = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
            assert (picture == np.floor(grey[k] + 0.5)).all(), f"slice {k} differs"
