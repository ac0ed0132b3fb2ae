"""The load generator of the tests of swarms and proxies: it misses nothing that goes wrong."""

from pathlib import Path

import numpy as np

from tests.support.server_process import ServerProcess
from tests.support.steady_load import KINDS, SteadyLoad


def load_on(server: ServerProcess, added: float) -> SteadyLoad:
    """Clients who take x / 2 and so much more for the right answer."""
    rest, grpc = (f"127.0.0.1:{port}" for port in (server.rest_port, server.grpc_port))
    return SteadyLoad(
        rest=rest, grpc=grpc, model="default", functions={"right": lambda x: np.float32(0.5) * x + np.float32(added)}
    )


def test_every_request_is_accounted_for(models: Path) -> None:
    """All is answered while the server lives; what a kill costs is counted, by every kind of client."""
    with ServerProcess([f"--model_base_path={models / 'half_plus_three'}"]) as server, load_on(server, 3) as load:
        with load.event("alive") as alive:
            load.more(10)
        with load.event("killed", retries=1) as killed:
            load.more(5)
            server.process.kill()
            load.more(5)
    assert (alive.failed, alive.retried, alive.answers.total()) == ({}, {}, alive.sent.total())
    assert min(alive.sent[kind] for kind in KINDS) >= 10
    assert killed.sent.total() == killed.answered.total() + killed.failed.total()
    assert {text.partition(":")[0] for text in killed.failed} == set(KINDS)
    assert killed.retried.total() >= killed.failed.total()


def test_wrong_answers_are_failures(models: Path) -> None:
    """An answer that is not the right one for its request is none, over both protocols."""
    flags = [f"--model_base_path={models / 'half_plus_three'}"]
    with ServerProcess(flags) as server, load_on(server, 2) as load, load.event("wrong") as tally:
        load.more(3)
    assert tally.failed.total() == tally.sent.total() > 0
    assert all("wrong answer" in text for text in tally.failed)
