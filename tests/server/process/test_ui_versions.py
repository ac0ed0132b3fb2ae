"""The page while versions arrive and fail, before any serves, and at the end of the server."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.process.conftest import Put
from tests.support.events import EventStream
from tests.support.ports import free_port
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until

HOSTILE = "<img src=x onerror=alert(1)>&\"'\\u2028"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base path without a version."""
    (tmp_path / "base").mkdir()
    return tmp_path / "base"


@pytest.fixture
def server(base: Path) -> Iterator[ServerProcess]:
    """A server whose REST port is open before its one model is there, whose name is markup."""
    port = free_port()
    flags = (
        f"--rest_api_port={port}",
        "--rest_api_open_early",
        f"--model_name={HOSTILE}",
        f"--model_base_path={base}",
        "--max_num_load_retries=0",
        "--drain_grace_seconds=600",  # more than the test waits for
    )
    with ServerProcess(flags, wait=False) as running:
        running.rest_port = port
        wait_until("the port is open", lambda: is_open(running))
        yield running
    assert running.process.returncode == 0
    assert "Traceback" not in "".join(running.output)


def is_open(server: ServerProcess) -> bool:
    try:
        return server.rest("GET", "/healthz/live")[0] == 200
    except OSError:
        return False


def versions(state: Any) -> dict[str, Any]:
    """Those of the one model, by number."""
    (model,) = state["models"]
    return {version["version"]: version for version in model["versions"]}


def is_in(state: Any, version: str, expected: str) -> bool:
    return version in versions(state) and str(versions(state)[version]["state"]) == expected


def test_from_nothing_to_the_end(server: ServerProcess, base: Path, models: Path, put: Put) -> None:
    """What is awaited, a version that arrives, one that fails with its error in full, and the end, all at once."""
    assert server.rest("GET", "/ui/")[0] == 200
    with EventStream(server) as stream:
        state = stream.until(lambda _: True)
        (model,) = state["models"]
        assert (model["name"], model["versions"]) == (HOSTILE, [])
        assert model["waits_for"].startswith(f"a version in {base}, which has nothing in it; ")
        assert state["server"]["waits_for"] == f"Waiting for {model['waits_for']}"
        assert not state["server"]["ready"]
        put(models / "labels" / "1", base / "1")
        state = stream.until(lambda seen: is_in(seen, "1", "AVAILABLE") and seen["server"]["ready"])
        assert state["models"][0]["waits_for"] == ""
        server.wait_for(r"Running gRPC ModelServer")
        broken = base.parent / "broken"
        shutil.copytree(models / "labels" / "2", broken)
        (broken / "saved_model.pb").write_bytes(b"<script>")
        put(broken, base / "2")
        failed = versions(stream.until(lambda seen: is_in(seen, "2", "END")))["2"]
        assert failed["code"] != 0
        assert str(base / "2") in failed["error"]
        server.terminate()
        while stream.event() is not None:
            pass
    server.wait(START_SECONDS / 2)


def test_off(models: Path) -> None:
    """Without it everything is as TensorFlow Serving has it."""
    flags = ("--enable_ui=false", "--model_name=m", f"--model_base_path={models / 'half_plus_three'}")
    with ServerProcess(flags) as running:
        for path in ("/", "/ui", "/ui/", "/ui/data/state"):
            status, body = running.rest("GET", path, headers={"Accept": "text/html"})
            assert (status, body[:6]) == (404, b"<HTML>")
        timed = "/ui/data/timed/v1/models/m:predict"
        assert running.rest("POST", timed, json.dumps({"instances": [1.0]}))[0] == 404
