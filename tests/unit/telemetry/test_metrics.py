"""Counters, gauges and histograms: what they count, under threads too, and how they are found by name and labels."""

import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.telemetry.metrics import Histogram, Registry, exponential

THREADS, ADDITIONS = 8, 2000


@pytest.fixture
def _eager_switching() -> Iterator[None]:
    """Threads change places as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def on_threads(work: Callable[[], None]) -> None:
    """``work`` as often as ADDITIONS says, on each of the threads, begun together."""
    barrier = threading.Barrier(THREADS)

    def repeat() -> None:
        barrier.wait()
        for _ in range(ADDITIONS):
            work()

    threads = [threading.Thread(target=repeat) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_counter_adds() -> None:
    """A counter is the sum of what was added, one unless said otherwise."""
    counter = Registry().counter("c").child()
    counter.add()
    counter.add(4)
    assert counter.value == 5


def test_gauge_forgets() -> None:
    """A gauge is what it was set to last."""
    gauge = Registry().gauge("g").child()
    gauge.set(7)
    gauge.set(3)
    assert gauge.value == 3


@pytest.mark.parametrize(
    ("value", "bucket"),
    [
        pytest.param(0, 0, id="below"),
        pytest.param(9.9, 0, id="just below the first bound"),
        pytest.param(10, 1, id="on a bound"),
        pytest.param(15, 1, id="between"),
        pytest.param(20, 2, id="on the last bound"),
        pytest.param(1e300, 2, id="above"),
    ],
)
def test_bucket(value: float, bucket: int) -> None:
    """A value is counted in the first bucket whose bound is greater than it."""
    histogram = Histogram((10, 20))
    histogram.observe(value)
    assert [index for index, count in enumerate(histogram.value.counts) if count] == [bucket]


@given(st.lists(st.integers(0, 10**9)))
def test_histogram_counts_everything_once(values: list[int]) -> None:
    """The buckets add up to the number of values, and the sum is theirs."""
    histogram = Histogram(exponential(10, 1.8, 33))
    for value in values:
        histogram.observe(value)
    assert sum(histogram.value.counts) == len(values)
    assert histogram.value.sum == pytest.approx(sum(values))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 5))))
def test_observing_many_is_observing_often(values: list[tuple[int, int]]) -> None:
    """A value that was seen so many times counts as if it had come that often."""
    many, often = Histogram(exponential(10, 1.8, 33)), Histogram(exponential(10, 1.8, 33))
    for value, times in values:
        many.observe_many(value, times)
        for _ in range(times):
            often.observe(value)
    assert many.value == often.value


@pytest.mark.usefixtures("_eager_switching")
def test_counter_is_exact_under_threads() -> None:
    """No addition is lost when threads add at once."""
    counter = Registry().counter("c").child()
    on_threads(counter.add)
    assert counter.value == THREADS * ADDITIONS


@pytest.mark.usefixtures("_eager_switching")
def test_histogram_is_exact_under_threads() -> None:
    """Neither a count nor a part of the sum is lost when threads observe at once."""
    histogram = Histogram((1, 3))
    on_threads(lambda: histogram.observe(2))
    assert histogram.value == ((0, THREADS * ADDITIONS, 0), 2.0 * THREADS * ADDITIONS)


@pytest.mark.usefixtures("_eager_switching")
def test_child_is_made_once_under_threads() -> None:
    """Threads that ask for new label values at once get the same child."""
    family = Registry().counter("c", "model")
    on_threads(lambda: family.child("m").add())
    assert [(labels, child.value) for labels, child in family.points()] == [(("m",), THREADS * ADDITIONS)]


def test_points_are_in_the_order_of_their_labels() -> None:
    """Points come by label values, however they were made."""
    family = Registry().counter("c", "model", "status")
    for values in (("b", "OK"), ("a", "OK"), ("a", "ABORTED")):
        family.child(*values)
    assert [labels for labels, _ in family.points()] == [("a", "ABORTED"), ("a", "OK"), ("b", "OK")]


def test_wrong_number_of_labels() -> None:
    """Label values that do not fit the names are a mistake of the caller's."""
    with pytest.raises(ValueError, match="has the labels"):
        Registry().counter("c", "model").child("m", "OK")


def test_families_are_in_the_order_of_their_names() -> None:
    """Families come by name, however they were registered."""
    registry = Registry()
    registry.gauge("/b/c")
    registry.counter("/b/a")
    registry.histogram("/a", (1,))
    assert [family.name for family in registry.families()] == ["/a", "/b/a", "/b/c"]


def test_name_is_registered_once() -> None:
    """The same name again is a mistake of the caller's, whatever the kind."""
    registry = Registry()
    registry.counter("c")
    with pytest.raises(ValueError, match="registered already"):
        registry.gauge("c")


def filled() -> Registry:
    """A registry with points of each kind; the first of ``/counter`` is 2."""
    registry = Registry()
    counter = registry.counter("/counter", "model")
    counter.child("b").add(5)
    counter.child("a").add(2)
    registry.gauge("/gauge").child().set(9)
    registry.histogram("/histogram", (1,)).child().observe(3)
    registry.counter("/empty")
    return registry


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("/counter", 2, id="first point of a counter"),
        pytest.param("/gauge", 9, id="gauge"),
        pytest.param("/histogram", 0, id="histogram"),
        pytest.param("/empty", 0, id="no points"),
        pytest.param("/unknown", 0, id="unknown"),
    ],
)
def test_value(name: str, expected: int) -> None:
    """A metric's number by name is that of its first point, or 0 where there is none."""
    assert filled().value(name) == expected
