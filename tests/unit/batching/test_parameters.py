"""The settings: defaults, what is refused in which words, how batches are rounded up."""

from typing import Any

import pytest

from serving.batching.parameters import BatchingParameters
from serving.core.batch_queue import QueueOptions
from serving.errors import Code, ConfigurationError


def test_defaults() -> None:
    """A file that says nothing gives TensorFlow Serving's defaults."""
    assert BatchingParameters().queue_options() == QueueOptions(
        max_batch_size=1000,
        batch_timeout_micros=0,
        max_enqueued_batches=10,
        splitting=False,
        max_execution_batch_size=1000,
    )


ACCEPTED = [
    pytest.param({"max_enqueued_batches": 0}, {"max_enqueued_batches": 1}, id="no-enqueued-batches-are-one"),
    pytest.param({"max_batch_size": 8, "allowed_batch_sizes": (4, 2, 8)}, {"max_batch_size": 8}, id="sizes-unordered"),
    pytest.param({"max_batch_size": 8}, {"max_execution_batch_size": 8}, id="execution-follows-batch"),
    pytest.param(
        {"max_batch_size": 8, "max_execution_batch_size": 2, "enable_large_batch_splitting": True},
        {"max_execution_batch_size": 2, "splitting": True, "batch_rows": 2},
        id="splitting",
    ),
    pytest.param(
        {"max_batch_size": 2, "max_execution_batch_size": 8}, {"batch_rows": 2}, id="execution-without-splitting"
    ),
]


@pytest.mark.parametrize(("given", "expected"), ACCEPTED)
def test_accepted(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """What the queues go by."""
    options = BatchingParameters(**given).queue_options()
    assert {name: getattr(options, name) for name in expected} == expected


SPLITTING = {"enable_large_batch_splitting": True}
REFUSED = [
    pytest.param(
        {"max_batch_size": 4, "allowed_batch_sizes": (2, 8)},
        "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 4",
        id="allowed-sizes",
    ),
    pytest.param(
        {"allowed_batch_sizes": (2, 8)},
        "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 1000",
        id="allowed-sizes-default-limit",
    ),
    pytest.param({"max_batch_size": 0}, "input_batch_size_limit must be positive; was 0", id="no-rows"),
    pytest.param({"max_batch_size": -1}, "input_batch_size_limit must be positive; was -1", id="negative-rows"),
    pytest.param(
        {"batch_timeout_micros": -1}, "batch_timeout_micros must be non-negative; was -1", id="negative-timeout"
    ),
    pytest.param(
        {"max_enqueued_batches": -2}, "max_enqueued_batches must be positive; was -2", id="negative-enqueued-batches"
    ),
    pytest.param(
        {"max_enqueued_batches": 0, **SPLITTING},
        "max_enqueued_batches must be positive; was 0",
        id="no-enqueued-batches-splitting",
    ),
    pytest.param(
        {"max_execution_batch_size": 0, **SPLITTING},
        "max_execution_batch_size must be positive; was 0",
        id="no-execution-rows",
    ),
    pytest.param(
        {"max_batch_size": 4, "max_execution_batch_size": 5, **SPLITTING},
        "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
        "max_execution_batch_size.",
        id="execution-larger-than-request",
    ),
]


@pytest.mark.parametrize(("given", "text"), REFUSED)
def test_refused(given: dict[str, Any], text: str) -> None:
    """What cannot be is refused, with what it was."""
    with pytest.raises(ConfigurationError) as caught:
        BatchingParameters(**given).queue_options()
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, text)


@pytest.mark.parametrize("threads", [0, -3])
def test_no_threads(threads: int) -> None:
    """Without a thread nothing would ever run."""
    with pytest.raises(ConfigurationError, match=f"num_batch_threads must be positive; was {threads}$"):
        BatchingParameters(num_batch_threads=threads).check_threads()


def test_one_thread_is_enough() -> None:
    """The smallest pool is accepted."""
    BatchingParameters(num_batch_threads=1).check_threads()


PADDED = [
    pytest.param((), 3, 3, id="any-size"),
    pytest.param((1, 4, 8), 1, 1, id="exact"),
    pytest.param((1, 4, 8), 2, 4, id="up"),
    pytest.param((1, 4, 8), 9, 9, id="beyond-the-largest"),
    pytest.param((8, 4), 2, 8, id="first-that-holds-it"),
    pytest.param((1, 4, 8), 0, 0, id="nothing-to-repeat"),
]


@pytest.mark.parametrize(("sizes", "rows", "expected"), PADDED)
def test_padded(sizes: tuple[int, ...], rows: int, expected: int) -> None:
    """A batch is made as large as the first allowed size that holds it."""
    assert BatchingParameters(allowed_batch_sizes=sizes).padded(rows) == expected
