"""Doors that are opened and closed leave nothing behind in their process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server_process import REPOSITORY

SLACK = 10
"""gRPC's own pool of threads breathes by a few."""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts in /proc, which this system lacks")
@pytest.mark.parametrize("door", ["rest", "grpcio", "native"])
def test_fifty_starts_and_stops_leave_descriptors_and_threads_flat(door: str) -> None:
    """Listeners, connections, pools and loops are all given back: what one start kept would be there fifty times."""
    command = [sys.executable, "-m", "tests.server.process.start_and_stop", door]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    before, after = json.loads(result.stdout)
    assert after["fd"] < before["fd"] + SLACK
    assert after["task"] < before["task"] + SLACK
