"""A version whose files are deleted while it loads, and while it serves."""

import shutil
from pathlib import Path

from serving.codecs import tfrecord
from serving.protos import message
from tests.faults.light_load import healthy
from tests.faults.test_broken_files import states
from tests.faults.under_load import fault
from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats, predict_request
from tests.support.server_process import ServerProcess, wait_until


def test_while_it_serves(server: ServerProcess, models: Path, base: Path, tmp_path: Path) -> None:
    """The version before takes over, and not one call for the model is refused."""
    shutil.copytree(models / "half_plus_three" / "1", tmp_path / "incoming")
    with fault(server):
        (tmp_path / "incoming").rename(base / "2")
        server.wait_for(r"Successfully loaded servable version \{name: m version: 2\}")
        with healthy(server, "m").running() as old:
            shutil.rmtree(base / "2")
            server.wait_for(r"Done unloading servable version \{name: m version: 2\}")
        assert old.trouble == []


def test_all_that_serve(server: ServerProcess, base: Path, tmp_path: Path) -> None:
    """A model without versions is not found, readiness says so, the other one answers; put back, it is served again."""
    client = GrpcClient(server)

    def code() -> str:
        try:
            client.predict(Target(model="m"), {"x": floats(2)})
        except RefusedError as error:
            return error.code
        return "OK"

    with fault(server):
        (base / "1").rename(tmp_path / "away")
        wait_until("nothing is served", lambda: code() == "NOT_FOUND")
        assert server.rest("GET", "/healthz/ready")[0] == 503
        (tmp_path / "away").rename(base / "1")
        wait_until("it is served again", lambda: code() == "OK")
        assert server.rest("GET", "/healthz/ready")[0] == 200
    client.close()


LOADS_MS = 3000.0
"""For how long the warm-up of a version takes: longer than a poll, so that it is missed before it is loaded."""


def slow_to_load(models: Path, place: Path) -> Path:
    """A version whose warm-up takes ``LOADS_MS``."""
    shutil.copytree(models / "slow" / "1", place)
    log = message("tensorflow.serving.PredictionLog")()
    log.predict_log.request.MergeFromString(
        predict_request(Target(model="m", signature="wait"), {"ms": floats(LOADS_MS)})
    )
    (place / "assets.extra").mkdir()
    (place / "assets.extra" / "tf_serving_warmup_requests").write_bytes(tfrecord.frame(log.SerializeToString()))
    return place


def test_while_it_warms_up(server: ServerProcess, base: Path, models: Path, tmp_path: Path) -> None:
    """It is never served, and what was loaded of it is unloaded; the version before answers all the while."""
    incoming = slow_to_load(models, tmp_path / "incoming")
    with fault(server), healthy(server, "m").running() as old:
        incoming.rename(base / "2")
        server.wait_for("Starting to read warmup data")
        shutil.rmtree(base / "2")
        server.wait_for(r"Unloading just-loaded servable version \{name: m version: 2\}")
        wait_until("it has ended", lambda: states(server).get("2", "END") == "END")
        old.is_answered()
    assert old.trouble == []
    assert not any("Successfully loaded servable version {name: m version: 2}" in line for line in server.output)


def test_while_its_files_are_read(server: ServerProcess, base: Path, models: Path, tmp_path: Path) -> None:
    """Four times, each as soon as the log says that loading begins: it was loaded and goes, or could not be."""
    with fault(server):
        for version in range(2, 6):
            shutil.copytree(models / "half_plus_two" / "123", tmp_path / "incoming")
            (tmp_path / "incoming").rename(base / str(version))
            server.wait_for(rf"Loading servable version \{{name: m version: {version}\}}")
            shutil.rmtree(base / str(version))
    wait_until(
        "only the first version is left",
        lambda: {version for version, state in states(server).items() if state == "AVAILABLE"} == {"1"},
    )
