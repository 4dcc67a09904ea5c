#!/usr/bin/env python3
"""Round trips between the built program and other readers and writers: what each writes, the other reads equal.

Peers that are not installed are skipped by name (`tests/peers/run` installs them). The last line counts; exit status 1
when a check failed.

    tests/peers/round_trips.py [--program P] [--only PART]
"""

import argparse
import importlib
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np

from common import Ended, program

warnings.simplefilter("ignore")
# pydicom would hand run lengths of one-bit frames to GDCM, which ends the process over them.
sys.modules["gdcm"] = None


class Skipped(Exception):
    """A peer that is not here."""


def need(name):
    """A Python package, or the name of what is skipped."""
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise Skipped(f"{name} ({type(error).__name__})") from None


def need_command(name):
    if not shutil.which(name):
        raise Skipped(name)
    return name


class Desk:
    """The program, a scratch folder, and what the checks share."""

    def __init__(self, path, scratch):
        self.program, self.scratch, self.random = path, scratch, np.random.default_rng(7)

    def run(self, *arguments):
        ended = Ended([self.program, *arguments])
        assert ended.ok, f"{arguments[0]}: {ended.err or ended.status}"
        return ended

    def refused(self, *arguments):
        ended = Ended([self.program, *arguments])
        assert ended.status == 1 and not ended.defect(), f"not refused: {ended.status} {ended.out}{ended.err}"
        return ended.err

    def folder(self, name):
        path = self.scratch / name
        path.mkdir(parents=True)
        return path

    def offers(self, *arguments):
        """Whether the program knows a command or option."""
        done = subprocess.run([str(self.program), *arguments, "--help"], capture_output=True, text=True)
        return done.returncode == 0


CHECKS = []


def check(function):
    """Registers a check; its docstring is its name."""
    CHECKS.append(function)
    return function


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", help="the built program")
    parser.add_argument("--only", default="", help="only checks whose name holds this")
    options = parser.parse_args()
    import exports  # noqa: F401  registers its checks
    import from_peers  # noqa: F401
    import networks  # noqa: F401
    import to_peers  # noqa: F401

    scratch = Path(tempfile.mkdtemp(prefix="round-trips-"))
    passed = failed = skipped = 0
    try:
        for n, function in enumerate(CHECKS):
            name = " ".join(function.__doc__.split())
            if options.only not in name:
                continue
            folder = scratch / str(n)
            folder.mkdir()
            try:
                note = function(Desk(program(options.program), folder))
                passed += 1
                print(f"passed   {name}" + (f": {note}" if note else ""), flush=True)
            except Skipped as what:
                skipped += 1
                print(f"skipped  {name}: {what} is not here", flush=True)
            except Exception as error:
                failed += 1
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(place.filename).name}:{place.lineno}"
                print(f"FAILED   {name}: {type(error).__name__}: {error} ({where})", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    # The checks import this module by its name: it must be one and the same.
    sys.modules["round_trips"] = sys.modules["__main__"]
    sys.exit(main())
