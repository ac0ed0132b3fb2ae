"""How a run is made, as the command line says it."""

from dataclasses import dataclass
from pathlib import Path

from tests.bench.engines.figures import CELLS, Cell
from tests.bench.keras_inputs import INPUTS
from tests.bench.servers import Cores

DEFAULT_BASELINE = ("--optimize=off",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """How `engines` is run: the flags of both servers, which models in which cells, how long a turn is about."""

    rounds: int = 30
    turn_seconds: float = 1.0
    models: tuple[str, ...] = tuple(INPUTS)
    cells: tuple[Cell, ...] = CELLS
    baseline: tuple[str, ...] = DEFAULT_BASELINE
    ours: tuple[str, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether the bars are about these flags: our server as it is by default against the one without engines."""
        return self.baseline == DEFAULT_BASELINE and not self.ours


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
    engines: Engines = Engines()
