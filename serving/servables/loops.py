"""Whether a graph has loops, looked for in the file's bytes: what loops may, for some input, never end.

No event thread may run such a model, however short its runs have been: nothing could end the run, and the thread would
serve nobody any more.
"""

from pathlib import Path

from serving.core.version_files import SAVED_MODELS, SESSION_BUNDLE

_OPERATIONS = ("While", "StatelessWhile", "For", "NextIteration", "RefNextIteration", "ReduceDataset")
_BINARY = tuple(b"\x12" + bytes([len(name)]) + name.encode() for name in _OPERATIONS)  # field 2 of a NodeDef, its op
_TEXT = tuple(f'op: "{name}"'.encode() for name in _OPERATIONS)
_PIECE = 2**20
_OVERLAP = 64


def may_loop(version: Path) -> bool:
    """Whether the model in this directory has loops. One that cannot be read has none:
    loading it says what is wrong.
    """
    return any(_found(version / name) for name in (*SAVED_MODELS, SESSION_BUNDLE))


def _found(path: Path) -> bool:
    wanted = _TEXT if path.suffix == ".pbtxt" else _BINARY
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
