"""docs/compatibility.md and its like against the source: flags, calls, status codes, who refers to them."""

import re
from collections.abc import Callable, Iterable

import pytest

from serving.core.manager import Manager
from serving.errors import Code
from serving.inference.placement import Workers
from serving.inference.requests import Requests
from serving.inference.service import Service
from serving.request_log.log import RequestLog
from serving.rest.errors import STATUS
from serving.rpc.routes import routes
from serving.settings import FLAGS, Flag
from serving.telemetry.serving_metrics import ServingMetrics
from tests.support.pages import DOCS, FLAG, PAGES, ROOT, headings, prose

CALLS = frozenset(
    {"Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata", "GetModelStatus"}
    | {"HandleReloadConfigRequest"}
)
"""Every call of TensorFlow Serving's two services."""

_CITATION = re.compile(r'docs/(compatibility|grpc|rest|models|metrics)\.md`?,\s+(?:# )?"([^"]+)"')


def section(text: str, heading: str) -> str:
    """What is below ``heading`` until the next heading of any depth; empty if there is none."""
    found = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", prose(text), re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def citations(sources: Iterable[str]) -> set[tuple[str, str]]:
    """The headings of these pages that source texts name, each with its page."""
    return {(page, heading) for text in sources for page, heading in _CITATION.findall(text)}


def flag_rows(text: str) -> dict[str, set[str]]:
    """Flags by the first cell of their row in the last table of the section "Flags"."""
    table = section(text, "Flags").rpartition("| status | flags |")[2]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ") and "--" in line]
    return {cells[1].strip(): set(FLAG.findall(cells[2])) for cells in rows}


@pytest.fixture(scope="module")
def compatibility() -> str:
    return (DOCS / "compatibility.md").read_text()


@pytest.mark.parametrize(
    ("row", "belongs"),
    [
        pytest.param("as in TFS", lambda flag: not flag.ours and not flag.note, id="as in TFS"),
        pytest.param("ours", lambda flag: flag.ours, id="ours"),
        pytest.param("accepted", lambda flag: not flag.ours and bool(flag.note), id="accepted"),
    ],
)
def test_compatibility_sorts_every_flag(compatibility: str, row: str, belongs: Callable[[Flag], bool]) -> None:
    """docs/compatibility.md has each flag in the row that says what the flag does here."""
    rows = flag_rows(compatibility)
    found = {name for status, names in rows.items() if status.startswith(row) for name in names}
    assert found == {flag.name for flag in FLAGS if belongs(flag)}


def test_source_cites_headings_that_exist() -> None:
    """Each section of these pages that the source or a decision names is there."""
    cited = citations(path.read_text() for path in [*(ROOT / "serving").rglob("*.py"), *DOCS.rglob("*.md")])
    assert {("compatibility", "Predict"), ("grpc", "TLS"), ("rest", "URL grammar")} <= cited
    pages = {page for page, _ in cited}
    there = {(page, heading) for page in pages for heading in headings((DOCS / f"{page}.md").read_text())}
    assert cited - there == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('see docs/rest.md, "A b").', {("rest", "A b")}, id="docstring"),
        pytest.param('# docs/grpc.md,\n    # "A b"', {("grpc", "A b")}, id="comment over two lines"),
        pytest.param('docs/models.md,\n    "A b"', {("models", "A b")}, id="docstring over two lines"),
        pytest.param('(`docs/compatibility.md`, "A b")', {("compatibility", "A b")}, id="Markdown"),
        pytest.param('docs/operating.md, "A b"', set(), id="another page"),
    ],
)
def test_citations(text: str, expected: set[tuple[str, str]]) -> None:
    """A heading is found in the ways that texts name it."""
    assert citations([text]) == expected


def test_status_codes_are_those_of_the_rest_door(compatibility: str) -> None:
    """The table "Status codes" has every code, with its number and the HTTP status that REST sends."""
    cells = re.findall(r"\| ([A-Z_]+) \| (\d+) \| (\d+) ", section(compatibility, "Status codes"))
    found = {name: (int(number), int(status)) for name, number, status in cells}
    assert found == {code.name: (code.value, STATUS[code]) for code in Code}


def test_calls_are_those_that_are_served() -> None:
    """Its page names the calls of TensorFlow Serving's services that are answered, and no other."""

    def refuse(config: object, timeout: float | None, gone: Callable[[], bool]) -> None:
        raise AssertionError

    manager, metrics = Manager(), ServingMetrics()
    service = Service(manager, metrics, Requests(manager, metrics, RequestLog(), Workers(1)), refuse)
    paths = [path for path in routes(service, as_content=False) if path.startswith("/tensorflow.serving.")]
    served = {path.rpartition("/")[2] for path in paths}
    assert CALLS.intersection(re.findall(r"`(\w+)`", section((DOCS / "grpc.md").read_text(), "gRPC"))) == served


def test_differences_have_ids_of_their_own(compatibility: str) -> None:
    """The list of differences has C2, and no id twice."""
    ids = re.findall(r"^\| ([A-Z]\d+) \|", section(compatibility, "What differs on purpose"), re.MULTILINE)
    assert "C2" in ids
    assert len(ids) == len(set(ids))


def test_differences_are_referred_to_by_their_ids(compatibility: str) -> None:
    """Each id of a difference that a page names is in the list."""
    cells = re.findall(r"^\| ([^|]+) \|", section(compatibility, "What differs on purpose"), re.MULTILINE)
    listed = {each for cell in cells for each in cell.split(", ")}
    named = {each for page in PAGES for each in re.findall(r"\((?:see )?([A-Z]\d+)\)", page.read_text())}
    named |= {each for page in PAGES for each in re.findall(r"\b[CW]\d+\b", page.read_text())}
    assert "H5" in named
    assert named - listed == set()
