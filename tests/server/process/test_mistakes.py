"""Twenty mistakes as people make them, and what is said: in the last line of a start, beside an error, in the log."""

import http.client
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server.process.conftest import Put
from tests.support.ports import free_port
from tests.support.server_process import REPOSITORY, ServerProcess, wait_until

NO_MODEL = "Give --model_name=NAME --model_base_path=/path/to/NAME, or --model_config_file=/path/to/models.config"


def last_line(*arguments: str) -> str:
    """What a start that fails says last, without the prefix of the log."""
    done = subprocess.run(
        [sys.executable, "-m", "serving", *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 255
    return re.sub(r"^[-\d]+ [.:\d]+: [WE] [a-z_]+\.py:\d+\] ", "", done.stdout.splitlines()[-1])


FLAGS = [
    pytest.param(["--prot=8500"], "Did you mean --port=8500?", id="a letter too many"),
    pytest.param(["--port", "8500"], "Write --port=8500, with = and without a blank.", id="a blank for ="),
    pytest.param(["--http_port=8501"], "Did you mean --rest_api_port=8501?", id="another server's flag"),
    pytest.param(["/models/m"], "Did you mean --model_base_path=/models/m?", id="a path alone"),
    pytest.param(["--noenable_batching"], "Write --enable_batching=false.", id="a negated flag"),
    pytest.param(["--port=eight"], "Expected a decimal 32-bit integer, as in --port=8500", id="a word for a number"),
    pytest.param(
        ["--model_base_path=/m", "--optimize=faster"], "expected off, safe or fast", id="a word that is no choice"
    ),
    pytest.param([], NO_MODEL, id="no model"),
    pytest.param(
        ["--model_base_path=/m", "--batching_parameters_file=/b"],
        "Give --enable_batching too, or leave out --batching_parameters_file",
        id="half of batching",
    ),
    pytest.param(
        ["--model_base_path=/m", "--port=0"],
        "Give --port=8500 or another port, or --grpc_socket_path=/path/to/socket",
        id="no gRPC port",
    ),
]


@pytest.mark.parametrize(("arguments", "said"), FLAGS)
def test_flags(arguments: list[str], said: str) -> None:
    """The last line is what to write instead."""
    assert last_line(*arguments).endswith(said)


def test_a_port_in_use(models: Path) -> None:
    """The start ends before any model is loaded, and says which flag is for the port."""
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        said = last_line(f"--port={port}", f"--model_base_path={models / 'half_plus_three'}")
    assert said.endswith("Address already in use. See --port and --grpc_bind_address.")


@dataclass(frozen=True, slots=True)
class Serving:
    """A server of the model ``default``, and its base path."""

    server: ServerProcess
    base: Path


@pytest.fixture(scope="module")
def serving(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server for all of them."""
    base = tmp_path_factory.mktemp("served") / "half_plus_three"
    shutil.copytree(models / "half_plus_three", base)
    with ServerProcess([f"--model_base_path={base}", "--model_name=half_plus_three"]) as server:
        yield Serving(server, base)


def hint(server: ServerProcess, method: str, path: str) -> tuple[str, str]:
    """The body's error, and the hint beside it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=20)
    try:
        connection.request(method, path, b'{"instances": [1.0]}' if method == "POST" else None)
        response = connection.getresponse()
        body = response.read().decode()
        return body, response.getheader("X-Error-Hint", "")
    finally:
        connection.close()


MALFORMED = "Malformed request: {method} {path}"
MISSING = "Servable not found for request: "
VERBS = "the verbs are predict, classify, regress or compare, by POST"
REQUESTS = [
    pytest.param(
        "POST", "/v1/models/half_plus_three:predct", MALFORMED, f"did you mean :predict? {VERBS}", id="verb with a typo"
    ),
    pytest.param(
        "GET",
        "/v1/models/half_plus_three:predict",
        MALFORMED,
        f"did you mean POST and :predict? {VERBS}",
        id="GET for POST",
    ),
    pytest.param(
        "POST",
        "/v1/models/half_plus_three",
        MALFORMED,
        "POST needs a verb behind the name: :predict, classify, regress or compare",
        id="no verb",
    ),
    pytest.param(
        "POST",
        "/v1/models/half_plus_tree:predict",
        MISSING + "Latest(half_plus_tree)",
        "did you mean half_plus_three? models served: half_plus_three",
        id="model with a typo",
    ),
    pytest.param(
        "POST",
        "/v1/models/half_plus_three/versions/7:predict",
        MISSING + "Specific(half_plus_three, 7)",
        "half_plus_three has the available versions 1",
        id="version that is not there",
    ),
]


@pytest.mark.parametrize(("method", "path", "error", "said"), REQUESTS)
def test_requests(serving: Serving, method: str, path: str, error: str, said: str) -> None:
    """The body is TensorFlow Serving's, to the byte, and the header beside it helps."""
    error = error.format(method=method, path=path)
    assert hint(serving.server, method, path) == (f'{{\n    "error": "{error}"\n}}', said)


def test_requests_that_succeed_have_no_hint(serving: Serving) -> None:
    """Nothing is added to an answer."""
    assert hint(serving.server, "POST", "/v1/models/half_plus_three:predict")[1] == ""


def cut_off(version: Path) -> str:
    """A graph that ends in the middle."""
    graph = version / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:50])
    return "saved_model.pb: the SavedModel cannot be parsed"


def one_too_deep(version: Path) -> str:
    """A directory copied into itself."""
    inner = version / "export"
    inner.mkdir()
    for each in version.iterdir():
        if each != inner:
            each.rename(inner / each.name)
    return "it is one directory further down, in export"


@pytest.mark.parametrize(
    ("number", "harm"), [(2, cut_off), (3, one_too_deep)], ids=["a file that is cut off", "one directory too many"]
)
def test_versions(serving: Serving, tmp_path: Path, put: Put, number: int, harm: Callable[[Path], str]) -> None:
    """The log names what is wrong with which file, and when it is tried again."""
    version = tmp_path / "broken"
    shutil.copytree(serving.base / "1", version)
    wrong = harm(version)
    put(version, serving.base / str(number))
    named = re.escape(f"{{name: half_plus_three version: {number}}}")
    serving.server.wait_for(rf"Next attempt for {named} in 60 s .*, or as soon as its files change; 4 more after that")
    serving.server.wait_for(rf"--doctor says: model half_plus_three version {number}: .*{re.escape(wrong)}")


def test_a_base_path_with_a_typo(serving: Serving) -> None:
    """Whoever asks meanwhile is told what is waited for, and what is there instead."""
    wrong = serving.base.parent / "half_plus_tree"
    port = free_port()
    flags = (f"--model_base_path={wrong}", "--rest_api_open_early", f"--rest_api_port={port}")
    with ServerProcess(flags, wait=False) as server:
        server.rest_port = port
        server.wait_for("Adding/updating models")
        told = f"Waiting for {wrong}, which does not exist; {wrong.parent} has half_plus_three"
        wait_until("the answer", lambda: told in hint(server, "GET", "/v1/models/default")[0])
        server.terminate()
        assert server.wait() == 0


def test_a_rest_port_in_use(models: Path) -> None:
    """With --rest_api_required the start ends, and its last line has the flag."""
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        said = last_line(
            "--port=-1",
            f"--rest_api_port={port}",
            "--rest_api_required",
            f"--model_base_path={models / 'half_plus_three'}",
        )
    assert "--rest_api_port" in said
