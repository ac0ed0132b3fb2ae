"""Clients of one healthy model at both doors, a call at a time each, that remember every answer but the right one."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from serving.protos import PredictResponse
from tests.server.doors.clients import Target, floats, predict_request
from tests.support.frames import PREDICT
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until

PAUSE_SECONDS = 0.005
FEW = 5
"""Answers at each door that show that it answers."""
_X = 2.0


@dataclass(slots=True)
class Load:
    """``answered`` counts by door; ``trouble`` has whatever came in the place of an answer."""

    server: ServerProcess
    model: str
    y: float
    answered: dict[str, int] = field(default_factory=lambda: {"REST": 0, "gRPC": 0})
    trouble: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def is_answered(self) -> None:
        """Wait until both doors have answered some calls more."""
        wanted = {door: count + FEW for door, count in self.answered.items()}
        wait_until("answers", lambda: all(self.answered[door] >= count for door, count in wanted.items()))

    def until_trouble(self, doors: int = 2) -> None:
        """Wait until that many clients have met something else than an answer."""
        wait_until("trouble", lambda: len(self.trouble) >= doors)

    def rest(self) -> None:
        """One connection, and another one if that has ended."""
        body = json.dumps({"instances": [_X]})
        while not self._over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.server.rest_port, timeout=START_SECONDS)
            try:
                while not self._over.wait(PAUSE_SECONDS):
                    connection.request("POST", f"/v1/models/{self.model}:predict", body)
                    response = connection.getresponse()
                    data = response.read()
                    if response.status == 200 and json.loads(data)["predictions"] == [self.y]:
                        self.answered["REST"] += 1
                    else:
                        self.trouble.append(f"REST {response.status} {data!r}")
            except (OSError, http.client.HTTPException) as error:
                self.trouble.append(f"REST {type(error).__name__}")
            finally:
                connection.close()

    def grpc(self) -> None:
        """One channel."""
        payload = predict_request(Target(model=self.model), {"x": floats(_X)})
        with self.server.channel() as channel:
            call = channel.unary_unary(PREDICT)
            while not self._over.wait(PAUSE_SECONDS):
                try:
                    answer = PredictResponse.FromString(call(payload, timeout=START_SECONDS))
                except grpc.RpcError as error:
                    self.trouble.append(f"gRPC {error.code().name} {error.details()}")
                    continue
                if list(answer.outputs["y"].float_val) == [self.y]:
                    self.answered["gRPC"] += 1
                else:
                    self.trouble.append(f"gRPC {answer}")

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Both clients, answered once at least before the block begins."""
        threads = [threading.Thread(target=each, daemon=True) for each in (self.rest, self.grpc)]
        for thread in threads:
            thread.start()
        try:
            self.is_answered()
            yield self
        finally:
            self._over.set()
            for thread in threads:
                thread.join(START_SECONDS)


def healthy(server: ServerProcess, model: str = "healthy", y: float = 4.0) -> Load:
    """The load on half_plus_three under the name ``model``."""
    return Load(server, model, y)
