"""The rendered overlays, once for each module."""

import pytest

from tests.server.deploy.manifests import NEWEST, OLDEST, OVERLAYS, Rendered, overlays, read, render


@pytest.fixture(scope="session")
def rendered() -> dict[str, Rendered]:
    """Every overlay of deploy/kubernetes, by name."""
    return read({name: render(OVERLAYS / name) for name in overlays()}, OLDEST, NEWEST)
