"""What is not optimised is served as it is saved, and the log has the reason."""

import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.core.signature import TensorInfo
from serving.core.tensor import DataType
from serving.openvino.compiling import Numbers
from serving.optimizing import optimize_stage
from serving.optimizing.choice import Engine
from serving.optimizing.engine_servable import EngineServable
from serving.optimizing.process import Children, Programs
from serving.protos import ConfigProto
from serving.servables.saved_model import SavedModelOptions
from serving.settings import Settings
from serving.telemetry.serving_metrics import ServingMetrics
from tests.server.tensorflow.optimizing import (
    OPENVINO,
    POLICY,
    children,
    close_to,
    doing,
    engines,
    images,
    load,
    open_files,
    stage,
    through,
)
from tests.support import FakeServable, servable_id
from tests.support.models import call, loaded

BEGIN = "Servable {name: m version: 1}: trying faster ways to run it"
AS_IT_IS = "Servable {name: m version: 1} is served as it is saved: "

BEFORE_TRYING = [
    pytest.param(
        "counting",
        {},
        "the operation AssignAddVariableOp (AssignAddVariableOp) keeps state from call to call",
        id="state",
    ),
    pytest.param(
        "images",
        {"policy": replace(POLICY, max_weights_bytes=2**17)},
        "more than --optimize_max_weights_bytes=131072",
        id="large",
    ),
    pytest.param("images", {"available": 2**20}, "optimising it takes about", id="no memory"),
]


@pytest.mark.parametrize(("name", "options", "reason"), BEFORE_TRYING)
def test_refused_before_trying(
    directory: Path, caplog: pytest.LogCaptureFixture, name: str, options: dict[str, Any], reason: str
) -> None:
    """What cannot be optimised costs no process; one line says why."""
    caplog.set_level("INFO", "serving")
    with through(stage(processes=doing("false"), **options), directory / name / "1") as servable:
        assert engines(servable) == set()
    (line,) = caplog.messages
    assert line.startswith(AS_IT_IS)
    assert reason in line


AFTER_TRYING = [
    pytest.param(
        "tensors", {}, "there is nothing to compare its answers on; give it warm-up requests", id="nothing to try"
    ),
    pytest.param("images", {"processes": children(1.1)}, "it does not pay: ", id="does not pay"),
    pytest.param(
        "images", {"processes": doing("false")}, "the process that optimises it ended with status ", id="child fails"
    ),
]


@pytest.mark.parametrize(("name", "options", "reason"), AFTER_TRYING)
def test_refused_after_trying(
    directory: Path, caplog: pytest.LogCaptureFixture, name: str, options: dict[str, Any], reason: str
) -> None:
    """What does not gain is served as it is saved; the line that ends the trying says why, and no file stays open."""
    caplog.set_level("INFO", "serving")
    load(directory / name / "1").close()  # the first load opens what stays
    before = open_files()
    with through(stage(**options), directory / name / "1") as servable:
        assert engines(servable) == set()
    began, ended = caplog.messages
    assert began.startswith(BEGIN)
    assert ended.startswith(AS_IT_IS)
    assert reason in ended
    assert open_files() == before


