#!/usr/bin/env python3
"""What hostile files cost the built program: time, processor time and memory of refusing each.

    tests/peers/bombs.py [--program P] [--out docs/hostile-files.md] [--only PART]

Small files that ask for gigabytes, for hours or for a deep stack are made here, byte by byte and apart from those of the
test suite; broken files of the test data (MASKWRIGHT_DATA) are added where they are at hand. Each is listed (`info`) and
opened (`convert`) by a process of its own, whose memory is the largest resident set of it and of its decode worker.
Only the standard library is needed. Exit status 1 when a file is opened that must not be, when a refusal is no
sentence, a process crashes, or one takes a second or 256 MB.
"""

import argparse
import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

from common import ROOT, program

SECONDS, MEMORY = 1.0, 256 << 20
EXPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
JPEG, JPEG_LOSSLESS, JPEG_LS = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80"
JPEG_2000, HTJ2K, JPEG_XL = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.110"
RLE = "1.2.840.10008.1.2.5"
PIXELS, UNDEFINED = (0x7FE0, 0x0010), 0xFFFFFFFF
# Starts what it is told and says how it ended: memory is counted from a small process, not from this one.
LAUNCHER = """
import json, os, sys, time, signal
begun = time.monotonic()
child = os.fork()
if child == 0:
    os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), 1)
    os.dup2(os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT), 2)
    os.execv(sys.argv[3], sys.argv[3:])
signal.signal(signal.SIGALRM, lambda *_: os.kill(child, 9))
signal.alarm(60)
_, status, used = os.wait4(child, 0)
print(json.dumps([status, time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]))
"""


def element(tag, vr, value=b"", length=None):
    """An element in explicit VR little endian, with another length than its own where one is given."""
    value += b"\0" * (len(value) % 2)
    length = len(value) if length is None else length
    long = vr in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC")
    head = struct.pack("<HH2s", *tag, vr)
    return head + (struct.pack("<HI", 0, length) if long else struct.pack("<H", length)) + value


def dicom(body, syntax=EXPLICIT):
    meta = element((2, 2), b"UI", b"1.2.840.10008.5.1.4.1.1.2") + element((2, 3), b"UI", b"1.2.3")
    meta += element((2, 0x10), b"UI", syntax.encode())
    return bytes(128) + b"DICM" + element((2, 0), b"UL", struct.pack("<I", len(meta))) + meta + body


def ct(size, frames=1, bits=16):
    """A CT slice without its pixels."""
    short = lambda n: struct.pack("<H", n)
    body = element((8, 0x16), b"UI", b"1.2.840.10008.5.1.4.1.1.2") + element((8, 0x18), b"UI", b"1.2.3")
    body += element((8, 0x60), b"CS", b"CT") + element((0x20, 0xD), b"UI", b"1.2.4")
    body += element((0x20, 0xE), b"UI", b"1.2.5") + element((0x20, 0x32), b"DS", b"0\\0\\0")
    body += element((0x20, 0x37), b"DS", b"1\\0\\0\\0\\1\\0 ") + element((0x28, 2), b"US", short(1))
    body += element((0x28, 4), b"CS", b"MONOCHROME2")
    body += element((0x28, 8), b"IS", str(frames).encode()) if frames > 1 else b""
    body += element((0x28, 0x10), b"US", short(size)) + element((0x28, 0x11), b"US", short(size))
    body += element((0x28, 0x30), b"DS", b"1\\1") + element((0x28, 0x100), b"US", short(bits))
    body += element((0x28, 0x101), b"US", short(bits)) + element((0x28, 0x102), b"US", short(bits - 1))
    return body + element((0x28, 0x103), b"US", short(0))


