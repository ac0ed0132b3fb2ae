"""How a loaded version is called: one plan per signature, inputs and output filter, worked out once and then kept.

Nothing here runs a model or knows what a protocol says of a signature that is not there.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.core.bounded import Bounded
from serving.core.servable import JoiningRun, Run, Servable
from serving.core.signature import Signature
from serving.core.tensor import Tensor

Encode = Callable[[Mapping[Any, Tensor]], bytes]
"""Makes an answer's body of the output tensors by alias."""


@dataclass(slots=True, eq=False)
class Plan:
    """One kind of call: ``run`` takes the tensors of ``aliases``, then ``defaults``, and gives those of ``outputs``.

    ``encoders`` keeps how each protocol writes the answers, by a key of the protocol's own; ``joins`` says that the run
    makes one call for several callers.
    """

    run: Run
    aliases: tuple[str, ...]
    defaults: tuple[Tensor, ...]
    outputs: tuple[Any, ...]
    encoders: dict[Hashable, Encode] = field(default_factory=dict)
    joins: bool = field(init=False)

    def __post_init__(self) -> None:
        self.joins = isinstance(self.run, JoiningRun)

    def named(self, outputs: Sequence[Tensor]) -> dict[Any, Tensor]:
        """The outputs of a call by alias."""
        if len(self.outputs) == 1 == len(outputs):
            return {self.outputs[0]: outputs[0]}
        return dict(zip(self.outputs, outputs, strict=True))


class Plans:
    """The plans of one loaded version, kept as they are asked for. Thread-safe: at worst one is worked out twice."""

    __slots__ = ("kept", "servable", "signatures")

    def __init__(self, servable: Servable) -> None:
        self.servable = servable
        self.signatures: Mapping[str, Signature] = {
            name: signature.for_predict for name, signature in servable.signatures.items()
        }
        """What Predict calls by each name."""
        self.kept: Bounded[Hashable, Plan] = Bounded(1024)
        """Those of Predict by ``(name, sent, output_filter)``."""

    def predict(self, name: str, sent: tuple[str, ...], output_filter: tuple[str, ...] = ()) -> Plan:
        """The call of the signature ``name`` for a request with these inputs and this filter, everything if empty.

        INVALID_ARGUMENT if they do not fit the signature (docs/compatibility.md, "Predict").
        """
        key = name, sent, output_filter
        return self.kept.get(key) or self.of(key, lambda: self._work_out(self.signatures[name], sent, output_filter))

    def of(self, key: Hashable, work_out: Callable[[], Plan]) -> Plan:
        """The plan kept as ``key``, worked out the first time."""
        return self.kept.get(key) or self.kept.keep(key, work_out())

    def resolve(self, feeds: tuple[str, ...], fetches: Mapping[Any, str]) -> Plan:
        """A plan, not kept, that feeds these graph tensors and fetches those of ``fetches`` by alias."""
        return Plan(self.servable.resolve(feeds, tuple(fetches.values())), feeds, (), tuple(fetches))

    def _work_out(self, signature: Signature, sent: tuple[str, ...], output_filter: tuple[str, ...]) -> Plan:
        feeds, fetches = signature.feeds(sent), signature.fetches(output_filter)
        run = self.servable.resolve(feeds.names, fetches.names)
        return Plan(run, feeds.aliases, feeds.defaults, fetches.aliases)
