"""Makes OpenAPI documents: of what each protocol adds, and of what versions have answered, which is kept."""

import json
from collections.abc import Callable, Sequence
from threading import Lock, Semaphore
from typing import Any
from weakref import WeakKeyDictionary

from serving.codecs.openapi import document
from serving.codecs.openapi.document import Describing, Terms
from serving.codecs.openapi.parts import Examples, Server, Version
from serving.errors import Code, ServingError
from serving.inference.trials import Trials

_MOST_WAITING = 16
"""Documents of versions that are made or wait for others: each takes a thread."""


class Documents:
    """Every document; ``protocols`` say what there is, ``trying`` makes the examples of a version. Thread-safe."""

    def __init__(
        self,
        protocols: Sequence[Describing],
        trying: Callable[[Trials], Examples],
        terms: Terms,
    ) -> None:
        self._protocols = protocols
        self._trying = trying
        self._terms = terms
        self._places = Semaphore(_MOST_WAITING)
        self._turn = Lock()
        """Held while requests are tried: one version at a time."""
        self._examples: WeakKeyDictionary[object, Examples] = WeakKeyDictionary()
        """What loaded versions have answered."""

    def of_server(self, models: Sequence[str]) -> bytes:
        """The server's, of these models of its own."""
        return _written(document.of_server(Server(models=models), self._protocols, self._terms))

    def of_version(self, path: str, trials: Trials, *, by_label: bool) -> bytes:
        """That of a version, which is asked for as ``path``. RESOURCE_EXHAUSTED if too many are being made."""
        version = Version(
            path=path,
            by_label=by_label,
            id=trials.id,
            signatures=trials.signatures,
            for_predict=trials.for_predict,
            examples=self.examples(trials),
        )
        return _written(document.of_version(version, self._protocols, self._terms))

    def examples(self, trials: Trials) -> Examples:
        """What a version has answered, tried the first time that somebody asks. Raises as ``of_version``."""
        if not self._places.acquire(blocking=False):
            raise ServingError(
                Code.RESOURCE_EXHAUSTED,
                f"{_MOST_WAITING} documents are being made; expected fewer at a time: try again",
            )
        try:
            with self._turn:
                found = self._examples.get(trials.loaded)
                if found is None:
                    found = self._examples[trials.loaded] = self._trying(trials)
                return found
        finally:
            self._places.release()


def _written(made: Any) -> bytes:
    return json.dumps(made, indent=1).encode()
