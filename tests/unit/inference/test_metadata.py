"""Metadata: the one field there is, and the signatures as they were loaded."""

from collections.abc import Mapping
from typing import Any

import pytest

from serving.errors import Code, ServingError
from serving.inference import metadata
from serving.protos import MetaGraphDef
from tests.support import FakeServable


class WithSignatures(FakeServable):
    """A servable that was loaded with two SignatureDefs."""

    def __init__(self) -> None:
        super().__init__()
        self.meta_graph = MetaGraphDef()
        self.meta_graph.signature_def["a"].inputs["x"].name = "x:0"
        self.meta_graph.signature_def["a"].defaults["x"].int_val.append(7)
        self.meta_graph.signature_def["b"].method_name = "anything"

    @property
    def signature_defs(self) -> Mapping[str, Any]:
        signature_defs: Mapping[str, Any] = self.meta_graph.signature_def
        return signature_defs


@pytest.mark.parametrize("fields", [["signature_def"], ["signature_def", "signature_def"]], ids=["once", "twice"])
def test_the_one_field_passes(fields: list[str]) -> None:
    """``signature_def`` may be asked for, also twice."""
    metadata.check_fields(fields)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        pytest.param([], "GetModelMetadataRequest must specify at least one metadata_field", id="none"),
        pytest.param(["x"], "Metadata field x is not supported", id="other"),
        pytest.param(["signature_def", "x", "y"], "Metadata field x is not supported", id="the first other"),
        pytest.param([""], "Metadata field  is not supported", id="empty"),
    ],
)
def test_other_fields_are_refused(fields: list[str], text: str) -> None:
    """The texts are TensorFlow Serving's."""
    with pytest.raises(ServingError) as raised:
        metadata.check_fields(fields)
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, text)


def test_every_signature_is_copied() -> None:
    """The map holds each SignatureDef whole, defaults too."""
    servable = WithSignatures()
    signatures = metadata.signature_def_map(servable)
    assert {name: signatures.signature_def[name] for name in signatures.signature_def} == {
        name: servable.signature_defs[name] for name in ("a", "b")
    }


def test_answer_is_a_copy() -> None:
    """What a door does to its message does not reach the servable."""
    servable = WithSignatures()
    metadata.signature_def_map(servable).signature_def["a"].Clear()
    assert servable.signature_defs["a"].inputs["x"].name == "x:0"
