"""The curl calls of half plus two and half plus three, as written: against what the pages say, and arithmetic."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.server_process import REPOSITORY
from tests.walks.walk import EXAMPLES, Walk

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]

DOCUMENTED = (
    "curl http://localhost:8501/v1/models/half_plus_three",
    """curl -d '{"instances": [1.0, 2.0, 5.0]}' -X POST http://localhost:8501/v1/models/half_plus_two:predict""",
    """curl -d '{"instances": [1.0,2.0,5.0]}' -X POST http://localhost:8501/v1/models/half_plus_three:predict""",
    """curl -d '{"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}, {"x": 2.0}]}' \\
  -X POST http://localhost:8501/v1/models/half_plus_three:regress""",
    """curl -i -d '{"instances": [1.0,5.0]}' -X POST http://localhost:8501/v1/models/half:predict""",
)
"""The calls of TensorFlow Serving's documentation, its pages on REST and on Docker."""

ADDED = {"two": 2.0, "three": 3.0}

_BLOCK = re.compile(r"^```sh\n(curl .*?)^```$(?:\n+```(text|json)\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
_INFERENCE = re.compile(r"/v1/models/half_plus_(two|three)(?:/versions/\d+)?:(predict|regress|classify)\b")
_DATE = re.compile(r"^Date: .*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command as it is written, and the block that says what it prints: its kind and its text, if there is one."""

    command: str
    kind: str
    printed: str

    def __str__(self) -> str:
        return " ".join(self.command.replace("\\\n", " ").split())


def calls(page: Path) -> list[Call]:
    """The curl calls of a page, each a block of its own or one of several in a block."""
    found = []
    for block, kind, printed in _BLOCK.findall(page.read_text()):
        commands = re.findall(r"^curl (?:.*\\\n)*.*$", block, re.MULTILINE)
        found += [Call(command=each, kind=kind if len(commands) == 1 else "", printed=printed) for each in commands]
    return found


PAGE = calls(EXAMPLES / "half_plus" / "README.md")
FRONT_PAGE = [call for call in calls(REPOSITORY / "README.md") if _INFERENCE.search(call.command)]
COMPUTED = [call for call in PAGE if _INFERENCE.search(call.command) and '"error"' not in call.printed]


def computed(call: Call) -> dict[str, Any]:
    """What the model must answer to the command's body, worked out here."""
    target = _INFERENCE.search(call.command)
    assert target is not None
    words = shlex.split(call.command)
    body = json.loads(words[words.index("-d") + 1])

    def half_plus(x: float) -> float:
        return x / 2 + ADDED[target[1]]

    if target[2] == "predict":
        key, values = ("predictions", body["instances"]) if "instances" in body else ("outputs", body["inputs"])
        flat = values["x"] if isinstance(values, dict) else [v["x"] if isinstance(v, dict) else v for v in values]
        return {key: [half_plus(x) for x in flat]}
    results = [half_plus(example["x"]) for example in body["examples"]]
    return {"results": results if target[2] == "regress" else [[["", score]] for score in results]}


class Curl:
    """Runs curl's commands as they are written; where they say localhost:8501, curl connects to the server."""

    def __init__(self, home: Path, rest_port: int) -> None:
        (home / ".curlrc").write_text(f'connect-to = "localhost:8501:127.0.0.1:{rest_port}"\nnoproxy = "*"\n')
        self._environment = {**os.environ, "CURL_HOME": str(home)}

    def __call__(self, call: Call) -> str:
        """What the command prints, without what curl tells of its progress."""
        done = subprocess.run(
            ["bash", "-c", call.command], env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def curl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Curl]:
    """The page was walked through, and its server is up."""
    with Walk("half_plus", tmp_path_factory.mktemp("half_plus")) as walk:
        walk.run()
        yield Curl(tmp_path_factory.mktemp("home"), walk.server.rest_port)


def test_documentations_calls_are_on_the_page() -> None:
    """Each call of TensorFlow Serving's documentation is on the page, word for word."""
    on_page = [shlex.split(call.command) for call in PAGE]
    assert [command for command in DOCUMENTED if shlex.split(command) not in on_page] == []


def test_page_says_what_each_call_prints() -> None:
    """No call of the page is without a block that says what is printed."""
    assert [call.command for call in PAGE if not call.printed] == []


def test_front_page_has_a_call() -> None:
    """The first call of the whole project is one of these."""
    assert len(FRONT_PAGE) >= 1


@pytest.mark.parametrize("call", [*PAGE, *(call for call in FRONT_PAGE if call.kind)], ids=str)
def test_calls_print_what_the_page_says(curl: Curl, call: Call) -> None:
    """What is printed is the page's text but for the date, or, where the page lays it out in its own way, its JSON."""
    printed = curl(call)
    if call.kind == "json":
        assert json.loads(printed) == json.loads(call.printed)
    else:
        assert _DATE.sub("", printed.replace("\r\n", "\n")).strip() == _DATE.sub("", call.printed).strip()


@pytest.mark.parametrize("call", [*COMPUTED, *FRONT_PAGE], ids=str)
def test_answers_are_right(curl: Curl, call: Call) -> None:
    """Each answer is half of what was sent, plus two or three."""
    assert json.loads(curl(call)) == computed(call)
