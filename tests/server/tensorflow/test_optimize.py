"""Optimisation with the real processes: answers stay what they were, on whichever engine.

Which engine is faster is nothing for a test: the clocks here say what a test is about.
"""

import base64
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from serving.codecs import tfrecord
from serving.codecs.protobuf import prediction_log, tensor_proto
from serving.core.model_spec import ModelSpec
from serving.core.servable import Servable
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError
from serving.host import cpus
from serving.optimizing.cache import Cache
from serving.optimizing.choice import Engine
from serving.optimizing.engine_servable import EngineServable
from serving.optimizing.freezing import MAX_FILES, FrozenGraph, Kind, frozen
from serving.optimizing.policy import Policy
from serving.optimizing.process import Children
from serving.protos import ConfigProto, message
from tests.server.tensorflow.optimizing import close_to, engines, groups_of, images, model, stage, through
from tests.support import TIMEOUT_SECONDS, servable_id
from tests.support.models import NO_LIMIT, call, loaded, resolve, strings

GraphDef = message("tensorflow.GraphDef")

_LESSER_CPU = {"TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}
"""Variables with which TensorFlow does as on another CPU."""


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


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(Tensor(DataType.INT32, np.zeros((1, 16, 16, 3), np.int32)), id="type"),
        pytest.param(Tensor(DataType.FLOAT, np.zeros((1, 16, 16, 4), np.float32)), id="size"),
    ],
)
def test_wrong_inputs_are_refused_as_before(directory: Path, optimized: Servable, wrong: Tensor) -> None:
    """A tensor of another type or size gets the code and the text of the model as it is saved.

    But for the node, where TensorFlow's optimiser has made one of several.
    """
    with loaded(directory / "images" / "1") as plain:
        errors = []
        for servable in (plain, optimized):
            with pytest.raises(ServingError) as raised:
                resolve(servable, "serving_default")([wrong], NO_LIMIT)
            text = raised.value.text
            errors.append(
                (raised.value.code, text if Engine.OPENVINO in engines(optimized) else text.partition("[[")[0])
            )
    assert errors[0] == errors[1]


def test_unknown_tensors_are_refused_as_before(directory: Path, optimized: Servable) -> None:
    """A tensor that the graph does not have gets the text of the model as it is saved."""
    with loaded(directory / "images" / "1") as plain:
        texts = []
        for servable in (plain, optimized):
            with pytest.raises(ServingError) as raised:
                servable.resolve(("x:0",), ("nothing:0",))
            texts.append(raised.value.text)
    assert texts[0] == texts[1]


@contextmanager
def made(directory: Path, kind: Kind, *, max_files: int = MAX_FILES, config: bytes = b"") -> Iterator[FrozenGraph]:
    """The graph that the child makes of ``images``."""
    path = directory / "images" / "1"
    example = base64.b64encode(tensor_proto.encode(images(1), as_content=True)).decode()
    (graph,) = frozen(Children(), model(path, config), groups_of(path), kind, examples=[[example]], max_files=max_files)
    assert isinstance(graph, FrozenGraph), graph
    try:
        yield graph
    finally:
        graph.close()


def operations(graph: FrozenGraph) -> list[str]:
    return [node.op for node in GraphDef.FromString(graph.read()).node]


def test_weights_are_files(directory: Path) -> None:
    """Large constants are outside of the graph, and no variable is left in it."""
    with made(directory, Kind.OPTIMIZED) as graph:
        assert len(graph.weights) == operations(graph).count("ImmutableConst") == 2
        assert [os.fstat(fd).st_size for fd in graph.weights] == [3 * 3 * 48 * 48 * 4] * 2
        assert not {"VarHandleOp", "ReadVariableOp", "StatefulPartitionedCall"} & set(operations(graph))


def test_few_files(directory: Path) -> None:
    """Of more weights than files are allowed the largest become files."""
    with made(directory, Kind.OPTIMIZED, max_files=1) as graph:
        assert [os.fstat(fd).st_size for fd in graph.weights] == [3 * 3 * 48 * 48 * 4]


