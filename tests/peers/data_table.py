#!/usr/bin/env python3
"""Makes the table of every file and folder of the test data: read right, or refused with a reason.

Each row runs the built program on one file, or on one series of a folder, and compares what it wrote with pydicom,
SimpleITK or nibabel, and with the truth beside it where there is one. Needs pydicom (with its pixel plugins), SimpleITK,
nibabel and numpy.

    MASKWRIGHT_DATA=folder tests/peers/data_table.py [--program P] [--out docs/data-table.md] [--only PART]

Exit status 1 when a row is wrong: other values than the peer's, a crash, or a refusal without a reason.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom

from common import (
    ROOT, Ended, Image, differences, frames, mask_differs, our_segments, program, rasterised, segment_masks,
    slices_differ, whole, with_nibabel, with_sitk,
)

warnings.simplefilter("ignore")
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

RIGHT, REFUSED, LEFT_OUT, UNCHECKED, WRONG = "read right", "refused", "left out", "read, no peer", "WRONG"
DIRECTORY = "1.2.840.10008.1.3.10"
CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")


class Table:
    def __init__(self, run, data, scratch):
        self.run, self.data, self.scratch, self.rows, self.number = run, data, scratch, [], 0
        # Folders made here, and the folder of the data that each stands for.
        self.alias = {}

    def add(self, place, what, outcome, detail):
        self.rows.append((place, what, outcome, detail))
        print(f"{outcome:14} {place}: {detail}", flush=True)

    def call(self, *arguments):
        return Ended([self.run, *arguments])

    def target(self, ending):
        self.number += 1
        return self.scratch / f"{self.number}{ending}"

    def name(self, path):
        return str(path.relative_to(self.data))

    def plain(self, text):
        """A message without the folders of this machine."""
        for made, place in sorted(self.alias.items(), reverse=True):
            text = text.replace(str(made), place)
        for part in sorted({str(self.data) + "/", str(self.data), str(self.scratch) + "/"}, key=len, reverse=True):
            text = text.replace(part, "")
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def refused(self, place, what, ended):
        """A row for a run that did not end well: right only when it is one sentence and no crash."""
        text = self.plain(ended.err)
        fine = not ended.defect() and ended.status == 1 and len(text) > 15
        self.add(place, what, REFUSED if fine else WRONG, text or f"status {ended.status} without a word")

    def compared(self, place, what, checks):
        """A row from (peer, difference or None) pairs."""
        wrong = [f"{peer}: {difference}" for peer, difference in checks if difference]
        if wrong:
            self.add(place, what, WRONG, "; ".join(wrong))
        elif checks:
            self.add(place, what, RIGHT, "equal to " + ", ".join(peer for peer, _ in checks))
        else:
            self.add(place, what, UNCHECKED, "no other reader opens it")


def read_dicom(path):
    """The data set, or None for what is no DICOM."""
    try:
        return pydicom.dcmread(path)
    except Exception:
        pass
    try:
        data_set = pydicom.dcmread(path, force=True)
        return data_set if data_set.get("Rows") or data_set.get("SOPClassUID") else None
    except Exception:
        return None


def describe(data_set):
    """What a DICOM file is, in a few words."""
    syntax = getattr(getattr(data_set, "file_meta", None), "TransferSyntaxUID", None)
    parts = ["DICOM", str(data_set.get("Modality", "")) or "?"]
    if data_set.get("SegmentationType"):
        parts.append(str(data_set.SegmentationType).lower())
    if data_set.get("Rows"):
        parts.append(f"{data_set.Columns} x {data_set.Rows}")
    if data_set.get("NumberOfFrames"):
        parts.append(f"{data_set.NumberOfFrames} frames")
    if syntax is not None:
        parts.append(syntax.name if syntax.is_private is False else "private syntax")
    return ", ".join(parts)


def is_image(data_set):
    return bool(data_set.get("Rows")) and not data_set.get("SegmentationType") and data_set.get("Modality") != "RTDOSE"


def image_row(table, place, files, source, what):
    """One series (or one image file): each volume the program makes of it against pydicom's pixels."""
    out = table.target(".nrrd")
    ended = table.call("convert", source, out)
    labels = [None]
    note = ""
    if not ended.ok and "choose" in ended.err and "--series" in ended.err:
        # Opened in part only, or several: the program names them and each is looked at.
        scan = json.loads(table.call("info", source, "--json").out)
        series = [s for p in scan["patients"] for t in p["studies"] for s in t["series"]]
        labels = [s["label"] for s in series if s["can_open"]]
        note = "asks which: " + table.plain(ended.err).split(": choose")[0].split(" To go on")[0]
    elif not ended.ok:
        table.refused(place, what, ended)
        return
    slices = []
    problem = None
    for path in files:
        try:
            slices.extend(frames(read_dicom(path)))
        except Exception as error:
            problem = f"pydicom cannot decode {path.name} ({type(error).__name__})"
    checks, sizes = [], []
    for label in labels:
        if label is not None:
            ended = table.call("convert", source, out, "--series", label)
            if not ended.ok:
                checks.append((f"{label}: read", table.plain(ended.err)))
                continue
        ours, _ = with_sitk(out)
        ours = Image(ours.array[0], ours.affine)
        sizes.append(" x ".join(str(n) for n in ours.array.shape[::-1]))
        if problem is None:
            checks.append(("pydicom", slices_differ(ours, slices)))
        checks.extend(truths(table, files[0], ours))
    if problem:
        note = (note + "; " if note else "") + problem
    if checks:
        table.compared(place, what, sorted(set(checks), key=lambda c: (c[1] is None, c[0])))
    else:
        table.add(place, what, UNCHECKED, problem or "nothing to compare")
    last = table.rows[-1]
    table.rows[-1] = (*last[:3], last[3] + f" ({', '.join(sizes)})" + (f"; {note}" if note else ""))


