"""The page examples/operations/canary: labels choose the version, move to the new one, and move back."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.walks.walk import Walk

pytestmark = pytest.mark.timeout(300)

X = (1.0, 2.0, 5.0)
OLD, NEW = ([x / 2 + 2 for x in X], [x / 2 + 3 for x in X])


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with Walk("operations/canary", tmp_path_factory.mktemp("canary")) as walk:
        walk.run()
        yield walk


def asked(label: str, version: int, answer: list[float]) -> str:
    """The line that ask.py prints."""
    return f"{label}: version {version} answers {answer}\n"


def test_stable_is_version_1_at_first(walk: Walk) -> None:
    """Over gRPC and over REST the label of the file leads to version 1."""
    output = walk.output("labels/stable:predict")
    line, _, body = output.partition("\n")
    assert (line + "\n", json.loads(body)) == (asked("stable", 1, OLD), {"predictions": OLD})


def test_canary_beside_stable(walk: Walk) -> None:
    """While the canary is tried each label has its version, over gRPC and over REST."""
    output = walk.output("labels/canary:predict")
    answers, brace, body = output.partition("{")
    assert answers.endswith(
        "now stable is version 1, canary is version 2\n" + asked("stable", 1, OLD) + asked("canary", 2, NEW)
    )
    assert json.loads(brace + body) == {"predictions": NEW}


def test_promoted(walk: Walk) -> None:
    """After the label has moved stable is version 2."""
    assert walk.output("stable=2").endswith(asked("stable", 2, NEW))


def test_rolled_back(walk: Walk) -> None:
    """After the label has moved back stable is version 1, and no version was loaded for that."""
    assert walk.output("canary=2 stable=1").endswith(asked("stable", 1, OLD))
    assert sum("Successfully loaded servable version" in line for line in walk.server.output) == 2


def test_unknown_label(walk: Walk) -> None:
    """A label that was never given is refused, and ask.py says so, with the code."""
    output = walk.shell("! python examples/operations/canary/ask.py --server=localhost:8500 nightly")
    assert re.match(r"nightly: [A-Z_]+: Unrecognized servable version label: nightly", output)