def test_flat_graphs_are_plain(directory: Path) -> None:
    """For other engines no function and no variable is left, and nothing is fused; large weights are files."""
    with made(directory, Kind.FLAT) as graph:
        assert len(graph.weights) == operations(graph).count("ImmutableConst") == 2
        assert {"Conv2D", "Relu", "Const"} <= set(operations(graph))
        assert not [op for op in operations(graph) if op.startswith(("_", "VarHandle", "Stateful"))]


@pytest.mark.parametrize("kind", list(Kind), ids=str)
def test_shapes_of_before_are_not_kept(directory: Path, kind: Kind) -> None:
    """What a model was saved with as its shapes may be wrong once products were reordered, and no import takes it."""
    assert b"_output_shapes" in (directory / "images" / "1" / "saved_model.pb").read_bytes()
    with made(directory, kind) as graph:
        assert b"_output_shapes" not in graph.read()


def test_bfloat16_is_ordered(directory: Path) -> None:
    """The child follows the configuration: automatic mixed precision lets operations compute with bfloat16."""
    config = ConfigProto()
    config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = 1
    if not cpus.has_bfloat16(Path("/proc/cpuinfo").read_text()):
        pytest.skip("this CPU does not compute with bfloat16")
    if _LESSER_CPU.intersection(os.environ):
        pytest.skip("TensorFlow was told not to use all of this CPU")
    with made(directory, Kind.OPTIMIZED, config=config.SerializeToString()) as graph:
        nodes = GraphDef.FromString(graph.read()).node
        assert {node.attr["T"].type for node in nodes if "Conv2D" in node.op} == {DataType.BFLOAT16}


SAID = {
    Engine.TENSORFLOW: r"TensorFlow's optimised graph, [\d.]+ ms per call instead of [\d.]+; "
    r"its answers differ by [\d.e-]+ at most",
    Engine.OPENVINO: r"1 row, 1 call at once: openvino [\d.]+ ms, not [\d.]+; "
    r"OpenVINO's answers differ by [\d.e-]+ at most",
}


@pytest.mark.usefixtures("optimized")  # it fills the cache
def test_success_is_two_lines(
    directory: Path, cache: Cache, tried: tuple[Policy, Engine], caplog: pytest.LogCaptureFixture
) -> None:
    """The log says when trying begins, how to do without it, and then what was gained at what price."""
    policy, engine = tried
    caplog.set_level("INFO", "serving")
    with through(stage(cache, policy=policy), directory / "images" / "1"):
        pass
    began, ended = caplog.messages
    assert began == "Servable {name: m version: 1}: trying faster ways to run it; --optimize=off leaves this out"
    assert re.fullmatch(
        rf"Servable \{{name: m version: 1\}} is optimised: {SAID[engine]}\. It took 0\.0 s \(--optimize\)", ended
    )


@pytest.mark.usefixtures("optimized")
def test_success_is_noted(directory: Path, cache: Cache, tried: tuple[Policy, Engine]) -> None:
    """In the same words, for people who ask later; and the version says which engine it has."""
    policy, engine = tried
    made = stage(cache, policy=policy)
    with through(made, directory / "images" / "1") as servable:
        assert isinstance(servable, EngineServable)
        assert servable.engine == engine
    note = made.notes.of(servable_id(1))
    assert re.fullmatch(SAID[engine], note.said)
    assert not note.trying


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
    """A model is tried with what its clients sent."""
    values = np.random.default_rng(0).random((2, 16, 16, 3)).astype(np.float32)
    text = strings(serialized(values))
    sent = Tensor(text.dtype, text.array.reshape(()))
    path = warm_up(directory / "tensors" / "1", tmp_path / "1", "s", sent)
    with through(stage(), path) as servable, loaded(path) as saved:
        assert engines(servable) == {Engine.TENSORFLOW}
        assert close_to(call(servable, {"s": sent}), call(saved, {"s": sent}))


def serialized(values: np.ndarray) -> bytes:
    """What ``tf.io.parse_tensor`` reads."""
    return tensor_proto.encode(Tensor(DataType.FLOAT, values), as_content=True)
