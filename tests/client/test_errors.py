"""What a client says when a call fails: the server's words, what was asked, and a sentence that helps."""

import asyncio
import pickle
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import pytest

from serving.client import AsyncClient, Client, ModelConfig, ServingError, Task
from serving.client.errors import code_of, serving_error
from serving.client.responses import reloaded
from tests.client.conftest import Ask
from tests.doors.certificates import Authority, write_config
from tests.server_process import ServerProcess

ONE = MappingProxyType({"x": [1.0]})


@pytest.mark.parametrize(
    ("given", "options", "code", "expected"),
    [
        pytest.param(
            ("predict", "nobody", ONE),
            {},
            grpc.StatusCode.NOT_FOUND,
            "NOT_FOUND: Servable not found for request: Latest(nobody) (Predict of model 'nobody')\n"
            "Is this the name the model is served under, and is a version of it available?",
            id="model",
        ),
        pytest.param(
            ("predict", "half_plus_three", ONE),
            {"version": 7},
            grpc.StatusCode.NOT_FOUND,
            "(Predict of model 'half_plus_three' version 7)\n",
            id="version",
        ),
        pytest.param(
            ("predict", "labels", ONE),
            {"label": "beta"},
            grpc.StatusCode.INVALID_ARGUMENT,
            "Unrecognized servable version label: beta (Predict of model 'labels' label 'beta')",
            id="label",
        ),
        pytest.param(
            ("predict", "half_plus_three", ONE),
            {"signature": "other"},
            grpc.StatusCode.FAILED_PRECONDITION,
            "(Predict of model 'half_plus_three' signature 'other')\nmetadata() tells which signatures there are.",
            id="signature",
        ),
        pytest.param(
            ("predict", "half_plus_three", {"x": [1]}),
            {},
            grpc.StatusCode.INVALID_ARGUMENT,
            "to be float but int32 is provided (Predict of model 'half_plus_three')\n"
            'Give the input as an array of that type: numpy.asarray(values, "float32").',
            id="dtype",
        ),
        pytest.param(
            ("predict", "slow", {"ms": [300.0]}),
            {"signature": "wait", "timeout_seconds": 0.05},
            grpc.StatusCode.DEADLINE_EXCEEDED,
            "\nNo answer within timeout_seconds=0.05.",
            id="deadline",
        ),
        pytest.param(
            ("classify", "classifier", [{"w": 1.0}]),
            {},
            grpc.StatusCode.INVALID_ARGUMENT,
            "(Classify of model 'classifier')",
            id="example",
        ),
        pytest.param(
            ("reload", [ModelConfig(name="a", base_path="")]),
            {},
            grpc.StatusCode.INVALID_ARGUMENT,
            "(HandleReloadConfigRequest of models a)",
            id="reload",
        ),
    ],
)
def test_servers_errors(
    ask: Ask, given: tuple[Any, ...], options: Mapping[str, Any], code: grpc.StatusCode, expected: str
) -> None:
    """The code, the server's text, what was asked, and a hint where one helps."""
    with pytest.raises(ServingError) as raised:
        ask(*given, **options)
    assert raised.value.code is code
    assert expected in str(raised.value)
    assert raised.value.message in str(raised.value)


def refused(address: str, **options: Any) -> str:
    """The text of the error of a prediction that must fail with UNAVAILABLE, the same of both clients."""

    async def with_asyncio() -> None:
        async with AsyncClient(address, **options) as client:
            await client.predict("m", ONE)

    with Client(address, **options) as waiting, pytest.raises(ServingError, match="UNAVAILABLE: ") as raised:
        waiting.predict("m", ONE)
    with pytest.raises(ServingError, match="UNAVAILABLE: ") as awaited:
        asyncio.run(with_asyncio())
    assert awaited.value.hint == raised.value.hint
    return str(raised.value)


def test_nobody_there() -> None:
    """The address, and the port that is meant."""
    assert refused("localhost:1").endswith(
        "\nNo server answers at localhost:1; is it running, and is this its gRPC port (8500)? 8501 is REST's."
    )


