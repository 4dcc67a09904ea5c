"""Pointer and keys over one real window of the program, by the names of its controls. Used by the checks beside it."""

import os
import subprocess
import sys
import time

# Roles of what can be typed into; a number becomes a text while it is.
FIELDS = ("SpinButton", "TextInput", "MultilineTextInput")


class Hand:
    """Starts the program on the display that is set, with a home and logs of its own in `folder`."""

    def __init__(self, program, arguments, folder, name):
        self.folder, self.name = folder, name
        self.frames = folder / "frames.csv"
        self.controls = folder / "controls"
        environment = dict(
            os.environ,
            MASKWRIGHT_HOME=str(folder / "home"),
            MASKWRIGHT_FRAME_LOG=str(self.frames),
            MASKWRIGHT_CONTROLS=str(self.controls),
        )
        environment.setdefault("XDG_RUNTIME_DIR", str(folder))
        self.log = open(folder / "log", "wb")
        self.program = subprocess.Popen([program, *arguments], stdout=self.log, stderr=self.log, env=environment)
        self.window = None
        for _ in range(300):
            found = subprocess.run(
                ["xdotool", "search", "--onlyvisible", "--pid", str(self.program.pid)], capture_output=True, text=True
            ).stdout.split()
            if found:
                self.window = found[-1]
                break
            time.sleep(0.2)
        if self.window is None:
            self.fail("no window came")
        self.do("windowfocus", self.window)

    def fail(self, what):
        self.program.kill()
        print(f"{self.name}: {what}", file=sys.stderr)
        print((self.folder / "log").read_text(errors="replace")[-2000:], file=sys.stderr)
        sys.exit(1)

    def close(self):
        self.program.kill()
        self.program.wait()

    def do(self, *arguments):
        if self.program.poll() is not None:
            self.fail("the program ended by itself")
        subprocess.run(["xdotool", *map(str, arguments)], check=True)

    def key(self, name, times=1):
        for _ in range(times):
            self.do("key", name)
            time.sleep(0.03)
        time.sleep(0.1)

    def type(self, text):
        self.do("type", "--delay", 4, text)

    def move(self, x, y):
        self.do("mousemove", "--window", self.window, round(x), round(y))

    def drag(self, a, b, held=None):
        self.move(*a)
        if held:
            self.do("keydown", held)
        self.do("mousedown", 1)
        time.sleep(0.03)
        self.move(*b)
        time.sleep(0.03)
        self.do("mouseup", 1)
        if held:
            self.do("keyup", held)
        time.sleep(0.03)

    def click(self, x, y, held=None):
        self.move(x, y)
        time.sleep(0.2)
        if held:
            self.do("keydown", held)
        self.do("click", 1)
        if held:
            self.do("keyup", held)
        time.sleep(0.2)

    def places(self, name):
        """Role, name and rectangle of every usable control whose name begins with `name`."""
        if not self.controls.exists():
            return []
        rows = [line.split("\t") for line in self.controls.read_text().splitlines()]
        return [
            (role, told, *map(float, at)) for role, told, *at, usable in rows if told.startswith(name) and usable == "1"
        ]

    def find(self, name, seconds=60, role=None):
        """The first control of that name, of one role (or several) where it is given; waits until it is there."""
        roles = (role,) if isinstance(role, str) else role
        for _ in range(seconds * 5):
            found = [place for place in self.places(name) if roles is None or place[0] in roles]
            if found:
                # The same name whole goes before one that only begins with it.
                return min(found, key=lambda place: len(place[1]))
            time.sleep(0.2)
        self.fail(f"there is no {name}")

    def press(self, name, seconds=60, role=None):
        _, _, x0, y0, x1, y1 = self.find(name, seconds, role)
        self.click((x0 + x1) / 2, (y0 + y1) / 2)

    def fill(self, name, text):
        """Types into the field that has this text beside it."""
        self.press(name, role=FIELDS)
        self.key("ctrl+a")
        self.type(text)
        self.key("Return")
        self.settle()

    def shown_slice(self):
        """Number of the axial slice that is shown, from 0."""
        return int(self.find("Axial slice ", role="Image")[1].split()[-1]) - 1

    def voxels(self, columns, rows, spacing=(1.0, 1.0)):
        """From voxel to window, for an axial image that fits its pane: call it after the key R."""
        _, _, x0, y0, x1, y1 = self.find("Axial slice ", role="Image")
        zoom = min((x1 - x0) / (columns * spacing[0]), (y1 - y0) / (rows * spacing[1]))

        def at(i, j):
            return (
                (x0 + x1) / 2 + (i - (columns - 1) / 2) * spacing[0] * zoom,
                (y0 + y1) / 2 + (j - (rows - 1) / 2) * spacing[1] * zoom,
            )

        return at

    def settle(self):
        """Waits until the window has answered all input: it says in the log of its frames what waits."""
        for _ in range(4000):
            time.sleep(0.1)
            last = self.frames.read_text().splitlines()[-1:]
            if last and last[0].endswith(",0"):
                return
        self.fail("the window did not come to rest")

    def shot(self, name):
        path = self.folder / f"{name}.png"
        subprocess.run(["import", "-window", self.window, str(path)], check=True)
        return path

    def difference(self, a, b):
        """How many pixels differ between two screenshots."""
        told = subprocess.run(
            ["compare", "-metric", "AE", str(a), str(b), "null:"], capture_output=True, text=True
        ).stderr
        return float(told.split()[0])

    def until_changed(self, what, act, least=3000, seconds=20):
        """Acts, and waits until the window shows it: software Vulkan may take seconds for a frame."""
        before = self.shot("before")
        act()
        for _ in range(seconds * 3):
            time.sleep(0.3)
            if self.difference(before, self.shot("after")) > least:
                return
        self.fail(f"{what} did not happen")

    def export(self, path):
        """The active layer as a file."""
        path.unlink(missing_ok=True)
        self.until_changed("the dialog for an export", lambda: self.key("ctrl+e"))
        self.key("ctrl+a")
        self.type(str(path))
        self.key("Return")
        for _ in range(100):
            if path.exists():
                time.sleep(0.3)
                return path
            time.sleep(0.2)
        self.fail("nothing was exported")
