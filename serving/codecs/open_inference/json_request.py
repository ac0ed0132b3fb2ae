"""Inference requests in JSON, with tensors in it or, by the binary tensor data extension, behind it."""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from itertools import islice
from math import prod
from typing import Any, NamedTuple

import orjson

from serving.codecs.json.literals import Literals, read_literals
from serving.codecs.open_inference import json_data, parameters, raw
from serving.codecs.open_inference.datatypes import dtype_of
from serving.codecs.open_inference.infer import InferInput, InferRequest, WantedOutput
from serving.codecs.open_inference.parameters import Parameter
from serving.core.tensor import DataType
from serving.errors import ServingError, invalid_argument

Check = Callable[[float], None]
"""Told how many seconds something will take by estimate; may raise."""

_SHORT = 4096
"""Bytes of JSON that become Python's values as a whole, faster than numbers are looked for in them."""

_MOST_REMEMBERED = 1024
"""Bytes of JSON before binary data that are remembered with what they say: names, datatypes and shapes."""

_NUMBER_BYTE_SECONDS, _OTHER_BYTE_SECONDS = 4e-9, 3e-8
"""To read a byte of a number, and one of anything else in JSON."""
_STRING_SECONDS = 3e-7
"""To cut one string out of binary data."""

# In valid JSON a string before a colon is a key, and a quote behind a backslash ends no string.
_DATA = re.compile(rb'(?<!\\)"data"[ \t\r\n]*:[ \t\r\n]*(?=\[)')
_END_OF_DATA = re.compile(rb'["}]')
_PLACE = b'"\\u0000data %d"'
_MARK = b"\\u0000data "

_ID = re.compile(rb'\{"id": ?"([ !#-\[\]-~]*)", ?(?=")')
"""Where clients give each request an id, it comes first, and all that is behind is the same again."""
_MOST_LISTS = 64
"""Of numbers that are read apart, which costs as much as some hundred bytes of each."""

_new = tuple.__new__  # the constructor of a NamedTuple is a function in Python, which takes longer
_SCALARS = (bool, int, float, str)


def read(payload: bytes, header_length: int | None, check: Check) -> InferRequest:
    """The request in ``payload``, of which the first ``header_length`` bytes are JSON; all of them for None.

    Numbers of large requests stay where they are until they are asked for. Raises ServingError, INVALID_ARGUMENT: no
    JSON of such a request; and what ``check`` raises.
    """
    size = len(payload) if header_length is None else header_length
    if size > len(payload):
        raise invalid_argument(
            f"The header Inference-Header-Content-Length is {size}, and the body has {len(payload)} bytes; expected "
            "the size of the JSON at its beginning"
        )
    behind = memoryview(payload)[size:]
    if header_length is None or size > _MOST_REMEMBERED:
        check(size * _NUMBER_BYTE_SECONDS)
        return _read_head(payload[:size], check).with_data(behind, check)
    found = _ID.match(payload)
    if found is None or found.end() > size:
        return _remembered(payload[:size]).with_data(behind, check)
    request = _remembered(b"{" + payload[found.end() : size]).with_data(behind, check)
    return request if request.id else request._replace(id=found[1].decode())


class _Given(NamedTuple):
    """An input, whose contents are the next ``size`` bytes behind the JSON, or ``data`` in it."""

    name: str
    dtype: DataType
    shape: tuple[int, ...]
    size: int | None
    data: Literals | list[Any]

    @property
    def strings(self) -> int:
        """How many strings are to be cut out of bytes."""
        return min(prod(self.shape), self.size or 0) if self.dtype is DataType.STRING else 0


class _Head(NamedTuple):
    """What the JSON of a request says: all of it but the contents that are behind."""

    inputs: tuple[_Given, ...]
    size: int
    """Bytes that the inputs have behind it."""
    strings: int
    rest: InferRequest
    """Without its inputs."""

    def with_data(self, behind: memoryview, check: Check) -> InferRequest:
        """The request, with these bytes behind the JSON. INVALID_ARGUMENT for another number of them."""
        if len(behind) != self.size:
            raise invalid_argument(
                f"There are {len(behind)} bytes behind the JSON, and the inputs' binary_data_size come to {self.size}; "
                "expected as many"
            )
        if self.strings:
            check(self.strings * _STRING_SECONDS)
        found, at = {}, 0
        for name, dtype, shape, size, data in self.inputs:
            if size is None:
                contents = partial(json_data.read, name, dtype, shape, data)
            else:
                contents = partial(raw.read, name, dtype, shape, behind[at : at + size])
                at += size
            found[name] = _new(InferInput, (name, dtype, shape, contents))
        return _new(InferRequest, (found, *self.rest[1:]))


def _read_head(text: bytes, check: Check) -> _Head:
    document, numbers = _parsed(text, check)
    if not isinstance(document, dict):
        raise invalid_argument("The body is no JSON object; expected an inference request with the member inputs")
    asked = parameters.of_request(_parameters(document, "the request"))
    inputs = _inputs(document, numbers)
    return _Head(
        inputs,
        sum(each.size or 0 for each in inputs),
        sum(each.strings for each in inputs),
        InferRequest(
            inputs={},
            outputs=_outputs(document, asked.binary),
            id=_optional(document, "id", str, "a string", "") or "",
            binary=asked.binary,
            signature_name=asked.signature_name,
            timeout_ms=asked.timeout_ms,
        ),
    )


@lru_cache(256)
def _remembered(text: bytes) -> _Head:
    """The same of JSON before binary data, which clients repeat byte for byte."""
    return _read_head(text, lambda _: None)


