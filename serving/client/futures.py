"""A prediction on its way, as a ``concurrent.futures.Future``."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from serving.client.values import Prediction


class PredictFuture(Future[Prediction]):
    """For ``concurrent.futures.wait`` and ``as_completed``.

    Callbacks run in the one thread of gRPC's that brings all answers: keep them short, and never wait for another
    future in one, whose answer could not come.
    """

    def __init__(self, call: Any) -> None:
        super().__init__()
        self._call = call

    def cancel(self) -> bool:
        """Give the call up, also on its way; False if it is done."""
        call = self._call
        cancelled = super().cancel()
        if cancelled and call is not None:
            call.cancel()
        return cancelled

    def settle(self, outcome: Callable[[], Prediction]) -> None:
        """Take what ``outcome`` gives or raises, unless it was cancelled. For the client, once the call is over."""
        self._call = None  # it has the answer's bytes, which are not needed beside the arrays
        if not self.set_running_or_notify_cancel():
            return
        try:
            prediction = outcome()
        except Exception as error:  # noqa: BLE001 - whatever reading raises belongs to who waits
            self.set_exception(error)
        else:
            self.set_result(prediction)
