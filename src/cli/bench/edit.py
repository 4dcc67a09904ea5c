# Times what other programs need for an operation on a mask. The one argument is a JSON object: `what` is done with the
# raw files in `folder` (i fastest; masks as bytes, the image as 16-bit integers). Prints one JSON object: what was timed,
# which libraries are not installed, and what was left out because it would take longer than `seconds`.
#
# Every library gets the whole volume, and, where the segment's box is enough, that box cut out beforehand for nothing.
# What it is given is in its own form already: copying numpy's arrays into images is not timed.
import importlib
import importlib.metadata
import json
import os
import resource
import sys
import time

import numpy as np

job = json.loads(sys.argv[1])
what, threads = job["what"], job["threads"]
# numpy's axes run k, j, i.
shape, spacing = tuple(reversed(job["dims"])), tuple(reversed(job["spacing"]))
full = np.ones((3, 3, 3), bool)
absent, timed, left = [], [], []


def find(module, package):
    try:
        importlib.metadata.version(package)
        return importlib.import_module(module)
    except ImportError:
        absent.append(package)
        return None


def read(name, kind):
    return np.fromfile(os.path.join(job["folder"], name), kind).reshape(shape)


def room(mm):
    return tuple(int(np.ceil(mm / s)) for s in spacing)


def ball(mm):
    axes = np.ogrid[tuple(slice(-r, r + 1) for r in room(mm))]
    return sum((a * s) ** 2 for a, s in zip(axes, spacing)) <= mm * mm + 1e-9


def picture(array, step=None):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(tuple(reversed(step or spacing)))
    return image


def count(result):
    array = sitk.GetArrayViewFromImage(result) if sitk and isinstance(result, sitk.Image) else result
    return int(np.count_nonzero(np.asarray(array)))


def largest(labels, counts):
    counts[0] = 0
    return labels == counts.argmax()


# The candidates of an operation: package, what is called, and a function that takes the mask and gives what is timed.


def islands():
    def by_scipy(m):
        def run():
            labels, _ = ndi.label(m, full)
            return largest(labels, np.bincount(labels.ravel()))

        return run

    def by_cc3d(m):
        def run():
            labels = cc3d.connected_components(m, connectivity=26, binary_image=True)
            return largest(labels, np.bincount(labels.ravel()))

        return run

    def by_sitk(m):
        image = picture(m)
        return lambda: sitk.RelabelComponent(sitk.ConnectedComponent(image, True), sortByObjectSize=True) == 1

    yield "scipy", "label", by_scipy
    yield "connected-components-3d", "connected_components", by_cc3d
    yield "SimpleITK", "ConnectedComponent, RelabelComponent", by_sitk


def median():
    def by_sitk(m):
        image = picture(m)
        return lambda: sitk.BinaryMedian(image, radius=tuple(reversed(room(job["mm"]))))

    yield "SimpleITK", "BinaryMedian, a box in place of the ball", by_sitk
    def by_fourier(m):
        kernel = ball(job["mm"]).astype(np.float32)
        return lambda: signal.oaconvolve(m.astype(np.float32), kernel, mode="same") > kernel.sum() / 2

    yield "scipy", "median_filter", lambda m: lambda: ndi.median_filter(m, footprint=ball(job["mm"]))
    yield "scipy", "oaconvolve with the ball", by_fourier


def closing():
    def by_sitk(m):
        image, radius = picture(m), tuple(reversed(room(job["mm"])))
        return lambda: sitk.BinaryMorphologicalClosing(image, kernelRadius=radius, kernelType=sitk.sitkBall)

    def by_edt(m):
        inside = m.astype(bool)
        return lambda: distances(distances(~inside) <= job["mm"]) > job["mm"]

    # `binary_closing` itself takes what lies outside of the image for empty when it erodes.
    def by_scipy(m):
        kernel = ball(job["mm"])
        return lambda: ndi.binary_erosion(ndi.binary_dilation(m, kernel), kernel, border_value=1)

    yield "SimpleITK", "BinaryMorphologicalClosing", by_sitk
    yield "scipy", "binary_dilation, binary_erosion", by_scipy
    yield "edt", "edt, twice", by_edt


def distances(inside):
    return edt.edt(inside, anisotropy=spacing, black_border=False, parallel=threads)


def margin():
    def by_sitk(m):
        image = picture(m)
        return lambda: sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True) <= job["mm"]

    def by_edt(m):
        outside = m == 0
        return lambda: distances(outside) <= job["mm"]

    def by_scipy(m):
        outside = m == 0
        return lambda: ndi.distance_transform_edt(outside, sampling=spacing) <= job["mm"]

    yield "edt", "edt", by_edt
    yield "SimpleITK", "SignedMaurerDistanceMap", by_sitk
    yield "scipy", "distance_transform_edt", by_scipy


