"""Classify and regress requests in JSON -> serialised Examples (docs/rest.md, "REST classify and regress")."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.codecs.json import document as json_document
from serving.codecs.json.echo import echo
from serving.codecs.json.numbers import to_float32
from serving.codecs.json.strings import encoded
from serving.codecs.json.tensor import base64_bytes, is_base64, type_word
from serving.codecs.json.text import JsonObject, JsonValue, has_member, member
from serving.codecs.protobuf.example_input import with_context
from serving.errors import invalid_argument
from serving.protos import Example

_LARGEST_INT64 = 2**63 - 1
# Few floats between these need no help to be narrowed.
_MANY, _SMALL, _LARGE = 32, 1e-37, 3e38
_LISTS = {"bytes": "bytes_list", "float": "float_list", "int64": "int64_list"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleDocument:
    """A whole request: ``signature_name`` is empty when the body names none; contexts are merged into the examples."""

    signature_name: str
    serialized: list[bytes]

    def examples(self) -> list[bytes]:
        """One serialised Example each."""
        return self.serialized


def read(body: bytes) -> ExampleDocument:
    """Read a request body; no model is needed. Raises ServingError, INVALID_ARGUMENT."""
    document, name = json_document.read(body)
    context = _example(member(document, "context")) if has_member(document, "context") else b""
    examples = [_example(value) for value in _examples(document)]
    return ExampleDocument(signature_name=name, serialized=with_context(context, examples))


def _examples(document: JsonObject) -> list[JsonValue]:
    if not has_member(document, "examples"):
        # TensorFlow Serving says "classify" here whatever the method is.
        raise invalid_argument(
            f"JSON Value: {echo(document)} When method is classify, key 'examples' is expected and was not found"
        )
    examples = member(document, "examples")
    if not isinstance(examples, list):
        raise invalid_argument(f"JSON Value: {echo(document)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid_argument(f"JSON Value: {echo(document)} 'examples' value is an empty array")
    return examples


def _example(value: JsonValue) -> bytes:
    if not isinstance(value, tuple):
        raise invalid_argument(f"Example must be JSON object but got JSON {type_word(value)}")
    example = Example()
    for key, elements in value:
        name = encoded(key).decode("utf-8", "replace")
        _fill(example.features.feature[name], name, elements if isinstance(elements, list) else [elements])
    return bytes(example.SerializeToString())


def _fill(feature: Any, name: str, elements: list[JsonValue]) -> None:
    """Put the elements into the list of the first one's kind; an empty list leaves the feature without a kind.

    The kind is given where the feature was named before: its values are appended.
    """
    kind = (feature.WhichOneof("kind") or "").removesuffix("_list")
    own, values = _alike(elements)
    if not own or kind not in ("", own):
        values = []
        for element in elements:
            own, value = _element(name, element)
            if kind and own != kind:
                raise invalid_argument(f"Unexpected element type in feature: {name} expecting type: {kind}")
            kind = own
            values.append(value)
    kind = kind or own
    if kind == "float" and not (len(values) < _MANY and all(_SMALL <= abs(value) <= _LARGE for value in values)):
        values = to_float32(np.array(values, np.float64)).tolist()
    if kind:
        getattr(feature, _LISTS[kind]).value.extend(values)


def _alike(elements: list[Any]) -> tuple[str, list[Any]]:
    """The kind and values of scalars of one type, or no kind."""
    kinds = set(map(type, elements))
    if kinds == {float}:
        return "float", elements
    if kinds == {str}:
        return "bytes", list(map(encoded, elements))
    if kinds and kinds <= {int, bool} and max(elements) <= _LARGEST_INT64:
        return "int64", list(map(int, elements))
    return "", []


def _element(name: str, element: JsonValue) -> tuple[str, Any]:
    """The kind and value of one scalar."""
    if isinstance(element, str):
        return "bytes", encoded(element)
    if isinstance(element, float):
        return "float", element
    if isinstance(element, int):  # true and false too
        if element > _LARGEST_INT64:
            raise invalid_argument(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
        return "int64", int(element)
    if isinstance(element, tuple) and is_base64(element):
        return "bytes", base64_bytes(element)
    raise invalid_argument(f"Feature: {name} has element with unexpected JSON type: {type_word(element)}")
