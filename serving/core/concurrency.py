"""Who may be in flight, who waits and who is turned away: a policy without threads and without a clock.

Places are for all requests together, for those of one model, and for those of one principal. Who finds none waits in
one bounded queue, by priority and then in the order of coming.
"""

from bisect import insort
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from serving.core.gradient import Gradient


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many requests may be in flight: in all, and for one model; 0 is no limit. ``adaptive`` measures the second.

    ``most_waiting`` may wait, for ``wait_seconds`` each.
    """

    in_flight: int = 0
    in_flight_per_model: int = 0
    adaptive: bool = False
    most_waiting: int = 0
    wait_seconds: float = 1.0


@dataclass(slots=True, eq=False)
class Request:
    """One that wants a place. Lower ``priority`` comes first. ``owner_limit`` is that of its owner, 0 for none."""

    model: str
    owner: str = ""
    owner_limit: int = 0
    priority: int = 0
    order: int = 0
    entered_at: float = 0.0
    waits: bool = False
    """Whether it is in the queue."""

    def __lt__(self, other: "Request") -> bool:
        return (self.priority, self.order) < (other.priority, other.order)


@dataclass(slots=True)
class _Count:
    """Who is in flight, of a model or of an owner, and how many of them wait."""

    in_flight: int = 0
    waiting: int = 0
    gradient: Gradient | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no room: ``limit`` is what is used up, with its present value ``most``; ``waiting`` wait already."""

    limit: str
    most: int
    waiting: int


class Elsewhere(Protocol):
    """What other processes, for which the same limits hold, have in flight."""

    def put(self, kind: str, name: str, count: int) -> None:
        """This process has so many of ``name`` now; ``kind`` is a limit's."""
        ...

    def of_others(self, kind: str, name: str) -> int:
        """What the others have."""
        ...


