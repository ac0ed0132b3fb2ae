"""A mapping for what is worked out once per kind of request: clients send a handful of kinds, hostile ones many."""

from typing import TypeVar

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Bounded(dict[KeyT, ValueT]):
    """Keeps the first ``most`` keys; what comes beyond them is worked out anew each time, and fills no memory."""

    __slots__ = ("_most",)

    def __init__(self, most: int = 256) -> None:
        self._most = most

    def keep(self, key: KeyT, value: ValueT) -> ValueT:
        """Keep ``value`` if there is room; it is given back either way."""
        if len(self) < self._most:
            self[key] = value
        return value
