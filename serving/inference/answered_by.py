"""Which engine has answered the call that this thread has just made, for those who keep records of requests."""

import threading
from collections.abc import Callable
from typing import Protocol

TENSORFLOW = "tensorflow"


class _Observer(Protocol):
    def engine_calls(self, model: str, version: int, engine: str) -> Callable[[], object]: ...

    def engine_chosen(
        self, model: str, version: int, signature: str, rows: int, calls: int, engine: str, micros: int
    ) -> None: ...


class AnsweredBy:
    """In place of ``observer``, which it tells: who counts calls of an engine also notes it here, by thread."""

    def __init__(self, observer: _Observer) -> None:
        self.engine_chosen = observer.engine_chosen
        """As the observer's."""
        self._observer = observer
        self._here = threading.local()

    def engine_calls(self, model: str, version: int, engine: str) -> Callable[[], object]:
        """As the observer's, and noted."""
        count, here = self._observer.engine_calls(model, version, engine), self._here

        def noted() -> None:
            here.engine = engine
            count()

        return noted

    def take(self) -> str:
        """The engine of the last call in this thread; TensorFlow's if no other has noted itself."""
        engine: str = getattr(self._here, "engine", TENSORFLOW)
        self._here.engine = TENSORFLOW
        return engine
