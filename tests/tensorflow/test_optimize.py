"""Optimisation at load, with the real child process: answers stay what they were, and what cannot be done is refused.

Which of the two graphs is faster is nothing for a test: the clocks here say what a test is about.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.codecs import prediction_log, tfrecord
from serving.core.model_spec import ModelSpec
from serving.core.servable import Servable
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import ConfigurationError, ServingError
from serving.loading import optimize_stage
from serving.loading.optimize_stage import OptimizeStage
from serving.protos import ConfigProto, message
from serving.servables import optimize
from serving.servables.optimize_cache import Cache
from serving.servables.optimize_process import Children, Optimized, Order
from serving.servables.saved_model import SavedModelOptions, SavedModelServable, load_saved_model
from serving.settings import Settings
from tests.conftest import made_by
from tests.models import NO_LIMIT, call, loaded, resolve, strings
from tests.support import TIMEOUT_SECONDS, FakeServable, servable_id

SCRIPT = Path(__file__).with_name("make_optimizable.py")
PLENTY = 2**40
GraphDef = message("tensorflow.GraphDef")


@pytest.fixture(scope="module")
def directory(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of ``make_optimizable.py``."""
    return made_by(SCRIPT, pytestconfig, tmp_path_factory)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """One cache for all tests here: a child takes seconds."""
    return Cache(tmp_path_factory.mktemp("optimized"), "this CPU")


class Clock:
    """Seconds that pass at every look: ``first`` at the first, then each time ``factor`` times as many."""

    def __init__(self, factor: float, first: float = 100.0) -> None:
        self._now = 0.0
        self._step = first
        self._factor = factor

    def __call__(self) -> float:
        self._now += self._step
        self._step *= self._factor
        return self._now


def stage(
    cache: Cache | None = None,
    *,
    options: SavedModelOptions | None = None,
    bfloat16: bool = False,
    max_weights_bytes: int = PLENTY,
    children: Children | None = None,
    available: int | None = None,
    factor: float = 0.9,
    first: float = 100.0,
) -> OptimizeStage:
    """A stage that finds every optimised graph faster, unless ``factor`` is above 1."""
    return OptimizeStage(
        options or SavedModelOptions(),
        bfloat16=bfloat16,
        max_weights_bytes=max_weights_bytes,
        cache=cache,
        children=children,
        available_bytes=lambda: available,
        clock=Clock(factor, first),
    )


def images(rows: int) -> Tensor:
    return Tensor(DataType.FLOAT, np.random.default_rng(rows).random((rows, 16, 16, 3)).astype(np.float32))


def load(path: Path) -> SavedModelServable:
    return load_saved_model(path, SavedModelOptions(), ThreadPoolExecutor(2))


@contextmanager
def through(stage: OptimizeStage, path: Path) -> Iterator[tuple[SavedModelServable, Servable]]:
    """The servable that a stage was given, and the one that it gives."""
    plain = load(path)
    servable: Servable = plain
    try:
        servable = stage(plain, servable_id(1), path)
        yield plain, servable
    finally:
        servable.close()


@pytest.fixture(scope="module")
def optimized(directory: Path, cache: Cache) -> Iterator[Servable]:
    """The model ``images`` on its optimised graph."""
    with through(stage(cache), directory / "images" / "1") as (plain, servable):
        assert servable is not plain
        yield servable


def order(directory: Path, **changes: Any) -> Order:
    """What the stage would order for ``images``."""
    path = directory / "images" / "1"
    with loaded(path) as plain:
        step, signatures = optimize.one_step(plain.signatures)
    made = Order(path=path, tags=("serve",), config=b"", signatures=signatures, step=step, example=[images(1)])
    return replace(made, **changes)


