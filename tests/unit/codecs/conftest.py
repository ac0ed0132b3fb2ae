"""Both roads on which a predict request is read."""

import pytest

from serving.codecs.json.request import read, read_exactly
from tests.support.json_requests import Reader


@pytest.fixture(params=[read, read_exactly], ids=["read", "exact-road"])
def reader(request: pytest.FixtureRequest) -> Reader:
    return request.param  # type: ignore[no-any-return]
