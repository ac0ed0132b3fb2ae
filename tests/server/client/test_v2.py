"""The client over the Open Inference Protocol, against the real server, behind each of its transports."""

import asyncio
from collections.abc import Mapping
from typing import Any

import grpc
import ml_dtypes
import numpy as np
import pytest

from serving.client import AsyncClient, Client, ModelConfig, ModelState, ServingError, TensorInfo

KINDS = pytest.mark.parametrize("kind", [Client, AsyncClient], ids=["waiting", "asyncio"])

VALUES: Mapping[str, Any] = {
    "bool": np.array([True, False]),
    "int8": np.array([-128, 127], np.int8),
    "int16": np.array([-5, 5], np.int16),
    "int32": np.array([-5, 5], np.int32),
    "int64": np.array([-(2**62), 5], np.int64),
    "uint8": np.array([0, 255], np.uint8),
    "uint16": np.array([0, 65535], np.uint16),
    "uint32": np.array([0, 2**32 - 1], np.uint32),
    "uint64": np.array([0, 2**64 - 1], np.uint64),
    "half": np.array([0.5, -2.0], np.float16),
    "bfloat16": np.array([0.5, -2.0], ml_dtypes.bfloat16),
    "float": np.array([0.1, np.nan], np.float32),
    "double": np.array([0.1, np.inf]),
    "string": np.array([b"", b"\xff\0a"], object),
}
"""For each signature of the model ``dtypes``, which gives back what it gets."""


def asked(kind: Any, address: str, method: str, *given: Any, **options: Any) -> Any:
    """One call of a client that speaks v2."""
    if kind is Client:
        with Client(address, protocol="v2") as client:
            return getattr(client, method)(*given, **options)

    async def main() -> Any:
        async with AsyncClient(address, protocol="v2") as client:
            return await getattr(client, method)(*given, **options)

    return asyncio.run(main())


@KINDS
@pytest.mark.parametrize("signature", VALUES)
def test_arrays_come_back(address: str, kind: Any, signature: str) -> None:
    """Every type that both sides have, bit by bit, and it can be written to."""
    given = VALUES[signature]
    answer = asked(kind, address, "predict", "dtypes", {"x": given}, signature=signature)
    assert (answer["y"].dtype, answer["y"].tobytes()) == (given.dtype, given.tobytes()) or signature == "string"
    assert signature != "string" or answer["y"].tolist() == given.tolist()
    assert (answer.model, answer.version, answer.signature) == ("dtypes", 1, signature)
    answer["y"][0] = answer["y"][1]


@KINDS
def test_versions_and_outputs(address: str, kind: Any) -> None:
    """The version that is asked for answers, and with the outputs that are wanted."""
    assert asked(kind, address, "predict", "labels", {"x": [0.0]}, version=2).version == 2
    inputs = {"a": np.array([[1, 2]], np.float32), "b": np.array([3], np.int32)}
    assert set(asked(kind, address, "predict", "multi", inputs)) == {"sum", "b2"}
    assert set(asked(kind, address, "predict", "multi", inputs, output_filter=["b2"])) == {"b2"}


def test_futures(address: str) -> None:
    """Several at once, as with TensorFlow Serving's API."""
    with Client(address, protocol="v2") as client:
        futures = [client.predict_future("half_plus_three", {"x": [float(i)]}) for i in range(3)]
        assert [future.result(60)["y"].item() for future in futures] == [3.0, 3.5, 4.0]


@KINDS
def test_metadata(address: str, kind: Any) -> None:
    """The one signature that the protocol tells of."""
    found = asked(kind, address, "metadata", "multi")
    assert (found.model, found.version, [*found.signatures]) == ("multi", 1, ["serving_default"])
    assert found.signatures["serving_default"].inputs["a"] == TensorInfo(name="a", dtype="float32", shape=(-1, 2))


@KINDS
@pytest.mark.parametrize(
    ("model", "version", "expected"),
    [("labels", None, True), ("labels", 2, True), ("labels", 9, False), ("no", None, False)],
)
@pytest.mark.parametrize("protocol", ["tfs", "v2"])
def test_ready(address: str, kind: Any, protocol: Any, model: str, version: int | None, expected: bool) -> None:
    """By either protocol; what is not there is not ready."""
    if protocol == "tfs":
        with Client(address) as client:
            assert client.ready(model, version=version) is expected
    else:
        assert asked(kind, address, "ready", model, version=version) is expected


@KINDS
def test_models_and_states(address: str, kind: Any) -> None:
    """The server's list, and what it has of one model."""
    listed = asked(kind, address, "models")
    assert ModelState(model="labels", version=2, state="READY", message="") in listed
    assert sorted(each.version for each in asked(kind, address, "status", "labels")) == [1, 2, 3]
    assert [each.state for each in asked(kind, address, "status", "labels", version=2)] == ["READY"]
    with pytest.raises(ServingError, match=r"^NOT_FOUND: the server's list of models has no model 'nobody'"):
        asked(kind, address, "status", "nobody")


@KINDS
def test_live(address: str, kind: Any) -> None:
    """The server says that it is there."""
    assert asked(kind, address, "live") is True


@KINDS
def test_errors_of_the_server(address: str, kind: Any) -> None:
    """Its words, and what was asked."""
    with pytest.raises(ServingError) as raised:
        asked(kind, address, "predict", "nobody", {"x": [1.0]})
    assert raised.value.code is grpc.StatusCode.NOT_FOUND
    assert "nobody" in raised.value.message
    assert raised.value.asked == "ModelInfer of model 'nobody'"


@KINDS
@pytest.mark.parametrize(
    ("given", "options", "expected"),
    [
        pytest.param(("classify", "m", []), {}, "^classify is of TensorFlow Serving's API", id="classify"),
        pytest.param(("regress", "m", []), {}, "^regress is of TensorFlow Serving's API", id="regress"),
        pytest.param(("multi_inference", "m", [], ["s"]), {}, "^multi_inference is of", id="multi_inference"),
        pytest.param(("reload", [ModelConfig(name="m", base_path="/")]), {}, "^reload is of", id="reload"),
        pytest.param(("predict", "m", {"x": [1.0]}), {"label": "a"}, "label='a': the v2 protocol has no", id="label"),
        pytest.param(("predict", "m", {"x": [[1], []]}), {}, "input 'x': .* lengths", id="ragged"),
    ],
)
def test_what_v2_does_not_have(
    address: str, kind: Any, given: tuple[Any, ...], options: Mapping[str, Any], expected: str
) -> None:
    """Nothing is sent, and the error says what to do."""
    with pytest.raises(ValueError, match=expected):
        asked(kind, address, *given, **options)


def test_types_that_v2_does_not_have(address: str) -> None:
    """Complex numbers have no datatype."""
    with pytest.raises(TypeError, match=r"input 'x': expected a type that the v2 protocol has \(bool, .* complex64"):
        asked(Client, address, "predict", "m", {"x": np.array([1j], np.complex64)})


def test_unknown_protocol() -> None:
    """The mistake is seen when the client is made."""
    with pytest.raises(ValueError, match=r"^expected the protocol 'tfs' or 'v2', got 'v1'$"):
        Client("localhost:1", protocol="v1")  # type: ignore[arg-type]
