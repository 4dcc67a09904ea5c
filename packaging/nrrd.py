"""Masks and their comparison, for the checks beside it: no package is needed."""

import gzip
import re
import struct
from pathlib import Path


def read_nrrd(path):
    """Sizes, values and the header's fields."""
    data = Path(path).read_bytes()
    head, body = data.split(b"\n\n", 1)
    fields = dict(re.findall(r"^([^:#]+): (.*)$", head.decode("latin-1"), re.M))
    if "gz" in fields["encoding"]:
        body = gzip.decompress(body)
    sizes = [int(n) for n in fields["sizes"].split()]
    kind = fields["type"].strip()
    code = {"unsigned short": "H", "short": "h", "uint16": "H", "int16": "h"}.get(kind, "B")
    count = sizes[0] * sizes[1] * sizes[2]
    return sizes, list(struct.unpack(f"<{count}{code}", body[: count * struct.calcsize(code)])), fields


def write_mask(path, sizes, values, fields):
    head = f"""NRRD0004
type: uint8
dimension: 3
space: left-posterior-superior
sizes: {sizes[0]} {sizes[1]} {sizes[2]}
space directions: {fields["space directions"]}
kinds: domain domain domain
encoding: raw
space origin: {fields["space origin"]}

"""
    Path(path).write_bytes(head.encode() + bytes(values))


def dice(a, b):
    """Of all structures together; 1 where both are empty."""
    both = sum(1 for x, y in zip(a, b) if x and x == y)
    all_voxels = sum(map(bool, a)) + sum(map(bool, b))
    return 2 * both / all_voxels if all_voxels else 1.0
