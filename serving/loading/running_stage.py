"""A stage of loading that has each call of a version noted: whoever finds the process dead knows what it ran."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakValueDictionary

from serving.core.bounded import Bounded
from serving.core.servable import Run, Servable, ServableId
from serving.core.signature import Signature
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError


class Marks(Protocol):
    """Where the calls of a version are noted; from any thread."""

    def begin(self) -> None:
        """A call runs."""
        ...

    def end(self) -> None:
        """It has ended."""
        ...


class RunningStage:
    """Wraps each version; ``marks_of`` says where its calls are noted."""

    def __init__(self, marks_of: Callable[[ServableId], Marks]) -> None:
        self._marks_of = marks_of
        self._versions: WeakValueDictionary[ServableId, _NotedServable] = WeakValueDictionary()

    def refuse(self, sentences: Mapping[str, str]) -> None:
        """From now on calls of these versions, by their texts, end with UNAVAILABLE and the sentence."""
        for servable_id, servable in list(self._versions.items()):
            if (sentence := sentences.get(str(servable_id))) is not None:
                servable.refusals[:] = [sentence]

    def __call__(self, servable: Servable, servable_id: ServableId, path: Path) -> Servable:
        """A stage for ``Loaders``: before those that join calls, for these are one call then."""
        noted = self._versions[servable_id] = _NotedServable(servable, self._marks_of(servable_id))
        return noted


class _NotedServable:
    """``inner``, whose calls are noted."""

    def __init__(self, inner: Servable, marks: Marks) -> None:
        self.inner = inner
        self._marks = marks
        self.refusals: list[str] = []
        """Why it is not to be called, if that is so; every run has the list."""
        self._resolved: Bounded[Any, Run] = Bounded(1024)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)  # what engines have besides, for the page and the metrics

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Those of the wrapped servable."""
        return self.inner.signatures

    @property
    def signature_defs(self) -> Mapping[str, Any]:
        """Those of the wrapped servable."""
        return self.inner.signature_defs

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        """The noted call."""
        key = feeds, fetches
        return self._resolved.get(key) or self._resolved.keep(
            key, _NotedRun(self.inner.resolve(feeds, fetches), self._marks, self.refusals)
        )

    def close(self) -> None:
        """Close the wrapped servable."""
        self._resolved.clear()
        self.inner.close()


class _NotedRun:
    __slots__ = ("_begin", "_end", "_inner", "_refusals", "inline_for")

    def __init__(self, inner: Run, marks: Marks, refusals: list[str]) -> None:
        self._inner = inner
        self._refusals = refusals
        self._begin, self._end = marks.begin, marks.end
        self.inline_for = inner.inline_for

    @property
    def inline(self) -> bool:
        """As the wrapped run."""
        return self._inner.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        """The wrapped call."""
        if self._refusals:
            raise ServingError(Code.UNAVAILABLE, self._refusals[0])
        self._begin()
        try:
            return self._inner(tensors, timeout_ms)
        finally:
            self._end()

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        """The wrapped call, noted from now until it has ended: what waits may be what ends the process next."""
        if self._refusals:
            raise ServingError(Code.UNAVAILABLE, self._refusals[0])
        self._begin()
        try:
            future = self._inner.submit(tensors, timeout_ms)
        except BaseException:
            self._end()
            raise
        future.add_done_callback(self._ended)
        return future

    def _ended(self, _: "Future[list[Tensor]]") -> None:
        self._end()
