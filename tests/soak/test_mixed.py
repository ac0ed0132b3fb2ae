"""A few seconds of what ``make soak`` does for ten minutes."""

from pathlib import Path

from tests.soak.mixed.figures import draw
from tests.soak.mixed.run import soak

SECONDS = 8.0
KINDS = 22


def test_mixed_load(models: Path, tmp_path: Path) -> None:
    """Calls of every kind end as they ought to, each has a line in the access log, and what was held is given back."""
    soaked = soak(models, tmp_path, SECONDS)
    assert soaked.wrong == [], soaked
    assert len(soaked.tally.done) >= KINDS, soaked
    assert soaked.access_log_lines > 0.9 * sum(soaked.tally.done.values())
    draw(soaked.samples, tmp_path / "mixed.svg")
    assert (tmp_path / "mixed.svg").read_text().count("<svg") == 1
