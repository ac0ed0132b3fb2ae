"""What is not optimised is served as it is saved, and the log has the reason."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.core.servable import Servable
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType
from serving.errors import ConfigurationError
from serving.optimizing import optimize_stage
from serving.optimizing.cache import Cache
from serving.optimizing.process import Children, Optimized
from serving.protos import ConfigProto, message
from serving.servables.saved_model import SavedModelOptions
from serving.settings import Settings
from tests.server.tensorflow.optimizing import load, stage, through
from tests.support import FakeServable, servable_id

GraphDef = message("tensorflow.GraphDef")

REFUSED = [
    pytest.param("counting", {}, "the operation AssignAddVariableOp may keep state from call to call", id="state"),
    pytest.param("two_inputs", {}, "its signatures have 2 different sets of inputs; expected one", id="two inputs"),
    pytest.param("texts", {}, "there is nothing to compare its answers on; give it warm-up requests", id="strings"),
    pytest.param("images", {"max_weights_bytes": 2**17}, "more than --optimize_max_weights_bytes=131072", id="large"),
    pytest.param("images", {"available": 2**20}, "optimising it takes about", id="no memory"),
    pytest.param("images", {"factor": 1.1}, "it does not pay: ", id="does not pay"),
    pytest.param(
        "images",
        {"children": Children(("false",))},
        "the process that optimises it ended with status ",
        id="child fails",
    ),
]


@pytest.mark.parametrize(("model", "options", "reason"), REFUSED)
def test_refused(
    directory: Path,
    cache: Cache,
    optimized: Servable,
    caplog: pytest.LogCaptureFixture,
    model: str,
    options: dict[str, Any],
    reason: str,
) -> None:
    """A model that cannot be optimised, or does not gain, is served as it is saved; one line says why."""
    caplog.set_level("INFO", "serving")
    kept = None if "children" in options else cache
    with through(stage(kept, **options), directory / model / "1") as (plain, servable):
        assert servable is plain
    (line,) = caplog.messages
    assert line.startswith("Servable {name: m version: 1} is served as it is saved: ")
    assert reason in line


@pytest.mark.parametrize(
    ("model", "first"),
    [pytest.param("", 100.0, id="no weights"), pytest.param("images", 1e-4, id="short calls")],
)
def test_small_models_are_passed_over_in_silence(
    models: Path, directory: Path, caplog: pytest.LogCaptureFixture, model: str, first: float
) -> None:
    """What has nothing to gain costs no child and no line in the log."""
    path = directory / model / "1" if model else models / "half_plus_two" / "123"
    caplog.set_level("INFO", "serving")
    with through(stage(children=Children(("false",)), first=first), path) as (plain, servable):
        assert servable is plain
    assert caplog.messages == []


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
    with through(stage(options=options), directory / "images" / "1") as (plain, servable):
        assert servable is plain
    assert caplog.messages[0].endswith("its configuration turns TensorFlow's graph optimiser off")


def test_wrong_answers_are_noticed(directory: Path, cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    """A graph that answers something else is not served."""
    caplog.set_level("INFO", "serving")

    class Forger(Cache):
        def find(self, key: str) -> Optimized | None:
            found = super().find(key)
            assert found is not None
            os.pwrite(found.weights[0], bytes(4 * 1000), 0)
            return found

    with through(stage(Forger(cache.directory, "this CPU")), directory / "images" / "1") as (plain, servable):
        assert servable is plain
    assert re.search(r"its answers differ by .* once it is optimised; expected at most 1e-04", caplog.messages[0])


def test_unusable_graphs_are_noticed(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A graph that TensorFlow refuses is not served."""
    caplog.set_level("INFO", "serving")

    class Forger(Cache):
        def find(self, key: str) -> Optimized | None:
            graph = GraphDef()
            graph.node.add(name="a", op="NoSuchOperation")
            return Optimized(graph=graph.SerializeToString(), weights=())

    with through(stage(Forger(directory, "")), directory / "images" / "1") as (plain, servable):
        assert servable is plain
    assert "the optimised graph cannot be loaded: NOT_FOUND: " in caplog.messages[0]


def test_unwritable_cache_is_a_warning(directory: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Optimisation goes on without a cache."""
    (tmp_path / "file").touch()
    caplog.set_level("WARNING", "serving")
    with through(stage(Cache(tmp_path / "file", "")), directory / "images" / "1") as (plain, servable):
        assert servable is not plain
    assert caplog.messages == [f"--optimize_cache_dir={tmp_path}/file cannot be written to: File exists"]


def test_unexpected_failures_are_warnings(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the system refuses, the model is served."""
    caplog.set_level("WARNING", "serving")
    with through(stage(children=Children(("/no/such/program",))), directory / "images" / "1") as (plain, servable):
        assert servable is plain
    (line,) = caplog.messages
    assert "is served as it is saved, for optimising it failed: " in line
    assert "/no/such/program" in line


def test_signatures_of_missing_tensors_are_no_failure(
    directory: Path, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    """A signature that names what the graph lacks fails calls, as in TensorFlow Serving, and not the load."""
    caplog.set_level("WARNING", "serving")
    plain = load(directory / "images" / "1")
    (signature,) = [each for name, each in plain.signatures.items() if name == "serving_default"]
    lacking = replace(signature, outputs={"y": TensorInfo(name="nothing:0", dtype=DataType.FLOAT)})
    plain.signatures = {"serving_default": lacking}
    assert stage(cache)(plain, servable_id(1), directory / "images" / "1") is plain
    plain.close()
    assert "Tensor nothing:0, specified in either feed_devices or fetch_devices was not found" in caplog.messages[0]


@pytest.mark.parametrize("word", ["", "fastest", "SAFE"])
def test_unknown_words_are_refused(word: str) -> None:
    """Only off, safe and fast are understood."""
    with pytest.raises(
        ConfigurationError, match=f"--optimize={word} is not understood; expected one of off, safe, fast"
    ):
        optimize_stage.from_settings(Settings(optimize=word), SavedModelOptions())


@pytest.mark.parametrize(("word", "there"), [("off", False), ("safe", True), ("fast", True)])
def test_words(word: str, there: bool, tmp_path: Path) -> None:
    """Every word but off gives a stage."""
    settings = Settings(optimize=word, optimize_cache_dir=str(tmp_path), custom_op_libraries="a.so,b.so")
    made = optimize_stage.from_settings(settings, SavedModelOptions())
    assert (made is not None) is there
