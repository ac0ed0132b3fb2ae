"""What stores and networks do on bad days, done to a server that serves: it goes on, and catches up afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.stores.clouds import S3
from tests.server.stores.faulty_proxy import Fault, FaultyProxy
from tests.server.stores.served import MODEL, Served
from tests.support.server_process import wait_until

FAULTS = [
    pytest.param(None, r"Cannot connect|Could not connect|gave no answer", id="down"),
    pytest.param(Fault(hang=True), r"it gave no answer within 4 s|Read timeout|Could not connect", id="no answer"),
    pytest.param(Fault(status=500), r"on purpose|gave no answer", id="500"),
    pytest.param(Fault(status=503), r"on purpose|gave no answer", id="503"),
    pytest.param(Fault(status=403), r"refuses these credentials|Forbidden|on purpose", id="no rights"),
    pytest.param(Fault(cut_after=6000), r"version \d+ was not fetched: ", id="cut"),
    pytest.param(Fault(bytes_per_second=2500), r"version \d+ was not fetched: .*(no answer|[Tt]imeout)", id="slow"),
    pytest.param(Fault(corrupt=True), r"did not come whole: its MD5 is not that of the store", id="wrong bytes"),
]


@pytest.fixture(scope="module")
def server(s3: S3, proxy: FaultyProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One that has served version 1 before anything went wrong."""
    s3.put_version("faults/half", 1, MODEL)
    with Served(
        s3.url("faults/half"), tmp_path_factory.mktemp("cache"), s3.environment(proxy.port), "--rest_api_num_threads=2"
    ) as running:
        yield running


@pytest.mark.parametrize(("fault", "told"), FAULTS)
def test_what_serves_goes_on(server: Served, s3: S3, proxy: FaultyProxy, fault: Fault | None, told: str) -> None:
    """While a new version is in the store the fault lasts: it is told, nothing changes; then the version is served."""
    before = server.available()
    lines = len(server.output)
    version = max(before) + 1
    if fault is None:
        proxy.go_down()
    else:
        proxy.break_with(fault)
    try:
        s3.put_version("faults/half", version, MODEL)
        wait_until("it is told", lambda: server.metric("store_failing") == 1)
        assert server.answers()
        assert server.available() == before
        assert server.rest("GET", "/healthz/ready", timeout=5)[0] == 200
    finally:
        if fault is None:
            proxy.come_back()
        else:
            proxy.mend()
    server.wait_for_versions(version)
    assert server.answers()
    said = "".join(server.output[lines:])
    assert "It is tried again, meanwhile version(s)" in said
    assert "Traceback" not in said
    server.wait_for(told)


def test_a_start_without_rights_waits_and_says_so(s3: S3, proxy: FaultyProxy, tmp_path: Path) -> None:
    """The start is not over, and what it waits for is said; given rights, it serves."""
    proxy.break_with(Fault(status=403))
    s3.put_version("rights/half", 1, MODEL)
    flags = "--rest_api_open_early"
    with Served(s3.url("rights/half"), tmp_path, s3.environment(proxy.port), flags, wait=False) as server:
        server.wait_for(r"Model half: s3://models/rights/half: .*nothing of it is in the cache")
        proxy.mend()
        server.wait_until_serving()
        assert server.answers()
