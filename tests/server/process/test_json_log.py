"""--log_format=json: a server's whole standard error, from its first line to its last, is one object a line."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from serving.protos import ReloadConfigRequest
from tests.server.doors.certificates import Authority, write_config
from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats
from tests.support.server_process import REPOSITORY, ServerProcess, write_model_config

RELOAD = "ModelService/HandleReloadConfigRequest"
PORTS = r"Serving over gRPC on port (\d+) and REST on port (\d+)"
FIELDS = {"time", "severity", "file", "line", "logger", "message"}
CHECK_FAILS = """
import ctypes
from serving.servables import libtensorflow
library = libtensorflow.load()
tensor = library.AllocateTensor(1, (ctypes.c_int64 * 1)(2), 1, 8)
library.Dim(tensor, 7)
"""


class Json:
    """A server whose standard error goes to a file; what it prints is apart from it."""

    def __init__(self, file: Path, *flags: str, environment: Mapping[str, str] | None = None) -> None:
        self.file = file
        command = ("sh", "-c", f'exec "$@" 2>{file}', "sh", sys.executable, "-m", "serving")
        self.server = ServerProcess(["--log_format=json", *flags], wait=False, command=command, environment=environment)

    def serves(self) -> ServerProcess:
        """The server, once it serves."""
        found = self.server.wait_for(PORTS)
        self.server.grpc_port, self.server.rest_port = int(found[1]), int(found[2])
        return self.server

    def lines(self) -> list[dict[str, Any]]:
        """All that it has written to standard error, each line read by itself."""
        return [json.loads(line) for line in self.file.read_text().splitlines()]


def messages(lines: list[dict[str, Any]]) -> str:
    """All messages, a line each at least."""
    return "\n".join(each["message"] for each in lines)


def reload(server: ServerProcess, models: Path, *names: str) -> None:
    """Ask for these models."""
    request = ReloadConfigRequest()
    for name in names:
        request.config.model_config_list.config.add(
            name=name, base_path=str(models / name), model_platform="tensorflow"
        )
    client = GrpcClient(server)
    with suppress(RefusedError):
        client.call(RELOAD, request.SerializeToString())
    client.close()


def test_load_predict_fail_reload_and_stop(models: Path, tmp_path: Path) -> None:
    """Whatever happens, each line is an object with its fields."""
    config = write_model_config(tmp_path / "models.config", {"failing": models / "failing", "slow": models / "slow"})
    flags = [f"--model_config_file={config}", "--max_num_load_retries=0", "--enable_batching", "an argument"]
    said = Json(tmp_path / "stderr", *flags, environment={"TF_CPP_MIN_LOG_LEVEL": "0"})
    with said.server:
        server = said.serves()
        for body in ('{"instances": [1.0]}', '{"instances": [-1.0]}', "{", '{"instances": ["\\u001b[31m"]}'):
            server.rest("POST", "/v1/models/failing:predict", body)
        server.rest("POST", "/v1/models/a%0Ab%FF:predict", "{}")
        client = GrpcClient(server)
        with pytest.raises(RefusedError):
            client.predict(Target(model="failing"), {"x": floats(-1)})
        client.close()
        reload(server, models, "failing", "broken")
        reload(server, models, "failing", "failing")
        reload(server, models, "half_plus_two")
    assert server.process.returncode == 0
    lines = said.lines()
    assert [each for each in lines if not each.keys() >= FIELDS] == []
    text = messages(lines)
    assert "Argument an argument is not understood" in text
    assert "TF_CPP_MIN_LOG_LEVEL=0 is passed over" in text
    assert "ReloadConfig failed: " in text
    assert "Loading servable: {name: broken" in text
    assert "SIGTERM: ending" in text


def test_handshakes_that_fail(models: Path, tmp_path: Path) -> None:
    """grpcio's own library has words for them, which are no JSON."""
    identity = Authority("ours").identity()
    tls = write_config(tmp_path / "tls", key=identity.key, certificate=identity.certificate)
    flags = [f"--model_base_path={models / 'half_plus_three'}", f"--ssl_config_file={tls}"]
    said = Json(tmp_path / "stderr", *flags)
    with said.server:
        server = said.serves()
        with socket.create_connection(("127.0.0.1", server.grpc_port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            connection.recv(1024)
    assert "Draining" in messages(said.lines())


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        pytest.param("--port=none", "Couldn't interpret value none for flag port", id="flag"),
        pytest.param("--model_base_path=relative", "Building single TensorFlow model file config", id="model"),
    ],
)
def test_start_that_fails(tmp_path: Path, flag: str, message: str) -> None:
    """The log is JSON to the end; the last line is one of standard output, as ever."""
    said = Json(tmp_path / "stderr", flag)
    with said.server as server:
        assert server.wait() == 255
    assert message in messages(said.lines())


def test_format_that_is_not_known(models: Path) -> None:
    """It ends the start, and says which there are."""
    flags = ["--log_format=xml", f"--model_base_path={models / 'half_plus_three'}"]
    with ServerProcess(flags, wait=False) as server:
        assert server.wait() == 255
    assert server.output[-1] == (
        "Failed to start server. Error: INVALID_ARGUMENT: --log_format is 'xml'; expected text or json\n"
    )


def test_text_has_no_lines_of_tensorflow(models: Path) -> None:
    """By default every line is in the format of the others, up to those that are printed when it serves."""
    with ServerProcess([f"--model_base_path={models / 'half_plus_three'}"]) as server:
        server.rest("POST", "/v1/models/default:predict", '{"instances": [1.0]}')
    foreign = [line for line in server.output if "] " not in line[:80]]
    assert foreign[0].startswith("Serving over gRPC")
    assert "I0000" not in "".join(server.output)


def test_what_tensorflow_says_before_it_aborts_is_there() -> None:
    """Its failed check is on standard error, at the level that servers have."""
    result = subprocess.run(
        [sys.executable, "-c", CHECK_FAILS],
        cwd=REPOSITORY,
        env={"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode < 0
    assert "Check failed: d < dims()" in result.stderr
