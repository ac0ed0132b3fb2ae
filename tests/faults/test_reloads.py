"""Hundreds of reloads, some of which cannot be put into effect, and versions that come and go without a pause."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import text_format

from serving.protos import ReloadConfigRequest
from tests.faults.conftest import LONG
from tests.faults.light_load import healthy
from tests.faults.under_load import FLAGS, fault
from tests.server.doors.clients import GrpcClient, RefusedError
from tests.support.server_process import ServerProcess

RELOADS = 500
CHURN_SECONDS = 120.0 if LONG else 8.0


@pytest.fixture(params=["native", "grpcio"] if LONG else ["native"])
def server(request: pytest.FixtureRequest, config: str) -> Iterator[ServerProcess]:
    """A server of both models."""
    flags = (f"--grpc_transport={request.param}", "--allow_version_labels_for_unavailable_models")
    with ServerProcess((config, *FLAGS, *flags)) as server:
        yield server


def entry(name: str, base: Path, more: str = "") -> str:
    return f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" {more} }}'


def request(*entries: str) -> bytes:
    text = f"config {{ model_config_list {{ {' '.join(entries)} }} }}"
    return bytes(text_format.Parse(text, ReloadConfigRequest()).SerializeToString())


def test_five_hundred_reloads(server: ServerProcess, models: Path, base: Path) -> None:
    """Good ones take effect, bad ones are refused and change nothing; calls for both models go on."""
    kept = (entry("healthy", models / "half_plus_three"), entry("m", base))
    labelled = entry("m", base, 'version_labels { key: "stable" value: 1 }')
    lists = {
        "OK": (kept, (kept[0], labelled), (*kept, entry("more", models / "half_plus_three"))),
        "INVALID_ARGUMENT": ((*kept, entry("m", base.parent)), (*kept, entry("relative", Path("base")))),
        "PERMISSION_DENIED": ((*kept, entry("etc", Path("/etc"))),),
    }
    order = [(code, entries) for code, choices in lists.items() for entries in choices]
    client = GrpcClient(server)
    client.call("ModelService/HandleReloadConfigRequest", request(*lists["OK"][2]))
    with fault(server), healthy(server, "m").running() as other:
        for number in range(RELOADS):
            expected, entries = order[number % len(order)]
            got = "OK"
            try:
                client.call("ModelService/HandleReloadConfigRequest", request(*entries))
            except RefusedError as error:
                got = error.code
            assert got == expected, (number, entries)
        client.call("ModelService/HandleReloadConfigRequest", request(*lists["OK"][2]))
    assert other.trouble == []
    client.close()


def test_version_churn(server: ServerProcess, base: Path) -> None:
    """A version comes and the one before goes, again and again: every call for the model is answered."""
    shutil.copytree(base / "1", base.parent / "template")
    end, version = time.monotonic() + CHURN_SECONDS, 1
    with fault(server), healthy(server, "m").running() as churned:
        while time.monotonic() < end:
            version += 1
            shutil.copytree(base.parent / "template", base.parent / "incoming", copy_function=os.link)
            (base.parent / "incoming").rename(base / str(version))
            server.wait_for(rf"Successfully loaded servable version \{{name: m version: {version}\}}")
            shutil.rmtree(base / str(version - 1))
        server.wait_for(rf"Done unloading servable version \{{name: m version: {version - 1}\}}")
    assert churned.trouble == []
    assert version > 3
    print(f"{version} versions")
