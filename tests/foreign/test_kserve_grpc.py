"""KServe's own Python client over gRPC."""

import json
from pathlib import Path

import pytest

from tests.foreign.test_kserve_client import CLIENT
from tests.support.environments import environment, run
from tests.support.server_process import ServerProcess, write_model_config

SCRIPT = """
import asyncio, json, sys
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest


def given(name, datatype, array, binary):
    made = InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


async def main():
    async with InferenceGRPCClient(sys.argv[1]) as client:
        found = {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "models ready": [await client.is_model_ready(name) for name in ("dtypes", "nobody")],
            "answers": [],
        }
        floats = np.arange(6, dtype=np.float32) / 7
        texts = np.array([b"one", "äöü".encode()], object)
        for binary in (True, False):
            asked = InferRequest("dtypes", [given("x", "FP32", floats, binary)], request_id="17")
            answer = await client.infer(asked)
            found["answers"].append([answer.id, np.array_equal(answer.outputs[0].as_numpy(), floats)])
        asked = InferRequest("strings", [given("s", "BYTES", texts, True)], parameters={"signature_name": "plain"})
        answer = await client.infer(asked)
        found["texts"] = [each.decode() for each in answer.outputs[0].as_numpy()]
        try:
            await client.infer(InferRequest("nobody", [given("x", "FP32", floats, True)]))
        except Exception as error:
            found["unknown"] = error.code().name
        print(json.dumps(found))


asyncio.run(main())
"""


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_kserve_client(transport: str, models: Path, tmp_path: Path) -> None:
    """Live, ready, tensors both ways in both forms, strings, an error."""
    python = environment(CLIENT)
    config = write_model_config(tmp_path / "models.config", {name: models / name for name in ("dtypes", "strings")})
    with ServerProcess((f"--model_config_file={config}", f"--grpc_transport={transport}")) as server:
        found = json.loads(run(python, SCRIPT, f"127.0.0.1:{server.grpc_port}").splitlines()[-1])
    assert found == {
        "live": True,
        "ready": True,
        "models ready": [True, False],
        "answers": [["17", True]] * 2,
        "texts": ["one", "äöü"],
        "unknown": "NOT_FOUND",
    }