def test_port_of_rest(server: ServerProcess) -> None:
    """The commonest mistake."""
    assert f"\nNo server answers at localhost:{server.rest_port}; " in refused(f"localhost:{server.rest_port}")


def test_name_of_no_machine() -> None:
    """A name that does not resolve is nobody there."""
    assert "\nNo server answers at nobody.invalid:8500; " in refused("nobody.invalid:8500")


def test_limit_of_ones_own(address: str) -> None:
    """Who sets a limit is told of it."""
    with (
        Client(address, options=[("grpc.max_receive_message_length", 10)]) as client,
        pytest.raises(ServingError, match="RESOURCE_EXHAUSTED") as raised,
    ):
        client.predict("half_plus_three", ONE)
    assert "or the option grpc.max_receive_message_length" in raised.value.hint


def test_tls(models: Path, tmp_path: Path) -> None:
    """With the right credentials it answers, with others, and with none, the error says which handshake failed."""
    ours, others = Authority("ours"), Authority("others")
    identity = ours.identity()
    config = write_config(tmp_path / "config", key=identity.key, certificate=identity.certificate)
    flags = ("--model_name=m", f"--model_base_path={models / 'half_plus_three'}", f"--ssl_config_file={config}")
    with ServerProcess(flags) as server:
        address = f"localhost:{server.grpc_port}"
        with Client(address, credentials=grpc.ssl_channel_credentials(ours.certificate)) as client:
            assert client.predict("m", ONE)["y"].tolist() == [3.5]
        wrong = refused(address, credentials=grpc.ssl_channel_credentials(others.certificate))
        assert f"\nThe TLS handshake with {address} failed: " in wrong
        assert refused(address)


@pytest.mark.parametrize(
    ("given", "options", "error", "expected"),
    [
        pytest.param(("predict", "", ONE), {}, ValueError, "the name of a model, got ''", id="no model"),
        pytest.param(
            ("predict", "m", ONE),
            {"version": 1, "label": "a"},
            ValueError,
            "a version or a label, got version=1 and label='a'",
            id="version and label",
        ),
        pytest.param(("predict", "m", ONE), {"version": "a"}, TypeError, "a label is given as label=", id="text"),
        pytest.param(("predict", "m", ONE), {"version": True}, TypeError, "an int as the version", id="bool"),
        pytest.param(("predict", "m", [1.0]), {}, TypeError, "input names to arrays, got list", id="no mapping"),
        pytest.param(("predict", "m", {"x": [None]}), {}, TypeError, "input 'x': .* got NoneType", id="input"),
        pytest.param(("predict", "m", {"x": "\ud800"}), {}, ValueError, "input 'x': .*surrogates", id="half a letter"),
        pytest.param(("predict", "m", {"x": [[1], []]}), {}, ValueError, "input 'x': .* lengths", id="ragged"),
        pytest.param(("predict", "m", ONE), {"output_filter": "y"}, TypeError, "list of output names", id="filter"),
        pytest.param(("predict", "m", ONE), {"retries": 1}, TypeError, "retries", id="unknown option"),
        pytest.param(("predict", "m", ONE), {"timeout_seconds": 0}, ValueError, "over 0, or None, got 0", id="timeout"),
        pytest.param(("classify", "m", {"x": 1.0}), {}, TypeError, "one dict; put it into a list", id="one example"),
        pytest.param(("classify", "m", b"\n\0"), {}, TypeError, "one bytes; put it into a list", id="one serialised"),
        pytest.param(("regress", "m", [{}, 1]), {}, TypeError, "example 1: expected a mapping .* got 1", id="number"),
        pytest.param(("regress", "m", [b"\xff"]), {}, ValueError, "example 0: .* serialised tf", id="garbage"),
        pytest.param(("regress", "m", [{"x": 1j}]), {}, TypeError, "example 0: feature 'x': ", id="complex feature"),
        pytest.param(("multi_inference", "m", []), {}, ValueError, r"signatures=\[\] and tasks=\[\]", id="nothing"),
        pytest.param(("multi_inference", "m", [], "ab"), {}, TypeError, "the string 'ab'", id="one signature"),
        pytest.param(
            ("multi_inference", "m", []),
            {"tasks": [Task(signature="s", method="predict")]},
            ValueError,
            "signature 's': expected tensorflow/serving/classify or .*, got 'predict'",
            id="method",
        ),
        pytest.param(
            ("multi_inference", "half_plus_two", [], ["s"]),
            {},
            ValueError,
            "has no signature 's'; it has classify_x2_to_y3, classify_x_to_y, ",
            id="no such signature",
        ),
    ],
)
def test_mistakes_of_the_caller(
    ask: Ask, given: tuple[Any, ...], options: Mapping[str, Any], error: type[Exception], expected: str
) -> None:
    """What cannot be asked for is Python's own error, with what was given and what was expected."""
    with pytest.raises(error, match=expected):
        ask(*given, **options)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("address", "options", "expected"),
    [
        pytest.param("http://localhost:8501", {}, "expected host:port, as in localhost:8500", id="URL"),
        pytest.param("", {}, "an empty address", id="empty"),
        pytest.param("localhost:8500", {"timeout_seconds": -1}, "over 0, or None, got -1", id="timeout"),
    ],
)
def test_clients_that_cannot_be(kind: type, address: str, options: Mapping[str, Any], expected: str) -> None:
    """The mistake is seen when the client is made."""
    with pytest.raises(ValueError, match=expected):
        kind(address, **options)