def fragments(*parts):
    item = lambda value: struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value
    inside = item(b"") + b"".join(item(p + b"\0" * (len(p) % 2)) for p in parts)
    return element(PIXELS, b"OB", b"", UNDEFINED) + inside + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def zeros(megabytes, wbits):
    """A compressed stream of nothing: a piece of 16 megabytes, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    first = packer.compress(bytes(16 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(16 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + piece * (megabytes // 16 - 1)


def deflated(head, megabytes):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH) + zeros(megabytes, -15) + b"\x03\0"


def jpeg(size, marker):
    """The headers of a JPEG (or JPEG-LS) of `size` squared, and 32 bytes."""
    frame = struct.pack(">BHHB", 8, size, size, 1) + b"\x01\x11\x00"
    scan = b"\x01\x01\x00" + (b"\x01\x00\x00" if marker == 0xC3 else b"\x00\x00\x00" if marker == 0xF7 else b"\x00\x3f\x00")
    part = lambda name, value: bytes([0xFF, name]) + struct.pack(">H", len(value) + 2) + value
    # One code of one bit in each Huffman table, which stands for nothing.
    code = b"\x01" + bytes(15) + b"\0"
    tables = part(0xDB, b"\0" + b"\1" * 64) + part(0xC4, b"\0" + code + b"\x10" + code) if marker != 0xF7 else b""
    return b"\xff\xd8" + part(marker, frame) + tables + part(0xDA, scan) + bytes(32) + b"\xff\xd9"


def jpeg_2000(size, tile):
    siz = struct.pack(">HIIIIIIII", 0, size, size, 0, 0, tile, tile, 0, 0) + b"\0\1\x0f\1\1"
    part = lambda name, value: bytes([0xFF, name]) + struct.pack(">H", len(value) + 2) + value
    coding = part(0x52, b"\0\0\0\1\0\5\4\4\0\1") + part(0x5C, b"\x40" + b"\x80" * 16)
    return b"\xff\x4f" + part(0x51, siz) + coding + b"\xff\x90\0\x0a\0\0\0\0\0\0\0\1\xff\x93" + b"\x80" * 100 + b"\xff\xd9"


def nested(depth):
    """Sequences in sequences, none of which ends."""
    return (element((8, 0x1140), b"SQ", b"", UNDEFINED) + struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)) * depth


def nifti(dims, offset=352.0):
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, *dims, 1, 1, 1, 1)
    struct.pack_into("<hh", head, 70, 4, 16)
    struct.pack_into("<8f", head, 76, *[1.0] * 8)
    struct.pack_into("<f", head, 108, offset)
    head[344:348] = b"n+1\0"
    return bytes(head)


def nifti_2(dims):
    head = bytearray(544)
    struct.pack_into("<i8s", head, 0, 540, b"n+2\0\r\n\x1a\n")
    struct.pack_into("<hh8q", head, 12, 4, 16, 3, *dims, 1, 1, 1, 1)
    struct.pack_into("<8d", head, 104, *[1.0] * 8)
    struct.pack_into("<q", head, 168, 544)
    return bytes(head)


def gz(head, megabytes):
    """Head and then nothing, in one gzip file of many members."""
    return gzip.compress(head) + gzip.compress(bytes(16 << 20)) * (megabytes // 16)


def nrrd(sizes, rest, encoding="raw", dimension=3):
    return (f"NRRD0004\ntype: short\ndimension: {dimension}\nsizes: {sizes}\nendian: little\n"
            f"encoding: {encoding}\n{rest}\n").encode()


def png(size, data):
    part = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    head = struct.pack(">IIBBBBB", size, size, 16, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", data) + part(b"IEND", b"")


def archive(path, member, megabytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out, out.open(member, "w", force_zip64=True) as file:
        for _ in range(megabytes):
            file.write(bytes(1 << 20))


def structures(regions, contours):
    """Regions that all take the same contours."""
    item = lambda value: struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value
    points = b"2\\2\\0\\9\\2\\0\\9\\9\\0\\2\\9\\0"
    contour = item(element((0x3006, 0x42), b"CS", b"CLOSED_PLANAR") + element((0x3006, 0x50), b"DS", points))
    roi = item(element((0x3006, 0x22), b"IS", b"1") + element((0x3006, 0x26), b"LO", b"x"))
    drawn = item(element((0x3006, 0x40), b"SQ", contour * contours) + element((0x3006, 0x84), b"IS", b"1"))
    body = element((8, 0x16), b"UI", b"1.2.840.10008.5.1.4.1.1.481.3") + element((8, 0x60), b"CS", b"RTSTRUCT")
    return dicom(body + element((0x3006, 0x20), b"SQ", roi * regions) + element((0x3006, 0x39), b"SQ", drawn * regions))


def bombs(folder):
    """(name, file, whether it must be refused)."""
    made = []

    def put(name, file, content, refused=True):
        path = folder / f"{len(made):02}-{file}"
        content(path) if callable(content) else path.write_bytes(content)
        made.append((name, path, refused))

    blob = element((9, 0x1010), b"OB", b"\0" * 4, 0xFFFFFFF0)
    put("an element of 4 GiB", "x.dcm", dicom(ct(4) + blob))
    put("pixels of 4 GiB", "x.dcm", dicom(ct(512) + element(PIXELS, b"OW", b"\0" * 4, 0xFFFFFFFE)))
    put("65535 x 65535 and 65535 frames in 64 bytes", "x.dcm", dicom(ct(65535, 65535) + element(PIXELS, b"OW", bytes(64))))
    put("1700 nested sequences", "x.dcm", dicom(nested(1700)))
    put("100000 nested sequences", "x.dcm", dicom(nested(100_000)))
    put("a header that inflates to 2 GB", "x.dcm",
        dicom(b"", DEFLATED) + deflated(ct(4) + element((9, 0x1010), b"OB", b"", 2 << 30), 2048))
    put("pixels that inflate to 2 GB", "x.dcm",
        dicom(b"", DEFLATED) + deflated(ct(512, 4096) + element(PIXELS, b"OW", b"", 2 << 30), 2048))
    put("a JPEG of 65500 x 65500", "x.dcm", dicom(ct(65500, bits=8) + fragments(jpeg(65500, 0xC0)), JPEG))
    put("a JPEG larger than its header", "x.dcm", dicom(ct(64, bits=8) + fragments(jpeg(65500, 0xC0)), JPEG))
    put("a JPEG of 4096 x 4096 in 32 bytes", "x.dcm", dicom(ct(4096, bits=8) + fragments(jpeg(4096, 0xC0)), JPEG))
    put("a lossless JPEG of 65500 x 65500", "x.dcm",
        dicom(ct(65500, bits=8) + fragments(jpeg(65500, 0xC3)), JPEG_LOSSLESS))
    put("a lossless JPEG of 4096 x 4096 in 32 bytes", "x.dcm",
        dicom(ct(4096, bits=8) + fragments(jpeg(4096, 0xC3)), JPEG_LOSSLESS))
    put("a JPEG-LS of 65500 x 65500", "x.dcm", dicom(ct(65500, bits=8) + fragments(jpeg(65500, 0xF7)), JPEG_LS))
    put("a JPEG-LS of 4096 x 4096 in 32 bytes", "x.dcm", dicom(ct(4096, bits=8) + fragments(jpeg(4096, 0xF7)), JPEG_LS))
    put("a JPEG 2000 of 65500 x 65500", "x.dcm", dicom(ct(65500) + fragments(jpeg_2000(65500, 65500)), JPEG_2000))
    put("a JPEG 2000 of four thousand million", "x.dcm",
        dicom(ct(512) + fragments(jpeg_2000(0xFFFFFFFF, 0xFFFFFFFF)), JPEG_2000))
    put("a JPEG 2000 of 16 million tiles", "x.dcm", dicom(ct(4096) + fragments(jpeg_2000(4096, 1)), JPEG_2000))
    put("an HTJ2K of 65500 x 65500", "x.dcm", dicom(ct(65500) + fragments(jpeg_2000(65500, 65500)), HTJ2K))
    put("a JPEG XL of nothing", "x.dcm", dicom(ct(65500) + fragments(b"\xff\x0a" + b"\xff" * 64), JPEG_XL))
    put("run lengths of 4096 x 4096 in 64 bytes", "x.dcm",
        dicom(ct(4096) + fragments(struct.pack("<16I", 2, 64, 80, *[0] * 13) + b"\x81\0" * 16), RLE))
    put("a million fragments", "x.dcm", dicom(ct(64) + fragments(*[b""] * 1_000_000), RLE))
    put("100 regions of 3000 contours", "x.dcm", structures(100, 3000), refused=False)
    put("a .nii.gz that inflates to 5 GB", "x.nii.gz", gz(nifti((64, 64, 64)), 5120))
    put("a .nii.gz of 4 GB, as its header says", "x.nii.gz", gz(nifti((1290, 1290, 1290)), 4096))
    put("a NIfTI whose data begin at NaN", "x.nii", nifti((64, 64, 64), float("nan")) + bytes(64 ** 3 * 2))
    put("a NIfTI of 32767 cubed", "x.nii", nifti((32767, 32767, 32767)))
    put("a NIfTI-2 of two to the 186th", "x.nii", nifti_2((2 ** 62, 2 ** 62, 2 ** 62)))
    put("an NRRD that inflates to 4 GB", "x.nrrd", nrrd("64 64 64", "", "gzip") + gz(b"", 4096))
    put("an NRRD that skips 4 GB", "x.nrrd", nrrd("64 64 64", "byte skip: 4000000000\n", "gzip") + gz(b"", 4096))
    put("an NRRD of a million axes", "x.nrrd", nrrd("1 " * 1_000_000, "", dimension=1_000_000))
    put("an NRRD whose data are /dev/zero", "x.nhdr", nrrd("64 64 64", "data file: /dev/zero\n"))
    put("an NRRD whose data are the password file", "x.nhdr", nrrd("8 8 8", "data file: ../../../../../etc/passwd\n"))
    put("a PNG of 65500 x 65500", "x.png", png(65500, zlib.compress(bytes(1000))))
    put("a PNG with 200 MB behind", "x.png", png(16, zeros(208, 15)), refused=False)
    put("a ZIP archive of one file of 4 GB", "x.zip", lambda path: archive(path, "a.dcm", 4096))
    put("a ZIP archive that climbs out", "x.zip", lambda path: archive(path, "../../../tmp/climbed.dcm", 1))
    return made


def cost(command, scratch):
    """How a process ended, what it said, and what it took."""
    out, err = scratch / "out", scratch / "err"
    for path in (out, err):
        path.write_bytes(b"")
    told = subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCHER, out, err, *map(str, command)],
                          capture_output=True, text=True, check=True).stdout
    status, wall, cpu, memory = json.loads(told)
    return os.waitstatus_to_exitcode(status), err.read_text(errors="replace"), wall, cpu, memory


def judge(binary, name, path, refused, scratch, runs=3):
    """A row of the table: the best of some runs counts, since other work can only add to it."""
    wrong, worst, sentence, verdict = [], [0.0, 0.0, 0], "", ""
    # Masks that have no place of their own are opened on an image of one slice.
    series = ["--reference", scratch / "slice.nii"] if path.suffix == ".png" or "regions" in name else []
    for arguments in (["info", path], ["convert", path, scratch / "x.nrrd", *series]):
        best = [1e9, 1e9, 0]
        for _ in range(runs):
            status, said, wall, cpu, memory = cost([binary, *arguments], scratch)
            best = [min(best[0], wall), min(best[1], cpu), max(best[2], memory)]
        if status not in (0, 1) or "panicked" in said or "defect in Maskwright" in said:
            wrong.append(f"{arguments[0]} ended with {status}")
        if best[0] > SECONDS:
            wrong.append(f"{arguments[0]} took {best[0]:.2f} s")
        if best[2] > max(MEMORY, 4 * path.stat().st_size):
            wrong.append(f"{arguments[0]} took {best[2] >> 20} MiB")
        worst = [max(a, b) for a, b in zip(worst, best)]
        if arguments[0] == "convert":
            sentence = next((line for line in reversed(said.splitlines()) if line.strip()), "")
            verdict = "opened" if status == 0 else "refused"
            if refused and status == 0:
                wrong.append("it was opened")
            if status == 1 and (len(sentence) < 15 or path.name not in said):
                wrong.append("the refusal does not name the file")
    return name, path.stat().st_size, verdict, *worst, sentence.replace(f"{path.parent}/", ""), "; ".join(wrong)


def write(rows, out):
    escape = lambda text: text.replace("|", "\\|").replace("<", "&lt;")
    slow, large = max(rows, key=lambda r: r[3]), max(rows, key=lambda r: r[5])
    lines = [
        "# What hostile files cost",
        "",
        "Made by `tests/peers/bombs.py`: the dearer of `info` and `convert` on each file, each a process of its own; time",
        "and processor time are the best of three runs, memory is the largest resident set of the program and of the worker",
        "in which it decodes. Limits are 1 second and 256 MB, or four times the file where that is more.",
        "",
        f"{len(rows)} files; the slowest took {slow[3]:.2f} s ({slow[0]}), the largest {large[5] >> 20} MiB ({large[0]});"
        f" {sum(1 for r in rows if r[7])} beyond the limits.",
        "",
        "| file | bytes | outcome | s | CPU s | MiB | what it says |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, size, verdict, wall, cpu, memory, sentence, wrong in rows:
        told = escape(sentence) + (f" **{escape(wrong)}**" if wrong else "")
        lines.append(f"| {escape(name)} | {size} | {verdict} | {wall:.2f} | {cpu:.2f} | {memory >> 20} | {told} |")
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", help="the built program; a release build")
    parser.add_argument("--out", type=Path, help="also write the table as Markdown")
    parser.add_argument("--only", default="", help="only files whose name holds this")
    options = parser.parse_args()
    binary = program(options.program)
    scratch = Path(tempfile.mkdtemp(prefix="bombs-"))
    rows = []
    try:
        (scratch / "made").mkdir()
        (scratch / "slice.nii").write_bytes(nifti((16, 16, 1)) + struct.pack("<h", -1000) * 256)
        files = bombs(scratch / "made")
        data = Path(os.environ.get("MASKWRIGHT_DATA", ROOT / "../shared/data")) / "hostile-derived"
        files += [(f"hostile-derived/{p.name}", p, False) for p in sorted(data.iterdir())] if data.is_dir() else []
        for name, path, refused in files:
            if options.only not in name:
                continue
            rows.append(judge(binary, name, path, refused, scratch))
            _, size, verdict, wall, cpu, memory, sentence, wrong = rows[-1]
            print(f"{wall:5.2f} s {cpu:5.2f} s CPU {memory >> 20:4} MiB of {size:8} bytes  {verdict:8}{name}: {sentence}"
                  + (f"   WRONG: {wrong}" if wrong else ""), flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if options.out and rows:
        write(rows, options.out)
    wrong = sum(1 for row in rows if row[7])
    print(f"{len(rows)} files, {wrong} beyond the limits")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
