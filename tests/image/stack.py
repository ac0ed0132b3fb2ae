"""The stack of deploy/swarm.yaml on the engine's own swarm: deployed, changed, looked at, removed. No tests."""

import csv
import http.client
import io
import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from tests.image.containers import ROOT, docker, wait_until
from tests.support.ports import HOST, free_port

FILE = ROOT / "deploy" / "swarm.yaml"
SETTLED_SECONDS = 120.0
REPLICAS = 3

_METRICS = """
version: "3.8"
services:
  haproxy:
    ports:
      - {{target: 8404, published: {port}, protocol: tcp, mode: host}}
"""
"""Publishes what HAProxy knows; in the file itself it stays inside the stack's network."""

_SERVICE = "com.docker.swarm.service.name"
_BACKENDS = ("rest", "grpc")


class Stack:
    """One stack. ``settings`` are the variables of the file; a deployment may change some, which then last."""

    def __init__(self, name: str, directory: Path, settings: Mapping[str, str]) -> None:
        self.name = name
        self.service = f"{name}_serving"
        ports = [free_port() for _ in range(3)]
        self.grpc, self.rest, self._metrics = (f"{HOST}:{port}" for port in ports)
        self._more = directory / "metrics.yaml"
        self._more.write_text(_METRICS.format(port=ports[2]))
        self.settings = {"STACK": name, "GRPC_PORT": str(ports[0]), "REST_PORT": str(ports[1]), **settings}

    def deploy(self, **settings: str) -> None:
        """``docker stack deploy`` with these variables changed; returns at once."""
        self.settings.update(settings)
        # There is no registry that could say which image a tag is.
        files = [f"--compose-file={file}" for file in (FILE, self._more)]
        command = ["docker", "stack", "deploy", "--resolve-image=never", *files, self.name]
        environment = {**os.environ, **self.settings}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def scale(self, replicas: int) -> None:
        """``docker service scale``; returns at once."""
        docker("service", "scale", "--detach", f"{self.service}={replicas}")

    def containers(self) -> list[str]:
        """The ids of all containers of the servers that run, those that end included."""
        return docker("ps", "--quiet", "--no-trunc", "--filter", f"label={_SERVICE}={self.service}").split()

    def update_state(self) -> str:
        """Docker's word for the last update: completed, rollback_completed…; nothing without one."""
        return str(self._inspected("service", self.service)[0].get("UpdateStatus", {}).get("State", ""))

    def wait_settled(self, replicas: int = REPLICAS) -> None:
        """Wait until so many tasks run, all as the service is now, none besides, and the proxy sees them."""
        try:
            wait_until(f"{replicas} tasks as they ought to be", lambda: self._settled(replicas), SETTLED_SECONDS)
        except AssertionError as error:
            tasks = docker("stack", "ps", "--no-trunc", self.name)
            raise AssertionError(f"{error}\n{tasks}\n{self.logs()}") from error

    def _settled(self, replicas: int) -> bool:
        if len(self.containers()) != replicas:
            return False
        listed = docker("service", "ps", "--quiet", "--no-trunc", "--filter=desired-state=running", self.service)
        wanted = _said(self._inspected("service", self.service)[0]["Spec"]["TaskTemplate"])
        tasks = self._inspected("task", *listed.split())
        running = [task for task in tasks if task["Status"]["State"] == "running" and _said(task["Spec"]) == wanted]
        up = {backend: int(row["act"]) for backend, row in self.proxied().items()}
        return len(tasks) == len(running) == replicas and up == dict.fromkeys(_BACKENDS, replicas)

    def _inspected(self, kind: str, *names: str) -> Any:
        return json.loads(docker("inspect", f"--type={kind}", *names)) if names else []

    def proxied(self) -> dict[str, dict[str, str]]:
        """HAProxy's row of each backend as a whole; none while it does not answer."""
        return {row["# pxname"]: row for row in self._rows() if row["svname"] == "BACKEND"}

    def in_flight(self) -> int:
        """Requests that the servers have not answered yet, as HAProxy counts them."""
        return sum(int(row["scur"]) for row in self.proxied().values())

    def again(self) -> dict[str, int]:
        """How often HAProxy has sent a request again, to the same task or to another one, by backend."""
        return {backend: int(row["wretr"]) + int(row["wredis"]) for backend, row in self.proxied().items()}

    def _rows(self) -> list[dict[str, str]]:
        try:
            _, text = _asked(self._metrics, "GET", "/stats;csv")
        except (OSError, http.client.HTTPException):
            return []
        return [row for row in csv.DictReader(io.StringIO(text)) if row["# pxname"] in _BACKENDS]

    def asked(self, path: str, key: str, body: Any = None) -> tuple[int, str]:
        """One request with an API key through the proxy, a POST if there is a body: status and text."""
        data = None if body is None else json.dumps(body)
        return _asked(self.rest, "POST" if data else "GET", path, data, {"x-api-key": key})

    def logs(self) -> str:
        """The last lines of all services."""
        services = (self.service, f"{self.name}_haproxy")
        return "".join(docker("service", "logs", "--tail=40", service, check=False) for service in services)

    def __enter__(self) -> Self:
        try:
            self.deploy()
            self.wait_settled()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        docker("stack", "rm", self.name, check=False)
        own = f"label=com.docker.stack.namespace={self.name}"
        wait_until("the stack is gone", lambda: not docker("ps", "--all", "--quiet", "--filter", own).split(), 120)


def write_models_config(path: Path, **base_paths: str) -> None:
    """A model configuration: name and base path of each model."""
    models = (
        f'  config {{ name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" }}\n'
        for name, base_path in base_paths.items()
    )
    path.write_text("model_config_list {\n" + "".join(models) + "}\n")


def _said(specification: Any) -> dict[str, Any]:
    """How containers ought to be, without what is empty, which Docker writes or leaves out."""
    return {name: value for name, value in specification["ContainerSpec"].items() if value}


def _asked(
    address: str, method: str, path: str, body: str | None = None, headers: Mapping[str, str] = MappingProxyType({})
) -> tuple[int, str]:
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read().decode()
