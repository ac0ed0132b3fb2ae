"""A source that always says the same: versions at fixed paths, for embedding and tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serving.sources.poll import Poll


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticSource:
    """Aspires exactly ``aspired``: for each model its versions and their paths. Nothing is looked up."""

    aspired: Mapping[str, Mapping[int, Path]]

    def poll(self) -> Poll:
        """The same answer every time, without notices."""
        return Poll(aspired=self.aspired)
