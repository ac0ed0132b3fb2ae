"""What is fuzzed: an input is always bytes, so that one that fails can be kept as a file and tried again."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from serving.errors import ServingError

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One decoder. ``make`` draws an input, more often a valid one than not; ``promise`` is what holds for all inputs.

    ``check`` says whether an input is valid, and raises any exception if the promise is broken. ``seeds`` are inputs to
    begin with. ``dear`` targets take ten times as long for an input as most, and get a tenth of the inputs.
    """

    name: str
    promise: str
    make: Callable[[Random], bytes]
    check: Callable[[bytes], bool]
    seeds: tuple[bytes, ...] = ()
    dear: bool = False


def is_refused(do: Callable[[], object]) -> bool:
    """Whether ``do`` raises ServingError; every other exception is a broken promise."""
    return unless_refused(lambda: (do(),)) is None


def unless_refused(read: Callable[[], _Value]) -> _Value | None:
    """What ``read`` gives, None where it raises ServingError; every other exception is a broken promise."""
    try:
        return read()
    except ServingError as error:
        said = error.text
    assert said, "an error says what is wrong"
    return None
