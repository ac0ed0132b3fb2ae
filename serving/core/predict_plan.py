"""How one signature of a loaded version is called for Predict, worked out once for each kind of request.

Nothing here runs a model or checks what a request may ask for: signatures are resolved elsewhere.
"""

from collections.abc import Mapping
from typing import NamedTuple

from serving.core.servable import Run, Servable
from serving.core.signature import Signature
from serving.core.tensor import Tensor

_KEPT = 256
"""Kinds of requests kept per plan; clients send a handful, and a hostile one must not fill the memory."""


class Prediction(NamedTuple):
    """A request ready to run: ``run(tensors, timeout_ms)`` gives the tensors of ``outputs``, in that order."""

    run: Run
    tensors: list[Tensor]
    outputs: tuple[str, ...]


class _Call(NamedTuple):
    """What requests with the same inputs have in common: ``aliases`` are sent, ``defaults`` follow."""

    run: Run
    aliases: tuple[str, ...]
    defaults: tuple[Tensor, ...]
    outputs: tuple[str, ...]


class PredictPlan:
    """Calls of ``signature`` on ``servable`` with all outputs. Thread-safe: at worst a call is worked out twice."""

    __slots__ = ("_calls", "_servable", "signature")

    def __init__(self, servable: Servable, signature: Signature) -> None:
        self.signature = signature
        self._servable = servable
        self._calls: dict[tuple[str, ...], _Call] = {}

    def bind(self, inputs: Mapping[str, Tensor]) -> Prediction:
        """The call for the tensors of a request by alias. INVALID_ARGUMENT if they are not the signature's inputs."""
        sent = (*inputs,)
        call = self._calls.get(sent)
        if call is None:
            call = self._work_out(sent)
        run, aliases, defaults, outputs = call
        tensors = [*inputs.values()] if aliases == sent else [inputs[alias] for alias in aliases]
        if defaults:
            tensors += defaults
        return Prediction(run, tensors, outputs)

    def _work_out(self, sent: tuple[str, ...]) -> _Call:
        feeds, fetches = self.signature.feeds(sent), self.signature.fetches(())
        call = _Call(self._servable.resolve(feeds.names, fetches.names), feeds.aliases, feeds.defaults, fetches.aliases)
        if len(self._calls) < _KEPT:
            self._calls[sent] = call
        return call
