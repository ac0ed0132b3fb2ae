"""How much memory versions take: estimated from their files before they are loaded, measured while they are.

What follows from it is decided in ``core/memory.py``.
"""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from serving.core import version_files
from serving.core.manager import Manager
from serving.core.memory import Need, mebibytes
from serving.core.servable import ServableId
from serving.errors import ServingError
from serving.host import allocator, memory
from serving.servables import libtensorflow
from serving.telemetry.log import logger

_TOLD_AFTER_SECONDS = 5.0
_OF_SESSION = 2 * 2**20
"""A session without weights, and what its first calls make."""
_GRAPH_RESIDENT, _GRAPH_PEAK = 3, 5
"""Copies of a serialised graph: parsed, in TensorFlow's graph, and as constants; in addition while it is optimised."""
_ASSETS_RESIDENT = 3
"""Vocabularies become tables."""
_WEIGHTS_PEAK = 1.05
"""Weights are read tensor by tensor into their places: measured 1.00 to 1.01 from 8 to 256 MiB."""
_WEIGHTS = ("variables/variables.data-*", "export-*-of-*", version_files.TFLITE_MODEL, version_files.KERAS_MODEL)


class Files(NamedTuple):
    """Bytes of a version's files: weights, graphs, and what else is read."""

    weights: int
    graph: int
    assets: int


def need_of(files: Files) -> Need:
    """What loading a version with these files takes."""
    resident = _OF_SESSION + files.weights + _GRAPH_RESIDENT * files.graph + _ASSETS_RESIDENT * files.assets
    more = (_WEIGHTS_PEAK - 1) * files.weights + (_GRAPH_PEAK - _GRAPH_RESIDENT) * files.graph
    return Need(resident=resident, peak=resident + _OF_SESSION + int(more))


def files_of(path: Path) -> Files:
    """The sizes of the files in a version directory; what cannot be looked at counts nothing, and loading says why."""
    graphs = (*version_files.SAVED_MODELS, version_files.SESSION_BUNDLE)
    return Files(
        weights=sum(_size(file) for pattern in _WEIGHTS for file in _found(path, pattern)),
        graph=max((_size(path / name) for name in graphs), default=0),
        assets=sum(_size(file) for file in _found(path, "assets/*")),
    )


class Weighing:
    """Tells a manager what the versions need that it may have to load; on the thread that steps it.

    ``load_library`` is called before the first is weighed.
    """

    def __init__(self, manager: Manager, load_library: Callable[[], None] | None = None) -> None:
        self._manager = manager
        self._load_library = load_library or _load_library
        self._paths: dict[str, Mapping[int, Path]] = {}
        self._short: dict[ServableId, float] = {}
        self._library_loaded = False

    def follow(self, name: str, versions: Mapping[int, Path]) -> None:
        """A poll has found these versions of a model."""
        self._paths[name] = versions

    def look(self) -> None:
        """Weigh each version that was not, or whose files have changed."""
        unweighed = self._manager.unweighed()
        if unweighed and not self._library_loaded:
            self._library_loaded = True
            self._load_library()
        for each in unweighed:
            path = self._paths.get(each.name, {}).get(each.version)
            self._manager.note_need(each, Need(resident=0, peak=0) if path is None else need_of(files_of(path)))

    def tell(self, now: float) -> None:
        """Log each version that has waited for memory for a while, once."""
        short = self._manager.short
        self._short = {each: self._short.get(each, now + _TOLD_AFTER_SECONDS) for each in short}
        for each, told_at in self._short.items():
            if now >= told_at:
                self._short[each] = math.inf
                logger.info("Servable version %s waits for memory: %s", each, short[each].text)


class MemoryObserver(Protocol):
    """Who is told what versions hold; the metrics, usually."""

    def model_holds(self, model: str, version: int, count: int) -> None:
        """A version holds so many bytes now."""
        ...

    def evicted(self, model: str) -> None:
        """A version of ``model`` was unloaded to make room for another model."""
        ...


class Meter:
    """Measures by how much the process grows while a version is loaded, if nothing else happens meanwhile. Thread-safe.

    ``held_bytes`` is what the process holds.
    """

    def __init__(
        self, observer: MemoryObserver | None = None, held_bytes: Callable[[], int] = memory.held_bytes
    ) -> None:
        self._observer = observer
        self._held_bytes = held_bytes
        self._lock = threading.Lock()
        self._events = 0
        self._running = 0

    def begin(self) -> tuple[int, int]:
        """Something begins that changes what the process holds; ``end`` follows."""
        with self._lock:
            self._running += 1
            self._events += 1
            alone = self._events if self._running == 1 else -1
        return alone, self._held_bytes()

    def grown(self, began: tuple[int, int]) -> int | None:
        """The bytes by which the process has grown since ``begin``; None if other things have happened since."""
        alone, before = began
        now = self._held_bytes()
        with self._lock:
            return max(now - before, 0) if alone == self._events else None

    def end(self, _began: tuple[int, int]) -> None:
        """It is over."""
        with self._lock:
            self._running -= 1
            self._events += 1

    def holds(self, servable_id: ServableId, count: int) -> None:
        """Tell the observer."""
        if self._observer is not None:
            self._observer.model_holds(servable_id.name, servable_id.version, count)

    def evicted(self, servable_id: ServableId) -> None:
        """Tell the observer."""
        if self._observer is not None:
            self._observer.evicted(servable_id.name)


class Loans:
    """Memory for optimising, if ``manager`` has a budget; its versions then hold what they grow by."""

    def __init__(self, manager: Manager, meter: Meter) -> None:
        self._manager = manager
        self._meter = meter

    def lend(self, servable_id: ServableId, count: int) -> str | None:
        """So many bytes for optimising a version, until ``take_back``; or why not, for the log."""
        ledger = self._manager.borrow(servable_id, count)
        if ledger is None:
            return None
        return (
            f"optimising it takes about {mebibytes(count)} of memory, and of the {mebibytes(ledger.budget)} that may "
            f"be used {mebibytes(ledger.free)} are free (--memory_budget_mb)"
        )

    def take_back(self, servable_id: ServableId, grew: int) -> None:
        """It has ended; by so many bytes the process has grown for good."""
        self._manager.give_back(servable_id, grew)
        self._meter.holds(servable_id, self._manager.resident(servable_id))


def _load_library() -> None:
    """What TensorFlow itself takes is no version's; what only its start has read is nobody's."""
    with suppress(ServingError):  # TensorFlow Lite's models do without it
        libtensorflow.load()
        allocator.forget_start()


def _found(path: Path, pattern: str) -> Iterator[Path]:
    try:
        yield from path.glob(pattern)
    except OSError:
        return


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
