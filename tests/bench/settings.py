"""How a run is made, as the command line says it."""

from dataclasses import dataclass
from pathlib import Path

from tests.bench.servers import Cores


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How often is measured and how many versions are changed; ``models`` is a cache, ``work`` is for this run."""

    rounds: int
    changes: int
    cores: Cores
    models: Path
    work: Path
