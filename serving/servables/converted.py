"""A SavedModel that was made for one load, and goes with what was loaded from it."""

import shutil
import weakref
from pathlib import Path


class Converted:
    """It is at ``path``, in the directory ``place``, which ``remove`` takes away; so does the end of the process."""

    def __init__(self, *, path: Path, place: Path) -> None:
        self.path = path
        self.remove = weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
