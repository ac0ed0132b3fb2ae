"""Optimisation at load, with the real child process: answers stay what they were.

Which of the two graphs is faster is nothing for a test: the clocks here say what a test is about.
"""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from serving.codecs import tfrecord
from serving.codecs.protobuf import prediction_log
from serving.core.model_spec import ModelSpec
from serving.core.servable import Servable
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError
from serving.host import cpus
from serving.optimizing.cache import Cache
from serving.optimizing.process import Children
from serving.protos import ConfigProto, message
from tests.server.tensorflow.optimizing import close_to, images, order, stage, through
from tests.support import TIMEOUT_SECONDS
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
    if not cpus.has_bfloat16(Path("/proc/cpuinfo").read_text()):
        pytest.skip("this CPU does not compute with bfloat16")
    if _LESSER_CPU.intersection(os.environ):
        pytest.skip("TensorFlow was told not to use all of this CPU")
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
