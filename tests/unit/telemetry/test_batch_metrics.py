"""The metrics of batching: when they appear, and that lone requests count as the batches they were."""

from serving.telemetry.batch_metrics import BatchMetrics
from serving.telemetry.exposition import page
from serving.telemetry.metrics import Registry

SIZES = ("input_batch_size", "processed_batch_size", "padding_size")


def test_sizes_appear_with_the_first_batch() -> None:
    """Before a batch was run the page does not have them, whether it was read before or not."""
    registry = Registry()
    metrics = BatchMetrics(registry)
    metrics.update()
    assert not any(f":{name}" in page(registry) for name in SIZES)
    metrics.alone(1, 1)
    metrics.update()
    assert all(f":{name}" in page(registry) for name in SIZES)


def test_lone_request_counts_as_a_batch() -> None:
    """It is told in one word what a batch is told in two, and comes to the same."""
    told_at_once, told_in_full = Registry(), Registry()
    at_once, in_full = BatchMetrics(told_at_once), BatchMetrics(told_in_full)
    for rows, inputs in ((3, 2), (1, 1), (3, 2)):
        at_once.alone(rows, inputs)
        in_full.batched(0.0, [rows] * inputs)
        in_full.ran(rows, 0)
    at_once.update()
    assert page(told_at_once) == page(told_in_full)


def test_update_counts_nothing_twice() -> None:
    """Reading the page again does not add what was added before."""
    registry = Registry()
    metrics = BatchMetrics(registry)
    metrics.alone(2, 1)
    metrics.update()
    before = page(registry)
    metrics.update()
    assert page(registry) == before
