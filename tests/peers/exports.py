"""Structure sets, data sets, de-identified copies and surfaces that our program writes, judged by others."""

import subprocess

import numpy as np

import samples
from common import Image, with_sitk
from data_set import verify
from round_trips import check, need, need_command
from to_peers import no_errors


def shapes(desk, size=(64, 64, 6), turn=np.eye(3), holes=True, spacing=(0.8, 0.9, 2.5)):
    """A CT series with two bodies on it, one with holes and an island: (folder, mask file, labels, matrix)."""
    nib = need("nibabel")
    need("pydicom")
    folder = desk.folder(f"ct{len(list(desk.scratch.iterdir()))}")
    shape, matrix = samples.grid(size, spacing=spacing, turn=turn)
    samples.write_series(folder, samples.hu(shape, desk.random), matrix)
    z, y, x = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    cx, cy = shape[2] / 3, shape[1] / 2

    def disc(ox, oy, radius):
        return (x - ox) ** 2 + (y - oy) ** 2 < radius**2

    body = disc(cx, cy, 15 + 0 * z)
    if holes:
        body &= ~disc(cx, cy, 8) | disc(cx, cy, 3)
        body &= ~(disc(cx - 11, cy, 2) | disc(cx + 11, cy - 1, 2))
    labels = np.where(body & (z > 0), 1, 0)
    labels = np.where(disc(2 * shape[2] / 3 + 6, cy - 9, 6) & (z < shape[0] - 1), 2, labels).astype(np.uint8)
    path = desk.scratch / f"{folder.name}.nii.gz"
    nib.save(nib.Nifti1Image(labels.T, np.diag([-1, -1, 1, 1]) @ matrix), str(path))
    return folder, path, labels, matrix


def structures(desk, **options):
    folder, mask, labels, matrix = shapes(desk, **options)
    path = desk.scratch / f"{folder.name}-rs.dcm"
    desk.run("convert", mask, path, "--reference", folder, "--to", "rtstruct")
    no_errors(path)
    return folder, path, labels, matrix


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def enough(found, wanted, who):
    value = dice(found, wanted)
    assert value >= 0.98, f"{who}: Dice {value:.4f}"
    return value


def names_of(path):
    import pydicom

    return {r.ROIName: int(r.ROINumber) for r in pydicom.dcmread(path).StructureSetROISequence}


@check
def structures_in_rt_utils(desk):
    """RTSTRUCT with holes and islands read by rt-utils"""
    need_command("dciodvfy")
    rt = need("rt_utils")
    # rt-utils 1.2.7 divides x by the first number of Pixel Spacing, which is the distance of rows (y): it is asked about
    # square pixels, where that makes no difference.
    folder, path, labels, _ = structures(desk, spacing=(0.9, 0.9, 2.5))
    built = rt.RTStructBuilder.create_from(dicom_series_path=str(folder), rt_struct_path=str(path))
    values = []
    for name, number in names_of(path).items():
        found = np.transpose(built.get_roi_mask_by_name(name), (2, 0, 1))
        # rt-utils sorts slices by its own rule.
        found = max((found, found[::-1]), key=lambda m: dice(m, labels == number))
        values.append(enough(found, labels == number, name))
    return f"Dice {min(values):.4f}"


@check
def structures_in_plastimatch(desk):
    """RTSTRUCT with holes and islands read by plastimatch, straight and oblique"""
    need_command("dciodvfy")
    need_command("plastimatch")
    need("SimpleITK")
    values = []
    for size, turn in (((64, 64, 6), np.eye(3)), ((61, 50, 4), np.eye(3)), ((64, 64, 6), samples.OBLIQUE)):
        folder, path, labels, _ = structures(desk, size=size, turn=turn)
        out = desk.folder(f"{folder.name}-plastimatch")
        done = subprocess.run(
            ["plastimatch", "convert", "--input", str(path), "--referenced-ct", str(folder), "--output-prefix", str(out),
             "--prefix-format", "nrrd"], capture_output=True, text=True,
        )
        for name, number in names_of(path).items():
            image = with_sitk(out / f"{name}.nrrd")[0]
            values.append(enough(image.array[0] != 0, labels == number, f"{name} {done.stderr[-200:]}"))
    return f"Dice {min(values):.4f}"


@check
def structures_in_dcmrtstruct2nii(desk):
    """RTSTRUCT with holes and islands read by dcmrtstruct2nii"""
    need_command("dciodvfy")
    pydicom = need("pydicom")
    pydicom.read_file = pydicom.dcmread  # It asks for the name of older versions.
    theirs = need("dcmrtstruct2nii")
    folder, path, labels, _ = structures(desk)
    out = desk.folder("nii")
    theirs.dcmrtstruct2nii(str(path), str(folder), str(out))
    values = []
    for name, number in names_of(path).items():
        found = with_sitk(out / f"mask_{name.replace(' ', '-')}.nii.gz")[0].array[0] != 0
        found = max((found, found[::-1]), key=lambda m: dice(m, labels == number))
        values.append(enough(found, labels == number, name))
    return f"Dice {min(values):.4f}"


