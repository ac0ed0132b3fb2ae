"""A JSON value as messages embed it: arrays on one line, objects over several, cut soon after 256 bytes.

For people only: what is cut is not valid JSON any more (docs/rest.md, "Echoed values").
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from serving.codecs.json.digits import double_text
from serving.codecs.json.strings import decoded, encoded, quoted
from serving.codecs.json.text import JsonValue

LIMIT_BYTES = 256
_INDENT = b"    "


def echo(value: JsonValue) -> str:
    """The text of ``value``; undecodable bytes are surrogate-escaped.

    Nothing is written once 256 bytes are reached, but a string is never cut inside. A number that is not finite ends
    the text before it.
    """
    out = bytearray()
    levels: list[_Level] = []
    if not _write(out, levels, value):
        return decoded(bytes(out))
    while levels and len(out) < LIMIT_BYTES:
        level = levels[-1]
        item = next(level.items, None)
        if item is None:
            levels.pop()
            _leave(out, level, len(levels))
            continue
        _separate(out, level, len(levels))
        key, child = item
        if key is not None:
            out += quoted(encoded(key))
            if len(out) >= LIMIT_BYTES:
                break
            out += b": "
        if not _write(out, levels, child):
            break
    return decoded(bytes(out))


@dataclass(slots=True)
class _Level:
    """An open container: what is left to write, its closing bracket, and whether anything was written."""

    items: Iterator[tuple[str | None, JsonValue]]
    close: bytes
    empty: bool = True


def _write(out: bytearray, levels: list[_Level], value: JsonValue) -> bool:
    """Write a scalar or open a container; False if the text ends here."""
    if isinstance(value, tuple):
        out += b"{"
        levels.append(_Level(iter(value), b"}"))
    elif isinstance(value, list):
        out += b"["
        levels.append(_Level(((None, child) for child in value), b"]"))
    else:
        text = _scalar(value)
        out += text
        return bool(text)
    return True


def _scalar(value: bool | int | float | str | None) -> bytes:
    if value is None:
        return b"null"
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, str):
        return quoted(encoded(value))
    if isinstance(value, int):
        return b"%d" % value
    return double_text(value).encode() if math.isfinite(value) else b""


def _separate(out: bytearray, level: _Level, depth: int) -> None:
    if not level.empty:
        out += b"," if level.close == b"}" else b", "
    if level.close == b"}":
        out += b"\n" + _INDENT * depth
    level.empty = False


def _leave(out: bytearray, level: _Level, depth: int) -> None:
    if level.close == b"}" and not level.empty:
        out += b"\n" + _INDENT * depth
    out += level.close
