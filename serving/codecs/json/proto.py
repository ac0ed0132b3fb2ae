"""Messages as JSON the way protobuf's C++ printer writes them (docs/rest.md, "Status and metadata bodies").

Python's ``json_format`` orders, indents and omits differently; bodies here are promised to the byte.
"""

import base64
import re
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor as Field

_ESCAPED = re.compile('[\\x00-\\x1f"\\\\<>\\x7f\\u2028\\u2029]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_QUOTED_NUMBERS = frozenset(
    (Field.TYPE_INT64, Field.TYPE_UINT64, Field.TYPE_SINT64, Field.TYPE_FIXED64, Field.TYPE_SFIXED64)
)


def dumps(message: Any) -> str:
    """The message with one blank of indent a level, proto field names, defaults printed; ends in a newline."""
    return _message(message, 0) + "\n"


def quote(text: str) -> str:
    """A JSON string, escaped as this printer does."""
    return '"' + _ESCAPED.sub(lambda match: _SHORT.get(match[0]) or f"\\u{ord(match[0]):04x}", text) + '"'


def _message(message: Any, level: int) -> str:
    members = [
        (quote(field.name), _field(field, getattr(message, field.name), level + 1))
        for field in sorted(message.DESCRIPTOR.fields, key=lambda field: int(field.number))
        if not field.has_presence or message.HasField(field.name)
    ]
    return _object(members, level)


def _object(members: list[tuple[str, str]], level: int) -> str:
    if not members:
        return "{}"
    inner = ",\n".join(f"{' ' * (level + 1)}{key}: {value}" for key, value in members)
    return f"{{\n{inner}\n{' ' * level}}}"


def _field(field: Any, value: Any, level: int) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        kind = field.message_type.fields_by_name["value"]
        return _object([(quote(str(key)), _value(kind, value[key], level + 1)) for key in value], level)
    if not field.is_repeated:
        return _value(field, value, level)
    if not value:
        return "[]"
    inner = ",\n".join(f"{' ' * (level + 1)}{_value(field, item, level + 1)}" for item in value)
    return f"[\n{inner}\n{' ' * level}]"


def _value(field: Any, value: Any, level: int) -> str:
    match field.type:
        case Field.TYPE_MESSAGE:
            if value.DESCRIPTOR.file.name == "google/protobuf/wrappers.proto":
                return _value(value.DESCRIPTOR.fields_by_name["value"], value.value, level)
            return _message(value, level)
        case Field.TYPE_STRING:
            return quote(value)
        case Field.TYPE_BYTES:
            return f'"{base64.b64encode(value).decode()}"'
        case Field.TYPE_BOOL:
            return "true" if value else "false"
        case Field.TYPE_ENUM:
            known = field.enum_type.values_by_number.get(value)
            return quote(known.name) if known is not None else str(value)
        case Field.TYPE_FLOAT | Field.TYPE_DOUBLE:
            return _number(value, single=field.type == Field.TYPE_FLOAT)
        case kind:
            return f'"{value}"' if kind in _QUOTED_NUMBERS else str(value)


def _number(value: float, *, single: bool) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}[str(value)]
    shortest = str(np.float32(value)) if single else repr(value)
    return shortest.removesuffix(".0")
