"""New versions that arrive file by file: what serves goes on, and the new one serves when it is whole."""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.process.conftest import Put, lines
from tests.support.server_process import ServerProcess, wait_until

FILES = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")
"""Of the model half_plus_two: TF1, with variables; it does without its asset."""
NOT_RETRIED = ("--max_num_load_retries=0", "--load_retry_interval_micros=600000000")
QUICK = "--version_settle_seconds=0.3"


def put_file(version: Path, name: str, place: Path) -> None:
    """Copy one file of a version as ``cp`` does."""
    (place / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(version / name, place / name)


def value(server: ServerProcess) -> object:
    """What the newest version answers for 6: the first version 5, the second 4; an error is shown whole."""
    status, body = server.rest("POST", "/v1/models/default:predict", '{"instances": [[6.0]]}')
    return json.loads(body)["predictions"][0][0] if status == 200 else body


@pytest.fixture
def base(models: Path, tmp_path: Path, put: Put) -> Path:
    """A base path with version 123 of half_plus_two."""
    put(models / "half_plus_two" / "123", tmp_path / "base" / "123")
    return tmp_path / "base"


@pytest.fixture
def server(base: Path) -> Iterator[ServerProcess]:
    """A server of ``base`` that tries nothing again because time passes."""
    with ServerProcess((f"--model_base_path={base}", *NOT_RETRIED, QUICK)) as server:
        yield server
    assert "Traceback" not in "".join(server.output)


@pytest.mark.parametrize("last", FILES)
def test_file_by_file(server: ServerProcess, base: Path, models: Path, last: str) -> None:
    """Whichever file comes last, the first version answers until then, and the second from then on."""
    new = models / "half_plus_two" / "124"
    for name in FILES:
        if name != last:
            put_file(new, name, base / "124")
    server.wait_for(r"Servable \{name: default version: 124\} cannot be loaded")
    assert value(server) == 5.0
    put_file(new, last, base / "124")
    wait_until("the second version answers", lambda: value(server) == 4.0)
    assert lines(server, "The files of servable version {name: default version: 124} have changed since it failed")


def test_the_missing_file_is_named(server: ServerProcess, base: Path, models: Path) -> None:
    """The status of a version without its index says which file it lacks; the other one stays available."""
    partial = base.parent / "partial"
    shutil.copytree(models / "half_plus_two" / "124", partial, ignore=shutil.ignore_patterns("*.index"))
    partial.rename(base / "124")
    server.wait_for(r"Servable \{name: default version: 124\} cannot be loaded")
    states = json.loads(server.rest("GET", "/v1/models/default")[1])["model_version_status"]
    shown = {each["version"]: (each["state"], each["status"]["error_code"]) for each in states}
    assert shown == {"123": ("AVAILABLE", "OK"), "124": ("END", "NOT_FOUND")}
    assert f"{base / '124' / 'variables/variables.index'}" in states[0]["status"]["error_message"]


def test_a_file_cut_short(server: ServerProcess, base: Path, models: Path) -> None:
    """Half of the weights are no version; with the other half they are."""
    data, new = FILES[2], models / "half_plus_two" / "124"
    shutil.copytree(new, base.parent / "cut")
    whole = (new / data).read_bytes()
    (base.parent / "cut" / data).write_bytes(whole[: len(whole) // 2])
    (base.parent / "cut").rename(base / "124")
    server.wait_for(r"Servable \{name: default version: 124\} cannot be loaded")
    assert value(server) == 5.0
    (base / "124" / data).write_bytes(whole)
    wait_until("the second version answers", lambda: value(server) == 4.0)


def test_a_version_written_anew(server: ServerProcess, base: Path, models: Path, put: Put) -> None:
    """A broken version that is replaced under its number is tried again, though no poll saw it go."""
    (base.parent / "broken").mkdir()
    (base.parent / "broken" / "saved_model.pb").write_bytes(b"\x0a\x05ab")
    (base.parent / "broken").rename(base / "124")
    server.wait_for(r"Servable \{name: default version: 124\} cannot be loaded")
    put(models / "half_plus_two" / "124", base.parent / "whole")
    (base / "124").rename(base.parent / "away")
    (base.parent / "whole").rename(base / "124")
    wait_until("the second version answers", lambda: value(server) == 4.0)


@pytest.mark.parametrize("poll", ["0", "600"])
def test_the_default_at_start(base: Path, models: Path, poll: str) -> None:
    """A start with files just written waits for them, without a poll, and says once for what; then it serves."""
    tomorrow = time.time() + 86400  # by which no slow start gets around the wait
    os.utime(base / "123" / "assets" / "asset.txt", (tomorrow, tomorrow))
    flags = (f"--model_base_path={base}", "--version_settle_seconds=2", f"--file_system_poll_wait_seconds={poll}")
    with ServerProcess(flags) as server:
        assert value(server) == 5.0
        (said,) = lines(server, "left alone")
    assert re.search(
        r"Waiting until the files of servable version \{name: default version: 123\} have been left alone for 2 s "
        r"\(--version_settle_seconds\): assets/asset.txt changed 86[0-9.]+ s in the future, by this machine's clock",
        said,
    )
