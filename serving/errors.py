"""The one error type that crosses rooms, and the canonical codes it carries.

Doors map a ``Code`` to their own wire (``rest/errors.py``, ``rpc/errors.py``); nothing else knows HTTP or gRPC
statuses.
"""

from collections.abc import Sequence
from enum import IntEnum

_NAMES_SHOWN = 5
_LONGEST_BYTES = 1024
_CUT = "...TRUNCATED"


class Code(IntEnum):
    """Canonical status codes; the numbers are gRPC's (docs/compatibility.md, "Status codes")."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServingError(Exception):
    """A failure that a person reads: ``code`` says whose fault it is, ``message`` what was wrong and expected."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.text}"

    @property
    def text(self) -> str:
        """The message as valid Unicode; ``message`` may hold a client's undecodable bytes as surrogates."""
        return self.message.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class LimitError(ServingError):
    """A request that comes while ``limit``, the flag that sets it, is used up; it may come again after a while.

    ``code`` is RESOURCE_EXHAUSTED; ``retry_seconds`` is how long to wait before another attempt.
    """

    def __init__(self, limit: str, message: str, retry_seconds: float = 1.0) -> None:
        super().__init__(Code.RESOURCE_EXHAUSTED, message)
        self.limit = limit
        self.retry_seconds = retry_seconds


class ConfigurationError(ServingError):
    """A start-up or reload setting that cannot be honoured; at start it ends the process with status 255."""


def invalid_configuration(message: str) -> ConfigurationError:
    """The commonest of these: a setting that cannot be used."""
    return ConfigurationError(Code.INVALID_ARGUMENT, message)


def invalid_argument(message: str) -> ServingError:
    """The commonest error: the caller sent something that cannot be used."""
    return ServingError(Code.INVALID_ARGUMENT, message)


def first_few(names: Sequence[str]) -> str:
    """For a text: the first names, and how many more there are. What is not UTF-8 shows as ``?``."""
    shown = ", ".join(names[:_NAMES_SHOWN]).encode(errors="replace").decode()
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def without_frames(error: BaseException) -> BaseException:
    """A ServingError without the frames it came through: they hold the future that holds it, and a request's body."""
    if isinstance(error, ServingError):
        error.__traceback__ = error.__context__ = None
    return error


def cut(text: str) -> str:
    """A text as gRPC's statuses have it: what is beyond 1,024 bytes is cut, and marked, as in TensorFlow Serving."""
    data = text.encode()
    return text if len(data) <= _LONGEST_BYTES else data[:_LONGEST_BYTES].decode("utf-8", "ignore") + _CUT
