"""JSON text that is nested deeper than the scanner recurses, cut into parts that are not."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from serving.codecs.json.strings import without_escapes

_LEVELS = 300
"""Of a part. Python's own limit is about a thousand, less what is on the stack already."""

_PLACEHOLDER = b"-Infinity"
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1


def deep_value(text: bytes, read: Callable[[bytes, Iterator[Any]], Any]) -> Any:
    """The container that ``text`` starts with, read part by part, the inner ones first.

    In what ``read`` is given, each ``-Infinity`` stands for the next of the values beside it; ``text`` has none of its
    own. Raises ValueError if there is no such container.
    """
    characters = np.frombuffer(without_escapes(text), np.uint8)
    steps = np.where(np.logical_xor.accumulate(characters == ord('"')), np.int8(0), _STEPS[characters])
    places = np.flatnonzero(steps)
    steps = steps[places]
    depths = np.cumsum(steps, dtype=np.int32)
    closed = np.flatnonzero(depths == 0)
    if not closed.size:
        raise ValueError("open at the end")
    last = int(closed[0]) + 1
    # How deep the inside of the container is that a bracket opens or closes.
    inside = depths[:last] + (steps[:last] < 0)
    # Parts begin at every so many levels, those where the fewest begin.
    residues = inside % _LEVELS
    rarest = int(np.argmin(np.bincount(residues, minlength=_LEVELS)))
    cuts = np.flatnonzero((residues == rarest) & (inside > 1))
    return _parts(text, places[cuts].tolist(), steps[cuts].tolist(), int(places[last - 1]) + 1, read)


def _parts(
    text: bytes, cuts: list[int], steps: list[int], end: int, read: Callable[[bytes, Iterator[Any]], Any]
) -> Any:
    levels: list[tuple[list[bytes], list[Any]]] = [([], [])]
    begin = 0
    for cut, step in zip(cuts, steps, strict=True):
        texts, children = levels[-1]
        if step > 0:
            texts.append(text[begin:cut])
            levels.append(([], []))
            begin = cut
        else:
            texts.append(text[begin : cut + 1])
            begin = cut + 1
            levels.pop()
            levels[-1][0].append(_PLACEHOLDER)
            levels[-1][1].append(read(b"".join(texts), iter(children)))
    texts, children = levels[0]
    return read(b"".join([*texts, text[begin:end]]), iter(children))
