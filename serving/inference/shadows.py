"""Shadow requests: a share of the requests for a model, asked of another version once they are answered.

One thread makes them, one after the other, when nothing else waits; what does not fit is dropped and counted. Nobody
waits for it, and nothing of it reaches a client (docs/adr/0032-shadow-requests.md).
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from serving.core.differences import agree, difference, top_one
from serving.core.handle import Lease
from serving.core.manager import Manager
from serving.core.model_spec import ModelSpec
from serving.core.plans import Encode, Plan
from serving.core.shadow import ShadowSpec, ShadowState
from serving.core.tensor import Tensor
from serving.errors import ServingError
from serving.inference.operations import Form
from serving.inference.requests import Bind
from serving.inference.shadow_counts import ShadowCounts
from serving.telemetry.metrics import Registry

MOST, MOST_BYTES = 64, 64 * 2**20
"""Requests that may wait, and the bytes of their bodies and outputs."""

AFTER_SECONDS = 0.01
"""How long after an answer was made its request is repeated: by then it has been written."""

PATIENCE_SECONDS = 2.0
"""How long one whose turn it is waits for a moment in which nothing else does."""

_LOOK_SECONDS = 0.02
_REST = 4
"""For each second that it works the thread then rests so many: a share of a busy server is not to be had for nothing,
and calls in a door's thread are in no queue that could be looked at."""

_LIMIT_MS = 30_000


class Drawn(NamedTuple):
    """A request that was answered: how to make it again, what came of it, when, and the bytes that it holds."""

    form: Form
    bind: Bind
    payload: bytes
    address: ModelSpec
    outputs: Mapping[Any, Tensor]
    seconds: float
    answered_at: float
    size: int


class Shadows:
    """Those of ``specs``, which are for a model each. Thread-safe; its thread starts with the first request.

    ``is_quiet`` says whether nothing waits for the models; ``interpreter`` is the workers' lock. ``clock`` gives
    seconds.
    """

    def __init__(
        self,
        specs: Iterable[ShadowSpec],
        manager: Manager,
        registry: Registry,
        is_quiet: Callable[[], bool],
        interpreter: threading.Lock,
        *,
        clock: Callable[[], float] = perf_counter,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        points = ShadowCounts.points(registry)
        self._of = {spec.model: ShadowCounts(spec, points) for spec in specs}
        self._manager = manager
        self._is_quiet = is_quiet
        self._interpreter = interpreter
        self._clock = clock
        self._most, self._most_bytes = most, most_bytes
        self._patience = patience_seconds
        self._changed = threading.Condition()
        self._waiting: deque[Drawn] = deque()
        self._bytes = 0
        self._rests_until = 0.0
        self._thread: threading.Thread | None = None
        self._closing = False

    @property
    def models(self) -> Mapping[str, object]:
        """The models that have one."""
        return self._of

    def states(self) -> Mapping[str, ShadowState]:
        """What came of each so far, by model."""
        return {model: counts.state() for model, counts in self._of.items()}

    def bound(
        self,
        bind: Bind,
        again: Bind,
        payload: bytes,
        form: Any,
        lease: Lease,
        address: ModelSpec,
        document: Any,
    ) -> tuple[Plan, list[Tensor], Encode]:
        """What ``bind`` gives, which is ``again`` for the shadow; a request that is drawn is kept with its answer."""
        plan, tensors, encode = bind(form, lease, address, document)
        counts = self._of.get(lease.id.name)
        if counts is None or lease.id.version == counts.spec.version or not counts.draws():
            return plan, tensors, encode
        began = self._clock()

        def encode_and_keep(outputs: Mapping[Any, Tensor]) -> bytes:
            seconds = self._clock() - began
            body = encode(outputs)
            size = len(payload) + len(body) + sum(map(_held, outputs.values()))
            addressed = ModelSpec(lease.id.name)
            self._keep(Drawn(form, again, payload, addressed, outputs, seconds, self._clock(), size), counts)
            return body

        return plan, tensors, encode_and_keep

    def close(self, seconds: float) -> None:
        """End the thread, within ``seconds``; what waits is let go."""
        with self._changed:
            self._closing = True
            self._waiting.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _keep(self, drawn: Drawn, counts: ShadowCounts) -> None:
        with self._changed:
            fits = len(self._waiting) < self._most and self._bytes + drawn.size <= self._most_bytes
            if fits and not self._closing:
                self._bytes += drawn.size
                self._waiting.append(drawn)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
                    self._thread.start()
                elif len(self._waiting) == 1:
                    self._changed.notify()
        if not fits:
            counts.dropped()

    def _run(self) -> None:
        while (drawn := self._next()) is not None:
            began, counts = self._clock(), self._of[drawn.address.name]
            try:
                self._repeat(drawn, counts)
            except Exception as error:  # noqa: BLE001 - whatever comes of it is the shadow's, and the next one is made
                counts.failed(error)
            with self._changed:
                self._bytes -= drawn.size
                self._rests_until = self._clock() + _REST * (self._clock() - began)
            del drawn  # a thread that waits holds no request

    def _next(self) -> Drawn | None:
        """The next one, when it is time for it; None at the end."""
        while True:
            quiet = self._is_quiet()
            with self._changed:
                if self._closing:
                    return None
                if not self._waiting:
                    self._changed.wait()
                    continue
                drawn, now = self._waiting[0], self._clock()
                seconds = max(drawn.answered_at + AFTER_SECONDS, self._rests_until) - now
                if seconds <= 0 and quiet:
                    return self._waiting.popleft()
                late = -seconds > self._patience
                if late:
                    self._waiting.popleft()
                    self._bytes -= drawn.size
                else:
                    self._changed.wait(max(seconds, 0.0) or _LOOK_SECONDS)
            if late:
                self._of[drawn.address.name].dropped()

    def _repeat(self, drawn: Drawn, counts: ShadowCounts) -> None:
        spec = counts.spec
        try:
            lease = self._manager.hold(spec.model, spec.version, None)
        except ServingError as error:
            counts.not_served(error)
            return
        try:
            with self._interpreter:  # where it may be long to read
                document = drawn.form.read(drawn.payload, False)
                plan, tensors, _ = drawn.bind(drawn.form, lease, drawn.address, document)
            began = self._clock()
            outputs = plan.named(plan.run(tensors, _LIMIT_MS))
            seconds = self._clock() - began
        finally:
            lease.give_back()
        found = [
            difference(drawn.outputs[name], outputs[name]).largest for name in drawn.outputs.keys() & outputs.keys()
        ]
        counts.compared(
            agrees=agree(drawn.outputs, outputs),
            live_seconds=drawn.seconds,
            shadow_seconds=seconds,
            largest=max((each for each in found if each is not None), default=None),
            top=top_one(drawn.outputs, outputs),
        )


def _held(tensor: Tensor) -> int:
    """The bytes that a tensor keeps: a part of a batch keeps all of it."""
    base = tensor.array.base
    return base.nbytes if isinstance(base, np.ndarray) else tensor.array.nbytes
