"""Which of a model's versions ought to be served: pure functions over version numbers, which know no directories."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The ``num_versions`` highest numbers; 0 counts as 1."""

    num_versions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class All:
    """Every version there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specific:
    """Exactly these numbers, as far as they exist."""

    versions: frozenset[int]


VersionPolicy = Latest | All | Specific


def choose(policy: VersionPolicy, versions: Iterable[int]) -> tuple[int, ...]:
    """The versions out of ``versions`` that ``policy`` wants, highest first, each once."""
    ordered = sorted(set(versions), reverse=True)
    match policy:
        case Latest(num_versions=count):
            return tuple(ordered[: max(count, 1)])
        case All():
            return tuple(ordered)
        case Specific(versions=wanted):
            return tuple(version for version in ordered if version in wanted)
        case _:  # pragma: no cover
            assert_never(policy)


def missing(policy: VersionPolicy, versions: Iterable[int]) -> tuple[int, ...]:
    """The numbers that ``policy`` names and ``versions`` lacks, lowest first; only ``Specific`` names any."""
    return tuple(sorted(policy.versions.difference(versions))) if isinstance(policy, Specific) else ()
