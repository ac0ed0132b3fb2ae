"""Triton's own Python client loads and unloads models, and reads the index; nobody here wrote it."""

import json
from pathlib import Path

from tests.support.environments import environment, run
from tests.support.server_process import ServerProcess

CLIENT = "tritonclient[http]==2.73.0"

SCRIPT = """
import asyncio, json, sys
import tritonclient.http as http
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException

url = sys.argv[1]
client = http.InferenceServerClient(url)


def index():
    return {entry["name"]: entry["state"] for entry in client.get_model_repository_index()}


def refused(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except InferenceServerException as error:
        return error.status(), error.message()
    return "nothing"


found = {"before": index()}
client.load_model("half_plus_three")
found["loaded"] = index()["half_plus_three"]
client.load_model("labels", config=json.dumps({"version_policy": {"specific": {"versions": [1, 2]}}}))
found["labels"] = [
    entry["version"] for entry in client.get_model_repository_index() if entry["name"] == "labels"
]
client.load_model("half_plus_three")
client.unload_model("half_plus_three", unload_dependents=True)
found["broken"] = refused(client.load_model, "broken")
found["none"] = refused(client.load_model, "none")
found["unknown"] = refused(client.unload_model, "none")
found["reason"] = [entry["reason"] for entry in client.get_model_repository_index() if entry["name"] == "broken"]


async def later():
    async with aio.InferenceServerClient(url) as client:
        await client.load_model("half_plus_three")
        found["later"] = {
            entry["name"]: entry["state"] for entry in await client.get_model_repository_index()
        }
        await client.unload_model("half_plus_three")


asyncio.run(later())
print(json.dumps(found))
"""

BESIDE = ("broken", "half_plus_three", "labels")


def test_models_come_and_go(models: Path, tmp_path: Path) -> None:
    """By its synchronous client and by that for asyncio; what fails is its exception, with the text."""
    for name in (*BESIDE, "half_plus_two"):
        (tmp_path / name).mkdir()
        for version in (models / name).iterdir():
            (tmp_path / name / version.name).symlink_to(version)
    flags = (f"--model_base_path={tmp_path / 'half_plus_two'}", "--model_name=half_plus_two")
    with ServerProcess(flags) as server:
        found = json.loads(run(environment(CLIENT), SCRIPT, f"127.0.0.1:{server.rest_port}"))
    assert found["before"] == {**dict.fromkeys(BESIDE, "UNAVAILABLE"), "half_plus_two": "READY"}
    assert found["loaded"] == "READY"
    assert found["labels"] == ["2", "1"]
    status, text = found["broken"]
    assert status == "400"
    assert text.startswith("Model broken did not become available: {name: broken version: 1} due to error: ")
    assert all(reason and reason in text for reason in found["reason"])
    assert found["none"][0] == "404"
    assert found["none"][1].startswith("Model none is not configured")
    assert found["unknown"] == ["404", "Model none is not loaded, nor to be"]
    assert found["later"]["half_plus_three"] == "READY"
