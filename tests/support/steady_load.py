"""Clients that go on asking one model at a steady rate, over REST and gRPC, and account for every request by event.

Every request has inputs of its own and every answer is checked against them. Nothing is tried again unless the load is
told to, and then it is counted.
"""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.protos import PredictRequest, PredictResponse

Floats = NDArray[np.float32]

KINDS = ("REST kept", "REST new", "REST large", "gRPC kept", "gRPC new", "gRPC large")
"""Connections that are kept, or a new one for each request; large ones are kept."""

SMALL, LARGE = 4, 8192
"""Values of a request; large ones are more than a proxy's buffer of 16 KiB, which is what it could send again."""

CALL_SECONDS = 30.0
"""After which a request has failed."""

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_FLOAT = 1
_TEXT = 160
_FIRST_PAUSE_SECONDS = 0.05


class FailedError(Exception):
    """A request that was not answered, and why in one line; ``again`` if another server might answer it."""

    def __init__(self, text: str, *, again: bool) -> None:
        super().__init__(text[:_TEXT])
        self.again = again


@dataclass(slots=True)
class Tally:
    """The requests that were sent during one event: by kind, the answers also by who gave them, failures by text."""

    event: str
    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    longest_seconds: float = 0.0
    """The time of the slowest answer."""

    def count(self, door: str) -> str:
        """``sent/failed`` at a door, REST or gRPC, and how often clients tried again, if they did."""
        sent, failed, retried = (
            sum(number for key, number in counter.items() if key.startswith(door))
            for counter in (self.sent, self.failed, self.retried)
        )
        return f"{sent} sent, {failed} failed" + (f", {retried} tried again by clients" if retried else "")

    def __str__(self) -> str:
        return (
            f"{self.event}: REST {self.count('REST')}; gRPC {self.count('gRPC')}; {self.seconds:.1f} s, "
            f"slowest answer {self.longest_seconds * 1000:.0f} ms, answers {dict(self.answers)}"
            + (f", FAILED {dict(self.failed)}" if self.failed else "")
        )


class Asker(Protocol):
    """One client's side of a connection."""

    def ask(self, values: Floats) -> Floats:
        """The model's outputs for the inputs; FailedError."""
        ...

    def close(self) -> None:
        """End the connection; the next request makes another one."""
        ...


class RestAsker:
    """JSON over HTTP/1.1 at ``host:port``."""

    def __init__(self, address: str, model: str, headers: Mapping[str, str]) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=CALL_SECONDS)
        self._path = f"/v1/models/{model}:predict"
        self._headers = headers

    def ask(self, values: Floats) -> Floats:
        body = json.dumps({"instances": values.tolist()})
        try:
            self._connection.request("POST", self._path, body, dict(self._headers))
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise FailedError(f"{type(error).__name__}: {error}", again=True) from None
        if response.status != 200:
            raise FailedError(f"{response.status} {text!r}", again=response.status in (502, 503, 504))
        return np.array(json.loads(text)["predictions"], np.float32)

    def close(self) -> None:
        self._connection.close()


