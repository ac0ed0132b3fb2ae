"""The OpenAPI documents and programs nobody here wrote: validators, one that tries what they say, and a generator."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.codecs.openapi import schemas
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType
from tests.support.environments import environment, run
from tests.support.server_process import ServerProcess, write_model_config

VALIDATOR = ("openapi-spec-validator==0.9.0",)
SCHEMATHESIS = ("schemathesis==4.32.5",)
GENERATOR = ("openapi-python-client==0.29.1",)

MODELS = ("half_plus_two", "half_plus_three", "multi", "matrix", "strings", "classifier", "labels", "dtypes")
PATHS = {
    "server": "/openapi.json",
    **{name: f"/openapi/models/{name}.json" for name in MODELS},
    "version": "/openapi/models/half_plus_two/versions/123.json",
    "label": "/openapi/models/labels/labels/stable.json",
}


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of models of several kinds."""
    config = write_model_config(
        tmp_path_factory.mktemp("config") / "models.config",
        {name: models / name for name in MODELS},
        labels={"labels": {"stable": 1}},
    )
    flags = (f"--model_config_file={config}", "--allow_version_labels_for_unavailable_models")
    with ServerProcess(flags) as running:
        yield running


@pytest.fixture(scope="module")
def documents(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of the documents, ``{name}.json``."""
    directory = tmp_path_factory.mktemp("documents")
    for name, path in PATHS.items():
        status, body = server.rest("GET", path)
        assert status == 200, body
        (directory / f"{name}.json").write_bytes(body)
    return directory


VALIDATE = """
import json, sys
from pathlib import Path
from openapi_spec_validator import OpenAPIV31SpecValidator
for path in sorted(Path(sys.argv[1]).glob("*.json")):
    for error in OpenAPIV31SpecValidator(json.loads(path.read_text())).iter_errors():
        print(path.name, list(error.absolute_path), error.message[:300])
"""


def test_documents_are_valid(documents: Path) -> None:
    """By the specification of OpenAPI 3.1, as openapi-spec-validator reads it."""
    assert len(list(documents.iterdir())) == len(PATHS)
    assert run(environment(*VALIDATOR), VALIDATE, str(documents)) == ""


FIT = """
import json, sys
from jsonschema import Draft202012Validator
for what, schema, value, fits in json.loads(open(sys.argv[1]).read()):
    Draft202012Validator.check_schema(schema)
    if Draft202012Validator(schema).is_valid(value) is not fits:
        print(what, json.dumps(value)[:300], "fits" if not fits else "does not fit")
"""


def misfits(tmp_path: Path, cases: list[tuple[str, Any, Any, bool]]) -> str:
    """What a validator of JSON Schema says otherwise than the cases: name, schema, value, whether it fits."""
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases))
    return run(environment(*VALIDATOR), FIT, str(file))


def test_examples_and_answers_fit(server: ServerProcess, documents: Path, tmp_path: Path) -> None:
    """Each example fits the schema of requests, and what it is answered that of answers."""
    cases: list[tuple[str, Any, Any, bool]] = []
    for name in set(PATHS) - {"server"}:
        made = json.loads((documents / f"{name}.json").read_text())
        for path, item in made["paths"].items():
            if "post" not in item:
                continue
            content = item["post"]["requestBody"]["content"]["application/json"]
            answer = item["post"]["responses"]["200"]["content"]["application/json"]["schema"]
            for example in content.get("examples", {}).values():
                status, body = server.rest("POST", path, json.dumps(example["value"]))
                assert status == 200, body
                given = {"components": made["components"]}
                cases += [
                    (f"{path} request", {**content["schema"], **given}, example["value"], True),
                    (f"{path} answer", {**answer, **given}, json.loads(body), True),
                ]
    assert len(cases) > 100
    assert misfits(tmp_path, cases) == ""


SHAPES: list[tuple[tuple[int, ...] | None, list[Any], list[Any]]] = [
    ((), [1], [[1], []]),
    ((-1,), [[1], [1, 1]], [1, [], [[1]]]),
    ((2,), [[1, 1]], [[1], [1, 1, 1]]),
    ((-1, 2), [[[1, 1]], [[1, 1], [1, 1]]], [[[1]], [1, 1], [[1, 1, 1]]]),
    ((-1, -1, 1), [[[[1]]], [[[1], [1]]]], [[[1]], [[[1, 1]]]]),
    (None, [1, [1], [[[1]]]], [{"a": 1}]),
]
VALUES = {dtype: (0.5 if dtype in (DataType.FLOAT, DataType.DOUBLE) else 3) for dtype in schemas.CARRIED} | {
    DataType.BOOL: True,
    DataType.STRING: {"b64": "YQ=="},
}
OTHERS = {
    DataType.FLOAT: "1",
    DataType.BOOL: 1,
    DataType.STRING: {"b64": "YQ"},
    DataType.INT8: 128,
    DataType.UINT8: -1,
    DataType.INT64: 2**63,
}


def filled(shape: Any, value: Any) -> Any:
    """Nested lists with another value in place of 1."""
    return [filled(each, value) for each in shape] if isinstance(shape, list) else value if shape == 1 else shape


def test_schemas_say_types_and_shapes(tmp_path: Path) -> None:
    """What fits the declared type and shape fits the schema, and nothing else does."""
    cases: list[tuple[str, Any, Any, bool]] = []
    for dtype, value in VALUES.items():
        for shape, good, bad in SHAPES:
            info = {"x": TensorInfo(name="x:0", dtype=dtype, shape=shape)}
            components = {"components": {"schemas": {"Base64": schemas.BASE64}}}
            schema = {**schemas.columns_in(info, ()), **components}
            what = f"{dtype.word}{shape}"
            cases += [(what, schema, filled(each, value), True) for each in good]
            if not (shape is None and dtype is DataType.STRING):
                cases += [(what, schema, filled(each, value), False) for each in bad]
            if dtype in OTHERS and shape is not None:
                cases += [(what, schema, filled(good[0], OTHERS[dtype]), False)]
    assert misfits(tmp_path, cases) == ""


TRY = """
import os, sys
from schemathesis.cli import schemathesis
directory, address, *runs = sys.argv[1:]
os.chdir(directory)
for run in runs:
    path, *options = run.split()
    try:
        schemathesis.main(
            ["--config-file", "schemathesis.toml", "--no-color", "run", address + path, *options],
            standalone_mode=False,
        )
    except SystemExit as ended:
        assert not ended.code, (run, ended.code)
"""

SETTINGS = """
seed = 1
continue-on-failure = true
[generation]
max-examples = 4
deterministic = true
[phases.coverage]
unexpected-methods = []
[phases.stateful]
enabled = false
"""
"""TensorFlow Serving answers 400 and 501 where a method is unknown, so none of these is tried."""

REFUSED = "negative_data_rejection,unsupported_method"
"""TensorFlow Serving passes over unknown members and declared shapes, so what fits no schema may be answered."""
OPEN = f"--mode=positive --exclude-checks={REFUSED},positive_data_acceptance"
"""Sizes that have to agree, parsed bytes and a model's own conditions are in no schema."""
WRONG = "--mode=negative --checks=not_a_server_error,status_code_conformance,content_type_conformance"
"""What is wrong gets a status that the document has, in JSON, and never one of a server that failed."""

EXACT = f"--mode=positive --exclude-checks={REFUSED} --include-path-regex=/v1/"
"""Where sizes are known, all that fits is answered; below /v2/ there have to be as many values as the shape says."""

RUNS = (
    f"/openapi/models/half_plus_three.json {EXACT}",
    f"/openapi/models/matrix.json {EXACT}",
    f"/openapi/models/half_plus_two.json {OPEN}",
    f"/openapi/models/multi.json {OPEN}",
    f"/openapi/models/multi.json {WRONG}",
    f"/openapi.json {OPEN} --phases=examples,fuzzing --max-examples=2",
)


def test_what_documents_say_is_so(server: ServerProcess, tmp_path: Path) -> None:
    """schemathesis sends what fits a document, and what does not, and is answered as the document says."""
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    address = f"http://127.0.0.1:{server.rest_port}"
    said = run(environment(*SCHEMATHESIS), TRY, str(tmp_path), address, *RUNS, seconds=58)
    assert len(re.findall(r"(\d+) generated, \1 passed", said)) == len(RUNS), said[-3000:]


GENERATE = """
import os, subprocess, sys
from pathlib import Path
document, output = sys.argv[1:]
folder = Path(sys.executable).parent
environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
subprocess.run(
    [folder / "openapi-python-client", "generate", "--path", document, "--output-path", output, "--meta", "none",
     "--fail-on-warning"],
    check=True, env=environment,
)
"""

PREDICT = """
import sys
sys.path.insert(0, sys.argv[1])
from generated import Client, models
from generated.api.tensor_flow_serving import get_metadata, get_status, predict
client = Client(base_url=sys.argv[2])
rows = models.ServingDefaultRowsRequest(
    instances=[models.ServingDefaultRowsRequestInstancesItem(a=[1.0, 2.0], b=3)]
)
print(predict.sync(client=client, body=rows).predictions[0].to_dict())
columns = models.ScalarColumnsRequest(signature_name="scalar", inputs=[[1.0, 2.0], [3.0, 4.0]])
print(predict.sync(client=client, body=columns).outputs)
wrong = models.ScalarColumnsRequest(signature_name="scalar", inputs=[["x"]])
print(predict.sync(client=client, body=wrong).error)
print(get_status.sync(client=client).model_version_status[0].state)
print(get_metadata.sync(client=client).model_spec.version)
"""


def test_a_generated_client_predicts(server: ServerProcess, documents: Path, tmp_path: Path) -> None:
    """openapi-python-client makes one of a version's document without a warning; it has types for each signature."""
    python = environment(*GENERATOR)
    run(python, GENERATE, str(documents / "multi.json"), str(tmp_path / "generated"))
    said = run(python, PREDICT, str(tmp_path), f"http://127.0.0.1:{server.rest_port}")
    assert said.splitlines() == [
        "{'b2': 6, 'sum': [4.0, 5.0]}",
        "10.0",
        'JSON Value: "x" Type: String is not of expected type: float',
        "AVAILABLE",
        "1",
    ]
