"""What each door answers to one client: REST, gRPC by grpcio and gRPC by the native transport promise the same."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.server.doors.clients import Arrays, Client, RefusedError, Target, floats, text

ONE = {"x": floats(1, 2, 5)}
LABELS = Target(model="labels")


def numbers(dtype: str, *values: float) -> NDArray[np.generic]:
    return np.array(values, dtype)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(Target(model="half_plus_three"), (3.5, 4.0, 5.5), id="latest of one"),
        pytest.param(LABELS, (4.0, 5.0, 8.0), id="latest of three"),
        pytest.param(Target(model="labels", version=1), (2.0, 3.0, 6.0), id="version 1"),
        pytest.param(Target(model="labels", version=2), (3.0, 4.0, 7.0), id="version 2"),
        pytest.param(Target(model="labels", label="stable"), (2.0, 3.0, 6.0), id="label stable"),
        pytest.param(Target(model="labels", label="canary"), (3.0, 4.0, 7.0), id="label canary"),
        pytest.param(Target(model="labels", signature="serving_default"), (4.0, 5.0, 8.0), id="named signature"),
        pytest.param(Target(model="half_plus_two", version=123), (2.5, 3.0, 4.5), id="variables"),
    ],
)
def test_predict_answers_with_the_version_that_is_meant(client: Client, target: Target, expected: tuple[float]) -> None:
    """No version is the latest; a version or a label is exactly that one."""
    outputs = client.predict(target, ONE)
    assert {name: array.tolist() for name, array in outputs.items()} == {"y": list(expected)}


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(floats(1.5, -0.0, 3.4028235e38, 1 / 3, np.inf), id="float"),
        pytest.param(numbers("float64", 1 / 3, -1e300, 5e-300), id="double"),
        pytest.param(numbers("int8", -128, 127), id="int8"),
        pytest.param(numbers("uint8", 0, 255), id="uint8"),
        pytest.param(numbers("int16", -(2**15), 2**15 - 1), id="int16"),
        pytest.param(numbers("int32", -(2**31), 2**31 - 1), id="int32"),
        pytest.param(np.array([-(2**63), 2**63 - 1]), id="int64"),
        pytest.param(numbers("uint32", 0, 2**32 - 1), id="uint32"),
        pytest.param(np.array([0, 2**64 - 1], np.uint64), id="uint64"),
        pytest.param(numbers("bool", True, False), id="bool"),
        pytest.param(text(b"", b"a\x00b", "Grüße".encode()), id="string"),
    ],
)
def test_predict_gives_back_what_it_was_given(client: Client, array: NDArray[np.generic]) -> None:
    """Identity signatures keep every value of every dtype that both doors know."""
    name = {"float32": "float", "float64": "double", "object": "string"}.get(array.dtype.name, array.dtype.name)
    (output,) = client.predict(Target(model="dtypes", signature=name), {"x": array}).values()
    assert (output.dtype, output.tolist()) == (array.dtype, array.tolist())


def test_predict_of_several_inputs_and_outputs(client: Client) -> None:
    """Inputs and outputs are matched by name, with their shapes."""
    outputs = client.predict(Target(model="multi"), {"b": numbers("int32", 10, 20), "a": np.eye(2, dtype=np.float32)})
    assert {name: array.tolist() for name, array in outputs.items()} == {
        "sum": [[11.0, 10.0], [20.0, 21.0]],
        "b2": [20, 40],
    }


def test_predict_of_a_scalar(client: Client) -> None:
    """An output without dimensions has none in the answer."""
    outputs = client.predict(Target(model="multi", signature="scalar"), {"a": np.ones((3, 2), np.float32)})
    assert (outputs["scalar"].shape, outputs["scalar"].tolist()) == ((), 6.0)


def test_predict_of_strings_that_are_no_text(client: Client) -> None:
    """An output called ``…_bytes`` carries any bytes at all; its neighbour is text."""
    every_byte = bytes(range(256))
    outputs = client.predict(Target(model="strings", signature="bytes"), {"s": text(every_byte, b"")})
    assert outputs["out_bytes"].tolist() == [every_byte, b""]
    outputs = client.predict(Target(model="strings"), {"s": text("ü".encode())})
    assert (outputs["out"].tolist(), outputs["out_bytes"].tolist()) == (["ü".encode()], ["ü".encode()])


@pytest.mark.parametrize(
    ("target", "inputs", "codes", "part"),
    [
        pytest.param(
            Target(model="none"),
            ONE,
            ("HTTP 404", "NOT_FOUND"),
            "Servable not found for request: Latest(none)",
            id="model",
        ),
        pytest.param(
            Target(model="labels", version=9),
            ONE,
            ("HTTP 404", "NOT_FOUND"),
            "Servable not found for request: Specific(labels, 9)",
            id="version",
        ),
        pytest.param(
            Target(model="labels", label="none"),
            ONE,
            ("HTTP 400", "INVALID_ARGUMENT"),
            "Unrecognized servable version label: none",
            id="label",
        ),
        pytest.param(
            Target(model="labels", signature="none"), ONE, ("HTTP 400", "FAILED_PRECONDITION"), '"none"', id="signature"
        ),
        pytest.param(LABELS, {}, ("HTTP 400", "INVALID_ARGUMENT"), "Missing", id="missing input"),
        pytest.param(
            Target(model="labels"),
            {"x": text(b"one")},
            ("HTTP 400", "INVALID_ARGUMENT"),
            "float",
            id="strings for floats",
        ),
        pytest.param(
            Target(model="dtypes", signature="int32"),
            {"x": floats(1.5)},
            ("HTTP 400", "INVALID_ARGUMENT"),
            "int32",
            id="floats for integers",
        ),
        pytest.param(
            Target(model="failing"),
            {"x": floats(-1)},
            ("HTTP 400", "INVALID_ARGUMENT"),
            "x must not be negative",
            id="the graph objects",
        ),
    ],
)
def test_predict_refuses(client: Client, target: Target, inputs: Arrays, codes: tuple[str, str], part: str) -> None:
    """What cannot be answered is told with the code that the door promises, REST's first, and a text that says why."""
    with pytest.raises(RefusedError) as refused:
        client.predict(target, inputs)
    assert refused.value.code in codes
    assert part in refused.value.text


