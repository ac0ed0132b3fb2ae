"""Our answers are those that a real TensorFlow Serving gave, except where docs/compatibility.md says otherwise."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.parity import replay
from tests.parity.replay import Answer, Case, ProfileServer

DIFFERENCES = {
    "C2": "GET /v1/models lists the models",
    "R-bundle": "session bundles load, if they are whole",
    "G30": "session bundles load, if they are whole",
    "H5": "what does not fit into a batch is run apart",
    "H5-second": "what does not fit into a batch is run apart",
    "H5-fails-together": "a bad request does not fail its batch",
    "M2-core": "metrics inside TensorFlow's library are not shown",
}
"""Recordings we answer otherwise on purpose; docs/compatibility.md lists each with its reason."""

CASES = sorted(replay.load(), key=lambda case: str(case["profile"]["name"]))


class _Servers:
    """The server of the profile in use; the cases come ordered by profile, so one at a time is enough."""

    def __init__(self, models: Path, directory: Path) -> None:
        self._models = models
        self._directory = directory
        self._current: tuple[str, ProfileServer] | None = None

    def of(self, case: Case) -> ProfileServer:
        name = case["profile"]["name"]
        if self._current is None or self._current[0] != name:
            self.close()
            files = self._directory / name
            files.mkdir(parents=True)
            self._current = (name, ProfileServer(case["profile"], self._models, files))
        return self._current[1]

    def run(self, case: Case) -> tuple[Any, Answer, bool]:
        """What was expected, what came, and whether they match."""
        if case["protocol"] != "start":
            return self.of(case).run(case)
        self.close()
        files = self._directory / case["profile"]["name"]
        files.mkdir()
        return replay.run_start(case, self._models, files)

    def close(self) -> None:
        if self._current is not None:
            self._current[1].close()
            self._current = None


@pytest.fixture(scope="module")
def servers(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Servers]:
    running = _Servers(models, tmp_path_factory.mktemp("profiles"))
    yield running
    running.close()


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_answers_as_recorded(case: Case, servers: _Servers) -> None:
    """A recorded request gets the recorded answer."""
    expect, got, good = servers.run(case)
    if case["id"] in DIFFERENCES:
        assert not good, f"{case['id']} is listed as a difference ({DIFFERENCES[case['id']]}) but is none"
    else:
        assert good, f"{case['compare']}:\nexpected {expect}\ngot      {got}"