def close_to(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    return given.keys() == expected.keys() and all(
        np.allclose(given[alias].array, expected[alias].array, rtol=1e-4, atol=1e-5) for alias in expected
    )


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_answers_stay(directory: Path, optimized: Servable, rows: int) -> None:
    """Batches of any size are answered as by the model as it is saved, also of sizes that were not compared."""
    with loaded(directory / "images" / "1") as plain:
        assert close_to(call(optimized, {"x": images(rows)}), call(plain, {"x": images(rows)}))


def test_signatures_stay(directory: Path, optimized: Servable) -> None:
    """What clients are told about the model does not change."""
    with loaded(directory / "images" / "1") as plain:
        assert optimized.signatures == plain.signatures
        assert optimized.signature_defs == plain.signature_defs


@pytest.mark.parametrize("output_filter", [("y",), ("largest",), ("largest", "y"), ("y", "mean", "largest")])
def test_outputs_are_those_asked_for(optimized: Servable, output_filter: tuple[str, ...]) -> None:
    """Parts of the outputs come in the order of the filter."""
    signature = optimized.signatures["serving_default"]
    whole = call(optimized, {"x": images(2)})
    run = optimized.resolve(signature.feeds(("x",)).names, signature.fetches(output_filter).names)
    given = run.submit([images(2)], NO_LIMIT).result(TIMEOUT_SECONDS)
    assert close_to(dict(zip(output_filter, given, strict=True)), {alias: whole[alias] for alias in output_filter})


def test_wrong_types_are_refused_as_before(directory: Path, optimized: Servable) -> None:
    """A tensor of another type gets TensorFlow's text."""
    wrong = Tensor(DataType.INT32, np.zeros((1, 16, 16, 3), np.int32))
    with loaded(directory / "images" / "1") as plain:
        texts = []
        for servable in (plain, optimized):
            with pytest.raises(ServingError) as raised:
                resolve(servable, "serving_default")([wrong], NO_LIMIT)
            texts.append(raised.value.text)
    assert texts[0] == texts[1]


def test_unknown_tensors_are_refused_as_before(directory: Path, optimized: Servable) -> None:
    """A tensor that the graph does not have gets the text of the model as it is saved."""
    with loaded(directory / "images" / "1") as plain:
        texts = []
        for servable in (plain, optimized):
            with pytest.raises(ServingError) as raised:
                servable.resolve(("x:0",), ("nothing:0",))
            texts.append(raised.value.text)
    assert texts[0] == texts[1]


def test_weights_are_files(directory: Path) -> None:
    """Large constants are outside of the graph, and no variable is left in it."""
    made = Children().optimize(order(directory))
    try:
        operations = [node.op for node in GraphDef.FromString(made.graph).node]
        assert len(made.weights) == operations.count("ImmutableConst") == 2
        assert [os.fstat(fd).st_size for fd in made.weights] == [3 * 3 * 48 * 48 * 4] * 2
        assert not {"VarHandleOp", "ReadVariableOp", "StatefulPartitionedCall"} & set(operations)
    finally:
        made.close()


def test_few_files(directory: Path) -> None:
    """Of more weights than files are allowed the largest become files."""
    made = Children().optimize(order(directory, max_files=1))
    assert [os.fstat(fd).st_size for fd in made.weights] == [3 * 3 * 48 * 48 * 4]
    made.close()


def test_bfloat16_is_ordered(directory: Path) -> None:
    """The child follows the configuration: automatic mixed precision lets operations compute with bfloat16."""
    config = ConfigProto()
    config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = 1
    if not optimize.has_bfloat16(Path("/proc/cpuinfo").read_text()):
        pytest.skip("this CPU does not compute with bfloat16")
    made = Children().optimize(order(directory, config=config.SerializeToString()))
    types = {node.attr["T"].type for node in GraphDef.FromString(made.graph).node if "Conv2D" in node.op}
    made.close()
    assert types == {DataType.BFLOAT16}


def test_success_is_one_line(
    directory: Path, cache: Cache, optimized: Servable, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what was gained, at what price."""
    caplog.set_level("INFO", "serving")
    with through(stage(cache), directory / "images" / "1"):
        pass
    (line,) = caplog.messages
    assert re.fullmatch(
        r"Servable \{name: m version: 1\} is optimised: [\d.]+ ms per call instead of [\d.]+; its answers differ by "
        r"[\d.e-]+ at most\. It took [\d.]+ s \(--optimize\)",
        line,
    )


def warm_up(path: Path, target: Path, alias: str, value: Tensor) -> Path:
    """A copy of the version with a recorded request."""
    shutil.copytree(path, target)
    request = prediction_log.predict_request(ModelSpec("m"), {alias: value})
    log = message("tensorflow.serving.PredictionLog")()
    log.predict_log.request.MergeFromString(request)
    (target / "assets.extra").mkdir()
    (target / "assets.extra" / "tf_serving_warmup_requests").write_bytes(tfrecord.frame(log.SerializeToString()))
    return target


def test_recorded_requests_stand_in_for_made_up_ones(directory: Path, tmp_path: Path) -> None:
    """A model that takes strings is tried with what its clients sent."""
    text = strings(bytes(range(256)) * 3)
    path = warm_up(directory / "texts" / "1", tmp_path / "1", "s", text)
    with through(stage(), path) as (plain, servable), loaded(path) as saved:
        assert servable is not plain
        assert close_to(call(servable, {"s": text}), call(saved, {"s": text}))


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
