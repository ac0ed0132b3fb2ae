"""Where answers to predict requests break their lines: JSON on one line, laid out as TensorFlow Serving does.

For lists of numbers that are nested regularly, without empty ones, and have no blanks.
"""

from collections.abc import Iterable, Iterator

INDENT = b"    "


def line(text: bytes) -> bytes:
    """A value on one line, with a blank behind every comma."""
    return text.replace(b",", b", ")


def rows(text: bytes, dimensions: int) -> list[bytes]:
    """The elements of a list, each on one line."""
    closing, opening = b"]" * (dimensions - 1), b"[" * (dimensions - 1)
    text = text[1:-1].replace(closing + b"," + opening, closing + b"\n" + opening)
    return line(text).split(b"\n")


def lines(texts: Iterable[bytes], dimensions: int, depth: int) -> Iterator[bytes]:
    """A list, or a number of no dimensions, with every number on a line of its own; ``depth`` containers are around.

    The texts end in numbers, but for the last one, which is all brackets.
    """
    breaks = [b"\n" + INDENT * (depth + axis) for axis in range(dimensions + 1)]
    separators = []
    for brackets in range(dimensions - 1, -1, -1):
        outer = breaks[dimensions - brackets : dimensions]
        closing = b"".join([indent + b"]" for indent in reversed(outer)])
        opening = b"".join([indent + b"[" for indent in outer])
        # The commas come last, so that those placed here are not found again.
        separators.append((b"]" * brackets + b"," + b"[" * brackets, closing + b";" + opening + breaks[-1]))
    yield b"".join([b"[" + indent for indent in breaks[1:]])
    opened = dimensions
    for text in texts:
        if not text.startswith(b"]") or b"," in text:
            text = text[opened:]
            opened = 0
            for separator, laid_out in separators:
                text = text.replace(separator, laid_out)
            yield text.replace(b";", b",")
    yield b"".join([indent + b"]" for indent in reversed(breaks[:-1])])
