"""A few seconds of everything at once: answers are right, and nothing is left behind. ``soak`` runs longer by hand."""

from pathlib import Path

from tests.server.doors.soak import Soak, descriptors, flags, resident_megabytes
from tests.support.server_process import ServerProcess, wait_until

SECONDS = 3.0
MOST_MEGABYTES = 300
"""Allocators keep what they have. The messages of the seconds and their answers are more than this together."""


def test_mixed_load_leaves_nothing_behind(transport: str, models: Path, tmp_path: Path) -> None:
    """Memory and descriptors are what they were, and no lost call holds up the end."""
    with ServerProcess(flags(transport, models, tmp_path)) as server:
        soak = Soak(server)
        soak.run(SECONDS / 3)
        megabytes, open_files = resident_megabytes(server), descriptors(server)
        soak.run(SECONDS)
        assert soak.wrong == []
        assert set(soak.done) == {"good", "bad", "cancelled", "late", "raw"}
        assert resident_megabytes(server) < megabytes + MOST_MEGABYTES
        wait_until("descriptors are given back", lambda: descriptors(server) <= open_files)
        server.terminate()
        assert server.wait(30) == 0
    assert "did not finish" not in "".join(server.output)
    assert "Traceback" not in "".join(server.output)
