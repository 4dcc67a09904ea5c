"""What the scripts in this folder share: the built program, and images and masks as other readers see them.

Arrays are indexed [k, j, i]. Grids map voxel indices (i, j, k) to LPS millimetres as a 4 x 4 matrix.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def program(given=None):
    """The built program: the one given, or the newest of this checkout's builds."""
    if given:
        return Path(given)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [p for p in (target / "release" / "maskwright", target / "debug" / "maskwright") if p.exists()]
    if not built:
        sys.exit("the program is not built; run cargo build, or name it with --program")
    return max(built, key=lambda p: p.stat().st_mtime)


class Ended:
    """How a run of the program ended."""

    def __init__(self, arguments, seconds=300):
        try:
            done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=seconds)
            self.status, self.out, self.err = done.returncode, done.stdout, done.stderr.strip()
        except subprocess.TimeoutExpired:
            self.status, self.out, self.err = -1, "", f"no end within {seconds} s"
        self.ok = self.status == 0

    def defect(self):
        """A crash, or anything but done, refused and wrong usage."""
        return self.status not in (0, 1, 2) or "panicked" in self.err or "defect in Maskwright" in self.err


class Image:
    """Samples on a grid."""

    def __init__(self, array, affine):
        self.array, self.affine = array, affine

    def voxel(self, point):
        """Continuous voxel index of a point."""
        return np.linalg.solve(self.affine, np.append(np.asarray(point, float), 1.0))[:3]


def affine(origin, columns):
    """A grid from its first voxel and the steps along i, j, k."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack(columns)
    matrix[:3, 3] = origin
    return matrix


def with_sitk(path):
    """A volume file as SimpleITK reads it; several components become a list of arrays."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path))
    direction = np.array(image.GetDirection()).reshape(image.GetDimension(), -1)
    grid = affine(image.GetOrigin()[:3], [direction[:3, a] * image.GetSpacing()[a] for a in range(3)])
    array = sitk.GetArrayFromImage(image)
    layers = [array[..., c] for c in range(array.shape[-1])] if image.GetNumberOfComponentsPerPixel() > 1 else [array]
    keys = {k: image.GetMetaData(k) for k in image.GetMetaDataKeys()}
    return Image(layers, grid), keys


def with_nibabel(path):
    """A NIfTI file as nibabel reads it, in LPS."""
    import nibabel

    image = nibabel.load(str(path))
    data = np.asarray(image.dataobj)
    data = data.reshape(data.shape[:3] + tuple(n for n in data.shape[3:] if n > 1))
    return Image(data.T, np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine)


def whole(values):
    """Numbers as the program keeps them: whole, halves away from 0, cut to 16 bits."""
    values = np.nan_to_num(np.asarray(values, float), nan=-1024.0)
    return np.clip(np.trunc(values + np.copysign(0.5, values)), -32768, 32767)


def differences(ours, theirs, tolerance=2e-3):
    """Why two images differ, or None. Axes may be stored in another order and sense."""
    if sorted(ours.array.shape) != sorted(theirs.array.shape):
        return f"sizes {ours.array.shape[::-1]} and {theirs.array.shape[::-1]}"
    # Their voxel index of each of our axes: a signed permutation when the grids are the same.
    between = np.linalg.solve(theirs.affine, ours.affine)
    steps = np.round(between[:3, :3])
    if not (np.abs(steps).sum(0) == 1).all() or not (np.abs(steps).sum(1) == 1).all():
        return "the grids are turned against each other"
    corner = np.round(between[:3, 3])
    sizes = np.array(ours.array.shape[::-1]) - 1
    for choice in np.ndindex(2, 2, 2):
        v = np.array(choice) * sizes
        exact = between[:3, :3] @ v + between[:3, 3]
        off = np.abs((theirs.affine[:3, :3] @ (exact - (steps @ v + corner)))).max()
        if off > tolerance * 10:
            return f"a corner lies {off:.4f} mm away"
    axes = [int(np.argmax(np.abs(steps[:, a]))) for a in range(3)]
    array = theirs.array.transpose([2 - a for a in reversed(axes)])
    for a in range(3):
        if steps[axes[a], a] < 0:
            array = np.flip(array, 2 - a)
    if array.shape != ours.array.shape:
        return f"sizes {ours.array.shape[::-1]} and {array.shape[::-1]}"
    wrong = int((ours.array != array).sum())
    return f"{wrong} of {array.size} voxels differ" if wrong else None


def frames(data_set):
    """Position, row and column direction, spacing (column, row) and HU of every frame, by pydicom."""
    from pydicom.pixels import apply_modality_lut

    pixels = data_set.pixel_array
    if "NumberOfFrames" not in data_set or int(data_set.NumberOfFrames or 1) == 1:
        pixels = pixels.reshape((1,) + pixels.shape[-2:])
    shared = data_set.get("SharedFunctionalGroupsSequence", [None])[0]
    per_frame = data_set.get("PerFrameFunctionalGroupsSequence", [])
    for n, frame in enumerate(pixels):
        own = per_frame[n] if n < len(per_frame) else None

        def macro(name):
            for group in (own, shared):
                if group is not None and name in group and len(group[name].value):
                    return group[name].value[0]
            return data_set

        position = macro("PlanePositionSequence").ImagePositionPatient
        orientation = np.array(macro("PlaneOrientationSequence").ImageOrientationPatient, float)
        spacing = macro("PixelMeasuresSequence").PixelSpacing
        scale = macro("PixelValueTransformationSequence")
        hu = apply_modality_lut(frame, scale) if scale is not data_set else apply_modality_lut(frame, data_set)
        yield (
            np.array(position, float),
            orientation[:3] / np.linalg.norm(orientation[:3]),
            orientation[3:] / np.linalg.norm(orientation[3:]),
            (float(spacing[1]), float(spacing[0])),
            hu,
        )


