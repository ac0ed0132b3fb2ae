"""Walks through the page of an example as its reader would: every command, in order, against the real server."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from tests.support.server_process import REPOSITORY
from tests.support.shell_blocks import Ran, Reader, activated, shell_blocks

EXAMPLES = REPOSITORY / "examples"
SERVER = "tensorflow_model_server"
KEPT = "KEPT_WALKS"
"""Names the environment's directory, if any, where walks are kept for those who would walk the same way again."""

_LEFT_OUT = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:docker|make)\b", re.MULTILINE)


class Walk(Reader):
    """The way through ``examples/{name}/README.md``, in a directory that gets a copy of ``examples``.

    A block that begins with ``tensorflow_model_server`` is started, and serves until the next one or the end. Blocks
    with docker or make are left out. The others must succeed.
    """

    def __init__(self, name: str, directory: Path, *, examples: Path = EXAMPLES) -> None:
        super().__init__(directory, activated())
        self._page = (examples / name / "README.md").read_text()
        kept = os.environ.get(KEPT)
        self._kept = Path(kept) / hashlib.sha256(f"{name}\n{self._page}".encode()).hexdigest()[:16] if kept else None
        shutil.copytree(examples, directory / "examples", ignore=shutil.ignore_patterns("__pycache__"))

    def run(self) -> None:
        """Do what the page says."""
        for block in shell_blocks(self._page):
            if block.startswith(SERVER):
                self.serve(f'exec {block} "$@"')
            elif not _LEFT_OUT.search(block):
                self.enter(block)
        if self._kept is not None and not self._kept.exists():
            keep(self.directory, self.ran, self._kept)

    def run_before(self) -> None:
        """Have all done that the page says, with no server up: what an earlier test has kept is not done again."""
        if self._kept is not None and self._kept.exists():
            shutil.copytree(self._kept / "directory", self.directory, symlinks=True, dirs_exist_ok=True)
            kept = json.loads((self._kept / "ran.json").read_text())
            for config in self.directory.rglob("*.config"):  # pages write base paths into these, which are absolute
                config.write_text(config.read_text().replace(kept["directory"], str(self.directory)))
            self.ran = [Ran(**ran) for ran in kept["ran"]]
        else:
            self.run()
            self.stop()


def keep(directory: Path, ran: list[Ran], target: Path) -> None:
    """Copy what a walk has left and printed, all of it or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as unfinished:
        copy = Path(unfinished) / "walk"
        shutil.copytree(directory, copy / "directory", symlinks=True)
        steps = [{"block": each.block, "output": each.output} for each in ran]
        (copy / "ran.json").write_text(json.dumps({"directory": str(directory), "ran": steps}))
        copy.rename(target)
