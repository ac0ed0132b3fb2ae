"""Runs that do not end: `tests/server/doors/test_endless_runs.py` has their rules, this is what they leave behind."""

from pathlib import Path

from tests.faults.under_load import FLAGS, fault
from tests.server.doors.clients import Target, floats, predict_request
from tests.support.frames import PREDICT
from tests.support.server_process import ServerProcess, wait_until, write_model_config

ENDLESS = Target(model="endless", signature="wait")
FOR_EVER = 600_000.0
CALLS = 20
"""More than may run at a time."""


def test_a_model_that_does_not_end(models: Path, tmp_path: Path) -> None:
    """More runs than threads that do not end by themselves, and whose callers leave: nothing of them is kept."""
    config = write_model_config(
        tmp_path / "models.config", {"healthy": models / "half_plus_three", "endless": models / "slow"}
    )
    flags = (f"--model_config_file={config}", *FLAGS, "--max_run_seconds=2")
    with ServerProcess(flags) as server, fault(server) as load, server.channel() as channel:
        payload = predict_request(ENDLESS, {"ms": floats(FOR_EVER)})
        calls = [channel.unary_unary(PREDICT).future(payload) for _ in range(CALLS)]
        load.is_answered()
        codes = {each.exception().code().name for each in calls}
        assert codes <= {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
        wait_until("it is ready", lambda: server.rest("GET", "/healthz/ready")[0] == 200)
