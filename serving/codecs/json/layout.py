"""Where answers to predict requests break their lines: JSON on one line, laid out as TensorFlow Serving does.

For lists of numbers that are nested regularly, without empty ones, and have no blanks.
"""

INDENT = b"    "


def line(text: bytes) -> bytes:
    """A value on one line, with a blank behind every comma."""
    return text.replace(b",", b", ")


def rows(text: bytes, dimensions: int) -> list[bytes]:
    """The elements of a list, each on one line."""
    closing, opening = b"]" * (dimensions - 1), b"[" * (dimensions - 1)
    text = text[1:-1].replace(closing + b"," + opening, closing + b"\n" + opening)
    return line(text).split(b"\n")


def lines(text: bytes, dimensions: int, depth: int) -> bytes:
    """A list, or a number of no dimensions, with every number on a line of its own; ``depth`` containers are around."""
    breaks = [b"\n" + INDENT * (depth + axis) for axis in range(dimensions + 1)]
    text = text[dimensions : len(text) - dimensions]
    for brackets in range(dimensions - 1, -1, -1):
        outer = breaks[dimensions - brackets : dimensions]
        closing = b"".join([indent + b"]" for indent in reversed(outer)])
        opening = b"".join([indent + b"[" for indent in outer])
        # The commas come last, so that those placed here are not found again.
        text = text.replace(b"]" * brackets + b"," + b"[" * brackets, closing + b";" + opening + breaks[-1])
    first = b"".join([b"[" + indent for indent in breaks[1:]])
    last = b"".join([indent + b"]" for indent in reversed(breaks[:-1])])
    return first + text.replace(b";", b",") + last
