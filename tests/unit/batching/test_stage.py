"""Batching as the server sets it up: flags and files to settings, which versions are batched, the end."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from serving.batching.parameters import BatchingParameters
from serving.batching.servable import BatchedServable
from serving.configuration import batching_config
from serving.errors import Code, ConfigurationError, ServingError
from serving.loading import batching_stage
from serving.loading.batching_stage import BatchingStage
from serving.protos import BatchingParameters as Message
from serving.settings import Settings
from tests.support import TIMEOUT_SECONDS, servable_id
from tests.unit.batching.models import Calculator, tensor, values

EVERYTHING = """
max_batch_size { value: 128 }
batch_timeout_micros { value: 7 }
max_enqueued_batches { value: 1000000 }
num_batch_threads { value: 8 }
thread_pool_name { value: "pool" }
allowed_batch_sizes: 32
allowed_batch_sizes: 128
pad_variable_length_inputs: true
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 64 }
"""

READ = [
    pytest.param("allowed_batch_sizes: 1000", {"allowed_batch_sizes": (1000,), "num_batch_threads": 4}, id="defaults"),
    pytest.param("max_batch_size {}", {"max_batch_size": 0, "num_batch_threads": 4}, id="given-without-value"),
    pytest.param(
        EVERYTHING,
        {
            "max_batch_size": 128,
            "batch_timeout_micros": 7,
            "max_enqueued_batches": 1_000_000,
            "num_batch_threads": 8,
            "thread_pool_name": "pool",
            "allowed_batch_sizes": (32, 128),
            "pad_variable_length_inputs": True,
            "enable_large_batch_splitting": True,
            "max_execution_batch_size": 64,
        },
        id="everything",
    ),
]


@pytest.mark.parametrize(("text", "expected"), READ)
def test_read(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    """Every field of the file is a value; those that are left out have their defaults, the threads the CPUs."""
    file = tmp_path / "batching"
    file.write_text(text)
    assert batching_config.read(file, 4) == BatchingParameters(**expected)


def test_read_nonsense(tmp_path: Path) -> None:
    """A file that is no such message is named."""
    file = tmp_path / "batching"
    file.write_text("max_batch_size: 4")
    with pytest.raises(ConfigurationError, match=f"Invalid protobuf file: '{file}'"):
        batching_config.read(file, 4)


@contextmanager
def closing(stage: BatchingStage | None) -> Iterator[BatchingStage]:
    assert stage is not None
    try:
        yield stage
    finally:
        stage.close(TIMEOUT_SECONDS)


def pools() -> set[str]:
    """The names of the running pools."""
    return {thread.name.rpartition("-")[0] for thread in threading.enumerate()}


def test_no_batching_without_the_flag() -> None:
    """Nothing is batched by default."""
    assert batching_stage.from_settings(Settings(), None, 2) is None


REFUSED = [
    pytest.param({"batching_parameters_file": "file"}, "num_batch_threads must be positive; was 0", id="no-threads"),
]


@pytest.mark.parametrize(("flags", "text"), REFUSED)
def test_start_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: dict[str, Any], text: str) -> None:
    """Settings with which nothing would ever run end the start."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("num_batch_threads { value: 0 }")
    with pytest.raises(ConfigurationError) as caught:
        batching_stage.from_settings(Settings(**{"enable_batching": True, **flags}), None, 2)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, text)


def test_threads_without_a_file() -> None:
    """By default there is a thread for each CPU."""
    with closing(batching_stage.from_settings(Settings(enable_batching=True), None, 2)):
        names = [thread.name for thread in threading.enumerate()]
        assert sorted(name for name in names if name.startswith("model_server_batch_threads")) == [
            "model_server_batch_threads-0",
            "model_server_batch_threads-1",
        ]


def test_file_names_the_threads(tmp_path: Path) -> None:
    """The pool is called as the file says."""
    file = tmp_path / "batching"
    file.write_text('thread_pool_name { value: "mine" }')
    settings = Settings(enable_batching=True, batching_parameters_file=str(file))
    with closing(batching_stage.from_settings(settings, None, 2)):
        assert "mine" in pools()


def test_platform_configuration_comes_first() -> None:
    """The message of a platform configuration stands in for flags and file."""
    message = Message()
    message.thread_pool_name.value = "platform"
    with closing(batching_stage.from_settings(Settings(enable_batching=True), message, 2)):
        assert "platform" in pools()


def test_wraps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A loaded version is wrapped, with a line in the log as TFS has it, and answers."""
    caplog.set_level(logging.INFO, "serving")
    with closing(BatchingStage(BatchingParameters())) as stage:
        servable = stage(Calculator(), servable_id(1), tmp_path)
        assert isinstance(servable, BatchedServable)
        assert values(servable.resolve(("x",), ("double",))([tensor([1.0])], 0)) == [[2.0]]
    assert "Wrapping session to perform batch processing" in caplog.text


def test_version_without_parameters_of_its_own(tmp_path: Path) -> None:
    """When each version brings its parameters, one that brings none is not batched."""
    model = Calculator()
    with closing(BatchingStage(BatchingParameters(), per_model=True)) as stage:
        assert stage(model, servable_id(1), tmp_path) is model


def test_version_with_parameters_of_its_own(tmp_path: Path) -> None:
    """Of the common parameters only the threads count for a version that brings its own."""
    (tmp_path / "batching_params.pbtxt").write_text("max_batch_size { value: 2 }")
    with closing(BatchingStage(BatchingParameters(max_batch_size=1), per_model=True)) as stage:
        run = stage(Calculator(), servable_id(1), tmp_path).resolve(("x",), ("double",))
        assert values(run([tensor([1.0, 2.0])], 0)) == [[2.0, 4.0]]
        with pytest.raises(ServingError, match="Task size 3 is larger than maximum input batch size 2"):
            run([tensor([1.0, 2.0, 3.0])], 0)


def test_version_with_nonsense(tmp_path: Path) -> None:
    """A version whose parameters cannot be read is not served."""
    file = tmp_path / "batching_params.pbtxt"
    file.write_text("nonsense")
    with (
        closing(BatchingStage(BatchingParameters(), per_model=True)) as stage,
        pytest.raises(ServingError, match=f"Invalid protobuf file: '{file}'"),
    ):
        stage(Calculator(), servable_id(1), tmp_path)
