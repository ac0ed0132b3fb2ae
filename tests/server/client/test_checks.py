"""Inputs against the signature, before they are sent: when a client checks, and what it says."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from serving.client import AsyncClient, Client, ModelConfig, ServingError
from tests.support.server_process import ServerProcess, wait_until

SQUARE = np.zeros((8, 8), np.float32)


def asked(kind: Any, address: str, model: str, inputs: Mapping[str, Any], signature: str = "", **settings: Any) -> Any:
    """A prediction of a client that checks."""
    settings = {"check_inputs": True, **settings}
    if kind is Client:
        with Client(address, **settings) as client:
            return client.predict(model, inputs, signature=signature)

    async def main() -> Any:
        async with AsyncClient(address, **settings) as client:
            return await client.predict(model, inputs, signature=signature)

    return asyncio.run(main())


@pytest.fixture(scope="module")
def digits(models: Path) -> Iterator[str]:
    """The address of a server of a model of images."""
    with ServerProcess([f"--model_base_path={models / 'mnist'}", "--model_name=mnist"]) as server:
        yield f"localhost:{server.grpc_port}"


@pytest.mark.parametrize("protocol", ["tfs", "v2"])
def test_shape(digits: str, protocol: str) -> None:
    """What it is and what was given, by either protocol."""
    with pytest.raises(ValueError, match=r"^images is float32\[-1,784\], you gave \[8,8\]$"):
        asked(Client, digits, "mnist", {"images": SQUARE}, protocol=protocol)
    answer = asked(Client, digits, "mnist", {"images": np.zeros((3, 784), np.float32)}, protocol=protocol)
    assert answer["digit"].shape == (3,)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("model", "inputs", "signature", "expected"),
    [
        pytest.param("multi", {"a": np.zeros(2, np.float32)}, "", r"^a is float32\[-1,2\], you gave \[2\]$", id="rank"),
        pytest.param("multi", {"b": [1.5]}, "", r"^b is int32\[-1\], you gave float32\[1\]$", id="type"),
        pytest.param("strings", {"s": [1]}, "", r"^s is string\[-1\], you gave int32\[1\]$", id="string"),
        pytest.param("multi", {"a": [[1, 2]], "b": [[1]]}, "", r"a is float32.*; b is int32\[-1\], ", id="two"),
        pytest.param("multi", {"c": [1]}, "", "^'c' is no input of signature 'serving_default' of model 'multi'; it",
                     id="name"),
        pytest.param("dtypes", {"x": [1.0]}, "int8", r"^x is int8\[-1\], you gave float32\[1\]$", id="signature"),
    ],
)  # fmt: skip
def test_mismatches(
    address: str, kind: Any, model: str, inputs: Mapping[str, Any], signature: str, expected: str
) -> None:
    """Each input that does not fit is named; nothing is sent."""
    with pytest.raises(ValueError, match=expected):
        asked(kind, address, model, inputs, signature)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("model", "inputs", "signature", "code"),
    [
        pytest.param("dtypes", {"x": [1.0]}, "other", grpc.StatusCode.FAILED_PRECONDITION, id="no such signature"),
        pytest.param("multi", {"a": [[1.0, 2.0]]}, "", grpc.StatusCode.INVALID_ARGUMENT, id="missing"),
        pytest.param("nobody", {"a": [1.0]}, "", grpc.StatusCode.NOT_FOUND, id="no such model"),
    ],
)
def test_what_the_server_tells(
    address: str, kind: Any, model: str, inputs: Mapping[str, Any], signature: str, code: grpc.StatusCode
) -> None:
    """What a signature does not decide is the server's to say."""
    with pytest.raises(ServingError) as raised:
        asked(kind, address, model, inputs, signature)
    assert raised.value.code is code


def test_shapes_that_are_not_known(address: str) -> None:
    """A signature that knows no rank takes every one; v2's word for it is [-1]."""
    for protocol in ("tfs", "v2"):
        answer = asked(Client, address, "half_plus_two", {"x": SQUARE}, protocol=protocol)
        assert answer["y"].shape == (8, 8)


@pytest.mark.parametrize("check_inputs", [None, False])
def test_known_signatures(address: str, check_inputs: bool | None) -> None:
    """What was looked up is checked against, unless it shall not be."""
    with Client(address, check_inputs=check_inputs) as client:
        with pytest.raises(ServingError):
            client.predict("multi", {"a": [[1, 2]], "b": [1]})
        client.metadata("multi")
        with pytest.raises(ValueError if check_inputs is None else ServingError):
            client.predict("multi", {"a": [[1, 2]], "b": [1]})
        with pytest.raises(ValueError if check_inputs is None else ServingError):
            client.predict_future("multi", {"a": [[1, 2]], "b": [1]}).result(60)


def test_what_no_array_can_be_made_of(address: str) -> None:
    """The error is that of a client that does not check."""
    with Client(address, check_inputs=True) as client:
        with pytest.raises(ValueError, match=r"^input 'x': .* lengths"):
            client.predict("dtypes", {"x": [[1.0], []]})
        with pytest.raises(TypeError, match=r"^expected a mapping of input names to arrays, got list$"):
            client.predict("dtypes", [1.0])  # type: ignore[arg-type]


def test_other_version(models: Path, tmp_path: Path) -> None:
    """A signature that is known from before refuses nothing: on a mismatch it is looked up again."""
    for name, version in (("half_plus_three", "1"), ("multi", "2")):
        (tmp_path / version).mkdir()
        (tmp_path / version / version).symlink_to(models / name / "1")
    flags = ("--model_name=m", f"--model_base_path={tmp_path / '1'}")
    with ServerProcess(flags) as server, Client(f"localhost:{server.grpc_port}", check_inputs=True) as client:
        assert client.predict("m", {"x": [1.0]})["y"].tolist() == [3.5]
        client.reload([ModelConfig(name="m", base_path=str(tmp_path / "2"))])
        wait_until("the other version answers", lambda: client.ready("m", version=2))
        wait_until("the first is gone", lambda: not client.ready("m", version=1))
        assert client.predict("m", {"a": [[1.0, 2.0]], "b": [1]})["b2"].tolist() == [2]