def test_status_lists_every_version(client: Client) -> None:
    """The highest version comes first."""
    assert client.status(LABELS) == [(3, "AVAILABLE"), (2, "AVAILABLE"), (1, "AVAILABLE")]


def test_status_of_one_version(client: Client) -> None:
    """A version alone can be asked for."""
    assert client.status(Target(model="labels", version=2)) == [(2, "AVAILABLE")]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(Target(model="none"), "Could not find any versions of model none", id="model"),
        pytest.param(Target(model="labels", version=9), "Could not find version 9 of model labels", id="version"),
    ],
)
def test_status_of_what_is_not_there(client: Client, target: Target, expected: str) -> None:
    """NOT_FOUND, and the same sentence at every door."""
    with pytest.raises(RefusedError) as refused:
        client.status(target)
    assert refused.value.code in ("HTTP 404", "NOT_FOUND")
    assert refused.value.text == expected


@pytest.mark.parametrize(
    ("target", "version"),
    [
        pytest.param(LABELS, 3, id="latest"),
        pytest.param(Target(model="labels", version=1), 1, id="version"),
        pytest.param(Target(model="labels", label="canary"), 2, id="label"),
    ],
)
def test_metadata_names_version_and_signatures(client: Client, target: Target, version: int) -> None:
    """Metadata is of the version that would answer."""
    found, signatures = client.metadata(target)
    assert found == version
    assert "serving_default" in signatures


@pytest.mark.parametrize(
    ("target", "codes"),
    [
        pytest.param(Target(model="none"), ("HTTP 404", "NOT_FOUND"), id="model"),
        pytest.param(Target(model="labels", version=9), ("HTTP 404", "NOT_FOUND"), id="version"),
        pytest.param(Target(model="labels", label="none"), ("HTTP 400", "INVALID_ARGUMENT"), id="label"),
    ],
)
def test_metadata_of_what_is_not_there(client: Client, target: Target, codes: tuple[str, str]) -> None:
    """The same codes as for a call of it."""
    with pytest.raises(RefusedError) as refused:
        client.metadata(target)
    assert refused.value.code in codes