def between():
    step = spacing[1:]

    def scipy_signed(s):
        return ndi.distance_transform_edt(s, sampling=step) - ndi.distance_transform_edt(~s, sampling=step)

    def edt_signed(s):
        d = [edt.edt(side, anisotropy=step, black_border=False, parallel=threads) for side in (s, ~s)]
        return d[0] - d[1]

    def sitk_signed(s):
        image = picture(s.astype(np.uint8), step)
        options = {"insideIsPositive": True, "squaredDistance": False, "useImageSpacing": True}
        return sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, **options))

    # Raya and Udupa, as we do it: distances within the drawn slices, linear in between.
    def shape_based(signed):
        def prepare(m):
            mask = m.astype(bool)

            def run():
                out = mask.copy()
                drawn = np.flatnonzero(mask.any(axis=(1, 2)))
                low = None
                for a, b in zip(drawn, drawn[1:]):
                    low = signed(mask[a]) if low is None else low
                    high = signed(mask[b])
                    for k in range(a + 1, b):
                        t = (k - a) / (b - a)
                        out[k] = (1 - t) * low + t * high > 0
                    low = high
                return out

            return run

        return prepare

    def by_sitk(m):
        image = picture(m)
        return lambda: sitk.MorphologicalContourInterpolator(image)

    def by_itk(m):
        itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(threads)
        # Its parts are loaded when they are used for the first time.
        itk.morphological_contour_interpolator(itk.image_from_array(np.zeros((3, 3, 3), np.uint8)), axis=2)
        image = itk.image_from_array(m)
        return lambda: itk.morphological_contour_interpolator(image, axis=2)

    yield "scipy", "distance_transform_edt in slices", shape_based(scipy_signed)
    yield "edt", "edt in slices", shape_based(edt_signed)
    if hasattr(sitk, "MorphologicalContourInterpolator"):
        yield "SimpleITK", "MorphologicalContourInterpolator", by_sitk
    else:
        yield "SimpleITK", "SignedMaurerDistanceMap in slices", shape_based(sitk_signed)
    yield "itk-morphologicalcontourinterpolation", "MorphologicalContourInterpolator", by_itk


def grow():
    seed = tuple(reversed(job["seed"]))

    def inside(m):
        return (m >= int(m[seed]) - job["tolerance"]) & (m <= int(m[seed]) + job["tolerance"])

    def by_sitk(m):
        image, value = picture(m), int(m[seed])
        low, high = value - job["tolerance"], value + job["tolerance"]
        return lambda: sitk.ConnectedThreshold(image, seedList=[job["seed"]], lower=low, upper=high)

    def by_scipy(m):
        def run():
            labels, _ = ndi.label(inside(m))
            return labels == labels[seed]

        return run

    def by_cc3d(m):
        def run():
            labels = cc3d.connected_components(inside(m), connectivity=6, binary_image=True)
            return labels == labels[seed]

        return run

    yield "SimpleITK", "ConnectedThreshold", by_sitk
    yield "scipy", "label", by_scipy
    yield "connected-components-3d", "connected_components", by_cc3d


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# Wall seconds of each run, CPU seconds of one, and what came out. The first run warms up, unless it took long.
def repeat(run):
    started, begun = cpu(), time.perf_counter()
    result = run()
    first = time.perf_counter() - begun
    if first > job["seconds"] / 8:
        return [first], cpu() - started, result
    walls, started, begun = [], cpu(), time.perf_counter()
    while len(walls) < 3 or time.perf_counter() - begun < job["budget"]:
        result, again = None, time.perf_counter()
        result = run()
        walls.append(time.perf_counter() - again)
    return walls, (cpu() - started) / len(walls), result


def box(mask, mm):
    sides = [np.flatnonzero(mask.any(axis=tuple(b for b in range(3) if b != a))) for a in range(3)]
    reach = [r + 1 for r in room(mm)] if mm else [1, 1, 1]
    return tuple(slice(max(s[0] - r, 0), s[-1] + r + 1) for s, r in zip(sides, reach))


ndi = find("scipy.ndimage", "scipy")
signal = find("scipy.signal", "scipy") if what == "median" and ndi else None
sitk = find("SimpleITK", "SimpleITK")
cc3d = find("cc3d", "connected-components-3d")
edt = find("edt", "edt")
itk = find("itk", "itk-morphologicalcontourinterpolation") if what == "between" else None
if sitk:
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)

whole = read("image.raw", np.int16) if what == "grow" else read(job["mask"], np.uint8)
parts = [("whole volume", whole)]
if what != "grow":
    parts.insert(0, ("segment's box", np.ascontiguousarray(whole[box(whole, job["mm"])])))

for package, how, prepare in globals()[what]():
    if package in absent:
        continue
    entry = {"library": f"{package} {importlib.metadata.version(package)}", "how": how}
    per_voxel = 0.0
    for extent, part in parts:
        if per_voxel * part.size > job["seconds"]:
            left.append(entry | {"extent": extent, "seconds": per_voxel * part.size})
            continue
        run = prepare(part)
        walls, spent, result = repeat(run)
        per_voxel = min(walls) / part.size
        timed.append(entry | {"extent": extent, "walls": walls, "cpu_s": spent, "voxels": count(result)})
        del run, result
print(json.dumps({"timed": timed, "absent": absent, "left": left}), flush=True)
# Some libraries break off while they are unloaded.
os._exit(0)
