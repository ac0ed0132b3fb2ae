"""Runs an installer quietly: one line says what is installed, how much of it there is so far, and how long it took.

usage: python -m build.installing --what=TEXT --megabytes=NUMBER --folder=PATH COMMAND ...

What the command prints is shown in full when it fails, and its status is this program's. The figure that grows is
what the command has written, of about ``--megabytes``; only a terminal shows it. Needs nothing but Python.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_REFRESH_SECONDS = 0.25
_MEGABYTE = 1_000_000


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its status, or 128 and the signal that ended it."""
    parser = argparse.ArgumentParser(prog="python -m build.installing", description=__doc__.partition("\n")[0])
    parser.add_argument("--what", required=True, help="what is installed, in a few words")
    parser.add_argument("--megabytes", type=int, required=True, help="how much there will be when all is unpacked")
    parser.add_argument("--folder", type=Path, required=True, help="whose size is told at the end")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the installer and its arguments")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    line = Line(chosen.what, shown=sys.stdout.isatty())
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - the command is make's
            chosen.command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _watch(process, line, chosen.megabytes)
        except KeyboardInterrupt:
            process.wait()  # the terminal has interrupted it as well
            line.end("interrupted")
            return 130
        if process.returncode:
            line.end("failed")
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
            return process.returncode if process.returncode > 0 else 128 - process.returncode
    took = time.monotonic() - began
    line.end(f"{size(chosen.folder) / _MEGABYTE:,.0f} MB in {took:.0f} s")
    return 0


class Line:
    """One line of output: what is done, and then how far it is; what is not a terminal gets no more than the end."""

    def __init__(self, what: str, *, shown: bool) -> None:
        self.shown = shown
        self._what = what
        print(f"{what}: ", end="", flush=True)

    def say(self, words: str) -> None:
        """Show how far it is, in place of what was said before."""
        print(f"\r\x1b[K{self._what}: {words}", end="", flush=True)

    def end(self, words: str) -> None:
        """Say how it ended."""
        if self.shown:
            self.say(words)
            print(flush=True)
        else:
            print(words, flush=True)


def size(folder: Path) -> int:
    """The bytes that the files below ``folder`` take on the disk; what has several names there counts once."""
    found: dict[tuple[int, int], int] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(Path(parent) / name)
            found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(found.values())


def written(process: int) -> int:
    """The bytes that a process has written so far; 0 where the kernel does not tell."""
    try:
        lines = Path(f"/proc/{process}/io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("wchar:")), 0)


def _watch(process: "subprocess.Popen[bytes]", line: Line, megabytes: int) -> None:
    """Wait for the end; meanwhile say on a terminal how far it is."""
    while True:
        try:
            process.wait(_REFRESH_SECONDS if line.shown else None)
        except subprocess.TimeoutExpired:
            line.say(f"{min(megabytes, written(process.pid) // _MEGABYTE):,} of {megabytes:,} MB")
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
