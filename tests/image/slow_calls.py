"""Calls of two seconds that are under way when something happens to the task that computes them. No tests."""

import threading
from collections.abc import Mapping
from contextlib import closing

import numpy as np

from serving.client import Client, ServingError
from tests.image.stack import REPLICAS, Stack
from tests.support.steady_load import Asker, FailedError, Floats, GrpcAsker, RestAsker

MODEL = "slow"
CLIENT_RETRIES = 3
SMALL, LARGE = 4, 40_000
"""Values of a request; HAProxy cannot keep a large one to send it again, in either protocol."""


class ClientAsker:
    """The client of this project, with the retries that it makes by itself."""

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        self._client = Client(address, metadata=list(headers.items()))

    def ask(self, values: Floats) -> Floats:
        """One prediction; FailedError for what the client did not overcome."""
        try:
            return np.asarray(self._client.predict(MODEL, {"x": values}, timeout_seconds=60)["y"])
        except ServingError as error:
            raise FailedError(str(error), again=False) from None

    def close(self) -> None:
        """End the connection."""
        self._client.close()


class SlowCall:
    """One call of two seconds that is tried again by its client, a few times at most."""

    def __init__(self, asker: Asker, size: int) -> None:
        self.retried = 0
        self.failures: list[str] = []
        self.answer: Floats | None = None
        self._asker, self._values = asker, np.arange(size, dtype=np.float32)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with closing(self._asker):
            while self.answer is None and self.retried < CLIENT_RETRIES:
                try:
                    self.answer = self._asker.ask(self._values)
                except FailedError as error:
                    self.failures.append(str(error))
                    self._asker.close()
                    self.retried += 1

    def right(self) -> bool:
        """Wait for its end; whether the model's answer came, sooner or later."""
        self._thread.join(60)
        return self.answer is not None and np.array_equal(self.answer, self._values / 2 + 2)


SlowCalls = dict[str, list[SlowCall]]
"""By ``door size``, as many as there are tasks, so that each task has one of them."""


def begin(stack: Stack, headers: Mapping[str, str], *, large: bool) -> SlowCalls:
    """Send as many calls of each kind as there are tasks; with ``large`` those, too, that HAProxy cannot send again."""
    calls: SlowCalls = {}
    for _ in range(REPLICAS):
        for name, size in (("small", SMALL), ("large", LARGE))[: 1 + large]:
            for door, asker in (
                ("REST", RestAsker(stack.rest, MODEL, headers)),
                ("gRPC", GrpcAsker(stack.grpc, MODEL, headers)),
            ):
                calls.setdefault(f"{door} {name}", []).append(SlowCall(asker, size))
        if large:
            calls.setdefault("client large", []).append(SlowCall(ClientAsker(stack.grpc, headers), LARGE))
    return calls