def truths(table, file, ours):
    """Comparisons with published volumes beside the DICOM files."""
    folder = table.name(file.parent)
    known = {
        "sts-ct-pet-mr-mixed/STS_008/all": "sts-ct-pet-mr-mixed/STS_008/nifti/CT_image.nii.gz",
        "cip-chest64/ct-64Dicom": "cip-chest64/ct-64.nrrd",
    }
    if folder.startswith("sts-ct-rtstruct/"):
        known[folder] = str(Path(folder).parent / "CT_image.nii.gz")
    truth = table.data / known.get(folder, "none")
    if not truth.is_file():
        return
    theirs = with_nibabel(truth) if truth.name.endswith(".gz") else with_sitk(truth)[0]
    array = theirs.array if isinstance(theirs.array, np.ndarray) else theirs.array[0]
    yield truth.name, differences(ours, Image(whole(array), theirs.affine))


def seg_row(table, path, data_set, what):
    """A DICOM SEG alone, on the grid of its own frames, against pydicom."""
    out = table.target(".seg.nrrd")
    ended = table.call("convert", path, out)
    if not ended.ok:
        table.refused(table.name(path), what, ended)
        return
    grid, masks = our_segments(out)
    # What pydicom does not decode is compared with the same file before it was compressed.
    plain = {"pydicom-odd/liver_rle.dcm": "pydicom-odd/liver.dcm"}.get(table.name(path))
    try:
        wanted = segment_masks(read_dicom(table.data / plain) if plain else data_set)
    except Exception as error:
        table.add(table.name(path), what, UNCHECKED, f"pydicom cannot decode it ({type(error).__name__})")
        return
    checks = []
    for number, placed in wanted.items():
        ours = [m for (_, value), m in masks.items() if value == number]
        peer = f"pydicom on {Path(plain).name}" if plain else "pydicom"
        checks.append((peer, mask_differs(grid, ours[0], placed) if ours else f"segment {number} is missing"))
    table.compared(table.name(path), f"{what}, {len(wanted)} segments", sorted(set(checks), key=str))


