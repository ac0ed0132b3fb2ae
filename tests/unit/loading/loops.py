"""Loops on threads of their own, for tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.core.manager import Manager
from serving.core.servable import Loader
from serving.core.startup import Progress, Startup
from serving.loading.manager_loop import ManagerLoop
from serving.sources.poll import Poll
from tests.support import FakeServable, loads


@dataclass(frozen=True)
class StaticSource:
    """Aspires the same at every poll."""

    aspired: Mapping[str, Mapping[int, Path]]

    def poll(self) -> Poll:
        return Poll(aspired=self.aspired)


ONE = StaticSource(aspired={"m": {1: Path("/models/m/1")}})


class Loop(ManagerLoop):
    """A loop whose models can be waited for."""

    def __init__(self, manager: Manager, *arguments: Any, **options: Any) -> None:
        super().__init__(manager, *arguments, **options)
        self.manager = manager

    def wait_ready(self, names: Sequence[str], timeout: float | None = None) -> Startup:
        """Block until ``names`` serve or one has failed, and say which."""
        self.wait_until(lambda: self.manager.startup(names).progress is not Progress.WAITING, timeout)
        return self.manager.startup(names)


def fresh(name: str, version: int, path: Path) -> Loader:
    """A loader that always works."""
    return loads(FakeServable(str(path)))
