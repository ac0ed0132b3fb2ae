"""What C++ protobuf, and so TensorFlow Serving, says of a text proto that Python's parser has refused.

The parsers find the same mistakes and tell of them in other words and at other places. A mistake of a kind that is not
in the table keeps Python's words.
"""

import re
from collections.abc import Callable

_TAB_COLUMNS = 8
_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_TOKEN = re.compile(r"[A-Za-z_]\w*|[0-9.][\w.+-]*|\"(?:[^\"\n\\]|\\.)*\"|'(?:[^'\n\\]|\\.)*'|\S|$")
_FIELD_BEFORE = re.compile(r"(\w+)\s*:\s*\[?[^\]\[{}:]*$")
_LEAST_INT32 = -(2**31)

_Words = Callable[[re.Match[str], str, int], tuple[str, int]]
"""Of what Python says, the text, and where in it that is: what C++ says, and where."""


def protobuf_words(text: str, said: str, line: int | None, column: int | None) -> str:
    """``line:column: message``; ``said`` is Python's message without its place, which counts from 1 or is unknown."""
    offset = _offset(text, line or 1, column or 1)
    for pattern, words in _TABLE:
        if found := re.fullmatch(pattern, said, re.DOTALL):
            said, offset = words(found, text, offset)
            break
    return f"{_place(text, offset)}: {said}"


def _offset(text: str, line: int, column: int) -> int:
    return sum(len(each) + 1 for each in text.split("\n")[: line - 1]) + column - 1


def _place(text: str, offset: int) -> str:
    """Line and column of an offset; C++ counts bytes, and tabs as far as they go."""
    begun = text[:offset].split("\n")
    column = 0
    for part in begun[-1].encode(errors="replace"):
        column += _TAB_COLUMNS - column % _TAB_COLUMNS if part == ord("\t") else 1
    return f"{len(begun)}:{column + 1}"


def _token(text: str, offset: int) -> str:
    found = _TOKEN.match(text, offset)
    return found[0] if found else ""


def _after(text: str, offset: int) -> int:
    """Where the token after the one at the offset begins."""
    found = _BLANK.match(text, offset + len(_token(text, offset)))
    return found.end() if found else offset


def _here(message: str) -> _Words:
    """The message, and what is there instead of what it expects."""
    return lambda found, text, offset: (message + (_token(text, offset)), offset)


def _end(found: re.Match[str], text: str, offset: int) -> tuple[str, int]:
    """Python tells of an end that is missing where the last token is; C++ expects another field at the end."""
    end = _after(text, offset)
    return (f"Expected identifier, got: {_token(text, end)}", end)


def _bracket(found: re.Match[str], text: str, offset: int) -> tuple[str, int]:
    return (f'Expected "{found[1]}", found "{_token(text, offset)}".', offset)


def _no_field(found: re.Match[str], text: str, offset: int) -> tuple[str, int]:
    return (found[0], _after(text, offset))


def _twice(found: re.Match[str], text: str, offset: int) -> tuple[str, int]:
    before = text[:offset].rstrip()
    where = len(before) - 1 if before.endswith(":") else offset
    return (f'Non-repeated field "{found[1]}" is specified multiple times.', where)


def _one_of(found: re.Match[str], text: str, offset: int) -> tuple[str, int]:
    return (f"{found[1]}.", _after(text, offset))


def _range(found: re.Match[str], text: str, offset: int) -> tuple[str, int]:
    """A minus sign is no part of a number, and none is expected where only positive ones are."""
    number = found[1]
    if not number.startswith("-"):
        return (f"Integer out of range ({number})", offset)
    if number[1:].isdigit() and int(number) >= _LEAST_INT32:
        return ("Expected integer, got: -", offset)
    return (f"Integer out of range ({number[1:]})", offset + 1)


def _enum(found: re.Match[str], text: str, offset: int) -> tuple[str, int]:
    field = _FIELD_BEFORE.search(text, 0, offset)
    name = field[1] if field else ""
    return (f'Unknown enumeration value of "{found[1]}" for field "{name}".', _after(text, offset))


def _bool(found: re.Match[str], text: str, offset: int) -> tuple[str, int]:
    value = _token(text, offset)
    if value.isdigit():
        return (f"Integer out of range ({value})", offset)
    if not _NAME.fullmatch(value):
        return (f"Expected identifier, got: {value}", offset)
    field = _FIELD_BEFORE.search(text, 0, offset)
    name = field[1] if field else ""
    return (f'Invalid value for boolean field "{name}". Value: "{value}".', _after(text, offset))


def _string(found: re.Match[str], text: str, offset: int) -> tuple[str, int]:
    end = text.find("\n", offset)
    if end < 0:
        return ("Unexpected end of string.", len(text))
    return ("String literals cannot cross line boundaries.", end)


def _extension(found: re.Match[str], text: str, offset: int) -> tuple[str, int]:
    begin, end = text.rfind("[", 0, offset), text.find("]", offset)
    name = "".join(text[begin + 1 : end].split())
    return (f'Extension "{name}" is not defined or is not an extension of "{found[1]}".', _after(text, end))


def _type(found: re.Match[str], text: str, offset: int) -> tuple[str, int]:
    name = re.search(rf"\[\s*(\S*{re.escape(found[1])})\s*\]", text)
    where = _after(text, name.end() - 1) if name else offset
    return (f'Could not find type "{name[1] if name else found[1]}" stored in google.protobuf.Any.', where)


_TABLE: tuple[tuple[str, _Words], ...] = (
    (r'Message type "[^"]*" has no field named "[^"]*"\.', _no_field),
    (r"Expected identifier.*", _here("Expected identifier, got: ")),
    (r"Expected string.*", _here("Expected string, got: ")),
    (r"String missing ending quote.*", _string),
    (r'Expected "(:|\{|\]|,)"\.', _bracket),
    (r'Expected "[}>]"\.', _end),
    (r'Message type "[^"]*" should not have multiple "([^"]*)" fields\.', _twice),
    (r'(Field "[^"]*" is specified along with field "[^"]*", another member of oneof "[^"]*").*', _one_of),
    (r"Couldn't parse integer.*", _here("Expected integer, got: ")),
    (r"Couldn't parse float.*", _here("Expected double, got: ")),
    (r"Value out of range: (.*)", _range),
    (r'Enum type "[^"]*" has no value named (.*)\.', _enum),
    (r'Expected "true" or "false".*', _bool),
    (r'Message type "([^"]*)" does not have extensions\.', _extension),
    (r"Type (\S+) not found in descriptor pool.*", _type),
)
