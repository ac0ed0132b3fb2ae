"""KServe's own Python client over REST, in both versions of its protocol."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.environments import environment, run
from tests.support.server_process import ServerProcess, write_model_config

CLIENT = "kserve==0.21.0"

SCRIPT = """
import asyncio, json, sys
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig


def given(name, datatype, array, binary):
    made = InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


async def main():
    url = sys.argv[1]
    second = InferenceRESTClient(RESTConfig(protocol="v2"))
    found = {
        "live": await second.is_server_live(url),
        "ready": await second.is_server_ready(url),
        "models ready": [await second.is_model_ready(url, name) for name in ("dtypes", "nobody")],
    }
    floats = np.arange(6, dtype=np.float32) / 7
    half = np.array([1.5, -2], np.float16)
    texts = np.array([b"one", "äöü".encode()], object)
    for binary in (True, False):
        asked = InferRequest("dtypes", [given("x", "FP32", floats, binary)], request_id="17")
        answer = await second.infer(url, asked, model_name="dtypes")
        assert answer.id == "17" and np.array_equal(answer.outputs[0].as_numpy(), floats)
        more = {"signature_name": "plain"}
        asked = InferRequest("strings", [given("s", "BYTES", texts, binary)], parameters=more)
        answer = await second.infer(url, asked, model_name="strings")
        assert [str(text) for text in answer.outputs[0].as_numpy()] == ["one", "äöü"], answer.outputs[0].as_numpy()
    more = {"signature_name": "half", "binary_data_output": True}
    asked = InferRequest("dtypes", [given("x", "FP16", half, True)], parameters=more)
    answer = await second.infer(url, asked, model_name="dtypes")
    assert np.array_equal(answer.outputs[0].as_numpy(), half)
    try:
        await second.infer(url, InferRequest("nobody", [given("x", "FP32", floats, True)]), model_name="nobody")
    except Exception as error:
        found["unknown"] = str(error)
    first = InferenceRESTClient(RESTConfig(protocol="v1"))
    found["predictions"] = await first.infer(url, {"instances": [1.0, 2.0]}, model_name="dtypes")
    print(json.dumps(found))


asyncio.run(main())
"""


@pytest.fixture(scope="module")
def address(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server has two models that copy their inputs."""
    config = write_model_config(
        tmp_path_factory.mktemp("config") / "models.config", {name: models / name for name in ("dtypes", "strings")}
    )
    with ServerProcess((f"--model_config_file={config}",)) as running:
        yield f"http://localhost:{running.rest_port}"


def test_both_versions(address: str) -> None:
    """Tensors in JSON and as bytes come back as they were sent; errors have their text."""
    found = json.loads(run(environment(CLIENT), SCRIPT, address).splitlines()[-1])
    assert (found["live"], found["ready"], found["models ready"]) == (True, True, [True, False])
    assert "Servable not found for request: Latest(nobody), '404 Not Found'" in found["unknown"]
    assert found["predictions"] == {"predictions": [1.0, 2.0]}
