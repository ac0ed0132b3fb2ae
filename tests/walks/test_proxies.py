"""Servers that start and end behind nginx and HAProxy with the settings of docs/operating.md: no request fails."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.server_process import wait_until
from tests.walks.proxied import Load, Pair, Proxy, written

PROXIES = [
    pytest.param(
        name,
        id=name,
        marks=pytest.mark.skipif(not shutil.which(name), reason=f"there is no {name} (Debian: {name})"),
    )
    for name in ("nginx", "haproxy")
]
TRANSPORTS = ["native", "grpcio"]

pytestmark = pytest.mark.timeout(120)


@contextmanager
def proxied(name: str, page: str, pair: Pair, directory: Path) -> Iterator[Proxy]:
    """A proxy that sends requests to the first server."""
    with Proxy(name, page, pair.ports, directory) as proxy:
        wait_until("the proxy has seen the first server", lambda: proxy.sees(0))
        yield proxy


def no_failures(load: Load, proxy: Proxy) -> None:
    assert not load.failures, f"{dict(load.failures)} of {dict(load.answers)}\n{proxy.log()[-3000:]}"


def start_beside(name: str, page: str, models: Path, tmp_path: Path, *flags: str) -> None:
    """One server answers while another one waits for its model, gets it, and answers too."""
    base = tmp_path / "base"
    with Pair(*flags) as pair:
        pair.start(0, models / "half_plus_three")
        with proxied(name, page, pair, tmp_path) as proxy, Load(proxy.ports) as load:
            load.more(100)
            second = pair.start(1, base, wait=False)
            second.wait_for("Could not find base path")
            load.more(300)
            assert not proxy.sees(1) or name == "nginx"
            shutil.copytree(models / "half_plus_three" / "1", tmp_path / "partial")
            base.mkdir()
            (tmp_path / "partial").rename(base / "1")
            second.wait_until_serving()
            wait_until("the proxy has seen it", lambda: proxy.sees(1))
            load.more(300)
        no_failures(load, proxy)


@pytest.mark.parametrize("name", PROXIES)
def test_server_that_starts(models: Path, tmp_path: Path, name: str) -> None:
    """No request fails while a second server loads its model, and none when it has."""
    start_beside(name, written(name), models, tmp_path)


@pytest.mark.parametrize("name", PROXIES[1:])
def test_server_that_starts_with_its_rest_port_open(models: Path, tmp_path: Path, name: str) -> None:
    """The same with --rest_api_open_early, where the proxy asks for health."""
    start_beside(name, written(name), models, tmp_path, "--rest_api_open_early")


@pytest.mark.parametrize("name", PROXIES[:1])
def test_server_that_starts_behind_nginx_as_it_comes(models: Path, tmp_path: Path, name: str) -> None:
    """Without any setting about failures nginx still tries the next server where a connection is refused."""
    page, removed = re.subn(r"^ *\w+_next_upstream .*\n| max_fails=0", "", written(name), flags=re.MULTILINE)
    assert removed == 6
    start_beside(name, page, models, tmp_path)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", PROXIES)
def test_roll(models: Path, tmp_path: Path, name: str, transport: str) -> None:
    """Each server in turn is told to end and is started again under load, and no request fails."""
    base = models / "half_plus_three"
    with Pair(f"--grpc_transport={transport}") as pair:
        for which in (0, 1):
            pair.start(which, base)
        with proxied(name, written(name), pair, tmp_path) as proxy, Load(proxy.ports) as load:
            for which in (0, 1):
                wait_until("the proxy has seen both", lambda: proxy.sees(0) and proxy.sees(1))
                load.more(100)
                assert pair.end(which) == 0
                load.more(100)
                pair.start(which, base)
            load.more(100)
        no_failures(load, proxy)