def _parsed(text: bytes, check: Check) -> tuple[Any, Mapping[str, Literals]]:
    """The JSON's value, and in it by the strings that stand for them the lists of numbers that are read apart."""
    numbers: dict[str, Literals] = {}
    if len(text) > _SHORT:
        text = _without_numbers(text, numbers)
        check(len(text) * _OTHER_BYTE_SECONDS)
    try:
        return orjson.loads(text), numbers
    except orjson.JSONDecodeError as error:
        if b"NaN" in text or b"Infinity" in text:  # which JSON has not, and its writers in Python write
            try:
                return json.loads(text), numbers
            except (ValueError, RecursionError):
                pass
        raise invalid_argument(
            f"The body cannot be parsed as JSON: {error.msg} at character {error.pos}; expected an inference "
            "request, and with binary data behind it the header Inference-Header-Content-Length"
        ) from None


def _without_numbers(text: bytes, numbers: dict[str, Literals]) -> bytes:
    """The JSON with a string in the place of each list of numbers that is some input's data."""
    parts: list[bytes] = []
    at = 0
    for found in islice(_DATA.finditer(text), _MOST_LISTS):
        start = found.end()
        if start < at:
            continue
        behind = _END_OF_DATA.search(text, start)
        end = text.rfind(b"]", start, behind.start()) + 1 if behind else 0
        literals = read_literals(text, [(start, end)], stacked=False) if end else None
        if literals is not None:
            place = _PLACE % len(numbers)
            numbers[orjson.loads(place)] = literals
            parts += (text[at:start], place)
            at = end
    rest = b"".join([*parts[::2], text[at:]])
    if _MARK in rest:  # somebody else writes such strings, and no number is worth telling them apart
        numbers.clear()
        return text
    return b"".join([*parts, text[at:]])


def _inputs(document: dict[str, Any], numbers: Mapping[str, Literals]) -> tuple[_Given, ...]:
    given = document.get("inputs")
    if not isinstance(given, list):
        raise invalid_argument('The request has no list of inputs; expected the member "inputs"')
    found: dict[str, _Given] = {}
    for index, each in enumerate(given):
        if not isinstance(each, dict):
            raise invalid_argument(f"Element {index} of inputs is no object; expected name, datatype, shape and data")
        name = _name(each, f"Element {index} of inputs")
        if name in found:
            raise invalid_argument(f'Input "{name}" is there twice; expected each input once')
        dtype, shape = dtype_of(_text(each, "datatype", name), name), _shape(each, name)
        size = _binary_size(each, name)
        found[name] = _Given(name, dtype, shape, size, _data(each, numbers, name) if size is None else [])
    return tuple(found.values())


def _data(given: dict[str, Any], numbers: Mapping[str, Literals], name: str) -> Literals | list[Any]:
    data = given.get("data")
    if isinstance(data, str) and data in numbers:
        return numbers[data]
    if not isinstance(data, list):
        raise invalid_argument(
            f'Input "{name}" has no list of data; expected the member "data", or binary data behind the JSON and its '
            "size in the parameter binary_data_size"
        )
    return data


def _outputs(document: dict[str, Any], binary: bool) -> tuple[WantedOutput, ...]:
    given = _optional(document, "outputs", list, "a list", None) or ()
    found = []
    for index, each in enumerate(given):
        if not isinstance(each, dict):
            raise invalid_argument(f"Element {index} of outputs is no object; expected one with the member name")
        name = _name(each, f"Element {index} of outputs")
        asked = _parameters(each, f'output "{name}"')
        parameters.check_memory("Output", name, asked)
        in_bytes = parameters.is_binary(asked, otherwise=binary)
        found.append(WantedOutput(name, in_bytes, parameters.classes(asked)))
    return tuple(found)


def _parameters(given: dict[str, Any], owner: str) -> dict[str, Parameter]:
    """The parameters of the request, an input or an output. INVALID_ARGUMENT for what is no object of scalars."""
    found = given.get("parameters")
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, _SCALARS) for value in found.values()):
        raise invalid_argument(f"The parameters of {owner} are no object of strings, numbers, true and false")
    return found


def _binary_size(given: dict[str, Any], name: str) -> int | None:
    if "parameters" not in given:
        return None
    asked = _parameters(given, f'input "{name}"')
    parameters.check_memory("Input", name, asked)
    size = asked.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise invalid_argument(f'The binary_data_size of input "{name}" is {str(size)[:64]!r}; expected bytes')
    if "data" in given:
        raise invalid_argument(f'Input "{name}" has both data and a binary_data_size; expected one of them')
    return size


def _name(given: dict[str, Any], where: str) -> str:
    name = given.get("name")
    if not isinstance(name, str):
        raise invalid_argument(f"{where} has no name; expected a string in the member name")
    return name


def _text(given: dict[str, Any], member: str, name: str) -> str:
    text = given.get(member)
    if not isinstance(text, str):
        raise invalid_argument(f'Input "{name}" has no {member}; expected a string in the member {member}')
    return text


def _shape(given: dict[str, Any], name: str) -> tuple[int, ...]:
    shape = given.get("shape")
    if not isinstance(shape, list) or any(type(size) is not int for size in shape):
        raise invalid_argument(f'Input "{name}" has no shape; expected a list of integers in the member shape')
    return tuple(shape)


def _optional(given: dict[str, Any], member: str, kind: type, expected: str, otherwise: Any) -> Any:
    value = given.get(member)
    if value is None:
        return otherwise
    if not isinstance(value, kind):
        raise _not(member, expected)
    return value


def _not(member: str, expected: str) -> ServingError:
    return invalid_argument(f'The member "{member}" of the request is not {expected}; expected {expected}, or none')
