"""How a run is made, as the command line says it."""

from dataclasses import dataclass
from pathlib import Path

from tests.bench.servers import Cores


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How often is measured and how many versions are changed; ``models`` is a cache, ``work`` is for this run.

    ``stall_seconds`` is how long costly requests are sent, ``stall_kinds`` which; all if none are named.
    """

    rounds: int
    changes: int
    cores: Cores
    models: Path
    work: Path
    stall_seconds: float = 20.0
    stall_kinds: tuple[str, ...] = ()
