"""Whether a version may be loaded, as far as memory goes: pure functions of a ledger, which is a value.

Bytes that a version needs are estimated, and what it holds is measured, elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from serving.core.servable import ServableId

_NAMED = 5
"""So many models a text names; the largest come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Bytes that a version takes: ``resident`` once it is loaded, at most ``peak`` while it loads."""

    resident: int
    peak: int


NOTHING = Need(resident=0, peak=0)


class Spare(Enum):
    """Whether what a version holds can be had for others."""

    NEVER = auto()
    BUSY = auto()
    """When its requests have ended."""
    IDLE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one version holds: ``held`` now, ``left`` when what is being done to it is over.

    ``last_use`` rises with each request of any version.
    """

    id: ServableId
    held: int
    left: int
    spare: Spare = Spare.NEVER
    last_use: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Bytes: all that may be used, what the process holds beside its versions, what optimising has borrowed.

    ``promised`` is for versions that wait for what others are giving back.
    """

    budget: int
    other: int
    uses: tuple[Use, ...] = ()
    borrowed: int = 0
    promised: int = 0

    @property
    def held(self) -> int:
        """What is in use or promised now."""
        return self.other + self.borrowed + self.promised + sum(each.held for each in self.uses)

    @property
    def free(self) -> int:
        """What is neither; not negative."""
        return max(self.budget - self.held, 0)


class Room(Enum):
    """Whether there is room for a version."""

    NOW = auto()
    SOON = auto()
    """When what is loading or being unloaded is through."""
    EVICT = auto()
    """Once the victims are unloaded."""
    BUSY = auto()
    """Once idle models can be unloaded, or optimising has ended."""
    NONE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether there is room, and for ``EVICT`` the models that have to make it, least recently used first."""

    room: Room
    victims: tuple[str, ...] = ()


def judge(ledger: Ledger, servable_id: ServableId, need: Need) -> Verdict:
    """Whether a version that needs so much may be loaded. Its own model makes no room: the old version goes on."""
    if ledger.held + need.peak <= ledger.budget:
        return Verdict(room=Room.NOW)
    left = ledger.other + sum(each.left for each in ledger.uses)
    if left + ledger.borrowed + ledger.promised + need.peak <= ledger.budget:
        return Verdict(room=Room.SOON)
    over = left + need.peak - ledger.budget
    victims = _victims(ledger, servable_id.name, over + ledger.borrowed + ledger.promised)
    if victims:
        return Verdict(room=Room.EVICT, victims=victims)
    spare = sum(each.left for each in ledger.uses if each.spare is not Spare.NEVER and each.id.name != servable_id.name)
    return Verdict(room=Room.BUSY if over <= spare else Room.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """Why a version was not loaded: what it needs, and what there was."""

    id: ServableId
    need: Need
    ledger: Ledger

    @property
    def text(self) -> str:
        """The figures, for its status or the log."""
        ledger, name = self.ledger, self.id.name
        beside = any(each.id.name == name and each.left for each in ledger.uses)
        goes_on = "; its model's loaded version goes on, and both would be in memory at once" if beside else ""
        return (
            f"Insufficient resources to load servable {self.id}: loading it takes about {mebibytes(self.need.peak)} of "
            f"memory, and of the {mebibytes(ledger.budget)} that may be used {mebibytes(ledger.held)} are: "
            f"{', '.join(_users(ledger))}{goes_on}. See --memory_budget_mb"
        )


def mebibytes(count: int) -> str:
    """For a text."""
    return f"{count / 2**20:.1f} MiB" if 0 < count < 10 * 2**20 else f"{count >> 20} MiB"


def _victims(ledger: Ledger, beneficiary: str, over: int) -> tuple[str, ...]:
    """Models, idle altogether, that hold ``over`` bytes; none if all of them do not."""
    models: dict[str, list[Use]] = {}
    for use in ledger.uses:
        models.setdefault(use.id.name, []).append(use)
    idle = {
        name: uses
        for name, uses in models.items()
        if name != beneficiary and all(each.spare is Spare.IDLE for each in uses)
    }
    victims: list[str] = []
    for name in sorted(idle, key=lambda name: max(each.last_use for each in idle[name])):
        if over <= 0:
            break
        victims.append(name)
        over -= sum(each.left for each in idle[name])
    return tuple(victims) if over <= 0 else ()


def _users(ledger: Ledger) -> Iterable[str]:
    yield f"{mebibytes(max(ledger.other, 0))} by the server"
    largest = sorted((each for each in ledger.uses if each.held), key=lambda each: -each.held)
    yield from (f"{mebibytes(each.held)} by {each.id.name} version {each.id.version}" for each in largest[:_NAMED])
    if largest[_NAMED:]:
        more = largest[_NAMED:]
        yield f"{mebibytes(sum(each.held for each in more))} by {len(more)} more"
    if ledger.borrowed:
        yield f"{mebibytes(ledger.borrowed)} by optimising"
    if ledger.promised:
        yield f"{mebibytes(ledger.promised)} promised to others"
