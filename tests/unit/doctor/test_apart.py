"""Checks that may end the process that makes them."""

import os
import signal
from collections.abc import Iterable

import pytest

from serving.doctor.apart import apart
from serving.doctor.finding import Finding, ok
from tests.unit.doctor.rows import only


def test_rows_come_back() -> None:
    """From another process."""
    mine = os.getpid()
    (row,) = apart("x", lambda: [ok("process", str(os.getpid()))])
    assert row.found not in ("", str(mine))


def die() -> Iterable[Finding]:
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def leave() -> Iterable[Finding]:
    os._exit(7)


@pytest.mark.parametrize(("look", "ended"), [(die, "SIGKILL"), (leave, "status 7")])
def test_process_that_ends(look: object, ended: str) -> None:
    """It is a row that says how, and this process goes on."""
    assert callable(look)
    row = only(apart("library", look))
    assert (row.what, row.found) == ("library", f"the process that loads TensorFlow's library ended with {ended}")
