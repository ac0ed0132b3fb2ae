"""deploy/kubernetes: every overlay renders, has no error by Kubernetes' schemas, and its parts fit one another."""

import base64
import json
import re
from pathlib import Path

import pytest

from serving.settings import Settings
from tests.server.deploy.manifests import NEWEST, OVERLAYS, Manifest, Rendered, overlays, read, render, texts

RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}

EACH = pytest.mark.parametrize("name", overlays())


@EACH
def test_schemas(rendered: dict[str, Rendered], name: str) -> None:
    """No field is unknown, missing or of a wrong type, in the oldest and in the newest version of Kubernetes."""
    assert rendered[name].errors == []
    assert len(rendered[name].manifests) >= 5


def test_schemas_find_mistakes() -> None:
    """A field that there is not, a type, and a kind."""
    text = (OVERLAYS / "autoscaling" / "autoscaler.yaml").read_text()
    wrong = {
        "field": text.replace("minReplicas", "minimumReplicas"),
        "type": text.replace("maxReplicas: 12", "maxReplicas: many"),
        "kind": text.replace("autoscaling/v2", "autoscaling/v3"),
    }
    found = read({"right": text, **wrong}, NEWEST)
    assert {name: len(each.errors) > 0 for name, each in found.items()} == {"right": False} | dict.fromkeys(wrong, True)


@EACH
def test_names_that_manifests_have_for_one_another(rendered: dict[str, Rendered], name: str) -> None:
    """Selectors find the pods, references their objects, ports and volumes their names."""
    found = rendered[name]
    deployment, pod = found.one("Deployment"), found.pod()
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    disruption = found.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]
    spread = [each["labelSelector"]["matchLabels"] for each in pod["topologySpreadConstraints"]]
    services = [service["spec"]["selector"] for service in found.all("Service")]
    for selector in (deployment["spec"]["selector"]["matchLabels"], disruption, *spread, *services):
        assert selector
        assert selector.items() <= labels
    ports = {port["name"]: port["containerPort"] for port in found.container()["ports"]}
    targets = {(port["targetPort"], port["port"]) for each in found.all("Service") for port in each["spec"]["ports"]}
    assert targets == set(ports.items())
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    assert references(pod) <= {(each["kind"], each["metadata"]["name"]) for each in found.manifests}


def references(pod: Manifest) -> set[tuple[str, str]]:
    """The objects that a pod needs; one that may be absent is not needed."""
    needed = set()
    for volume in pod["volumes"]:
        if "configMap" in volume:
            needed.add(("ConfigMap", volume["configMap"]["name"]))
        if "secret" in volume:
            needed.add(("Secret", volume["secret"]["secretName"]))
        if "persistentVolumeClaim" in volume:
            needed.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        for source in container.get("envFrom", []):
            ((kind, reference),) = source.items()
            if not reference.get("optional"):
                needed.add(({"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind], reference["name"]))
    return needed


@EACH
def test_pods_have_no_rights(rendered: dict[str, Rendered], name: str) -> None:
    """What the profile "restricted" of Kubernetes' pod security standards asks for, a read-only root, and no token."""
    pod = rendered[name].pod()
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        assert container["securityContext"] == RESTRICTED
        assert container["resources"]["requests"]["cpu"]
        assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
    assert "hostPath" not in json.dumps(pod)


@EACH
def test_rollout_takes_nothing_away(rendered: dict[str, Rendered], name: str) -> None:
    """A new pod is ready before an old one goes; of a drained node one pod goes at a time, and others are left."""
    found = rendered[name]
    deployment = found.one("Deployment")["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    least = found.one("HorizontalPodAutoscaler")["spec"]["minReplicas"] if name == "autoscaling" else None
    assert deployment.get("replicas") == (3 if least is None else None)
    assert found.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert (least or deployment["replicas"]) > 1


def test_services(rendered: dict[str, Rendered]) -> None:
    """One has an address, for both APIs; the other has the addresses of the pods, for gRPC clients that balance."""
    services = {each["metadata"]["name"]: each["spec"] for each in rendered["pvc"].all("Service")}
    assert {name: spec.get("clusterIP") for name, spec in services.items()} == {"serving": None, "serving-grpc": "None"}
    assert [port["port"] for port in services["serving-grpc"]["ports"]] == [Settings().port]


def test_configuration_rolls_the_pods(tmp_path: Path) -> None:
    """Another models.config is another name of its ConfigMap, which the pods ask for."""
    copied = tmp_path / "kubernetes"
    for path in (OVERLAYS.parent).rglob("*"):
        if path.is_file():
            target = copied / path.relative_to(OVERLAYS.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    before = render(copied / "overlays" / "pvc")
    config = copied / "base" / "models.config"
    config.write_text(config.read_text().replace('name: "model"', 'name: "other"'))
    names = [set(re.findall(r"serving-config-\w+", text)) for text in (before, render(copied / "overlays" / "pvc"))]
    assert [len(each) for each in names] == [1, 1]
    assert names[0] != names[1]


def test_keys(rendered: dict[str, Rendered]) -> None:
    """The secret has a list that the server can read, at the path of the flag; its name stays when it changes."""
    found = rendered["keys"]
    secret = found.one("Secret")
    assert secret["metadata"]["name"] == "serving-keys"
    (entry,) = json.loads(base64.b64decode(secret["data"]["keys.json"]))
    assert entry["sha256"] == "0" * 64
    (path,) = (flag.split("=")[1] for flag in found.container()["args"] if flag.startswith("--api_keys_file="))
    (mount,) = (each["mountPath"] for each in found.container()["volumeMounts"] if each["name"] == "keys")
    assert path == f"{mount}/keys.json"


def test_images(rendered: dict[str, Rendered]) -> None:
    """Each has the tag that `make image` gives it, also that of the container which runs before."""
    tags = {"gpu": "gpu", "store": "cpu-stores"}
    for name, found in rendered.items():
        images = {text for text in texts(found.pod()) if text.startswith("tensorflow-serving-appliance")}
        assert images == {f"tensorflow-serving-appliance:{tags.get(name, 'cpu')}"}
