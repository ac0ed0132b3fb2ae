"""The stores' processes, each started once for the tests of a file."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.server.stores.clouds import CLOUDS, S3, Cloud
from tests.server.stores.faulty_proxy import FaultyProxy


@pytest.fixture(scope="module", params=CLOUDS)
def cloud(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Each of the three."""
    with closing(CLOUDS[request.param](tmp_path_factory.mktemp(request.param))) as running:
        yield running


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """S3's alone."""
    with closing(S3(tmp_path_factory.mktemp("s3"))) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(s3: S3) -> Iterator[FaultyProxy]:
    """What stands in front of S3's."""
    with closing(FaultyProxy(s3.port)) as running:
        yield running
