"""A prediction on its way, as a ``concurrent.futures.Future``."""

from concurrent.futures import Future
from typing import Any

from serving.client.values import Prediction


class PredictFuture(Future[Prediction]):
    """For ``concurrent.futures.wait`` and ``as_completed``. Callbacks run in a thread of gRPC's: keep them short."""

    def __init__(self, call: Any) -> None:
        super().__init__()
        self._call = call

    def cancel(self) -> bool:
        """Give the call up, also on its way; False if it is done."""
        cancelled = super().cancel()
        if cancelled:
            self._call.cancel()
        return cancelled