class GrpcAsker:
    """Predict over a channel to ``host:port`` that neither shares its connection nor sends anything again by itself."""

    def __init__(self, address: str, model: str, headers: Mapping[str, str], *, input_name: str = "x") -> None:
        self._address, self._model, self._headers, self._input = address, model, headers, input_name
        self._channel: grpc.Channel | None = None
        self._call: Any = None

    def ask(self, values: Floats) -> Floats:
        if self._channel is None:
            # Otherwise all channels of a process share one connection.
            options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0))
            self._channel = grpc.insecure_channel(self._address, options)
            self._call = self._channel.unary_unary(_PREDICT)
        metadata = tuple((name.lower(), value) for name, value in self._headers.items())
        try:
            data = self._call(self._payload(values), timeout=CALL_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            text, unavailable = f"{error.code().name} {error.details()}", error.code() is grpc.StatusCode.UNAVAILABLE
            raise FailedError(text, again=unavailable) from None
        (output,) = PredictResponse.FromString(data).outputs.values()
        return np.array(output.float_val, np.float32)

    def _payload(self, values: Floats) -> bytes:
        request = PredictRequest()
        request.model_spec.name = self._model
        tensor = request.inputs[self._input]
        tensor.dtype, tensor.tensor_content = _FLOAT, values.tobytes()
        tensor.tensor_shape.dim.add(size=len(values))
        return bytes(request.SerializeToString())

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None


class SteadyLoad:
    """``with SteadyLoad(...) as load, load.event("scale up") as tally:`` one client of each of KINDS asks throughout.

    ``functions`` say by name what answers may be right, such as those of the versions that may serve. ``headers`` go
    with every request and may be changed meanwhile. ``per_second`` is the rate of each client, if answers are in time.
    """

    def __init__(
        self,
        *,
        rest: str,
        grpc: str,
        model: str,
        functions: Mapping[str, Callable[[Floats], Floats]],
        headers: Mapping[str, str] | None = None,
        kinds: tuple[str, ...] = KINDS,
        per_second: float = 20.0,
    ) -> None:
        self.headers = dict(headers or {})
        self._retries = 0
        self.events: list[Tally] = []
        self._addresses = {"REST": rest, "gRPC": grpc}
        self._model, self._functions, self._kinds = model, functions, kinds
        self._interval_seconds = 1 / per_second
        self._tally = Tally("before")
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(kind, seed), daemon=True) for seed, kind in enumerate(kinds)
        ]

    def more(self, number: int, timeout_seconds: float = 60.0) -> None:
        """Wait until each kind of client has had so many more outcomes; TimeoutError."""
        with self._changed:
            tally = self._tally
            had = {kind: self._ended(tally, kind) for kind in self._kinds}
            if not self._changed.wait_for(
                lambda: all(self._ended(tally, kind) - count >= number for kind, count in had.items()), timeout_seconds
            ):
                raise TimeoutError(f"not {number} outcomes more of each kind: {tally}")

    @contextmanager
    def event(self, name: str, *, retries: int = 0) -> Iterator[Tally]:
        """What is sent within the block, and until some requests after it were answered, belongs to the event.

        ``retries`` is how often a client sends a request again that got no answer, 502 to 504, or UNAVAILABLE.
        """
        began = time.monotonic()
        with self._changed:
            self._retries = retries
            tally = self._tally = Tally(name)
            self.events.append(tally)
        try:
            yield tally
            self.more(5)
        finally:
            with self._changed:
                self._tally, self._retries = Tally("between"), 0
                self._changed.wait_for(
                    lambda: all(self._ended(tally, kind) == tally.sent[kind] for kind in self._kinds), 2 * CALL_SECONDS
                )
            tally.seconds = time.monotonic() - began

    def _ended(self, tally: Tally, kind: str) -> int:
        return tally.answered[kind] + sum(count for text, count in tally.failed.items() if text.startswith(kind + ":"))

    def _asker(self, kind: str) -> Asker:
        door = kind.split()[0]
        make = RestAsker if door == "REST" else GrpcAsker
        return make(self._addresses[door], self._model, self.headers)

    def _run(self, kind: str, seed: int) -> None:
        generator, asker = np.random.default_rng(seed), self._asker(kind)
        size = LARGE if kind.endswith("large") else SMALL
        due = time.monotonic() + seed * self._interval_seconds / len(self._kinds)
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._interval_seconds, time.monotonic())
            self._once(kind, asker, np.floor(generator.random(size, np.float32) * 1000))
            if kind.endswith("new"):
                asker.close()
        asker.close()

    def _once(self, kind: str, asker: Asker, values: Floats) -> None:
        with self._changed:
            tally, left = self._tally, self._retries
            tally.sent[kind] += 1
        began = time.monotonic()
        answerer, failure = "", ""
        while not answerer and not failure:
            try:
                answerer = self._checked(values, asker.ask(values))
            except FailedError as error:
                asker.close()
                if not error.again or not left:
                    failure = f"{kind}: {error}"
                else:
                    left -= 1
                    self._again(tally, kind)
        with self._changed:
            if failure:
                tally.failed[failure] += 1
            else:
                tally.answered[kind] += 1
                tally.answers[answerer] += 1
                tally.longest_seconds = max(tally.longest_seconds, time.monotonic() - began)
            self._changed.notify_all()

    def _again(self, tally: Tally, kind: str) -> None:
        with self._changed:
            tally.retried[kind] += 1
        self._stop.wait(_FIRST_PAUSE_SECONDS)

    def _checked(self, values: Floats, answer: Floats) -> str:
        for name, function in self._functions.items():
            if np.array_equal(answer, function(values).astype(np.float32)):
                return name
        raise FailedError(f"wrong answer: {answer[:3]} for {values[:3]}", again=False)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * CALL_SECONDS)
