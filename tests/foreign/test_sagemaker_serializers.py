"""Bodies that the serializers of SageMaker's Python SDK make, and answers that its deserializers read.

They are loaded from their files: to import the SDK as a whole, all that it depends on would have to be installed, some
400 MB. Of the rest of it they use one class, for packages that are missing.
"""

import json
from pathlib import Path

import pytest

from tests.support.environments import environment, run
from tests.support.server_process import ServerProcess

REQUIREMENTS = (
    "sagemaker-core==2.27.0",
    "numpy==2.4.6",
    "pandas==3.1.1",
    "python-dateutil==2.9.0.post0",
    "six==1.17.0",
)

SCRIPT = """
import importlib.util, io, json, sys, types, urllib.request
from importlib.metadata import distribution

import numpy, pandas

class DeferredError:
    def __init__(self, error):
        self.error = error

for name in ("sagemaker", "sagemaker.core"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["sagemaker.core.common_utils"] = types.ModuleType("sagemaker.core.common_utils")
sys.modules["sagemaker.core.common_utils"].DeferredError = DeferredError

def load(name):
    path = distribution("sagemaker-core").locate_file(f"sagemaker/core/{name}/base.py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

serializers, deserializers = load("serializers"), load("deserializers")

def ask(serializer, data, deserializer):
    body = serializer.serialize(data)
    headers = {"Content-Type": serializer.CONTENT_TYPE, "Accept": ", ".join(deserializer.ACCEPT)}
    body = body if isinstance(body, bytes) else body.encode()
    request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}/invocations", body, headers)
    with urllib.request.urlopen(request) as response:
        found = deserializer.deserialize(response, response.headers["Content-Type"])
    return found.tolist() if isinstance(found, numpy.ndarray) else found

rows = [[1.0, 3.0], [2.0, 4.0]]
array = numpy.array(rows, numpy.float32)
into_json, into_array = deserializers.JSONDeserializer(), deserializers.NumpyDeserializer()
print(json.dumps({
    "CSV of lists": ask(serializers.CSVSerializer(), rows, into_json),
    "CSV of an array": ask(serializers.CSVSerializer(), array, into_json),
    "CSV of a frame": ask(serializers.CSVSerializer(), pandas.DataFrame(rows), into_json),
    "CSV of a row": ask(serializers.CSVSerializer(), rows[0], into_json),
    "CSV into an array": ask(serializers.CSVSerializer(), rows, into_array),
    "JSON of a list": ask(serializers.JSONSerializer(), rows, into_json),
    "JSON of an array": ask(serializers.JSONSerializer(), array, into_json),
    "JSON of a request": ask(serializers.JSONSerializer(), {"instances": rows}, into_json),
    "lines": ask(serializers.JSONLinesSerializer(), rows, into_json),
    "lines of objects": ask(serializers.JSONLinesSerializer(), [{"x": row} for row in rows], into_json),
    "lines into lines": ask(serializers.JSONLinesSerializer(), rows, deserializers.JSONLinesDeserializer()),
    "npy": ask(serializers.NumpySerializer(), array, into_array),
    "npy of lists": ask(serializers.NumpySerializer(dtype=numpy.float32), rows, into_json),
}))
"""


@pytest.fixture(scope="module")
def answers(models: Path) -> dict[str, object]:
    """What came of each body."""
    python = environment("--no-deps", *REQUIREMENTS)
    flags = ["--sagemaker", "--model_name=half", f"--model_base_path={models / 'half_plus_three'}"]
    with ServerProcess(flags) as server:
        return dict(json.loads(run(python, SCRIPT, str(server.rest_port))))


def test_every_serializer(answers: dict[str, object]) -> None:
    """Rows are answered as rows, one row as one, in the form that the deserializer accepts."""
    rows = [[3.5, 4.5], [4.0, 5.0]]
    expected: dict[str, object] = {name: {"predictions": rows} for name in answers}
    expected |= {
        "CSV of a row": {"predictions": rows[:1]},
        "CSV into an array": rows,
        "lines into lines": [{"predictions": rows}],
        "npy": rows,
    }
    assert answers == expected
    assert len(answers) == 13
