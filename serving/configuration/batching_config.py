"""--batching_parameters_file and batching_params.pbtxt: text BatchingParameters as values, which check themselves."""

from pathlib import Path
from typing import Any

from serving.batching.parameters import THREAD_POOL_NAME, BatchingParameters
from serving.configuration import text_proto
from serving.core.version_files import BATCHING_PARAMETERS
from serving.protos import BatchingParameters as Message


def read(path: Path | str, cpus: int) -> BatchingParameters:
    """The parameters in a text file; ``cpus`` is the default of num_batch_threads. Raises ConfigurationError."""
    return decode(text_proto.read(path, Message), cpus)


def of_version(path: Path, cpus: int) -> BatchingParameters | None:
    """Those that the version directory ``path`` brings along, None if it has none. Raises ConfigurationError."""
    file = path / BATCHING_PARAMETERS
    return read(file, cpus) if file.exists() else None


def decode(message: Any, cpus: int) -> BatchingParameters:
    """The values of a BatchingParameters message; what it leaves out has TensorFlow Serving's default."""
    given = {
        name: getattr(message, name).value
        for name in (
            "max_batch_size",
            "batch_timeout_micros",
            "max_enqueued_batches",
            "enable_large_batch_splitting",
            "max_execution_batch_size",
        )
        if message.HasField(name)
    }
    return BatchingParameters(
        num_batch_threads=message.num_batch_threads.value if message.HasField("num_batch_threads") else cpus,
        thread_pool_name=message.thread_pool_name.value if message.HasField("thread_pool_name") else THREAD_POOL_NAME,
        allowed_batch_sizes=tuple(message.allowed_batch_sizes),
        pad_variable_length_inputs=message.pad_variable_length_inputs,
        **given,
    )
