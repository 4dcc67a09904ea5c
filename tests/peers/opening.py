#!/usr/bin/env python3
"""How long Maskwright and other programs take to open a CT series, side by side in one run.

    opening.py make DIR [--slices 300]       writes the same series as raw, RLE, JPEG-LS and JPEG 2000 files
    opening.py time DIR [--program MASKWRIGHT] [--runs 3] [--json FILE]

Opening is: find the files of a folder, put the slices in order, decode them all, apply the rescale. Each reader gives
one volume of Hounsfield units, and all of them must be equal. Wall time is what a person waits; CPU time is that of all
threads and child processes. Files are in the system's cache. The best of some runs counts, since other work on the
machine can only add to it. Programs that are not installed are named and left out.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import program

SYNTAXES = ("raw", "rle", "jls", "j2k")
EDGE = 512


def make(folder: Path, slices: int) -> None:
    import numpy as np
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless
    from pydicom.uid import generate_uid

    study, series, frame = (generate_uid(entropy_srcs=[name]) for name in ("study", "series", "frame"))
    syntaxes = {"raw": None, "rle": RLELossless, "jls": JPEGLSLossless, "j2k": JPEG2000Lossless}
    plugins = {"rle": "pylibjpeg", "jls": "pyjpegls", "j2k": "pylibjpeg"}
    rng = np.random.default_rng(1)
    # File names are no help for the order of the slices.
    names = rng.permutation(slices)
    y, x = np.mgrid[0:EDGE, 0:EDGE] - EDGE / 2
    for k in range(slices):
        t = k / slices
        hu = np.full((EDGE, EDGE), -1000.0)
        hu[(x / 205) ** 2 + (y / 145) ** 2 < 1] = -90
        hu[(x / 190) ** 2 + (y / 130) ** 2 < 1] = 45
        for side in (-1, 1):
            hu[((x - 85 * side) / (20 + 50 * t)) ** 2 + ((y + 15) / (30 + 50 * t)) ** 2 < 1] = -850
        hu[x**2 + (y - 95) ** 2 < 24**2] = 650
        hu = np.clip(np.rint(hu + rng.normal(0, 12, hu.shape)), -1024, 3071)
        pixels = (hu + 1024).astype("<i2")
        for name, syntax in syntaxes.items():
            meta = FileMetaDataset()
            meta.MediaStorageSOPClassUID = CTImageStorage
            meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name, str(k)])
            meta.TransferSyntaxUID = ExplicitVRLittleEndian
            slice_ = Dataset()
            slice_.file_meta = meta
            slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
            slice_.StudyInstanceUID, slice_.SeriesInstanceUID, slice_.FrameOfReferenceUID = study, series, frame
            slice_.Modality, slice_.PatientID, slice_.PatientName = "CT", "SPEED", "Speed^Test"
            slice_.SeriesNumber, slice_.InstanceNumber, slice_.PatientPosition = 1, k + 1, "HFS"
            slice_.ImageType, slice_.StudyDate, slice_.StudyTime = ["ORIGINAL", "PRIMARY", "AXIAL"], "20260101", "120000"
            slice_.ImagePositionPatient = [-200.0, -200.0, -180.0 + 1.25 * k]
            slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            slice_.PixelSpacing, slice_.SliceThickness = [0.78125, 0.78125], 1.25
            slice_.Rows, slice_.Columns, slice_.SamplesPerPixel = EDGE, EDGE, 1
            slice_.PhotometricInterpretation, slice_.PixelRepresentation = "MONOCHROME2", 1
            slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit = 16, 16, 15
            slice_.RescaleSlope, slice_.RescaleIntercept = 1, -1024
            slice_.PixelData = pixels.tobytes()
            slice_["PixelData"].VR = "OW"
            if syntax is not None:
                slice_.compress(syntax, generate_instance_uid=False, encoding_plugin=plugins[name])
            (folder / name).mkdir(parents=True, exist_ok=True)
            slice_.save_as(folder / name / f"{names[k]:05d}.dcm", enforce_file_format=True)
        print(f"\r{k + 1} of {slices} slices", end="", file=sys.stderr)
    print(file=sys.stderr)


def cpu_seconds() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, kinds))


def with_pydicom(folder: Path):
    import numpy as np
    import pydicom

    slices = []
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        hu = data.pixel_array + np.int16(data.RescaleIntercept)
        slices.append((float(data.ImagePositionPatient[2]), hu))
    slices.sort(key=lambda pair: pair[0])
    return np.stack([hu for _, hu in slices])


def with_simpleitk(folder: Path):
    import SimpleITK

    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return SimpleITK.GetArrayViewFromImage(keep(reader.Execute()))


def with_gdcm(folder: Path):
    import gdcm
    import numpy as np

    slices = []
    for path in folder.iterdir():
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        if not reader.Read():
            raise RuntimeError(f"GDCM cannot read {path.name}")
        image = reader.GetImage()
        raw = image.GetBuffer()
        raw = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape")
        hu = np.frombuffer(raw, "<i2").reshape(EDGE, EDGE) + np.int16(image.GetIntercept())
        slices.append((image.GetOrigin(2), hu))
    slices.sort(key=lambda pair: pair[0])
    return np.stack([hu for _, hu in slices])


def with_dcm2niix(folder: Path):
    import nibabel
    import numpy as np

    with tempfile.TemporaryDirectory() as out:
        command = ["dcm2niix", "-z", "n", "-b", "n", "-o", out, "-f", "volume", str(folder)]
        begun, cpu = time.perf_counter(), cpu_seconds()
        done = subprocess.run(command, capture_output=True, text=True)
        spent = time.perf_counter() - begun, cpu_seconds() - cpu
        written = list(Path(out).glob("*.nii"))
        if not written:
            raise RuntimeError((done.stdout + done.stderr).strip().splitlines()[-1][:120])
        image = nibabel.load(written[0])
        # NIfTI's j runs the other way.
        volume = np.asarray(image.dataobj).transpose(2, 1, 0)[:, ::-1]
        return np.rint(volume).astype(np.int16), spent


READERS = {"pydicom": with_pydicom, "SimpleITK": with_simpleitk, "GDCM": with_gdcm, "dcm2niix": with_dcm2niix}
KEPT = []


def keep(image):
    """Arrays are views into the last image."""
    KEPT[:] = [image]
    return image


def present() -> dict:
    import importlib.util

    found = {}
    for name, module in (("pydicom", "pydicom"), ("SimpleITK", "SimpleITK"), ("GDCM", "gdcm")):
        if importlib.util.find_spec(module):
            found[name] = READERS[name]
    if shutil.which("dcm2niix") and importlib.util.find_spec("nibabel"):
        found["dcm2niix"] = with_dcm2niix
    for name in READERS:
        if name not in found:
            print(f"{name} is not installed and is left out.", file=sys.stderr)
    return found


def of_program(binary: Path, folder: Path) -> dict:
    """Wall and CPU seconds of opening by syntax, from the program's own measurement: scan and whole series."""
    command = [str(binary), "bench", "load", "--data", str(folder), "--json"]
    document = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    figures = {figure["case"]: figure for figure in document["figures"]}
    if document["machine"]["build"] != "release":
        print("Maskwright is a debug build: its figures say nothing about the released program.", file=sys.stderr)
    spent = {}
    for name in SYNTAXES:
        parts = [f for case, f in figures.items() if case.startswith((f"{name} scan", f"{name} whole"))]
        if parts:
            spent[name] = sum(f["min_s"] for f in parts), sum(f["cpu_s"] or 0 for f in parts)
    return spent


