"""Manifests as kubectl renders them, read and checked against Kubernetes' own schemas in an environment of its own."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.environments import environment, run
from tests.support.server_process import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
OVERLAYS = DEPLOY / "kubernetes" / "overlays"
VALIDATE = "kubernetes-validate==1.37.0"
OLDEST, NEWEST = "1.25", "1.37"
"""Versions of Kubernetes that the manifests are for."""

Manifest = dict[str, Any]

_SCRIPT = """
import json, sys
import kubernetes_validate, yaml

found = {}
for name, text in json.loads(sys.argv[1]).items():
    found[name] = {"manifests": [each for each in yaml.safe_load_all(text) if each], "errors": []}
    for manifest in found[name]["manifests"]:
        for version in sys.argv[2:]:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(map(str, error.path))
                found[name]["errors"].append(f"{version} {manifest['kind']} {path}: {error.message[:200]}")
            except kubernetes_validate.SchemaNotFoundError as error:
                found[name]["errors"].append(error.message)
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The manifests of one overlay. ``errors`` are those by Kubernetes' schemas, unknown fields included."""

    manifests: list[Manifest]
    errors: list[str]

    def all(self, kind: str) -> list[Manifest]:
        """Those of a kind."""
        return [manifest for manifest in self.manifests if manifest["kind"] == kind]

    def one(self, kind: str) -> Manifest:
        """The only one of a kind."""
        (found,) = self.all(kind)
        return found

    def pod(self) -> Manifest:
        """The specification of the pods."""
        pod: Manifest = self.one("Deployment")["spec"]["template"]["spec"]
        return pod

    def container(self) -> Manifest:
        """That of the server in them."""
        (container,) = self.pod()["containers"]
        return dict(container)


def read(texts: dict[str, str], *versions: str) -> dict[str, Rendered]:
    """YAML texts by name, checked against those versions of Kubernetes."""
    answer = json.loads(run(environment(VALIDATE), _SCRIPT, json.dumps(texts), *versions))
    return {name: Rendered(**found) for name, found in answer.items()}


def overlays() -> list[str]:
    """The names of the overlays."""
    return sorted(path.parent.name for path in OVERLAYS.glob("*/kustomization.yaml"))


def render(directory: Path) -> str:
    """What ``kubectl kustomize`` makes of a directory; skipped without kubectl."""
    if not (kubectl := shutil.which("kubectl")):
        pytest.skip("there is no kubectl (Debian: kubernetes-client)")
    done = subprocess.run(
        [kubectl, "kustomize", str(directory)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def texts(value: object) -> Iterator[str]:
    """All strings in a manifest."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)
