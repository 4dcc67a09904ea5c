# Times what other libraries need for the overlap and surface distances of two masks. The one argument is a JSON object:
# both masks lie as bytes (i fastest) in `folder`. Prints one JSON object: what was timed, and which libraries are not
# installed.
#
# Everything runs on one thread. The masks are in numpy's own form already; reading them is not timed.
import importlib
import importlib.metadata
import json
import os
import resource
import sys
import time

import numpy as np

job = json.loads(sys.argv[1])
# numpy's axes run k, j, i.
shape, spacing = tuple(reversed(job["dims"])), tuple(reversed(job["spacing"]))
absent, timed = [], []


def find(module, package):
    try:
        importlib.metadata.version(package)
        return importlib.import_module(module)
    except ImportError:
        absent.append(package)
        return None


def read(name):
    return np.fromfile(os.path.join(job["folder"], name), np.uint8).reshape(shape).astype(bool)


def dice():
    both = np.count_nonzero(a & b)
    return {"Dice": 2 * both / (np.count_nonzero(a) + np.count_nonzero(b))}


# Both masks in the box that holds either, and a voxel around it.
def cut():
    either, part = a | b, []
    for axis in range(3):
        filled = np.flatnonzero(either.any(axis=tuple(other for other in range(3) if other != axis)))
        part.append(slice(max(filled[0] - 1, 0), filled[-1] + 2))
    return a[tuple(part)], b[tuple(part)]


# Voxels with a face in the background; what lies outside of the image is background.
def border_by_scipy(mask):
    return mask ^ ndi.binary_erosion(mask, ndi.generate_binary_structure(3, 1))


def border_by_numpy(mask):
    inside = mask.copy()
    for axis in range(3):
        ours, theirs = np.moveaxis(inside, axis, 0), np.moveaxis(mask, axis, 0)
        ours[1:] &= theirs[:-1]
        ours[:-1] &= theirs[1:]
        ours[0] = ours[-1] = False
    return mask & ~inside


# The larger of the directed 95th percentiles and the mean over both surfaces, as we have them.
def surface(border):
    def run():
        borders = [border(mask) for mask in cut()]
        maps = [edt.edt(~other, anisotropy=spacing, black_border=False, parallel=1) for other in reversed(borders)]
        found = [distances[own] for distances, own in zip(maps, borders)]
        return {
            "HD": max(d.max() for d in found),
            "HD95": max(np.percentile(d, 95) for d in found),
            "ASSD": np.concatenate(found).mean(dtype=np.float64),
        }

    return run


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# Once to warm up, then at least three times.
def measure(what, libraries, how, run):
    run()
    walls, started, begun = [], cpu(), time.perf_counter()
    while len(walls) < 3 or time.perf_counter() - begun < job["budget"]:
        again = time.perf_counter()
        figures = run()
        walls.append(time.perf_counter() - again)
    names = [f"{name} {importlib.metadata.version(name)}" for name in libraries]
    timed.append(
        {
            "what": what,
            "library": ", ".join(names),
            "how": how,
            "walls": walls,
            "cpu_s": (cpu() - started) / len(walls),
            "figures": {name: float(value) for name, value in figures.items()},
        }
    )


a, b = (read(name) for name in job["masks"])
ndi = find("scipy.ndimage", "scipy")
edt = find("edt", "edt")
measure("dice", ["numpy"], "count_nonzero", dice)
if edt and ndi:
    measure("surface", ["scipy", "edt"], "crop, binary_erosion, edt", surface(border_by_scipy))
if edt:
    measure("surface", ["numpy", "edt"], "crop, erosion by shifts, edt", surface(border_by_numpy))
print(json.dumps({"timed": timed, "absent": absent}), flush=True)
# Some libraries break off while they are unloaded.
os._exit(0)
