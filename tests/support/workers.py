"""Which tests run on the same worker of pytest-xdist: those for which one server is started."""

from functools import cache
from pathlib import PurePath

from xdist.scheduler import LoadScopeScheduling


class Together(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Hands out all tests of a scope to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def scope(nodeid: str) -> str:
    """The profile of a recording, the folder of a test of the server, the file of any other."""
    path, _, test = nodeid.partition("::")
    folder = PurePath(path).parent
    if folder.match("tests/parity"):
        return _profiles().get(test.partition("[")[2].removesuffix("]"), path)
    return str(folder) if folder.match("tests/server/*") else path


@cache
def _profiles() -> dict[str, str]:
    """The profile of each recording, by its id."""
    from tests.parity import replay  # here, for it is slow to import and most runs are without recordings

    return {case["id"]: case["profile"]["name"] for case in replay.load()}
