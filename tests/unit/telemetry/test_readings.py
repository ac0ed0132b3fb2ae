"""Numbers that are read for the page: how they are written, and what becomes of those that cannot be read."""

from collections.abc import Iterator

from serving.telemetry import exposition
from serving.telemetry.metrics import Kind, Registry
from serving.telemetry.readings import Reading, by_label, read, single

PAGE = """\
# TYPE :a:now gauge
:a:now{} 7
# TYPE :b:counted counter
:b:counted{} 0
# TYPE :c:by gauge
:c:by{kind="x"} 1
:c:by{kind="y"} 2
# TYPE none gauge
# TYPE seconds_total counter
seconds_total{} 1795944895.75
"""


def test_page_has_them_among_the_others() -> None:
    """By name, points by label values, and all digits of a number."""
    registry = Registry()
    registry.counter("/b/counted").child()
    readings = [
        single("seconds_total", 1795944895.75, Kind.COUNTER),
        by_label("/c/by", "kind", {"y": 2, "x": 1}),
        single("none", None),
        single("/a/now", 7),
    ]
    assert exposition.page(registry, readings) == PAGE


def test_what_cannot_be_read_is_left_out() -> None:
    """A process without descriptors still shows everything else, and nothing of a reader that failed in the middle."""

    def fails() -> Iterator[Reading]:
        yield single("half", 1)
        raise OSError

    assert [each.name for each in read([fails, lambda: [single("whole", 1)]])] == ["whole"]
