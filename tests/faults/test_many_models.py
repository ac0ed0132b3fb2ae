"""Two hundred models, hard links to one: they are loaded and unloaded under load."""

import os
import shutil
from pathlib import Path

from tests.faults.test_reloads import entry, request
from tests.faults.under_load import fault
from tests.server.doors.clients import GrpcClient, Target, floats
from tests.support.server_process import ServerProcess

MODELS = 200
MEBI = 1.5 * MODELS
"""What allocators keep of so many sessions: a tenth of what each takes while it is loaded."""


def test_two_hundred_models_come_and_go(server: ServerProcess, models: Path, base: Path) -> None:
    """By one reload each; every one of them answers."""
    names = [f"m{number}" for number in range(MODELS)]
    for name in names:
        shutil.copytree(base / "1", base.parent / "many" / name / "1", copy_function=os.link)
    kept = (entry("healthy", models / "half_plus_three"), entry("m", base))
    client = GrpcClient(server)
    with fault(server, mebi=round(MEBI)):
        many = [entry(name, base.parent / "many" / name) for name in names]
        client.call("ModelService/HandleReloadConfigRequest", request(*kept, *many), 120.0)
        for name in names:
            assert client.predict(Target(model=name), {"x": floats(2)})["y"].tolist() == [4]
        client.call("ModelService/HandleReloadConfigRequest", request(*kept), 120.0)
        server.wait_for(r"Done unloading servable version \{name: m199 version: 1\}")
    client.close()