def structure_row(table, path, data_set, what, folders):
    """An RTSTRUCT on the image of its frame of reference, against an own rasteriser and the mask beside it."""
    place = table.name(path)
    frame = [f.get("FrameOfReferenceUID") for f in data_set.get("ReferencedFrameOfReferenceSequence", [])]
    wanted = set(frame) | {data_set.get("FrameOfReferenceUID")}
    # Contours tell nothing about modality: of the series in this frame of reference the CT is taken.
    nearby = [f for f in folders if path.parent in (f.parent, f) or f == path.parent]
    references = [f for f in nearby for uid in folders[f] if uid in wanted] or nearby
    if not references:
        table.refused(place, what, table.call("convert", path, table.target(".nrrd")))
        return
    out = table.target(".seg.nrrd")
    ended = table.call("convert", path, out, "--reference", references[0])
    if not ended.ok:
        table.refused(place, what, ended)
        return
    grid, masks = our_segments(out)
    names = {int(r.ROINumber): str(r.ROIName) for r in data_set.get("StructureSetROISequence", [])}
    checks = []
    for item in data_set.get("ROIContourSequence", []):
        number = int(item.ReferencedROINumber)
        contours = [
            np.array(c.ContourData, float).reshape(-1, 3)
            for c in item.get("ContourSequence", [])
            if c.ContourGeometricType == "CLOSED_PLANAR"
        ]
        ours = [m for (name, value), m in masks.items() if value == number]
        if not ours:
            checks.append(("contours filled even-odd in Python", f"{names.get(number)} is missing"))
            continue
        wrong = int((ours[0] != rasterised(contours, ours[0].shape, grid)).sum())
        checks.append(("contours filled even-odd in Python", f"{wrong} voxels differ" if wrong else None))
    for beside in (path.parent / "CT_mask.nii.gz", path.parent.parent / "nifti" / "CT_mask.nii.gz"):
        if beside.exists() and len(masks) == 1:
            theirs = with_nibabel(beside)
            ours = Image(next(iter(masks.values())).astype(int), grid)
            checks.append((beside.name, differences(ours, Image((theirs.array != 0).astype(int), theirs.affine))))
    note = table.plain(ended.err)
    table.compared(place, f"{what}, {len(names)} regions", sorted(set(checks), key=str))
    if note:
        last = table.rows[-1]
        table.rows[-1] = (*last[:3], f"{last[3]}; {note}")


def volume_row(table, path):
    """A NIfTI or NRRD file against nibabel or SimpleITK."""
    what = "NIfTI" if ".nii" in path.name else "NRRD"
    out = table.target(".nrrd")
    ended = table.call("convert", path, out)
    if not ended.ok:
        table.refused(table.name(path), what, ended)
        return
    ours = with_sitk(out)[0]
    theirs = with_nibabel(path) if what == "NIfTI" else with_sitk(path)[0]
    array = theirs.array if isinstance(theirs.array, np.ndarray) else theirs.array[0]
    checks = [("nibabel" if what == "NIfTI" else "SimpleITK",
               differences(Image(ours.array[0], ours.affine), Image(whole(array), theirs.affine)))]
    sizes = " x ".join(str(n) for n in ours.array[0].shape[::-1])
    table.compared(table.name(path), f"{what}, {sizes}", checks)


