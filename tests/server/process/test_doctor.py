"""``--doctor`` as the command that people type: its table, its exit status, and what a start says of the same."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.server_process import REPOSITORY, ServerProcess

FREE = ("--port=-1", "--rest_api_port=-1")


def doctor(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serving", "--doctor", *FREE, *flags]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def unwrapped(table: str) -> str:
    """The table in one line, as if it had not been wrapped into columns."""
    return " ".join(table.split())


def test_healthy_set_up(models: Path) -> None:
    """Nothing fails, the status is 0, and the rows tell what there is and what would run it."""
    result = doctor(f"--model_base_path={models / 'mnist'}", "--model_name=mnist")
    said = unwrapped(result.stdout)
    assert result.returncode == 0, result.stdout
    assert "Nothing fails: 0 warnings" in result.stdout.splitlines()[-1]
    assert "ok model mnist version 1 SavedModel in" in said
    assert "OpenVINO in f32 and TensorFlow's optimised graph would be tried for serving_default" in said
    assert "ok memory 1 version(s) with" in said
    assert "Traceback" not in result.stderr


def test_table_fits_a_terminal(models: Path) -> None:
    """No line is longer than the columns, but for paths; and none comes from the log."""
    result = doctor(f"--model_base_path={models / 'half_plus_two'}")
    assert [line for line in result.stdout.splitlines() if len(line) > 100 and str(models) not in line] == []
    assert re.search(r"\] ", result.stderr.replace("] oneDNN", "")) is None


def test_why_an_engine_is_not_tried(models: Path) -> None:
    """A model with few weights is served as it is saved, and the row has the reason."""
    said = unwrapped(doctor(f"--model_base_path={models / 'half_plus_three'}").stdout)
    assert "TensorFlow, as it is saved: it has" in said
    assert "bytes of weights" in said


BROKEN = [
    pytest.param(lambda models, _: [f"--model_base_path={models / 'mnist' / '1'}"], "one level too deep", id="deep"),
    pytest.param(lambda models, _: [f"--model_base_path={models / 'broken'}"], "cannot be parsed", id="no proto"),
    pytest.param(lambda *_: [], "no flag names a model", id="no model"),
    pytest.param(
        lambda models, _: [f"--model_base_path={models / 'mnist'}", "--port=eight"], "Couldn't interpret", id="value"
    ),
    pytest.param(
        lambda models, _: [f"--model_base_path={models / 'mnist'}", "--custom_op_libraries=/none.so"],
        "/none.so is not a file",
        id="custom operations",
    ),
    pytest.param(
        lambda models, _: [f"--model_base_path={models / 'mnist'}", "--optimize=faster"],
        "--optimize is 'faster'; expected off, safe or fast",
        id="word",
    ),
    pytest.param(
        lambda models, at: [f"--model_base_path={without_variables(models, at)}"],
        "its checkpoint is missing",
        id="no variables",
    ),
    pytest.param(
        lambda models, at: [f"--model_base_path={cut_off(models, at)}"],
        "is cut off: it has 50000 bytes of",
        id="half a copy",
    ),
]


def copied(models: Path, at: Path) -> Path:
    shutil.copytree(models / "mnist", at / "mnist")
    return at / "mnist"


def cut_off(models: Path, at: Path) -> Path:
    data = copied(models, at) / "1" / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:50_000])
    return at / "mnist"


def without_variables(models: Path, at: Path) -> Path:
    shutil.rmtree(copied(models, at) / "1" / "variables")
    return at / "mnist"


@pytest.mark.parametrize(("flags", "words"), BROKEN)
def test_broken_set_up(models: Path, tmp_path: Path, flags: Callable[[Path, Path], list[str]], words: str) -> None:
    """The status is 1, and the row that fails says it."""
    result = doctor(*flags(models, tmp_path))
    assert result.returncode == 1, result.stdout
    assert words in unwrapped(result.stdout)
    assert "Traceback" not in result.stderr


def test_warnings_do_not_fail(models: Path) -> None:
    """An argument that nobody knows is told, with what was meant; the status stays 0."""
    result = doctor(f"--model_base_path={models / 'mnist'}", "--enable_batchin")
    assert result.returncode == 0
    assert "Did you mean --enable_batching?" in unwrapped(result.stdout)


def test_port_of_a_server_that_runs(models: Path) -> None:
    """The process that has it is named, and goes on."""
    with ServerProcess([f"--model_base_path={models / 'half_plus_three'}"]) as server:
        result = doctor(f"--model_base_path={models / 'half_plus_three'}", f"--port={server.grpc_port}")
        assert f"is taken by process {server.process.pid} (" in unwrapped(result.stdout)
        assert server.rest("GET", "/healthz/ready")[0] == 200


def test_help_comes_first() -> None:
    """Whoever asks for the usage gets it."""
    assert doctor("--help").stdout.startswith("usage: ")


def test_failed_start_says_it_before_its_reason(models: Path) -> None:
    """The last line is TensorFlow Serving's; the log has the row before it."""
    with ServerProcess([f"--model_base_path={models / 'empty'}", "--max_num_load_retries=0"], wait=False) as server:
        assert server.wait() == 255
    said = [line for line in server.output if "--doctor says: " in line]
    assert len(said) == 1
    assert f"model default version 1: saved_model.pb is missing in {models}/empty/1, which has: readme.txt. " in said[0]
    reason = [line for line in server.output if line.startswith("Failed to start server. Error: ")]
    assert server.output.index(said[0]) < server.output.index(reason[0])


def test_taken_port_is_explained(models: Path) -> None:
    """A start that fails for a port says who has it."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        with ServerProcess(
            [f"--model_base_path={models / 'half_plus_three'}", f"--port={port}", "--grpc_transport=grpcio"], wait=False
        ) as server:
            assert server.wait() == 255
    assert any(f"--doctor says: gRPC at [::]:{port}: is taken by process" in line for line in server.output)


def test_start_that_waits_says_why_once(models: Path, tmp_path: Path) -> None:
    """A base path one level too deep is told after some seconds, and the server waits on, and serves in the end."""
    base = copied(models, tmp_path) / "1"
    with ServerProcess([f"--model_base_path={base}"], wait=False) as server:
        server.wait_for(re.escape(f"--doctor says: model default: {base} is a version itself"))
        shutil.copytree(models / "mnist" / "1", tmp_path / "1")
        (tmp_path / "1").rename(base / "1")
        server.wait_until_serving()
    assert len([line for line in server.output if "--doctor says" in line]) == 1
