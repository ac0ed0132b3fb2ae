"""What the REST door bears of a client: idle connections, the size of a head, and how slowly a request may come.

Values alone; ``parser.py`` and ``traffic.py`` look at them.
"""

import math
from dataclasses import dataclass

_LARGEST_HEAD = 2**16
_LONGEST_SECONDS = 10 * 365 * 24 * 3600.0
"""Where there is no limit; timers cannot be set as far as a float goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Of every connection; see the flags of these names. Sizes in bytes, rates in bytes per second, 0 is no limit."""

    keepalive_seconds: float = 3630.0
    max_head_bytes: int = _LARGEST_HEAD
    head_timeout_seconds: float = 60.0
    body_timeout_seconds: float = 60.0
    min_body_bytes_per_second: int = 100
    max_connections: int = 0
    max_connections_per_peer: int = 0

    def idle_seconds(self) -> float:
        """How long a connection may be idle between two requests."""
        return self.keepalive_seconds if 0 < self.keepalive_seconds < _LONGEST_SECONDS else _LONGEST_SECONDS

    def head_seconds(self) -> float:
        """How long a head may take from its first byte on."""
        return self.head_timeout_seconds or math.inf

    def body_seconds(self, received: int) -> float:
        """How long a body may take of which so many bytes are there."""
        if not (self.body_timeout_seconds and self.min_body_bytes_per_second):
            return self.body_timeout_seconds or math.inf
        return self.body_timeout_seconds + received / self.min_body_bytes_per_second
