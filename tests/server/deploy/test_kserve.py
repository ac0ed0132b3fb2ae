"""deploy/kserve by the classes of KServe's own package, and by what the server is."""

import json
from typing import Any

import pytest

from serving.settings import FLAGS, parse
from tests.server.deploy.manifests import DEPLOY, NEWEST, OLDEST, Manifest, read
from tests.support.environments import environment, run

FILES = sorted((DEPLOY / "kserve").glob("*.yaml"))
KSERVE = "kserve==0.21.0"

SCRIPT = """
import json, sys
import kserve.models

CLASSES = {"ClusterServingRuntime": "V1alpha1ClusterServingRuntime", "InferenceService": "V1beta1InferenceService"}
PLAIN = {"str": str, "int": int, "bool": bool, "object": object}


def made(kind, value, path):
    # What KServe's own client does no more: the one of Kubernetes that it has is of another generator by now.
    if kind.startswith("list["):
        return [made(kind[5:-1], each, path) for each in value]
    if kind.startswith("dict(str, "):
        return {name: made(kind[10:-1], each, f"{path}.{name}") for name, each in value.items()}
    if kind in PLAIN:
        if not isinstance(value, PLAIN[kind]):
            raise ValueError(f"{path} is no {kind}")
        return value
    if (cls := getattr(kserve.models, kind, None)) is None:
        return value  # a class of Kubernetes
    names = {there: here for here, there in cls.attribute_map.items()}
    if unknown := sorted(value.keys() - names.keys()):
        raise ValueError(f"{path} has unknown fields: {unknown}")
    fields = {names[name]: (cls.openapi_types[names[name]], each) for name, each in value.items() if each is not None}
    return cls(**{name: made(*field, f"{path}.{name}") for name, field in fields.items()})


errors = []
for manifest in json.loads(sys.argv[1]):
    try:
        made(CLASSES[manifest["kind"]], manifest, manifest["kind"])
    except ValueError as error:
        errors.append(str(error))
    else:
        errors.append("")
print(json.dumps(errors))
"""


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    """All of them."""
    found = read({path.name: path.read_text() for path in FILES})
    return [manifest for each in found.values() for manifest in each.manifests]


@pytest.fixture(scope="module")
def runtimes(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The specifications of the runtimes by name."""
    return {each["metadata"]["name"]: each["spec"] for each in manifests if each["kind"] == "ClusterServingRuntime"}


def test_classes_take_them(manifests: list[Manifest]) -> None:
    """No field is unknown or missing; both would be found."""
    assert {each["kind"] for each in manifests} == {"ClusterServingRuntime", "InferenceService"}
    runtime = next(each for each in manifests if each["kind"] == "ClusterServingRuntime")
    wrong: list[dict[str, Any]] = [{"protocols": ["v1"]}, {"containers": None}, {"protocolVersions": [1]}]
    changed = [{**runtime, "spec": {**runtime["spec"], **change}} for change in wrong]
    answer = run(environment(KSERVE), SCRIPT, json.dumps([*manifests, *changed]))
    *errors, unknown, missing, type_error = json.loads(answer.splitlines()[-1])
    assert errors == [""] * len(manifests)
    assert unknown == "ClusterServingRuntime.spec has unknown fields: ['protocols']"
    assert "`containers`, must not be `None`" in missing
    assert type_error == "ClusterServingRuntime.spec.protocol_versions is no str"


def test_containers_by_the_schemas_of_kubernetes(runtimes: dict[str, Manifest]) -> None:
    """A pod of each runtime's containers has no error either, and no rights."""
    pods = {
        name: json.dumps(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": spec["containers"]}}
        )
        for name, spec in runtimes.items()
    }
    assert [each.errors for each in read(pods, OLDEST, NEWEST).values()] == [[]] * len(runtimes)
    for spec in runtimes.values():
        context = spec["containers"][0]["securityContext"]
        assert (context["runAsNonRoot"], context["capabilities"]) == (True, {"drop": ["ALL"]})


def test_server_understands_their_arguments(runtimes: dict[str, Manifest]) -> None:
    """All flags are its own; ports, directory and metrics are where KServe looks for them."""
    for spec in runtimes.values():
        (container,) = spec["containers"]
        line = parse(container["args"], 2)
        assert line.unknown == ()
        assert {flag.split("=")[0].removeprefix("--") for flag in container["args"]} <= {flag.name for flag in FLAGS}
        settings = line.settings
        assert (settings.port, settings.rest_api_port, settings.model_base_path) == (9000, 8080, "/mnt/models")
        assert (settings.model_name, settings.rest_api_timeout_in_ms) == ("{{.Name}}", 60000)
        assert not settings.rest_api_open_early  # KServe's probe is a connection
        assert spec["annotations"] == {"prometheus.kserve.io/port": "8080", "prometheus.kserve.io/path": "/metrics"}


def test_services_ask_for_what_a_runtime_has(manifests: list[Manifest], runtimes: dict[str, Manifest]) -> None:
    """Each example's format and protocol are those of its runtime; one protocol is each of v1, v2 and gRPC."""
    asked = set()
    for manifest in (each for each in manifests if each["kind"] == "InferenceService"):
        model = manifest["spec"]["predictor"]["model"]
        spec = runtimes[model.get("runtime", "kserve-tensorflow-serving")]
        protocol = model.get("protocolVersion", "v1")
        assert protocol in spec["protocolVersions"]
        assert model["modelFormat"]["name"] in {each["name"] for each in spec["supportedModelFormats"]}
        ports = [port["containerPort"] for port in model.get("ports", [])]
        assert ports == ([9000] if protocol == "grpc-v2" else [])
        asked.add(protocol)
    assert asked == {"v1", "v2", "grpc-v2"}