def compare(folder: Path, binary: Path, runs: int) -> list:
    import numpy as np

    rows, readers = [], present()
    ours = of_program(binary, folder)
    truth = None
    for name in (n for n in SYNTAXES if (folder / n).is_dir()):
        if name in ours:
            rows.append((name, "Maskwright", *ours[name], ""))
        for reader, read in readers.items():
            best, note = (float("inf"), float("inf")), ""
            for _ in range(runs):
                begun, cpu = time.perf_counter(), cpu_seconds()
                try:
                    volume = read(folder / name)
                except Exception as error:  # What a reader cannot do is a result.
                    note = f"cannot: {error}".splitlines()[0][:100]
                    break
                spent = time.perf_counter() - begun, cpu_seconds() - cpu
                if isinstance(volume, tuple):
                    volume, spent = volume
                best = tuple(map(min, best, spent))
            if not note:
                truth = volume.copy() if truth is None else truth
                note = "" if np.array_equal(volume, truth) else "OTHER VALUES"
            rows.append((name, reader, *best, note))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("make")
    maker.add_argument("folder", type=Path)
    maker.add_argument("--slices", type=int, default=300)
    timer = commands.add_parser("time")
    timer.add_argument("folder", type=Path)
    timer.add_argument("--program", help="the maskwright binary, a release build; else the newest build of this checkout")
    timer.add_argument("--runs", type=int, default=3)
    timer.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "make":
        make(arguments.folder, arguments.slices)
        return 0
    rows = compare(arguments.folder, program(arguments.program), arguments.runs)
    print(f"{'syntax':8}{'reader':12}{'wall s':>9}{'CPU s':>9}  note")
    for name, reader, wall, cpu, note in rows:
        cells = [f"{v:9.3f}" if v < float("inf") else f"{'-':>9}" for v in (wall, cpu)]
        print(f"{name:8}{reader:12}{cells[0]}{cells[1]}  {note}".rstrip())
    if arguments.json:
        keys = ("syntax", "reader", "wall_s", "cpu_s", "note")
        arguments.json.write_text(json.dumps([dict(zip(keys, row)) for row in rows], indent=1) + "\n")
    # Slower than the fastest other reader is a failure.
    slow = []
    for name in SYNTAXES:
        others = [row[2] for row in rows if row[0] == name and row[1] != "Maskwright"]
        mine = [row[2] for row in rows if row[0] == name and row[1] == "Maskwright"]
        if mine and others and mine[0] > min(others):
            slow.append(name)
    if slow:
        print(f"Maskwright is not the fastest for {', '.join(slow)}.")
    return 1 if slow or any(row[4] == "OTHER VALUES" for row in rows) else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
