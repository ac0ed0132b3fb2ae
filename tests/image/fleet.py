"""Three containers of the image with addresses that they keep, and a proxy in front with a file of deploy/."""

import contextlib
import random
import re
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.image.containers import MOUNTED, ROOT, START_SECONDS, docker, http, wait_until
from tests.support.ports import HOST, free_port

ADDRESSES = ("10.0.0.11", "10.0.0.12", "10.0.0.13")
"""Of the three servers in the files of deploy/."""

NAMES = ("one", "two", "three")
"""Theirs in HAProxy's file."""

GRPC_PORT, REST_PORT = 8500, 8501

_STOP_SECONDS = 30
_NAME, _STATE, _RUNNING = 3, 5, "2"
"""In HAProxy's table of its servers: two columns, and the state of one that gets requests."""


class Fleet:
    """Three containers in a network of their own; each can be replaced by another one at the same address."""

    def __init__(self, image: str, models: Path, name: str, flags: Sequence[str]) -> None:
        self._image, self._models, self._model, self._flags = image, models, name, flags
        self._network = ""
        self._ids: list[str] = ["", "", ""]
        self.addresses: tuple[str, ...] = ()

    def _make_network(self) -> None:
        # A container gets an address of our choice only in a subnet of our choice, which may be taken.
        for _ in range(20):
            subnet = f"10.{random.randrange(100, 250)}.{random.randrange(256)}"
            name = f"serving-rolling-{subnet.replace('.', '-')}"
            with contextlib.suppress(AssertionError):
                docker("network", "create", f"--subnet={subnet}.0/24", name)
                self._network = name
                self.addresses = tuple(address.replace("10.0.0", subnet) for address in ADDRESSES)
                return
        raise AssertionError("no subnet is free")

    def start(self, which: int) -> None:
        """Start one, and wait until it is ready."""
        options = [
            f"--network={self._network}",
            f"--ip={self.addresses[which]}",
            f"--volume={self._models}:{MOUNTED}:ro",
        ]
        options += ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", f"--env=MODEL_NAME={self._model}"]
        self._ids[which] = docker("run", "--detach", *options, self._image, *self._flags).strip()
        wait_until(f"container {which} is ready", lambda: self._is_ready(which), START_SECONDS)

    def _is_ready(self, which: int) -> bool:
        try:
            return http(f"http://{self.addresses[which]}:{REST_PORT}/healthz/ready", timeout_seconds=5)[0] == 200
        except OSError:
            return False

    def stop(self, which: int) -> int:
        """``docker stop`` and removal; the exit status."""
        docker("stop", f"--time={_STOP_SECONDS}", self._ids[which])
        status = int(docker("inspect", "--format", "{{.State.ExitCode}}", self._ids[which]))
        docker("rm", self._ids[which])
        self._ids[which] = ""
        return status

    def __enter__(self) -> Self:
        self._make_network()
        try:
            for which in range(3):
                self.start(which)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for each in filter(None, self._ids):
            docker("rm", "--force", "--volumes", each, check=False)
        docker("network", "rm", self._network, check=False)


def placed(text: str, addresses: Sequence[str], ports: tuple[int, int]) -> str:
    """A file of deploy/ for servers at ``addresses`` and a proxy that listens at ``ports`` of this machine."""
    for there, here in zip(ADDRESSES, addresses, strict=True):
        text = text.replace(f"{there}:", f"{here}:")
    for port, here in zip((GRPC_PORT, REST_PORT), map(str, ports), strict=True):
        text = re.sub(rf"^(\s*(?:listen|bind) ):?{port}\b", rf"\g<1>{HOST}:{here}", text, flags=re.MULTILINE)
    return text


class RunningProxy:
    """HAProxy or nginx with its file. ``rest`` and ``grpc`` are where it listens."""

    def __init__(self, name: str, addresses: Sequence[str], directory: Path) -> None:
        ports = (free_port(), free_port())
        self.grpc, self.rest = (f"{HOST}:{port}" for port in ports)
        self._ports, self._log = ports, directory / "log"
        self._admin = directory / "admin" if name == "haproxy" else None
        file = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}[name]
        text = placed((ROOT / "deploy" / name / file).read_text(), addresses, ports)
        # What the programs take from their packages' directories, which tests leave alone.
        if name == "haproxy":
            text = text.replace("global\n", f"global\n    stats socket {self._admin}\n")
            command = ["haproxy", "-db", "-f"]
        else:
            kinds = ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
            lines = "".join(f"    {kind}_temp_path {directory}/{kind};\n" for kind in kinds)
            text = text.replace("http {\n", f"http {{\n    access_log off;\n{lines}")
            run = f"daemon off; master_process off; pid {directory}/pid;"
            command = ["nginx", "-p", str(directory), "-e", str(directory / "error"), "-g", run, "-c"]
        (directory / file).write_text(text)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([*command, str(directory / file)], stdout=log, stderr=subprocess.STDOUT)

    def sees(self, which: int) -> bool:
        """Whether it sends requests of both kinds to a server; always so for nginx, which asks nobody."""
        if self._admin is None:
            return True
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(10)
            admin.connect(str(self._admin))
            admin.sendall(b"show servers state\n")
            with admin.makefile("r") as answer:
                rows = [line.split() for line in answer]
        found = [row[_STATE] for row in rows if len(row) > _STATE and row[_NAME] == NAMES[which]]
        return found == [_RUNNING, _RUNNING]

    def _listens(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self._ports[1])) == 0

    def __enter__(self) -> Self:
        try:
            wait_until("the proxy listens", self._listens, 20)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)
