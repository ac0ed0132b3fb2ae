"""ModelSpec messages and the address of a request."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.protobuf import model_spec, wire
from serving.core.model_spec import ModelSpec
from serving.core.servable import ServableId
from serving.errors import Code, ServingError
from serving.protos import ClassificationRequest, GetModelMetadataRequest, MultiInferenceRequest, PredictRequest
from serving.protos import ModelSpec as Message

PARTS = [
    wire.field(b"\x0a", part)
    for part in (
        b"\x0a\1m",
        b"\x0a\1n",
        b"\x0a\0",
        b"\x12\2\x08\5",
        b"\x12\0",
        b"\x22\1l",
        b"\x22\0",
        b"\x1a\1s",
        b"",
        b"\x50\1",
    )
] + [b"\x9a\6\1a", wire.field(b"\x12", b"\x0a\0")]
"""Fields of requests, most of them specs."""


def request(**fields: Any) -> Any:
    """A Predict request with this model_spec."""
    message = PredictRequest()
    version = fields.pop("version", None)
    message.model_spec.CopyFrom(Message(**fields))
    if version is not None:
        message.model_spec.version.value = version
    return message


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(request(name="m"), ModelSpec("m"), id="name"),
        pytest.param(request(name="m", version=3), ModelSpec("m", version=3), id="version"),
        pytest.param(request(name="m", version=0), ModelSpec("m", version=0), id="version 0"),
        pytest.param(request(name="m", version_label="stable"), ModelSpec("m", label="stable"), id="label"),
        pytest.param(request(name="m", version_label=""), ModelSpec("m", label=""), id="empty label"),
        pytest.param(request(name="m", signature_name="s"), ModelSpec("m", signature_name="s"), id="signature"),
        pytest.param(request(), ModelSpec(""), id="nothing"),
    ],
)
def test_decoded_address(message: Any, expected: ModelSpec) -> None:
    """What is set in the message is in the address; an absent choice is None."""
    assert model_spec.decode(message) == expected


def test_missing_spec_is_an_error() -> None:
    """A request without model_spec is INVALID_ARGUMENT."""
    with pytest.raises(ServingError) as raised:
        model_spec.decode(PredictRequest())
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, "Missing ModelSpec")


def test_empty_name_is_an_error() -> None:
    """The empty name has its own text."""
    with pytest.raises(ServingError) as raised:
        model_spec.check_name(ModelSpec(""))
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")


def test_any_name_passes() -> None:
    """Names are not restricted to a character set."""
    model_spec.check_name(ModelSpec(" "))


@pytest.mark.parametrize(("sent", "used"), [("", "serving_default"), ("s", "s")], ids=["default", "named"])
def test_signature_to_use(sent: str, used: str) -> None:
    """The empty signature name means serving_default."""
    assert ModelSpec("m", signature_name=sent).signature == used


@pytest.mark.parametrize("version", [0, 3], ids=str)
def test_answer_names_the_version(version: int) -> None:
    """A response says which version answered, also version 0, and through which signature."""
    message = Message.FromString(model_spec.serialized(ServableId(name="m", version=version), "s"))
    assert message.HasField("version")
    assert (message.name, message.version.value, message.signature_name) == ("m", version, "s")


@pytest.mark.parametrize(
    "kind", [PredictRequest, ClassificationRequest, GetModelMetadataRequest], ids=lambda k: k.__name__
)
@given(parts=st.lists(st.sampled_from(PARTS), max_size=6))
def test_peek_is_what_the_message_says(kind: Any, parts: list[bytes]) -> None:
    """The last name counts, and the last choice of a version; what else there is changes nothing."""
    data = b"".join(parts)
    message = kind.FromString(data)
    expected = model_spec.decode_spec(message.model_spec) if message.HasField("model_spec") else None
    assert model_spec.peek(data) == expected


def test_peek_of_tasks() -> None:
    """The first task says which model is meant."""
    tasks = [b"".join(PARTS[1:3]), PARTS[0]]
    data = b"\x12\x02\x0a\0" + b"".join(wire.field(b"\x0a", task) for task in tasks)
    assert model_spec.peek_task(data) == model_spec.decode_spec(
        MultiInferenceRequest.FromString(data).tasks[0].model_spec
    )
    assert model_spec.peek_task(b"\x12\x02\x0a\0") is None


@pytest.mark.parametrize("data", [b"\x0a\x03\x0a\x01\xff", b"\x0a\x05", b"\x0e"], ids=["name", "cut off", "nothing"])
def test_peek_refuses_what_is_no_message(data: bytes) -> None:
    """As the message class does."""
    with pytest.raises(DecodeError):
        model_spec.peek(data)
