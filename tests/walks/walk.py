"""Walks through the page of an example as its reader would: every command, in order, against the real server."""

import re
import shutil
from pathlib import Path

from tests.support.server_process import REPOSITORY
from tests.support.shell_blocks import Reader, activated, shell_blocks

EXAMPLES = REPOSITORY / "examples"
SERVER = "tensorflow_model_server"

_LEFT_OUT = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:docker|make)\b", re.MULTILINE)


class Walk(Reader):
    """The way through ``examples/{name}/README.md``, in a directory that gets a copy of ``examples``.

    A block that begins with ``tensorflow_model_server`` is started, and serves until the next one or the end. Blocks
    with docker or make are left out. The others must succeed.
    """

    def __init__(self, name: str, directory: Path, *, examples: Path = EXAMPLES) -> None:
        super().__init__(directory, activated())
        self._page = (examples / name / "README.md").read_text()
        shutil.copytree(examples, directory / "examples", ignore=shutil.ignore_patterns("__pycache__"))

    def run(self) -> None:
        """Do what the page says."""
        for block in shell_blocks(self._page):
            if block.startswith(SERVER):
                self.serve(f'exec {block} "$@"')
            elif not _LEFT_OUT.search(block):
                self.enter(block)
