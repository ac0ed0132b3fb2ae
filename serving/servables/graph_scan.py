"""Whether a version's graph has operations of certain types, looked for in its files' bytes: nothing is parsed."""

from collections.abc import Sequence
from pathlib import Path

from serving.core.version_files import SAVED_MODELS, SESSION_BUNDLE

_PIECE = 2**20
_OVERLAP = 64


def has_operation(version: Path, operations: Sequence[str]) -> bool:
    """Whether the model in this directory has one of them. One that cannot be read has none:
    loading it says what is wrong.
    """
    return any(_found(version / name, operations) for name in (*SAVED_MODELS, SESSION_BUNDLE))


def _found(path: Path, operations: Sequence[str]) -> bool:
    if path.suffix == ".pbtxt":
        wanted = [f'op: "{name}"'.encode() for name in operations]
    else:
        wanted = [b"\x12" + bytes([len(name)]) + name.encode() for name in operations]  # field 2 of a NodeDef, its op
    try:
        with path.open("rb") as file:
            last = b""
            while piece := file.read(_PIECE):  # in pieces, between which others have the interpreter
                window = last + piece
                if any(each in window for each in wanted):
                    return True
                last = window[-_OVERLAP:]
    except OSError:
        return False
    return False