@dataclass(slots=True)
class Concurrency:
    """The state. Not thread-safe: its user has a lock.

    The numbers can be summed over processes: ``in_flight``, ``waiting``, and both by model and by owner.
    """

    limits: Limits
    elsewhere: Elsewhere | None = None
    in_flight: int = 0
    _order: int = 0
    _models: dict[str, _Count] = field(default_factory=dict)
    _owners: dict[str, _Count] = field(default_factory=dict)
    _waiting: list[Request] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def by_model(self) -> Mapping[str, tuple[int, int, int]]:
        """Of each model that has any: how many are in flight, how many wait, and how many may be, 0 for no limit."""
        return {name: (each.in_flight, each.waiting, self._most_of(each)) for name, each in self._models.items()}

    def enter(self, request: Request, now: float) -> Refused | Request | None:
        """Give ``request`` a place, or let it wait (``waits``), or say why neither.

        A request of a lower priority that waits is turned away for it, and given; None otherwise.
        """
        self._order += 1
        request.order, request.entered_at = self._order, now
        limit = self._lacking(request)
        if limit is None:
            self._take(request, now)
            return None
        dropped: Request | None = None
        if len(self._waiting) + self._of_others(WAITING) >= self.limits.most_waiting:
            last = self._waiting[-1] if self._waiting else None
            if last is None or last.priority <= request.priority:
                return Refused(*limit, len(self._waiting) + self._of_others(WAITING))
            dropped = last
            self.give_up(last)
        request.waits = True
        insort(self._waiting, request)
        self._count(self._models, request.model).waiting += 1
        if request.owner:
            self._count(self._owners, request.owner).waiting += 1
        self._tell_waiting()
        return dropped

    def leave(self, request: Request, now: float, *, succeeded: bool) -> list[Request]:
        """Give the place back; those of the queue that have one now, in order."""
        self.in_flight -= 1
        model = self._models[request.model]
        if succeeded and model.gradient is not None:
            model.gradient.observe(now - request.entered_at, now, model.in_flight)
        model.in_flight -= 1
        self._forget(self._models, request.model)
        if request.owner:
            self._owners[request.owner].in_flight -= 1
            self._forget(self._owners, request.owner)
        self._tell(request)
        return self.admitted(now)

    def give_up(self, request: Request) -> bool:
        """It waits no more; False if it does not wait."""
        if not request.waits:
            return False
        request.waits = False
        self._waiting.remove(request)
        self._models[request.model].waiting -= 1
        self._forget(self._models, request.model)
        if request.owner:
            self._owners[request.owner].waiting -= 1
            self._forget(self._owners, request.owner)
        self._tell_waiting()
        return True

    def admitted(self, now: float) -> list[Request]:
        """Those of the queue that have a place now, in order: after others here, or elsewhere, have left theirs."""
        found: list[Request] = []
        blocked: set[Hashable] = set()
        for request in list(self._waiting):
            if self._is_full():
                break
            if request.model in blocked or (request.owner and ("", request.owner) in blocked):
                continue
            limit = self._lacking(request)
            if limit is None:
                self.give_up(request)
                self._take(request, now)
                found.append(request)
            else:
                blocked.add(request.model if limit[0] != OWNER else ("", request.owner))
        return found

    def _take(self, request: Request, now: float) -> None:
        request.entered_at = now
        self.in_flight += 1
        self._count(self._models, request.model).in_flight += 1
        if request.owner:
            self._count(self._owners, request.owner).in_flight += 1
        self._tell(request)

    def _of_others(self, kind: str, name: str = "") -> int:
        return 0 if self.elsewhere is None else self.elsewhere.of_others(kind, name)

    def _tell(self, request: Request) -> None:
        """Let other processes know what is in flight here."""
        if self.elsewhere is None:
            return
        model, owner = self._models.get(request.model), self._owners.get(request.owner)
        self.elsewhere.put(ALL, "", self.in_flight)
        self.elsewhere.put(MODEL, request.model, model.in_flight if model else 0)
        if request.owner:
            self.elsewhere.put(OWNER, request.owner, owner.in_flight if owner else 0)

    def _tell_waiting(self) -> None:
        if self.elsewhere is not None:
            self.elsewhere.put(WAITING, "", len(self._waiting))

    def _is_full(self) -> bool:
        most = self.limits.in_flight
        return bool(most) and self.in_flight + self._of_others(ALL) >= most

    def _lacking(self, request: Request) -> tuple[str, int] | None:
        """The limit that keeps ``request`` out."""
        limits = self.limits
        if self._is_full():
            return ALL, limits.in_flight
        model = self._models.get(request.model)
        fixed = limits.in_flight_per_model
        if model is not None:
            most = self._most_of(model)
            if most and model.in_flight >= most:
                return (ADAPTIVE if limits.adaptive else MODEL), most
        in_flight = model.in_flight if model else 0
        if fixed and in_flight + self._of_others(MODEL, request.model) >= fixed:
            return MODEL, fixed
        if request.owner and request.owner_limit:
            owner = self._owners.get(request.owner)
            in_flight = owner.in_flight if owner else 0
            if in_flight + self._of_others(OWNER, request.owner) >= request.owner_limit:
                return OWNER, request.owner_limit
        return None

    def _most_of(self, model: _Count) -> int:
        fixed = self.limits.in_flight_per_model
        if model.gradient is None:
            return fixed
        return min(model.gradient.limit, fixed) if fixed else model.gradient.limit

    def _count(self, counts: dict[str, _Count], name: str) -> _Count:
        count = counts.get(name)
        if count is None:
            adaptive = self.limits.adaptive and counts is self._models
            count = counts[name] = _Count(gradient=Gradient() if adaptive else None)
        return count

    def _forget(self, counts: dict[str, _Count], name: str) -> None:
        """Names come from clients, and memory is finite; what was measured of a model is kept while it succeeds."""
        count = counts[name]
        if not count.in_flight and not count.waiting and (count.gradient is None or not count.gradient.has_samples):
            del counts[name]


ALL, MODEL, ADAPTIVE, OWNER = "in_flight", "in_flight_per_model", "adaptive", "owner"
"""What ``Refused.limit`` may be."""
WAITING = "waiting"
