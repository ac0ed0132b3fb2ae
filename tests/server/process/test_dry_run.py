"""``--dry_run`` as people type it: every version loaded and asked, what is printed, and the exit status."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from serving.core.tensor import DataType
from serving.protos import message
from tests.support.server_process import REPOSITORY, write_model_config


def dry_run(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serving", "--dry_run", "--version_settle_seconds=0", *flags]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def write_refusing(path: Path) -> None:
    """A SavedModel that takes a vector ``x`` and answers those of 77 numbers alone."""
    written = message("tensorflow.SavedModel")(saved_model_schema_version=1)
    meta_graph = written.meta_graphs.add()
    meta_graph.meta_info_def.tags.append("serve")
    _node(meta_graph, "x", "Placeholder", "dtype", DataType.FLOAT)
    shape = _node(meta_graph, "shape", "Const", "dtype", DataType.INT32)
    shape.attr["value"].tensor.dtype = DataType.INT32
    shape.attr["value"].tensor.tensor_shape.dim.add(size=2)
    shape.attr["value"].tensor.int_val.extend((7, 11))
    reshaped = _node(meta_graph, "reshaped", "Reshape", "T", DataType.FLOAT)
    reshaped.input.extend(("x", "shape"))
    reshaped.attr["Tshape"].type = DataType.INT32
    signature = meta_graph.signature_def["serving_default"]
    for info, name, size in ((signature.inputs["x"], "x:0", -1), (signature.outputs["y"], "reshaped:0", 7)):
        info.name, info.dtype = name, DataType.FLOAT
        info.tensor_shape.dim.add(size=size)
    path.mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(written.SerializeToString())


def _node(meta_graph: Any, name: str, operation: str, attribute: str, dtype: DataType) -> Any:
    node = meta_graph.graph_def.node.add(name=name, op=operation)
    node.attr[attribute].type = dtype
    return node


def test_good_models(models: Path, tmp_path: Path) -> None:
    """Each version and each signature has its line, strings among them; all answered, and the status is 0."""
    names = {name: models / name for name in ("half_plus_two", "strings", "mnist")}
    result = dry_run(f"--model_config_file={write_model_config(tmp_path / 'c', names)}", "--optimize=off")
    assert result.returncode == 0, result.stdout
    for line in (
        r"^model half_plus_two version 123: loaded in \d+\.\d\d s, with .* of memory$",
        r"^model half_plus_two version 124: loaded in ",
        r"^  ok       classify_x_to_y: answered in \d+\.\d\d ms by TensorFlow, as it is saved$",
        r"^model strings version 1: loaded in ",
        r"^  ok       length: answered in ",
        r"^model mnist version 1: loaded in ",
    ):
        assert re.search(line, result.stdout, re.MULTILINE), line
    last = result.stdout.splitlines()[-1]
    assert re.fullmatch(r"4 version\(s\) loaded, \d+ signature\(s\) answered, 0 failed; the process has .*", last)


def test_model_that_refuses_all_inputs(models: Path, tmp_path: Path) -> None:
    """TensorFlow's text is shown, the other models are tried all the same, and the status is 1."""
    write_refusing(tmp_path / "refusing" / "1")
    names = {"refusing": tmp_path / "refusing", "half": models / "half_plus_three"}
    result = dry_run(f"--model_config_file={write_model_config(tmp_path / 'c', names)}")
    assert result.returncode == 1
    assert re.search(r"^  fails    serving_default: INVALID_ARGUMENT: .*77", result.stdout, re.MULTILINE)
    assert "  -> This input was made up" in result.stdout
    assert "model half version 1: loaded" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("2 version(s) loaded, 1 signature(s) answered, 1 failed;")


def test_version_that_does_not_load(models: Path) -> None:
    """At once, without the attempts of a start, and with what is wrong with its files."""
    result = dry_run(f"--model_base_path={models / 'empty'}", "--model_name=e")
    assert result.returncode == 1
    assert re.search(r"^model e version 1: fails after \d+\.\d\d s: NOT_FOUND: Specified", result.stdout, re.MULTILINE)
    assert f"  -> saved_model.pb is missing in {models}/empty/1, which has: readme.txt. Copy" in result.stdout


def test_model_without_versions(tmp_path: Path) -> None:
    """A start would wait for it; this ends, and says what to do."""
    result = dry_run(f"--model_base_path={tmp_path}", "--model_name=e")
    assert result.returncode == 1
    assert "model e: fails: " in result.stdout
    assert f"  -> Put the SavedModel into {tmp_path}/1" in result.stdout


def test_no_port_is_opened(models: Path) -> None:
    """It does not mind that a server runs with the same flags."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        flags = (f"--port={port}", "--rest_api_port=-1", "--enable_batching")
        result = dry_run(f"--model_base_path={models / 'half_plus_three'}", *flags)
    assert result.returncode == 0, result.stdout
    assert "by TensorFlow, as it is saved, batched" in result.stdout
    assert "Running gRPC" not in result.stderr


def test_bad_settings() -> None:
    """As a start: status 255 and TensorFlow Serving's text."""
    result = dry_run("--model_base_path=relative")
    assert result.returncode == 255
    assert "Failed to start server. Error: INVALID_ARGUMENT: Expected model default" in result.stdout


def test_labels_that_a_start_refuses(models: Path, tmp_path: Path) -> None:
    """What is refused with the list of models is refused here."""
    config = write_model_config(tmp_path / "c", {"half": models / "half_plus_three"}, labels={"half": {"stable": 1}})
    assert dry_run(f"--model_config_file={config}").returncode == 255


def test_interrupted(models: Path) -> None:
    """A signal ends it by itself: a script must not take that for success."""
    command = [sys.executable, "-m", "serving", "--dry_run", f"--model_base_path={models / 'mnist'}"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        while "trying faster ways to run it" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait() == -signal.SIGTERM