def picture_row(table, folder, pictures):
    """A folder of mask pictures against the mask that they were made from."""
    patient = folder.parent.name
    source = table.data / "sts-ct-rtstruct" / patient
    out = table.target(".nrrd")
    what = f"{len(pictures)} pictures, {pictures[0].suffix[1:]}"
    ended = table.call("convert", folder, out, "--reference", source / "dicom")
    if not ended.ok:
        table.refused(table.name(folder), what, ended)
        return
    ours, theirs = with_sitk(out)[0], with_nibabel(source / "CT_mask.nii.gz")
    difference = differences(Image(ours.array[0], ours.affine), Image((theirs.array != 0) * 1, theirs.affine))
    table.compared(table.name(folder), what, [("CT_mask.nii.gz", difference)])
    table.rows[-1] = (*table.rows[-1][:3], f"{table.rows[-1][3]}; {table.plain(ended.err)}")


def folder_row(table, folder, series, masks):
    """What the program lists for a folder of several series, against what pydicom counts."""
    ended = table.call("info", folder, "--json")
    if not ended.ok:
        table.refused(table.name(folder) + "/", "folder", ended)
        return
    scan = json.loads(ended.out)
    listed = [s for p in scan["patients"] for t in p["studies"] for s in t["series"]]
    text = ", ".join(
        f"{s['label']} {'opens' if s['can_open'] else 'is listed'} ({s['slices']} slices, {len(s['masks'])} masks)"
        for s in listed[:8]
    )
    if len(listed) > 8:
        text += f", and {len(listed) - 8} more"
    found = sum(len(s["masks"]) for s in listed) + len(scan["masks"])
    missing = [] if len(listed) >= len(series) else [f"{len(series)} series by pydicom, {len(listed)} listed"]
    if found < masks:
        missing.append(f"{masks} segmentations or structure sets by pydicom, {found} listed")
    what = f"folder of {len(series)} series and {masks} masks"
    table.add(table.name(folder) + "/", what, WRONG if missing else RIGHT, "; ".join(missing) or "lists " + (text or "no series"))


def one_folder(table, folder, folders):
    """All rows of the files that lie directly in a folder."""
    files = sorted(p for p in folder.iterdir() if p.is_file())
    pictures = [p for p in files if p.suffix.lower() in (".png", ".jpg", ".jpeg")]
    if len(pictures) > 3:
        picture_row(table, folder, pictures)
        files = [p for p in files if p not in pictures]
    series, single = defaultdict(list), []
    for path in files:
        data_set = None if ".nii" in path.name or path.suffix in (".nrrd", ".txt", ".json", ".md") else read_dicom(path)
        uid = data_set.get("SeriesInstanceUID") if data_set is not None and is_image(data_set) else None
        if uid:
            series[str(uid)].append((path, data_set))
        else:
            single.append((path, data_set))
    # Odd files that share a series by chance of their making are looked at one by one.
    small = [uid for uid, members in series.items() if len(members) < 3 or table.name(folder) in ("hostile-derived", "fodicom-odd", "pydicom-odd")]
    groups = {uid: members for uid, members in series.items() if uid not in small}
    single.extend(member for uid in small for member in series[uid])
    masks = sum(1 for _, d in single if d is not None and (d.get("SegmentationType") or d.get("Modality") == "RTSTRUCT"))
    if len(groups) + masks > 1 and groups:
        folder_row(table, folder, groups, masks)
    for n, members in enumerate(groups.values(), 1):
        apart = table.scratch / f"series{len(table.rows)}"
        apart.mkdir()
        table.alias[apart] = table.name(folder)
        for path, _ in members:
            os.symlink(path, apart / path.name)
        data_set = members[0][1]
        place = f"{table.name(folder)}/ ({data_set.get('Modality', '?')} series {n} of {len(groups)})"
        image_row(table, place, [p for p, _ in members], apart, f"{len(members)} files, {describe(data_set)}")
    for path, data_set in sorted(single, key=lambda s: s[0]):
        one_file(table, path, data_set, folders)


def directory_row(table, path):
    """A directory of files: the program opens what lies beside and below it, whatever is listed."""
    below = [(p, read_dicom(p)) for p in sorted(path.parent.rglob("*")) if p.is_file()]
    files = [p for p, d in below if d is not None and is_image(d) and d.get("SOPClassUID") in CT_CLASSES]
    image_row(table, table.name(path), files or [path], path, "DICOM directory")


