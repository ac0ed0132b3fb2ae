"""The two files for Docker Swarm: their flags exist, their times fit, and they say the same of the servers."""

import re
from pathlib import Path

import pytest

from serving.settings import FLAGS
from tests.support.pages import ROOT

BEHIND_PROXY, MESH = (ROOT / "deploy" / name for name in ("swarm.yaml", "swarm-mesh.yaml"))
FILES = [pytest.param(file, id=file.name) for file in (BEHIND_PROXY, MESH)]


def service(file: Path, name: str = "serving") -> list[str]:
    """The lines of a service, without those that are comments."""
    found = re.search(rf"^  {name}:\n((?:    .*\n|\n)+)", file.read_text(), re.MULTILINE)
    assert found
    return [line for line in found[1].splitlines() if line.strip() and not line.lstrip().startswith("#")]


def number(text: str, pattern: str) -> float:
    """The number that a pattern finds."""
    found = re.search(pattern, text)
    assert found, pattern
    return float(found[1])


@pytest.mark.parametrize("file", FILES)
def test_flags_exist(file: Path) -> None:
    """Each flag that the servers are given is one of theirs."""
    given = set(re.findall(r"^ +- --(\w+)", "\n".join(service(file)), re.MULTILINE))
    assert len(given) > 3
    assert given <= {flag.name for flag in FLAGS}


@pytest.mark.parametrize("file", FILES)
def test_docker_waits_longer_than_the_server(file: Path) -> None:
    """A drain is over, models unloaded, before Docker kills; and lasts longer than the delay that is part of it."""
    text = "\n".join(service(file))
    grace = number(text, r"--drain_grace_seconds=\$\{GRACE_SECONDS:-(\d+)\}")
    assert number(text, r"stop_grace_period: (\d+)s") >= grace + 5
    assert number(text, r"--drain_delay_seconds=(\d+)") < grace


def test_proxy_sees_a_drain_in_time() -> None:
    """HAProxy gives a server up by its checks while that still takes connections."""
    config = (ROOT / "deploy" / "swarm" / "haproxy.cfg").read_text()
    intervals = re.findall(r"default-server .*\binter (\d+)ms fall (\d+)", config)
    assert len(intervals) == 2
    delay = number("\n".join(service(BEHIND_PROXY)), r"--drain_delay_seconds=(\d+)")
    assert all(int(milliseconds) * int(fall) / 1000 < delay for milliseconds, fall in intervals)


def test_files_differ_in_how_requests_come() -> None:
    """The mesh has ports and a virtual address; all else is the same, for only one of the files is run."""
    proxied, mesh = set(service(BEHIND_PROXY)), set(service(MESH))
    assert {line.strip().split()[0] for line in mesh - proxied} == {"ports:", "-", "endpoint_mode:"}
    assert proxied - mesh == {"      endpoint_mode: dnsrr"}
