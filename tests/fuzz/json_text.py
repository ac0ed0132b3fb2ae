"""JSON as clients write it, of values drawn for a data type: numbers, strings, base64 objects, nested lists."""

import base64
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from serving.core.tensor import DataType
from tests.fuzz.drawing import chance, some_bytes

_LEAST = {
    DataType.INT8: (-(2**7), 2**7 - 1),
    DataType.UINT8: (0, 2**8 - 1),
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.UINT32: (0, 2**32 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT64: (0, 2**64 - 1),
}
_WORDS = (
    "",
    "a",
    "b64",
    "x: 1",
    "text",
    "grün",
    "日本",
    "\U0001f600",
    'a"b',
    "back\\slash",
    "tab\t",
    "\u2028",
    "e9",
    "Inf",
)
_SPACES = ("", "", "", " ", "\n  ", "\t", "\r\n")


class Style(NamedTuple):
    """How a document is written: the blanks around its values, and whether only ASCII is used."""

    blank: str
    ascii_only: bool


def style(random: Random) -> Style:
    """A style; most clients write blanks behind commas and colons alone, or none."""
    return Style(random.choice(_SPACES), chance(random, 60))


def listed(style: Style, values: Sequence[str]) -> str:
    """A list of values that are texts already."""
    return "[" + style.blank + f",{style.blank}".join(values) + style.blank + "]"


def members(style: Style, pairs: Sequence[tuple[str, str]]) -> str:
    """An object of names and values that are texts already."""
    written = [f"{quoted(style, name)}:{style.blank}{value}" for name, value in pairs]
    return "{" + style.blank + f",{style.blank}".join(written) + style.blank + "}"


def quoted(style: Style, text: str) -> str:
    """A string."""
    return json.dumps(text, ensure_ascii=style.ascii_only)


def nested(random: Random, style: Style, shape: Sequence[int], leaf: Callable[[], str]) -> str:
    """Lists of this shape."""
    if not shape:
        return leaf()
    return listed(style, [nested(random, style, shape[1:], leaf) for _ in range(shape[0])])


def leaf(random: Random, style: Style, dtype: DataType) -> str:
    """One value that a tensor of the type takes."""
    if dtype is DataType.BOOL:
        return random.choice(("true", "false"))
    if dtype is DataType.STRING:
        return _string(random, style)
    if dtype in _LEAST:
        return _integer(random, *_LEAST[dtype])
    return _decimal(random)


def _string(random: Random, style: Style) -> str:
    if chance(random, 25):
        return members(style, [("b64", quoted(style, base64.b64encode(some_bytes(random, 12)).decode()))])
    return quoted(style, random.choice(_WORDS) * random.choice((1, 1, 1, 2, 9)))


def _integer(random: Random, least: int, most: int) -> str:
    if chance(random, 20):
        return str(random.choice((least, most)))
    number = random.randrange(-1000, 1000)
    return str(min(max(number, least), most))


def _decimal(random: Random) -> str:
    match random.randrange(9):
        case 0 | 1:
            return str(random.randrange(-100, 1000))
        case 2 | 3:
            return f"{random.randrange(-1000, 1000) / 8}"
        case 4:
            return repr(random.random())
        case 5:
            return f"{random.random():.9g}"
        case 6:
            return f"{random.randrange(-9999, 9999)}.{random.randrange(10)}e{random.randrange(-30, 30)}"
        case 7:
            return random.choice(
                ("0", "-0", "-0.0", "0.0", "1E5", "1e+2", "16777217", "3.4028234e38", "1e-45", "5e-324")
            )
        case _:
            return "".join(str(random.randrange(10)) for _ in range(random.choice((16, 20, 30)))).lstrip("0") or "0"