def one_file(table, path, data_set, folders):
    if ".nii" in path.name or path.suffix == ".nrrd":
        volume_row(table, path)
    elif data_set is None:
        ended = table.call("convert", path, table.target(".nrrd"))
        known = path.suffix in (".txt", ".md", ".json") or path.name.startswith(("LICEN", "README"))
        what = "text" if known else "no DICOM that pydicom reads"
        if ended.ok:
            table.add(table.name(path), what, UNCHECKED, "no other reader opens it")
            return
        table.refused(table.name(path), what, ended)
        if known and table.rows[-1][2] == REFUSED:
            table.rows[-1] = (*table.rows[-1][:2], LEFT_OUT, table.rows[-1][3])
    elif getattr(data_set, "file_meta", {}).get("MediaStorageSOPClassUID") == DIRECTORY:
        directory_row(table, path)
    elif data_set.get("SegmentationType"):
        seg_row(table, path, data_set, describe(data_set))
    elif data_set.get("Modality") == "RTSTRUCT":
        structure_row(table, path, data_set, describe(data_set), folders)
    else:
        image_row(table, table.name(path), [path], path, describe(data_set))


def image_folders(data):
    """Frames of reference of the CT images in each folder."""
    found = {}
    for folder in sorted({p.parent for p in data.rglob("*") if p.is_file()}):
        uids = set()
        for path in sorted(folder.iterdir())[:400]:
            if path.suffix in (".nrrd", ".gz", ".png", ".jpg", ".txt") or not path.is_file():
                continue
            data_set = read_dicom(path)
            if data_set is not None and is_image(data_set) and data_set.get("SOPClassUID") in CT_CLASSES:
                uids.add(data_set.get("FrameOfReferenceUID"))
        if uids:
            found[folder] = uids
    return found


def write(rows, out):
    """The table as Markdown."""
    count = {o: sum(1 for r in rows if r[2] == o) for o in (RIGHT, REFUSED, LEFT_OUT, UNCHECKED, WRONG)}
    escape = lambda text: text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
    lines = [
        "# What becomes of every file and folder of the test data",
        "",
        "Made by `tests/peers/data_table.py`, which runs the program on each file, or on each series of a folder, and",
        "compares what it writes, voxel by voxel and place by place, with pydicom, SimpleITK and nibabel and with the",
        "published truth beside it. The data sets are public; none of them is part of this project.",
        "",
        "| outcome | rows |",
        "| --- | --- |",
        *(f"| {o} | {n} |" for o, n in count.items() if n),
        "",
        "| file or folder | what it is | outcome | compared with, or reason |",
        "| --- | --- | --- | --- |",
        *("| " + " | ".join(escape(c) for c in row) + " |" for row in rows),
    ]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", help="the built program")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "data-table.md")
    parser.add_argument("--only", default="", help="only folders whose name holds this; nothing is written then")
    options = parser.parse_args()
    data = Path(os.environ.get("MASKWRIGHT_DATA", ROOT / "../shared/data")).resolve()
    if not data.is_dir():
        sys.exit("the test data is not here; name its folder in MASKWRIGHT_DATA")
    scratch = Path(tempfile.mkdtemp(prefix="data-table-"))
    table = Table(program(options.program), data, scratch)
    try:
        folders = image_folders(data)
        for folder in sorted({p.parent for p in data.rglob("*") if p.is_file()}):
            if options.only in str(folder.relative_to(data)):
                one_folder(table, folder, folders)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if options.only:
        return 1 if any(r[2] == WRONG for r in table.rows) else 0
    count = write(table.rows, options.out)
    print(", ".join(f"{n} {o}" for o, n in count.items()))
    return 1 if count[WRONG] else 0


if __name__ == "__main__":
    sys.exit(main())
