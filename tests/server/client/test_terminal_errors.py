"""What ``serving-client`` says when something is wrong, its help, and its exit codes, against real servers."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from serving.access.making import make_key
from tests.server.client.terminal import npy, process, run
from tests.server.doors.certificates import Authority, write_config
from tests.support.scripted import ScriptedServer
from tests.support.server_process import ServerProcess


@pytest.mark.parametrize(
    ("given", "data", "expected"),
    [
        pytest.param(("multi", "--input", "a=-"), npy(np.zeros((8, 8), np.float32)),
                     "serving-client: a is float32[-1,2], you gave [8,8]\n", id="shape"),
        pytest.param(("half_plus_three", "--input", "-"), npy(np.zeros(2)),
                     "x is float32[-1], you gave float64[2]. With --cast it is converted.", id="type"),
        pytest.param(("multi", "--input", "-"), b"[1]", "The model has the inputs a, b: say for which", id="which"),
        pytest.param(("multi", "--input", "c=-"), b"[1]", "The model has no input c; it has a, b.", id="no such input"),
        pytest.param(("multi", "--input", "c=-"), npy(np.zeros(2)),
                     "'c' is no input of signature 'serving_default' of model 'multi'; it has a, b\n", id="name"),
        pytest.param(("strings", "--input", "s=-"), npy(np.zeros(2)), "s is string[-1], you gave float64[2]\n", id="s"),
        pytest.param(("half_plus_three", "--input", "/no/file.npy"), b"", "/no/file.npy cannot be read: No", id="file"),
        pytest.param(("half_plus_three", "--input", "-"), b"abc", "The standard input is no npy, no npz", id="garbage"),
        pytest.param(("half_plus_three", "--input", "-"), b'["a"]', "expected numbers for float32", id="text"),
        pytest.param(("half_plus_three", "--signature", "s", "--input", "-"), b"[1]",
                     "half_plus_three has no signature s", id="signature"),
        pytest.param(("nobody", "--input", "-"), b"[1]", "Servable not found for request: Latest(nobody)", id="model"),
        pytest.param(("multi", "--input", "-", "--output", "x.npy"), b'{"a": [[1, 2]], "b": [1]}',
                     "The outputs are ", id="several outputs in npy"),
        pytest.param(("half_plus_three", "--input", "-", "--output", "/no/x.npy"), b"[1]",
                     "/no/x.npy cannot be written", id="output"),
        pytest.param(("dtypes", "--protocol", "v2", "--signature", "int8", "--input", "-"), b"[1]",
                     "for int8 ask with --protocol tfs", id="signature of v2"),
    ],
)  # fmt: skip
def test_predictions_that_cannot_be(at: Mapping[str, str], given: tuple[str, ...], data: bytes, expected: str) -> None:
    """A sentence that says what to do, and 1."""
    assert expected.replace("\n", " ") in run("predict", *given, data=data, code=1, env=at).replace("\n", " ")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param((), "the following arguments are required: COMMAND", id="nothing"),
        pytest.param(("list",), "invalid choice: 'list'", id="command"),
        pytest.param(("status",), "required: MODEL", id="model"),
        pytest.param(("predict", "m"), "required: --input", id="input"),
        pytest.param(("status", "m", "--version", "a"), "invalid int value", id="version"),
        pytest.param(("status", "m", "--version", "1", "--label", "a"), "not allowed with", id="version and label"),
        pytest.param(("status", "m", "--timeout", "0"), "expected seconds over 0, got 0", id="timeout"),
        pytest.param(("bench", "m", "--requests", "0"), "expected a number from 1, got 0", id="requests"),
        pytest.param(("predict", "m", "--input", "-", "--pixels", "1:0"), "expected LOW under HIGH", id="pixels"),
        pytest.param(("predict", "m", "--input", "-", "--output", "x.csv"), "ends in .npy or .npz", id="output"),
        pytest.param(("status", "m", "--cert", "c"), "--cert and --key-file go together", id="certificate"),
        pytest.param(("status", "m", "--server", "http://a:8501"), "expected host:port", id="URL"),
        pytest.param(("status", "m", "--server", ","), "expected addresses", id="no address"),
    ],
)
def test_usage(given: tuple[str, ...], expected: str) -> None:
    """Wrong arguments are 2, before anything is sent."""
    assert expected in re.sub(r"\s+", " ", run(*given, code=2))


@pytest.mark.parametrize("command", ["", "ls", "status", "signatures", "predict", "bench"])
def test_help(command: str) -> None:
    """Fits 80 columns."""
    assert "usage: serving-client" in run(*filter(None, [command, "--help"]))


@pytest.mark.parametrize(
    ("given", "data", "code", "expected"),
    [
        pytest.param(("ls",), b"", 0, "half_plus_three", id="ls"),
        pytest.param(("status", "labels"), b"", 0, "AVAILABLE", id="status"),
        pytest.param(("signatures", "multi"), b"", 0, "float32  [-1,2]", id="signatures"),
        pytest.param(("predict", "half_plus_three", "--input", "-"), b"[1]", 0, "y  float32[1]\n[3.5]\n", id="predict"),
        pytest.param(("bench", "half_plus_three", "--requests", "3"), b"", 0, "PER SECOND", id="bench"),
        pytest.param(
            ("status", "m", "--server", "localhost:1"), b"", 1, "No server answers at localhost:1", id="nobody"
        ),
        pytest.param(("status",), b"", 2, "required: MODEL", id="usage"),
    ],
)
def test_program(at: Mapping[str, str], given: tuple[str, ...], data: bytes, code: int, expected: str) -> None:
    """Each command as a program of its own, and its exit code."""
    assert expected in process(*given, data=data, code=code, env=at)


def test_nobody_there() -> None:
    """The address, and what may be wrong."""
    errors = run("status", "m", "--server", "localhost:1", code=1)
    assert errors.startswith("serving-client: No server answers at localhost:1; is it running, and is this its")


def test_port_of_rest(served: ServerProcess) -> None:
    """The commonest mistake."""
    errors = run("status", "m", "--server", f"localhost:{served.rest_port}", code=1)
    assert "speaks no gRPC: is this its gRPC port (8500)?" in errors.replace("\n", " ")


def test_servers_that_speak_neither() -> None:
    """gRPC, and no API of ours."""
    with ScriptedServer([{"grpc-status": "12"}]) as server:
        errors = run("status", "m", "--server", server.address, code=1).replace("\n", " ")
    assert "speaks gRPC, and neither TensorFlow Serving's API nor v2" in errors


def test_lists_that_are_not_there(served: ServerProcess, at: Mapping[str, str]) -> None:
    """Without a list of models the sentence says where else to ask."""
    with ScriptedServer([{"grpc-status": "5"}, {"grpc-status": "12"}]) as plain:
        errors = run("ls", "--server", plain.address, code=1).replace("\n", " ")
    assert "has no list of models (RepositoryIndex)" in errors
    assert "--rest HOST:PORT; or ask for a model by its name: serving-client status MODEL." in errors
    assert "No REST API answers at localhost:1" in run("ls", "--rest", "localhost:1", code=1, env=at)
    plain_rest = f"https://localhost:{served.rest_port}"
    assert "No REST API answers at localhost" in run("ls", "--rest", plain_rest, code=1, env=at)


def test_tls_and_keys(models: Path, tmp_path: Path) -> None:
    """Encrypted, with a key, from the option or the environment."""
    authority = Authority("ours")
    identity = authority.identity()
    config = write_config(tmp_path / "config", key=identity.key, certificate=identity.certificate)
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    key = make_key("all", "predict,read", "", str(tmp_path / "keys")).key
    flags = ("--model_name=m", f"--model_base_path={models / 'half_plus_three'}", f"--ssl_config_file={config}")
    with ServerProcess([*flags, f"--api_keys_file={tmp_path / 'keys'}"]) as server:
        to = ("status", "m", "--server", f"localhost:{int(server.grpc_port)}")
        tls = ("--ca", str(tmp_path / "ca.pem"))
        assert "AVAILABLE" in run(*to, *tls, "--api-key", key)
        assert "AVAILABLE" in run(*to, *tls, env={"SERVING_API_KEY": key})
        assert "Give a key that may do this with --api-key or SERVING_API_KEY." in run(*to, *tls, code=1)
        assert "does it want TLS (--tls)" in run(*to, code=1).replace("\n", " ")
        assert process(*to, "--tls", code=1).startswith("serving-client: The TLS handshake with")
        assert "cannot be read: No such file" in run(*to, "--ca", "/no/ca.pem", code=1)