def slices_differ(ours, slices):
    """Why our volume is not made of these frames, or None: each of our slices must be one of them, in its place."""
    found = {}
    if len(slices) == 1 and np.linalg.norm(np.cross(slices[0][1], slices[0][2])) < 0.1:
        # The header's directions span no plane: there are only values to compare.
        return None if (whole(slices[0][4]) == ours.array[0]).all() else "other values"
    for position, row, column, spacing, hu in slices:
        v = ours.voxel(position)
        k = int(round(v[2]))
        if not 0 <= k < ours.array.shape[0] or np.abs(v - [0, 0, k]).max() > 0.05:
            continue
        ends = position + row * spacing[0] * (hu.shape[1] - 1) + column * spacing[1] * (hu.shape[0] - 1)
        if np.abs(ours.voxel(ends) - [hu.shape[1] - 1, hu.shape[0] - 1, k]).max() > 0.05:
            return f"slice {k} does not lie where its header says"
        found.setdefault(k, []).append(hu)
    for k, ours_k in enumerate(ours.array):
        candidates = found.get(k, [])
        if not candidates:
            return f"slice {k} is none of the files"
        if not any(c.shape == ours_k.shape and (whole(c) == ours_k).all() for c in candidates):
            return f"slice {k} has other values"
    return None


def segment_masks(data_set):
    """Masks of a DICOM SEG by segment number: {number: [(position, row, column, spacing, mask)]}, by pydicom."""
    pixels = data_set.pixel_array
    pixels = pixels.reshape((-1,) + pixels.shape[-2:])
    kind = data_set.SegmentationType
    shared = data_set.get("SharedFunctionalGroupsSequence", [None])[0]
    out = {int(s.SegmentNumber): [] for s in data_set.SegmentSequence if int(s.SegmentNumber)}
    for own, frame in zip(data_set.PerFrameFunctionalGroupsSequence, pixels):
        def macro(name):
            for group in (own, shared):
                if group is not None and name in group:
                    return group[name].value[0]
            raise KeyError(name)

        orientation = np.array(macro("PlaneOrientationSequence").ImageOrientationPatient, float)
        spacing = macro("PixelMeasuresSequence").PixelSpacing
        place = (
            np.array(macro("PlanePositionSequence").ImagePositionPatient, float),
            orientation[:3],
            orientation[3:],
            (float(spacing[1]), float(spacing[0])),
        )
        if kind == "LABELMAP":
            for number in out:
                out[number].append((*place, frame == number))
        else:
            number = int(macro("SegmentIdentificationSequence").ReferencedSegmentNumber)
            half = (int(data_set.MaximumFractionalValue) + 1) // 2 if kind == "FRACTIONAL" else 1
            out[number].append((*place, frame >= max(half, 1)))
    return out


def our_segments(path):
    """Our `.seg.nrrd`: grid, and the mask of each label value by name and value."""
    image, keys = with_sitk(path)
    masks = {}
    for key, value in keys.items():
        match = re.fullmatch(r"Segment(\d+)_LabelValue", key)
        if match:
            n = match.group(1)
            layer = int(keys.get(f"Segment{n}_Layer", 0))
            masks[(keys.get(f"Segment{n}_Name", ""), int(value))] = image.array[layer] == int(value)
    return image.affine, masks


def mask_differs(grid, mask, placed):
    """Why a mask on our grid is not what the placed frames say, or None."""
    wanted = np.zeros(mask.shape, bool)
    image = Image(mask, grid)
    for position, row, column, spacing, frame in placed:
        v0 = image.voxel(position)
        du = image.voxel(position + row * spacing[0]) - v0
        dv = image.voxel(position + column * spacing[1]) - v0
        j, i = np.nonzero(frame)
        points = np.round(v0 + i[:, None] * du + j[:, None] * dv).astype(int)
        inside = ((points >= 0) & (points < np.array(mask.shape[::-1]))).all(1)
        points = points[inside]
        wanted[points[:, 2], points[:, 1], points[:, 0]] = True
    wrong = int((wanted != mask).sum())
    return f"{wrong} voxels differ" if wrong else None


def rasterised(contours, shape, grid):
    """Closed contours (n x 3 points in mm) on a grid: even-odd by voxel centres, slice by slice."""
    mask = np.zeros(shape, bool)
    image = Image(mask, grid)
    for points in contours:
        v = np.array([image.voxel(p) for p in points])
        k = int(round(v[:, 2].mean()))
        if not 0 <= k < shape[0] or np.abs(v[:, 2] - k).max() > 0.25:
            continue
        x, y = np.meshgrid(np.arange(shape[2]), np.arange(shape[1]))
        inside = np.zeros(shape[1:], bool)
        for (x0, y0, _), (x1, y1, _) in zip(v, np.roll(v, -1, axis=0)):
            crosses = (y0 > y) != (y1 > y)
            if y0 != y1:
                inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        mask[k] ^= inside
    return mask