def test_each_signature_is_tried(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Signatures with different inputs are optimised each for itself, and each is named."""
    caplog.set_level("INFO", "serving")
    path = directory / "two_inputs" / "1"
    with through(stage(), path) as servable, loaded(path) as saved:
        assert engines(servable) == {Engine.TENSORFLOW}
        assert close_to(call(servable, {"x": images(2)}), call(saved, {"x": images(2)}))
    assert "is optimised: serving_default: TensorFlow's optimised graph" in caplog.messages[1]
    assert "; texts: TensorFlow's optimised graph" in caplog.messages[1]


def test_small_models_are_passed_over_in_silence(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What has few weights costs no process and no line in the log."""
    caplog.set_level("INFO", "serving")
    with through(stage(processes=doing("false")), models / "half_plus_two" / "123") as servable:
        assert not isinstance(servable, EngineServable)
    assert caplog.messages == []


def test_short_calls_are_left_as_they_are(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where a call takes next to nothing, nothing can be gained; who was told that it is tried is told so."""
    caplog.set_level("INFO", "serving")
    with through(stage(processes=children(first=1e-5)), directory / "images" / "1") as servable:
        assert engines(servable) == set()
    began, ended = caplog.messages
    assert began.startswith(BEGIN)
    assert re.search(r"is served as it is saved: a call takes 0\.\d\d ms$", ended)


def test_one_engine_that_crashes_leaves_the_other(
    directory: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An engine that ends the process takes itself out, and the next process tries the other one."""
    crashing = "import json, os, sys; sys.exit(3) if json.loads(line)['steps'][0]['flat'] else None"
    (tmp_path / "try.py").write_text(
        "import os, socket\n"
        "line = socket.socket(fileno=os.dup(0)).recv(2**20, socket.MSG_PEEK)\n"
        f"{crashing}\n"
        f"os.execv(sys.executable, {[*children().programs.trying]!r})\n"
    )
    processes = Children(Programs(trying=(*children().programs.trying[:1], str(tmp_path / "try.py"))))
    caplog.set_level("INFO", "serving")
    policy = replace(POLICY, openvino=Numbers.FLOAT32)
    with through(stage(policy=policy, processes=processes), directory / "images" / "1") as servable:
        assert engines(servable) == {Engine.TENSORFLOW}
    assert "the process that optimises it ended with status 3" in caplog.messages[1]


def test_other_kinds_are_passed_over() -> None:
    """What is no SavedModel is left alone."""
    servable = FakeServable()
    assert stage()(servable, servable_id(1), Path("/nowhere")) is servable


def test_configuration_without_grappler_is_respected(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who turns TensorFlow's graph optimiser off gets the graph as it is saved."""
    caplog.set_level("INFO", "serving")
    config = ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    options = SavedModelOptions(session_config=config.SerializeToString())
    policy = replace(POLICY, options=options)
    with through(stage(policy=policy, processes=doing("false")), directory / "images" / "1") as servable:
        assert engines(servable) == set()
    assert caplog.messages[0].endswith("its configuration turns TensorFlow's graph optimiser off")


def test_unexpected_failures_are_warnings(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the system refuses, the model is served."""
    caplog.set_level("WARNING", "serving")
    with through(stage(processes=doing("/no/such/program")), directory / "images" / "1") as servable:
        assert engines(servable) == set()
    (line,) = caplog.messages
    assert "is served as it is saved, for optimising it failed: " in line
    assert "/no/such/program" in line


def test_signatures_of_missing_tensors_are_no_failure(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A signature that names what the graph lacks fails calls, as in TensorFlow Serving, and not the load."""
    caplog.set_level("INFO", "serving")
    plain = load(directory / "images" / "1")
    (signature,) = [each for name, each in plain.signatures.items() if name == "serving_default"]
    lacking = replace(signature, outputs={"y": TensorInfo(name="nothing:0", dtype=DataType.FLOAT)})
    plain.signatures = {"serving_default": lacking}
    servable = stage()(plain, servable_id(1), directory / "images" / "1")
    assert engines(servable) == set()
    servable.close()
    assert "Tensor nothing:0, specified in either feed_devices or fetch_devices was not found" in caplog.messages[1]


def test_a_package_that_is_missing_is_said(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who has not installed OpenVINO reads that it would be tried; no process freezes a graph for it."""
    caplog.set_level("INFO", "serving")
    monkeypatch.setitem(sys.modules, "openvino", None)
    processes = Children(replace(children().programs, freezing=("false",)))
    with through(stage(policy=OPENVINO, processes=processes), directory / "images" / "1") as servable:
        assert engines(servable) == set()
    assert caplog.messages[1] == f"{AS_IT_IS}OpenVINO would be tried if the package openvino were installed"


def test_a_version_is_served_at_once(directory: Path, tmp_path: Path) -> None:
    """Without --optimize_wait it answers while it is tried, and an unload does not wait for that."""
    os.mkfifo(tmp_path / "started")
    script = f"open({str(tmp_path / 'started')!r}, 'w').close(); import sys; sys.stdin.buffer.read()"
    processes = doing("/usr/bin/env", sys.executable, "-c", script)
    background = stage(policy=replace(POLICY, wait=False), processes=processes)
    path = directory / "images" / "1"
    with through(background, path) as servable, loaded(path) as saved:
        (tmp_path / "started").read_bytes()  # blocks until the child is there
        assert close_to(call(servable, {"x": images(2)}), call(saved, {"x": images(2)}))
    background.close()


@pytest.mark.parametrize(("word", "there"), [("off", False), ("safe", True), ("fast", True)])
def test_words(word: str, there: bool, tmp_path: Path) -> None:
    """Every word but off gives a stage."""
    settings = Settings(optimize=word, optimize_cache_dir=str(tmp_path), custom_op_libraries="a.so,b.so")
    made = optimize_stage.from_settings(settings, SavedModelOptions(), 1, 0, ServingMetrics())
    assert (made is not None) is there
