"""The answer to a comparison in JSON: what each version answers, as Predict does, and how far they differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from serving.core.differences import Difference, difference, top_one
from serving.core.tensor import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two versions. ``body`` is Predict's, of ``outputs``; or ``error`` says why there is none.

    ``version`` is None where nobody knows which a ``label`` is for. ``seconds`` are those until the answer.
    """

    version: int | None
    label: str | None = None
    body: bytes = b""
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""


def written(sides: Sequence[Side]) -> bytes:
    """The whole document; its numbers are those of Predict's body. The differences are those of the first two sides."""
    first, second = sides
    largest: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    agreement = None
    if not (first.error or second.error):
        for name, found in _differences(first, second):
            largest[name] = found.largest
            if found.largest is None:
                reasons[name] = found.reason
        agreed, rows = top_one(first.outputs, second.outputs)
        agreement = agreed / rows if rows else None
    document = {"largest_difference": largest or None, "not_compared": reasons, "top_1_agreement": agreement}
    return b'{"answers": [' + b",\n".join(map(_answer, sides)) + b"],\n" + orjson.dumps(document)[1:]


def _differences(first: Side, second: Side) -> Iterator[tuple[str, Difference]]:
    for name in sorted(first.outputs.keys() | second.outputs.keys()):
        one, other = first.outputs.get(name), second.outputs.get(name)
        if one is None or other is None:
            yield name, Difference(None, f"only version {(second if one is None else first).version} has it")
        else:
            yield name, difference(one, other)


def _answer(side: Side) -> bytes:
    known: dict[str, object] = {} if side.version is None else {"version": str(side.version)}
    if side.label is not None:
        known["label"] = _shown(side.label)
    if side.error:
        return orjson.dumps({**known, "error": _shown(side.error)})
    members = side.body.strip()[1:-1].strip()
    return orjson.dumps({**known, "seconds": side.seconds})[:-1] + b",\n" + members + b"}"


def _shown(text: str) -> str:
    """Valid Unicode: what comes from a URL may be other bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
