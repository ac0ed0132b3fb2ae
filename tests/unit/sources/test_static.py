"""The source that always says the same."""

from pathlib import Path

from serving.sources.poll import Poll
from serving.sources.static import StaticSource


def test_same_answer_every_time() -> None:
    """Each poll gives the configured versions and nothing for the log."""
    aspired = {"m": {1: Path("/models/m/1")}}
    source = StaticSource(aspired=aspired)
    assert [source.poll(), source.poll()] == [Poll(aspired=aspired), Poll(aspired=aspired)]
