"""nginx and HAProxy with the configurations of docs/operating.md, two servers behind each, and clients in front."""

import http.client
import json
import re
import socket
import struct
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import grpc
import numpy as np

from tests.server.doors.clients import Target, predict_request
from tests.support.frames import PREDICT
from tests.support.pages import DOCS
from tests.support.ports import HOST, free_port
from tests.support.server_process import ServerProcess, wait_until

ADDRESSES = ("10.0.0.11", "10.0.0.12")
"""Of the two servers on the page."""

GRPC_PORT, REST_PORT = "8500", "8501"
"""There, of each server and of the proxy."""

_PAUSE_SECONDS = 0.004
"""Between two requests of a client: the machine has other things to do, starting servers among them."""

_LISTENS = re.compile(rf"^(\s*(?:listen|bind) ):?({GRPC_PORT}|{REST_PORT})\b")
_NAME, _STATE, _RUNNING = 3, 5, "2"
"""In HAProxy's table of its servers: two columns, and the state of one that gets requests."""

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

_NGINX = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
{page}
}}
"""
_HAPROXY = """
global
    stats socket {admin}
{page}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The two ports of a server, or of the proxy."""

    grpc: int = field(default_factory=free_port)
    rest: int = field(default_factory=free_port)

    def put(self, line: str, address: str = HOST) -> str:
        """A line of the page, with these in place of its ports."""
        line = line.replace(f"{address}:{GRPC_PORT}", f"{HOST}:{self.grpc}")
        line = line.replace(f"{address}:{REST_PORT}", f"{HOST}:{self.rest}")
        return line.replace(f" port {REST_PORT} ", f" port {self.rest} ")


def written(language: str) -> str:
    """The one block of docs/operating.md in a language."""
    (block,) = (match[2] for match in _FENCE.finditer((DOCS / "operating.md").read_text()) if match[1] == language)
    return block


def placed(page: str, proxy: Ports, servers: Sequence[Ports]) -> str:
    """A configuration of the page for servers that are elsewhere."""
    lines = []
    for line in page.splitlines():
        for address, ports in zip(ADDRESSES, servers, strict=True):
            if address in line:
                line = ports.put(line, address)
        lines.append(_LISTENS.sub(lambda found: proxy.put(f"{found[1]}{HOST}:{found[2]}"), line))
    return "\n".join(lines) + "\n"


class Proxy:
    """A running proxy. ``sees`` says whether it takes a server for one that answers, by the server's position."""

    def __init__(self, name: str, page: str, servers: Sequence[Ports], directory: Path) -> None:
        self.ports = Ports()
        self._admin = (HOST, free_port()) if name == "haproxy" else None
        self._logs = (directory / "output", directory / "error.log")
        frame, command = {
            "nginx": (_NGINX, ["nginx", "-p", str(directory), "-e", str(directory / "error.log"), "-c"]),
            "haproxy": (_HAPROXY, ["haproxy", "-db", "-f"]),
        }[name]
        config = directory / f"{name}.conf"
        admin = "{}:{}".format(*self._admin) if self._admin else ""
        config.write_text(frame.format(directory=directory, admin=admin, page=placed(page, self.ports, servers)))
        with self._logs[0].open("wb") as output:
            self.process = subprocess.Popen([*command, str(config)], stdout=output, stderr=subprocess.STDOUT)

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.ports.rest)) == 0

    def sees(self, server: int) -> bool:
        """Whether it sends requests of both kinds to a server; always so for nginx, which asks nobody."""
        if self._admin is None:
            return True
        with socket.create_connection(self._admin, 10) as admin:
            admin.sendall(b"show servers state\n")
            with admin.makefile("r") as answer:
                rows = [line.split() for line in answer]
        name = ("one", "two")[server]
        return [row[_STATE] for row in rows if len(row) > _STATE and row[_NAME] == name] == [_RUNNING, _RUNNING]

    def log(self) -> str:
        """What it has to say."""
        return "".join(file.read_text() for file in self._logs if file.exists())

    def __enter__(self) -> Self:
        try:
            wait_until("the proxy listens", self._listens, 20)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)


class Load:
    """Clients of the proxy that go on asking, on connections that they keep. ``failures`` counts what went wrong."""

    def __init__(self, proxy: Ports, *, rest: int = 4, grpc: int = 4, pause_seconds: float = _PAUSE_SECONDS) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._proxy = proxy
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        ask = [self._rest] * rest + [self._grpc] * grpc
        self._threads = [threading.Thread(target=each, daemon=True) for each in ask]

    def _rest(self) -> None:
        connection = http.client.HTTPConnection(HOST, self._proxy.rest, timeout=30)
        body = json.dumps({"instances": [1.0]})

        def once() -> None:
            connection.request("POST", "/v1/models/default:predict", body)
            response = connection.getresponse()
            text = response.read()
            if response.status != 200 or json.loads(text) != {"predictions": [3.5]}:
                raise ValueError(f"{response.status} {text[:100]!r}")

        self._repeat("REST", once, connection.close)
        connection.close()

    def _grpc(self) -> None:
        options = (("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1))
        payload = predict_request(Target(model="default"), {"x": np.ones(1, np.float32)})
        with grpc.insecure_channel(f"{HOST}:{self._proxy.grpc}", options) as channel:
            predict = channel.unary_unary(PREDICT)

            def once() -> None:
                try:
                    answer = predict(payload, timeout=30)
                except grpc.RpcError as error:
                    raise ValueError(f"{error.code().name} {error.details()}") from None
                if struct.pack("<f", 3.5) not in answer:
                    raise ValueError(repr(answer))

            self._repeat("gRPC", once, lambda: None)

    def _repeat(self, kind: str, once: Callable[[], None], failed: Callable[[], None]) -> None:
        while not self._stop.wait(self._pause_seconds):
            try:
                once()
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures[f"{kind}: {type(error).__name__}: {error}"] += 1
                failed()
            else:
                self.answers[kind] += 1

    def more(self, number: int) -> None:
        """Wait until each kind of client has got so many more answers, or as many failures."""
        wanted = {kind: self.answers[kind] + number for kind in ("REST", "gRPC")}
        wait_until(
            f"{number} more answers",
            lambda: bool(self.failures) or all(self.answers[kind] >= count for kind, count in wanted.items()),
        )

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


class Pair:
    """Two servers with ports that they keep when they are started again."""

    def __init__(self, *flags: str) -> None:
        self.ports = (Ports(), Ports())
        self._flags = flags
        self.running: dict[int, ServerProcess] = {}

    def start(self, which: int, base_path: Path, *, wait: bool = True) -> ServerProcess:
        """Start one, which has its models below ``base_path``."""
        ports = self.ports[which]
        flags = (f"--port={ports.grpc}", f"--rest_api_port={ports.rest}", f"--model_base_path={base_path}")
        server = self.running[which] = ServerProcess([*flags, *self._flags], wait=wait)
        return server

    def end(self, which: int) -> int:
        """SIGTERM, and the exit status."""
        server = self.running.pop(which)
        server.terminate()
        return server.wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.running.values():
            server.stop()
