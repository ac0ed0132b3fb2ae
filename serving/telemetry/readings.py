"""Numbers that nobody counts: they are read when the page is asked for, and cost nothing otherwise."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from serving.telemetry.metrics import Kind, Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One metric at one moment: label values and their numbers. A float is written with all its digits."""

    name: str
    kind: Kind = Kind.GAUGE
    labels: Labels = ()
    points: Sequence[tuple[Labels, float]]


Reader = Callable[[], Iterable[Reading]]
"""Reads now; may wait for a file. What it cannot read it leaves out, or raises OSError and is left out whole."""


def single(name: str, value: float | None, kind: Kind = Kind.GAUGE) -> Reading:
    """A number without labels; without a point if there is none."""
    return Reading(name=name, kind=kind, points=() if value is None else (((), value),))


def by_label(name: str, label: str, values: Mapping[str, float]) -> Reading:
    """A number for each value of one label."""
    return Reading(name=name, labels=(label,), points=[((key,), value) for key, value in values.items()])


def read(readers: Iterable[Reader]) -> list[Reading]:
    """What all of them read; descriptors or files that are not to be had take no more away than what needs them."""
    readings: list[Reading] = []
    for reader in readers:
        try:
            readings += list(reader())
        except OSError:
            continue
    return readings
