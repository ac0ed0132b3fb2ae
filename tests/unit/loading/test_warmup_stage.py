"""The warm-up file of a version: where it is looked for, and what it means that it is not there or cannot be read."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from serving.codecs import tfrecord
from serving.errors import Code, ServingError
from serving.inference import messages
from serving.inference.warmup import Warmup
from serving.loading.loaders import Loaders
from serving.loading.warmup_stage import WarmupStage
from serving.protos import PredictionLog
from tests.support import FakeServable, servable_id

WARMUP = Warmup(partial(messages.recorded, check_method_names=False))


def warm_up(path: Path) -> FakeServable:
    """Warm a servable without signatures up; it must come back as it is."""
    servable = FakeServable()
    assert WarmupStage(WARMUP)(servable, servable_id(1), path) is servable
    return servable


def file_of(path: Path, data: bytes | None) -> Path:
    """The version's file with these bytes; a directory in its place for None."""
    file = path / "assets.extra" / "tf_serving_warmup_requests"
    file.parent.mkdir()
    if data is None:
        file.mkdir()
    else:
        file.write_bytes(data)
    return file


def not_there(path: Path) -> None:
    """There is no assets.extra."""


def not_a_directory(path: Path) -> None:
    (path / "assets.extra").write_bytes(b"")


@pytest.mark.parametrize("prepare", [not_there, not_a_directory])
def test_no_file(prepare: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Most versions have no file, which is a line in the log."""
    prepare(tmp_path)
    caplog.set_level("INFO", "serving")
    warm_up(tmp_path)
    file = tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    assert caplog.messages == [f"No warmup data file found at {file}"]


def test_empty_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file without records is fine."""
    file_of(tmp_path, b"")
    caplog.set_level("INFO", "serving")
    warm_up(tmp_path)
    assert "Number of warmup records read: 0." in caplog.messages[-1]


def test_records_are_read(tmp_path: Path) -> None:
    """What is in the file is replayed: a servable without signatures refuses it."""
    log = PredictionLog()
    log.predict_log.request.model_spec.signature_name = "s"
    file_of(tmp_path, tfrecord.frame(b"") + tfrecord.frame(log.SerializeToString()))
    with pytest.raises(ServingError) as raised:
        warm_up(tmp_path)
    assert raised.value.message == 'Serving signature key "s" not found.'


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"garbage, garbage", "corrupted record at 0 (Is this even a TFRecord file?)", id="garbage"),
        pytest.param(
            tfrecord.frame(b"abc")[:-1],
            "truncated record at 0' failed with Read less bytes than requested",
            id="truncated",
        ),
    ],
)
def test_damaged_file(data: bytes, expected: str, tmp_path: Path) -> None:
    """A file that is no TFRecord file, or not all of one, is DATA_LOSS."""
    file_of(tmp_path, data)
    with pytest.raises(ServingError) as raised:
        warm_up(tmp_path)
    assert raised.value.code is Code.DATA_LOSS
    assert raised.value.message == f"{expected}. Please verify your warmup data is in TFRecord format."


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    """What the file system says is what the load fails with."""
    file = file_of(tmp_path, None)
    with pytest.raises(ServingError) as raised:
        warm_up(tmp_path)
    assert (raised.value.code, raised.value.message) == (Code.FAILED_PRECONDITION, f"{file}; Is a directory")


def test_failed_warm_up_fails_the_load(tmp_path: Path) -> None:
    """A version that cannot be warmed up is closed and not served."""
    file_of(tmp_path, b"garbage, garbage")
    servable = FakeServable()
    loader = Loaders(lambda path: servable, [WarmupStage(WARMUP)])("m", 1, tmp_path)
    with pytest.raises(ServingError):
        loader()
    assert servable.closed == 1
