"""The shortest road for predict requests: a small body becomes Python objects as a whole, which costs less than finding
its parts.

It takes bodies exactly as ``json_request.read_exactly`` would; whatever it is not sure of it declines, errors included.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import orjson

from serving.codecs.json import arrays as json_arrays
from serving.codecs.json.fast import Layout
from serving.core.signature import TensorInfo
from serving.core.tensor import Tensor

MOST_BYTES = 4096
"""Of a body. Above it the fast road is cheaper, which makes no objects of the numbers."""

# What lists of plain decimals are made of. Without it, a body must be braces, keys and colons: no exponents, no words.
_LISTS_OF_NUMBERS = b"0123456789.-, \n\r\t[]"
_SHORTEST_LIST = 32
"""Bytes that a list of a plain body has on average, at least."""

_PLAIN = {f'{{"{layout.value}":}}'.encode(): (layout.value, layout) for layout in Layout}
_SIGNATURE_NAME = "signature_name"

# Up to 15 digits and no exponent, orjson and the exact road divide one exact double by another: the results are equal.
_DIGITS = bytes.maketrans(b"123456789.", b"0" * 10)
_LONG, _TOO_LONG = b"0" * 16, b"0" * 25
_EXPONENTS = (b"0e", b"0E")

# What every short request needs. The constructor of a NamedTuple is a function in Python, which takes longer.
_new, _loads, _get_plain = tuple.__new__, orjson.loads, _PLAIN.get


class Document(Protocol):
    """A request body, read as far as no model is needed."""

    @property
    def signature_name(self) -> str:
        """As the body has it; empty when it names none."""
        ...

    def tensors(self, inputs: Mapping[str, TensorInfo]) -> tuple[Layout, dict[str, Tensor]]:
        """The tensors of the request by alias, and the layout the answer is to have.

        ``inputs`` are the declared inputs, at least one; their shapes are not looked at. Row layout gives every tensor
        one leading dimension, the number of instances. Raises ServingError.
        """
        ...


Otherwise = Callable[[bytes], Document]
"""Another road, which reads the same body."""


class NumbersDocument(NamedTuple):
    """A valid body of keys, a string at most, the signature's name, and lists of numbers of up to 24 digits.

    ``value`` is what orjson made of the instances or inputs; ``long`` says that some numbers have more than 15 digits.
    """

    signature_name: str
    layout: Layout
    value: Any
    long: bool
    body: bytes
    otherwise: Otherwise

    def tensors(self, inputs: Mapping[str, TensorInfo]) -> tuple[Layout, dict[str, Tensor]]:
        """As ``Document``."""
        value = self.value
        if len(inputs) == 1 and type(value) is list and value and type(value[0]) is not dict:  # as most are
            try:
                for name, info in inputs.items():
                    dtype = info.dtype
                    return self.layout, {name: _new(Tensor, (dtype, json_arrays.numbers(value, dtype, self.long)))}
            except json_arrays.REFUSALS:
                return self.otherwise(self.body).tensors(inputs)
        _, layout, _, long, body, otherwise = self
        columns = json_arrays.columns(layout, value, inputs)
        if columns is not None:
            try:
                found = {}
                for name, info in inputs.items():
                    dtype = info.dtype
                    found[name] = Tensor(dtype, json_arrays.numbers(columns[name], dtype, long))
                return layout, found
            except json_arrays.REFUSALS:
                pass
        return otherwise(body).tensors(inputs)


class WordsDocument(NamedTuple):
    """A valid body with strings, booleans or base64 objects as well, and no escapes and no exponents.

    ``colons`` are those of the body that are not between a key and a value of the document or of ``value``. They must
    be in base64 objects and in strings; else orjson has dropped one of two members with the same name.
    """

    signature_name: str
    layout: Layout
    value: Any
    long: bool
    colons: int
    body: bytes
    otherwise: Otherwise

    def tensors(self, inputs: Mapping[str, TensorInfo]) -> tuple[Layout, dict[str, Tensor]]:
        """As ``Document``."""
        found = self._tensors(inputs)
        return self.otherwise(self.body).tensors(inputs) if found is None else (self.layout, found)

    def _tensors(self, inputs: Mapping[str, TensorInfo]) -> dict[str, Tensor] | None:
        columns = json_arrays.columns(self.layout, self.value, inputs)
        if columns is None:
            return None
        found, colons = {}, 0
        try:
            for name, info in inputs.items():
                shape, leaves = json_arrays.leaves(columns[name])
                array = json_arrays.flat(leaves, info.dtype, long=self.long)
                found[name] = Tensor(info.dtype, array.reshape(shape))
                colons += sum(map(_colons, leaves))
        except json_arrays.REFUSALS:
            return None
        return found if colons == self.colons else None


def is_plain(body: bytes) -> bool:
    """Whether a body is numbers of up to 15 digits for one input, in lists of some length, which are read fastest."""
    if body.count(b"[") * _SHORTEST_LIST > len(body) or body.translate(None, _LISTS_OF_NUMBERS) not in _PLAIN:
        return False
    return body.translate(_DIGITS).find(_LONG) < 0


def scan(body: bytes, otherwise: Otherwise) -> Document | None:
    """Read a whole body, or None if it is not short or not of these kinds; ``otherwise`` reads what turns out later."""
    if len(body) > MOST_BYTES:
        return None
    digits = body.translate(_DIGITS)
    long = digits.find(_LONG) >= 0  # ``in`` would take bytes for a number first, and make an error of that
    if long and digits.find(_TOO_LONG) >= 0:
        return None
    try:
        document = _loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(document) is not dict:
        return None
    rest = body.translate(None, _LISTS_OF_NUMBERS)
    plain = _get_plain(rest)
    if plain is not None:
        value = document.get(plain[0])
        return None if value is None else _new(NumbersDocument, ("", plain[1], value, long, body, otherwise))
    if b"\\" in rest or any(exponent in digits for exponent in _EXPONENTS):
        return None
    return _document(document, body, rest, long, otherwise)


def _document(document: dict[str, Any], body: bytes, rest: bytes, long: bool, otherwise: Otherwise) -> Document | None:
    """The same for a body of any members, without escapes and exponents."""
    name, rows = document.get(_SIGNATURE_NAME, ""), "instances" in document
    if type(name) is not str or rows == ("inputs" in document):
        return None
    layout = Layout.ROW if rows else Layout.COLUMNAR
    value = document[layout.value]
    if _skeleton(document).encode().translate(None, _LISTS_OF_NUMBERS) == rest:
        return NumbersDocument(name, layout, value, long, body, otherwise)
    colons = body.count(b":") - len(document) - _members(value)
    if colons and b'"signature_name"' in body:
        return None
    return WordsDocument(name, layout, value, long, colons, body, otherwise)


def _members(value: Any) -> int:
    """How many members there are in the inputs, or in all instances; those of base64 objects do not count."""
    objects = [item for item in (value if type(value) is list else [value]) if type(item) is dict]
    return sum([len(item) for item in objects if not json_arrays.is_base64(item)])


def _colons(leaf: Any) -> int:
    """Those of a string, or of a base64 object."""
    return leaf.count(":") if type(leaf) is str else int(type(leaf) is dict)


def _skeleton(document: dict[str, Any]) -> str:
    """The body again, without what its lists are made of.

    Whatever orjson dropped, the first of two members with the same name for instance, is missing from it, and whatever
    is no number as well: if this is all of the body, there was nothing else.
    """
    members = []
    for key, value in document.items():
        if type(value) is dict:
            members.append(f'"{key}":{_keys(value)}')
        elif type(value) is list and value and type(value[0]) is dict:
            rows = [_keys(row) for row in value if type(row) is dict]
            members.append(f'"{key}":{"".join(rows) if len(rows) == len(value) else "?"}')
        else:
            members.append(f'"{key}":"{value}"' if key == _SIGNATURE_NAME and type(value) is str else f'"{key}":')
    return "{" + "".join(members) + "}"


def _keys(members: dict[str, Any]) -> str:
    return "{" + "".join([f'"{key}":' for key in members]) + "}"
