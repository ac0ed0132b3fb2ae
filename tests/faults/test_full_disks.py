"""Disks without room below the log, the cache of optimised graphs and the request log: requests are answered."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.light_load import healthy
from tests.faults.under_load import FLAGS, fault
from tests.server.doors.clients import GrpcClient, Target
from tests.support.ports import free_port
from tests.support.server_process import ServerProcess, wait_until

TO_A_FILE = 'exec "$@" >>"$0/out" 2>>"$0/err"'


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB without any room, mounted for the test."""
    place = tmp_path / "full"
    place.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no program to mount a small file system")
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        fill(place)
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> None:
    """Leave not a byte."""
    for name in ("out", "err"):
        (place / name).touch()
    with (place / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return


def loaded_another(server: ServerProcess, base: Path) -> None:
    """Lines to be logged: a version that loads, and one that cannot."""
    shutil.copytree(base / "1", base.parent / "incoming")
    (base.parent / "incoming").rename(base / "2")
    client = GrpcClient(server)
    wait_until("version 2", lambda: (2, "AVAILABLE") in client.status(Target(model="m")))
    (base / "3").mkdir()
    wait_until("version 3", lambda: (3, "END") in client.status(Target(model="m")))
    client.close()


def test_a_log_on_a_full_disk(full: Path, base: Path, config: str) -> None:
    """Neither a start nor calls nor loads wait; when there is room again the log goes on and says what is missing."""
    ports = (free_port(), free_port())
    command = ("sh", "-c", TO_A_FILE, str(full), sys.executable, "-m", "serving")
    flags = (config, *FLAGS, f"--port={ports[0]}", f"--rest_api_port={ports[1]}", "--access_log=text")
    with ServerProcess(flags, wait=False, command=command) as server:
        server.grpc_port, server.rest_port = ports
        wait_until("it is ready", lambda: is_ready(server))
        with fault(server):
            loaded_another(server, base)
            (full / "filler").unlink()
            wait_until("it goes on", lambda: "lines of the log were lost" in (full / "err").read_text())
        server.terminate()
        assert server.wait() == 0


def is_ready(server: ServerProcess) -> bool:
    try:
        return server.rest("GET", "/healthz/ready")[0] == 200
    except OSError:
        return False


def test_the_request_log_on_a_full_disk(full: Path, models: Path, tmp_path: Path) -> None:
    """It stops, the log says so once, and every request is answered."""
    config = tmp_path / "models.config"
    logged = "logging_config { sampling_config { sampling_rate: 1 } }"
    config.write_text(
        f'model_config_list {{ config {{ name: "healthy" base_path: "{models / "half_plus_three"}" '
        f'model_platform: "tensorflow" {logged} }} }}'
    )
    flags = (f"--model_config_file={config}", *FLAGS, f"--request_log_directory={full}")
    with ServerProcess(flags) as server:
        with fault(server):
            server.wait_for("Request logging stops, ")
        assert sum("Request logging stops, " in line for line in server.output) == 1


def test_the_cache_on_a_full_disk(full: Path, heavy: Path) -> None:
    """A model is optimised all the same, and served."""
    flags = (f"--model_base_path={heavy}", *FLAGS, f"--optimize_cache_dir={full}", "--optimize_wait")
    with ServerProcess((*flags, "--model_name=healthy")) as server:
        with fault(server, y=7.0) as load:
            load.is_answered()
        said = [line for line in server.output if "is optimised" in line or "as it is saved" in line]
        assert said
        assert any(f"--optimize_cache_dir={full} cannot be writte" in line for line in server.output)
    assert not any(path.suffix == ".pb" and path.stat().st_size for path in full.rglob("*"))


def test_streams_on_a_full_device(config: str, base: Path) -> None:
    """Standard output and error of which every write fails."""
    if not os.path.exists("/dev/full"):  # noqa: PTH110 - a device
        pytest.skip("there is no /dev/full")
    ports = (free_port(), free_port())
    command = ("sh", "-c", 'exec "$@" >/dev/full 2>&1', "sh", sys.executable, "-m", "serving")
    flags = (config, *FLAGS, f"--port={ports[0]}", f"--rest_api_port={ports[1]}", "--access_log=json")
    with ServerProcess(flags, wait=False, command=command) as server:
        server.grpc_port, server.rest_port = ports
        wait_until("it is ready", lambda: is_ready(server))
        with fault(server), healthy(server, "m").running() as other:
            loaded_another(server, base)
        assert other.trouble == []
        server.terminate()
        assert server.wait() == 0