@check
def structures_by_pydicom_alone(desk):
    """RTSTRUCT filled contour by contour and joined by or, as scripts with pydicom and scikit-image do, also oblique"""
    need_command("dciodvfy")
    pydicom = need("pydicom")
    draw = need("skimage.draw")
    values = []
    for turn in (np.eye(3), samples.OBLIQUE, samples.SAGITTAL):
        _, path, labels, matrix = structures(desk, turn=turn)
        data_set = pydicom.dcmread(path)
        grid = Image(None, matrix)
        for region in data_set.ROIContourSequence:
            found = np.zeros(labels.shape, bool)
            for contour in region.ContourSequence:
                points = np.array([grid.voxel(p) for p in np.reshape(contour.ContourData, (-1, 3)).astype(float)])
                k = int(round(points[0, 2]))
                assert np.abs(points[:, 2] - k).max() < 1e-3, "off the slice"
                found[k] |= draw.polygon2mask(labels.shape[1:], points[:, 1::-1])
            values.append(enough(found, labels == int(region.ReferencedROINumber), "contours"))
    return f"Dice {min(values):.4f}"


@check
def segs_without_voxels(desk):
    """SEG of an empty mask and with an empty segment: dciodvfy, highdicom, dcmqi"""
    need_command("dciodvfy")
    hd = need("highdicom")
    folder, mask, _, _ = shapes(desk, size=(33, 21, 3))
    import nibabel

    image = nibabel.load(str(mask))
    nothing = desk.scratch / "nothing.seg.nrrd"
    desk.run("convert", mask, nothing, "--mask")
    head, _, _ = nothing.read_bytes().partition(b"\n\n")
    import gzip

    empty = head + b"\n\n" + gzip.compress(bytes(int(np.prod(image.shape))))
    nothing.write_bytes(empty)
    path = desk.scratch / "empty.dcm"
    desk.run("convert", nothing, path, "--reference", folder)
    no_errors(path)
    seg = hd.seg.segread(path)
    assert seg.number_of_segments == 2 and int(seg.NumberOfFrames) == 1 and not seg.pixel_array.any()


@check
def copies_in_dciodvfy(desk):
    """De-identified copies: no new errors in dciodvfy, pixels equal in pydicom, masks name the copied series"""
    need_command("dciodvfy")
    pydicom = need("pydicom")
    folder, mask, labels, _ = shapes(desk)
    for kind in ("seg", "rtstruct"):
        desk.run("convert", mask, folder / f"{kind}.dcm", "--reference", folder, "--to", kind)
    out = desk.scratch / "copies"
    desk.run("export", folder, "--to", "deidentified", "--out", out)

    def errors(path):
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
        return {line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")}

    def by_kind(root):
        found = {}
        for path in sorted(root.rglob("*.dcm")):
            data_set = pydicom.dcmread(path)
            found.setdefault(data_set.Modality, []).append((path, data_set))
        return found

    ours, theirs = by_kind(out), by_kind(folder)
    assert {k: len(v) for k, v in ours.items()} == {k: len(v) for k, v in theirs.items()}
    before = {e for files in theirs.values() for path, _ in files for e in errors(path)}
    after = {e for files in ours.values() for path, _ in files for e in errors(path)}
    assert after <= before, after - before
    place = lambda item: float(item[1].ImagePositionPatient[2])
    for (_, a), (_, b) in zip(sorted(ours["CT"], key=place), sorted(theirs["CT"], key=place)):
        assert a.PixelData == b.PixelData and a.PatientIdentityRemoved == "YES"
        assert a.SOPInstanceUID != b.SOPInstanceUID
    series = {d.SeriesInstanceUID for _, d in ours["CT"]}
    assert {ours["SEG"][0][1].ReferencedSeriesSequence[0].SeriesInstanceUID} == series
    instances = {d.SOPInstanceUID for _, d in ours["CT"]}
    contours = [c for r in ours["RTSTRUCT"][0][1].ROIContourSequence for c in r.ContourSequence]
    assert {c.ContourImageSequence[0].ReferencedSOPInstanceUID for c in contours} <= instances


@check
def data_set_for_nnunet(desk):
    """nnU-Net data set of generated patients passes what nnU-Net verifies before it trains"""
    need("SimpleITK")
    out = desk.scratch / "set"
    desk.run("phantom", "--kind", "chest", "--layout", "nnunet", "--patients", "2", "--size", "32", "--slices", "6", "--out", out)
    verify(out)


def triangles(path):
    """Corners of a binary STL file: triangles x 3 x 3."""
    data = path.read_bytes()
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
    found = np.frombuffer(data, record, offset=84)
    assert len(found) == int.from_bytes(data[80:84], "little") and b"SPACE=LPS" in data[:80]
    return found["corners"].astype(float)


@check
def surfaces_are_closed(desk):
    """STL surface: every edge shared by two triangles, normals outward, volume and place of the voxels"""
    _, mask, labels, matrix = shapes(desk, size=(48, 48, 9), turn=samples.OBLIQUE)
    path = desk.scratch / "body.stl"
    desk.run("convert", mask, path, "--mask", "--segment", "Label 1")
    corners = triangles(path)
    points, index = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    index = index.reshape(-1, 3)
    sides = np.concatenate([index[:, [0, 1]], index[:, [1, 2]], index[:, [2, 0]]])
    there, back = {tuple(s) for s in sides}, {tuple(s[::-1]) for s in sides}
    assert len(there) == len(sides) and there == back, "the surface is open"
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    voxels = (labels == 1).sum() * abs(np.linalg.det(matrix[:3, :3]))
    assert abs(volume / voxels - 1) < 0.05, f"{volume} {voxels}"
    k, j, i = np.argwhere(labels == 1).mean(axis=0)
    middle = (matrix @ [i, j, k, 1])[:3]
    assert np.linalg.norm(points.mean(axis=0) - middle) < 3, "it lies elsewhere"
    return f"volume {volume / voxels - 1:+.2%}"
