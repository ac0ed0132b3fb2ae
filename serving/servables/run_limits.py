"""What bounds a run inside TensorFlow: its time, and the threads that it can take.

TensorFlow looks at a time limit only while it waits for a run on its own threads, the inter-op pools. All sessions
share one pool unless told otherwise; a run that does not end holds a thread of it, and the next one is not even begun,
and so not ended either, however short its limit is. So each run with a limit gets a pool that no other run has.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from serving.protos import ConfigProto

_WIDE, _NARROW = 4, 28
"""How many pools have all inter-op threads, and how many have one: a pool costs 0.1 MB and a thread, used or not. The
first runs at a time may compute branches of their graphs side by side; more of them than that keep the CPUs busy
anyway, and are faster with a thread each."""

_COMMON = 0
"""The pool of runs beyond that number, and of what runs without saying where."""

_NEVER = -(2**63)
_LONGEST_SECONDS = 1e12
"""TensorFlow counts milliseconds in 64 bits."""


@dataclass(slots=True)
class RunLimits:
    """``max_run_ms`` is --max_run_seconds, 0 for none. Thread-safe: lists are taken from and given to in one step."""

    max_run_ms: int = 0
    _wide: list[int] = field(default_factory=list)
    _narrow: list[int] = field(default_factory=list)

    @property
    def unlimited(self) -> int:
        """The largest time limit that counts as none."""
        return _NEVER if self.max_run_ms else 0

    def milliseconds(self, timeout_ms: int) -> int:
        """The limit of a run whose caller gives ``timeout_ms``."""
        most = self.max_run_ms
        return most if timeout_ms <= 0 else min(timeout_ms, most or timeout_ms, 2**63 - 1)

    def take_pool(self) -> int:
        """A pool of one's own; ``give_pool`` has to follow."""
        for free in (self._wide, self._narrow):
            try:
                return free.pop()
            except IndexError:
                continue
        return _COMMON

    def give_pool(self, pool: int) -> None:
        """The run has ended."""
        if pool != _COMMON:
            (self._wide if pool <= _WIDE else self._narrow).append(pool)


NO_LIMITS = RunLimits()


def run_limits(config: Any, max_run_seconds: float = 0) -> tuple[Any, RunLimits]:
    """A ConfigProto with the pools, and what hands them out; as it is, without any, if it has pools of its own."""
    max_run_ms = math.ceil(min(max(max_run_seconds, 0), _LONGEST_SECONDS) * 1000)
    if config.session_inter_op_thread_pool or config.use_per_session_threads:
        return config, RunLimits(max_run_ms)
    made = ConfigProto()
    made.CopyFrom(config)
    wide = max(config.inter_op_parallelism_threads, 1)
    for index in range(1 + _WIDE + _NARROW):
        # A name makes it one pool for all sessions of the process.
        threads = wide if index <= _WIDE else 1
        made.session_inter_op_thread_pool.add(num_threads=threads, global_name=f"runs-{index}")
    last = 1 + _WIDE + _NARROW
    return made, RunLimits(max_run_ms, list(range(1, 1 + _WIDE)), list(range(1 + _WIDE, last)))