def test_configurations_that_cannot_be() -> None:
    """There is one answer to which versions."""
    with pytest.raises(ValueError, match=r"m: expected one of .* versions=\(1,\), latest=2"):
        ModelConfig(name="m", base_path="/m", versions=(1,), latest=2)


def test_refusal_within_an_answer() -> None:
    """A reload may be answered, and refused in the answer: its status is field 1, a code and a message."""
    with pytest.raises(ServingError, match="INVALID_ARGUMENT: no") as raised:
        reloaded(b"\x0a\x06\x08\x03\x12\x02no")
    assert raised.value.code is grpc.StatusCode.INVALID_ARGUMENT


class Failed(grpc.RpcError):  # type: ignore[misc]  # gRPC has no types
    """An error as gRPC raises it."""

    def __init__(self, code: grpc.StatusCode, details: str | None) -> None:
        super().__init__()
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str | None:
        return self._details


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        pytest.param(grpc.StatusCode.UNAVAILABLE, "The batch scheduling queue is full", "", id="busy"),
        pytest.param(grpc.StatusCode.INTERNAL, None, "", id="nothing said"),
        pytest.param(grpc.StatusCode.UNIMPLEMENTED, "", "not one of TensorFlow Serving's API.", id="another server"),
        pytest.param(grpc.StatusCode.INVALID_ARGUMENT, "expects arg[0] to be int64 but float is provided", '"int64").',
                     id="same name"),
        pytest.param(grpc.StatusCode.INVALID_ARGUMENT, "Expects arg[1] to be string but float is provided",
                     "as str or bytes.", id="strings"),
    ],
)  # fmt: skip
def test_hints(code: grpc.StatusCode, details: str | None, expected: str) -> None:
    """A hint comes where one helps, and nowhere else."""
    error = serving_error(Failed(code, details), asked="Predict", address="a:1", timeout_seconds=None)
    assert error.hint.endswith(expected)
    assert bool(error.hint) is bool(expected)


def test_unknown_codes() -> None:
    """A number that gRPC does not have is UNKNOWN."""
    assert [code_of(number) for number in (0, 5, 99)] == [
        grpc.StatusCode.OK,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNKNOWN,
    ]


def test_errors_can_be_pickled() -> None:
    """Processes hand them to each other."""
    error = ServingError(grpc.StatusCode.NOT_FOUND, "m", "a", "h")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.code, again.hint) == (str(error), error.code, "h")
