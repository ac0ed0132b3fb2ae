"""What a client says when a call fails: the server's words, what was asked, and whose mistake it was."""

import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import numpy as np
import pytest

from serving.client import CLASSIFY, AsyncClient, Client, ModelConfig, ServingError, Task, calls
from serving.client.errors import code_of
from serving.client.responses import reloaded
from tests.server.client.conftest import Ask

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
            " timeout_seconds=0.05.",
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
        pytest.param(
            ("predict", "m", ONE), {"output_filter": ["y", 1]}, TypeError, "names, .* got 1 in it", id="output"
        ),
        pytest.param(("predict", 3, ONE), {}, TypeError, "a str as the name of a model, got 3", id="number as model"),
        pytest.param(("predict", "m", ONE), {"label": 3}, TypeError, "a str as the label, got 3", id="label"),
        pytest.param(("predict", "m", ONE), {"signature": None}, TypeError, "the signature, got None", id="signature"),
        pytest.param(("predict", "m", ONE), {"version": 2**63}, ValueError, "to 9223372036854775807 as", id="large"),
        pytest.param(
            ("predict", "m", {3: 1.0}), {}, TypeError, "a str as the name of an input, got 3", id="input name"
        ),
        pytest.param(
            ("predict", "m", ONE), {"timeout_seconds": "5"}, TypeError, "a number .* got '5'", id="text as time"
        ),
        pytest.param(("predict", "m", ONE), {"retries": 1}, TypeError, "retries", id="unknown option"),
        pytest.param(("predict", "m", ONE), {"timeout_seconds": 0}, ValueError, "over 0, or None, got 0", id="timeout"),
        pytest.param(("classify", "m", {"x": 1.0}), {}, TypeError, "one dict; put it into a list", id="one example"),
        pytest.param(("classify", "m", b"\n\0"), {}, TypeError, "one bytes; put it into a list", id="one serialised"),
        pytest.param(("classify", "m", 3), {}, TypeError, "a list of examples, got 3", id="no examples"),
        pytest.param(("classify", "m", [{3: 1}]), {}, TypeError, "a str as the name of a feature", id="feature name"),
        pytest.param(("regress", "m", [{}, 1]), {}, TypeError, "example 1: expected a mapping .* got 1", id="number"),
        pytest.param(("regress", "m", [b"\xff"]), {}, ValueError, "example 0: .* serialised tf", id="garbage"),
        pytest.param(("regress", "m", [{"x": 1j}]), {}, TypeError, "example 0: feature 'x': ", id="complex feature"),
        pytest.param(("multi_inference", "m", []), {}, ValueError, r"signatures=\[\] and tasks=\[\]", id="nothing"),
        pytest.param(
            ("multi_inference", "m", [], "ab"), {}, TypeError, "list of signatures, .*'ab'", id="one signature"
        ),
        pytest.param(("multi_inference", "m", []), {"tasks": ["s"]}, TypeError, "each a Task, got 's'", id="no task"),
        pytest.param(("reload", ["m"]), {}, TypeError, "each a ModelConfig, got 'm'", id="no configuration"),
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
        pytest.param("localhost:8500", {"timeout_seconds": float("nan")}, "over 0, or None, got nan", id="no number"),
        pytest.param("localhost:8500", {"timeout_seconds": -1}, "over 0, or None, got -1", id="timeout"),
    ],
)
def test_clients_that_cannot_be(kind: type, address: str, options: Mapping[str, Any], expected: str) -> None:
    """The mistake is seen when the client is made."""
    with pytest.raises(ValueError, match=expected):
        kind(address, **options)


def test_address_is_text() -> None:
    """Not a port alone."""
    with pytest.raises(TypeError, match="a str as the address, got 8500"):
        Client(8500)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "error", "expected"),
    [
        pytest.param(
            {"versions": (1,), "latest": 2},
            ValueError,
            r"m: expected one of .* versions=\(1,\), latest=2",
            id="two policies",
        ),
        pytest.param({"name": None}, TypeError, "a str as the name of a model, got None", id="name"),
        pytest.param({"base_path": Path("/m")}, TypeError, r"the base path of m, got PosixPath\('/m'\)", id="path"),
        pytest.param({"platform": 1}, TypeError, "a str as the platform of m, got 1", id="platform"),
        pytest.param({"versions": 5}, TypeError, "a tuple of ints as the versions of m, got 5", id="one version"),
        pytest.param({"versions": ("1",)}, TypeError, "an int as the version of m, got '1'", id="text as version"),
        pytest.param({"versions": (2**63,)}, ValueError, "as the version of m, got 9223372036854775808", id="large"),
        pytest.param({"latest": -1}, ValueError, "from 0 to 4294967295 as the number of the newest", id="latest"),
        pytest.param({"labels": ["a"]}, TypeError, r"mapping of labels to versions for m, got \['a'\]", id="labels"),
        pytest.param({"labels": {1: 1}}, TypeError, "a str as the label of m, got 1", id="label"),
        pytest.param({"labels": {"a": "1"}}, TypeError, "the version of label a, got '1'", id="version of a label"),
    ],
)
def test_configurations_that_cannot_be(given: dict[str, Any], error: type[Exception], expected: str) -> None:
    """The mistake is seen when the configuration is made."""
    with pytest.raises(error, match=expected):
        ModelConfig(**{"name": "m", "base_path": "/m", **given})


def test_tasks_that_cannot_be() -> None:
    """A task names its signature and its method."""
    with pytest.raises(TypeError, match="a str as the signature of a task, got 1"):
        Task(signature=1, method=CLASSIFY)  # type: ignore[arg-type]


def test_versions_are_what_python_takes_for_ints(ask: Ask) -> None:
    """numpy's ints come out of arrays."""
    assert ask("predict", "labels", {"x": [0.0]}, version=np.int64(2))["y"].tolist() == [2.0]
    config = ModelConfig(name="m", base_path="/m", versions=(np.int64(1),))  # type: ignore[arg-type]
    assert calls.reload([config]).request == calls.reload([replace(config, versions=(1,))]).request


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(("classify", "m", ["x" * 100_000]), id="example"),
        pytest.param(("classify", "m", [b"\xff" * 100_000]), id="serialised example"),
        pytest.param(("classify", "m", [{"x": [2**63] * 10_000}]), id="feature"),
        pytest.param(("predict", "m", {"x" * 100_000: None}), id="name"),
        pytest.param(("multi_inference", "m", [], ["s"] * 10_000), id="signatures and tasks"),
    ],
)
def test_what_is_echoed_is_cut(given: tuple[Any, ...]) -> None:
    """An error is read by people."""
    options = {"tasks": [Task(signature="s", method=CLASSIFY)]} if given[0] == "multi_inference" else {}
    with Client("localhost:1") as client, pytest.raises((TypeError, ValueError)) as raised:
        getattr(client, given[0])(*given[1:], **options)
    assert len(str(raised.value)) < 600


def test_refusal_within_an_answer() -> None:
    """A reload may be answered, and refused in the answer: its status is field 1, a code and a message."""
    with pytest.raises(ServingError, match="INVALID_ARGUMENT: no") as raised:
        reloaded(b"\x0a\x06\x08\x03\x12\x02no")
    assert raised.value.code is grpc.StatusCode.INVALID_ARGUMENT


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
