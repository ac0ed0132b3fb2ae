"""Two workers that optimise the same model: one tries, both serve with what it has found, and so does a third."""

import json
import re
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import made_by
from tests.server.tensorflow.served import FASTER, REST, SCRIPT, SERVER, TRYING, lines
from tests.support.server_process import wait_until
from tests.support.workers_server import WorkersServer

TRIAL_SECONDS = 300.0
"""The processes that try yield to everybody."""
TAKEN = "taking over what another worker has found"
SAID = re.compile(r"is optimised: (.*)\. It took")


@pytest.fixture(scope="module")
def server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkersServer]:
    """Two workers that open their doors once the model is optimised; whatever is tried is found faster."""
    model = made_by(SCRIPT, pytestconfig, tmp_path_factory) / "served"
    # The last one is without effect and each worker warns of that: so each says what else it does at its start.
    flags = (f"--model_base_path={model}", "--model_name=m", "--optimize_wait", "--pin_models=m")
    command = (sys.executable, "-c", SERVER.format(children=FASTER))
    with WorkersServer(2, flags, command=command, wait=False) as made:
        made.wait_until_serving(TRIAL_SECONDS)
        yield made


def said(server: WorkersServer) -> list[str]:
    """What the log says of each optimised version, without times of its own."""
    return [match[1] for line in server.output if (match := SAID.search(line))]


def test_one_tries_for_both(server: WorkersServer) -> None:
    """There is one trial, and the same times of calls stand behind what both serve with."""
    assert len(lines(server, TRYING)) == 1
    assert len(lines(server, TAKEN)) == 1
    one, other = said(server)
    assert one == other
    assert "OpenVINO" in one


def test_both_answer_alike(server: WorkersServer) -> None:
    """Bit by bit, for the engine and the numbers in its files are the same."""
    method, body = REST["many rows"]
    answers = server.of_each("POST", f"/v1/models/m:{method}", json.dumps(body))
    (status, one), (_, other) = answers.values()
    assert status == 200
    assert one == other


def test_worker_that_starts_later(server: WorkersServer) -> None:
    """It takes over what the one that is left has, even though who tried is gone."""
    before = len(lines(server, TAKEN))
    server.kill_worker_and_wait(0)
    assert len(lines(server, TAKEN)) == before + 1
    assert len(lines(server, TRYING)) == 1
    wait_until("all say the same", lambda: len(said(server)) == 3)
    assert len(set(said(server))) == 1
