"""Predict requests in JSON to tensors, in the two steps between which a door looks the model up.

Every rule, order and text is TensorFlow Serving's (docs/rest.md, "Predict request"). Not the lookup itself:
unknown signatures and signatures without inputs are the caller's to refuse.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from serving.codecs.json import document as json_document
from serving.codecs.json import fast as json_fast
from serving.codecs.json import rows as json_rows
from serving.codecs.json import short as json_short
from serving.codecs.json.echo import echo
from serving.codecs.json.fast import Layout
from serving.codecs.json.short import Document as PredictDocument
from serving.codecs.json.strings import decoded, without_long_blanks
from serving.codecs.json.tensor import elements, is_base64, tensor
from serving.codecs.json.text import JsonObject, JsonValue, has_member, member
from serving.core.signature import TensorInfo
from serving.core.tensor import Tensor
from serving.errors import ServingError, invalid_argument

__all__ = ["Layout", "PredictDocument", "read", "read_exactly", "read_longer"]


class _LongDocument(NamedTuple):
    """A body that is a JSON object, and what one of the roads for bodies of any length made of it."""

    signature_name: str
    body: bytes
    parsed: "json_fast.FastDocument | JsonObject"

    def tensors(self, inputs: Mapping[str, TensorInfo]) -> tuple[Layout, dict[str, Tensor]]:
        """As ``Document``."""
        if isinstance(self.parsed, tuple):
            return _tensors(self.parsed, inputs)
        found = self.parsed.tensors(inputs)
        if found is not None:
            return self.parsed.layout, found
        return read_exactly(self.body).tensors(inputs)


def read(body: bytes) -> PredictDocument:
    """Read a request body as far as no model is needed.

    Raises ServingError, INVALID_ARGUMENT: not JSON, not an object, or ``signature_name`` not a string.
    """
    return json_short.scan(body, read_longer) or read_longer(body)


def read_longer(body: bytes) -> PredictDocument:
    """The same as ``read``, without the road for short bodies."""
    text = without_long_blanks(body)
    fast = json_fast.scan(text)
    if fast is not None:
        return _LongDocument(decoded(fast.signature_name), body, fast)
    if text is not body:
        with suppress(ServingError):  # whose offset is another one in the body
            return read_exactly(text)
    return read_exactly(body)


def read_exactly(body: bytes) -> PredictDocument:
    """The same as ``read``, by the slow road only: what ``read`` must agree with."""
    document, name = json_document.read(body)
    return _LongDocument(name, body, document)


def _tensors(document: JsonObject, inputs: Mapping[str, TensorInfo]) -> tuple[Layout, dict[str, Tensor]]:
    if has_member(document, "instances"):
        return Layout.ROW, json_rows.tensors(_instances(document), inputs)
    if has_member(document, "inputs"):
        return Layout.COLUMNAR, _columns(member(document, "inputs"), inputs)
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _instances(document: JsonObject) -> list[JsonValue]:
    if has_member(document, "inputs"):
        raise invalid_argument(
            f"JSON Value: {echo(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' keys "
            "to exist "
        )
    instances = member(document, "instances")
    if not isinstance(instances, list):
        raise invalid_argument(f"JSON Value: {echo(document)} Expecting 'instances' to be an list/array")
    if not instances:
        raise invalid_argument(f"JSON Value: {echo(document)} No values in 'instances' array")
    return instances


def _columns(value: JsonValue, inputs: Mapping[str, TensorInfo]) -> dict[str, Tensor]:
    """One value for the only input, or an object with a member for every input; other members are ignored."""
    if isinstance(value, tuple) and not is_base64(value):
        members = dict(reversed(value))  # of members with the same name the first counts
        found = {name: elements(_member(members, name), info.dtype) for name, info in inputs.items()}
    elif len(inputs) > 1:
        raise invalid_argument(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        )
    else:
        found = {name: elements(value, info.dtype) for name, info in inputs.items()}
    return {name: tensor(name, inputs[name].dtype, values.shape, values.leaves) for name, values in found.items()}


def _member(members: Mapping[str, JsonValue], name: str) -> JsonValue:
    if name not in members:
        raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return members[name]
