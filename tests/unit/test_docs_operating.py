"""What the pages for who runs a server quote of the log and of errors is what the source says."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from math import inf

import pytest

from serving.settings import FLAGS
from tests.support.pages import DOCS, ROOT

PAGES = [DOCS / f"{name}.md" for name in ("operating", "observing", "performance", "protecting", "troubleshooting")]

FIRST_COLUMNS = ("line", "the log says", "the line", "text", "error")
"""How the headers begin of those tables whose first column quotes what the server says."""

OF_OTHERS = (
    "tf_serving_check_cpu: ",  # a program of the image
    "The variant {name} of this image may be faster: ",  # the same
    "Could not find meta graph def ",  # TensorFlow
    "Op type not registered ",
    "Can't parse ",
)
"""How the texts begin that are not this server's, or only sometimes."""

NO_QUOTES = frozenset({"warmup", "--ssl_config_file=…: …"})
"""What the tables set in code and is no text of the source: a word, and a flag with its value and what is wrong."""

ANY = "\0"
"""Stands for any text in a pattern, here: what a page leaves out, and what the source fills in."""

_PLACEHOLDER = re.compile(r"%[.\d]*[sdefr]")
_LEFT_OUT = re.compile(r"\{[^}]*\}|…")
_WORD = re.compile(r"[A-Za-z_]{4,}")


def quotes(page: str) -> list[str]:
    """What the first columns of those tables have in code, cut at nothing."""
    found: list[str] = []
    quoting = False
    for before, line in zip(["", *page.splitlines()], page.splitlines(), strict=False):
        if line.startswith("|---"):
            quoting = before.removeprefix("| ").startswith(FIRST_COLUMNS)
        elif not line.startswith("|"):
            quoting = False
        elif quoting:
            found += re.findall(r"`([^`]+)`", line.split(" | ")[0])
    return [each for each in found if not each.startswith(OF_OTHERS) and each not in NO_QUOTES]


def strings(tree: ast.Module) -> Iterator[str]:
    """Every string of a module that is no docstring, with ``ANY`` for what is filled in.

    All of them, for many a text reaches the log through a variable or an error.
    """
    constants = {
        each.targets[0].id: str(each.value.value)
        for each in tree.body
        if isinstance(each, ast.Assign)
        and isinstance(each.targets[0], ast.Name)
        and isinstance(each.value, ast.Constant)
    }
    within = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(_part(each, constants) for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in within:
            yield _PLACEHOLDER.sub(ANY, node.value)


def _part(part: ast.expr, constants: Mapping[str, str]) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    return constants.get(part.value.id, ANY) if isinstance(part.value, ast.Name) else ANY


@cache
def templates() -> tuple[str, ...]:
    """The texts of ``serving/``, and those that it puts together of two."""
    files = [path for path in (ROOT / "serving").rglob("*.py") if ROOT / "serving" / "client" not in path.parents]
    notes = [f"--{ANY}: {flag.note}" for flag in FLAGS if flag.note]
    return (*notes, *(text for path in files for text in strings(ast.parse(path.read_text()))))


def agrees(quote: str, template: str) -> bool:
    """Whether some text fits both, of which the template gives more than half of what the quote does not leave out."""

    @cache
    def given(i: int, j: int) -> float:
        """The most letters of the quote from ``i`` on that are those of the template from ``j`` on; or no fit."""
        best = 0.0 if i == len(quote) and j == len(template) else -inf
        if i < len(quote) and j < len(template) and quote[i] == template[j] != ANY:
            best = max(best, 1 + given(i + 1, j + 1))
        if i < len(quote) and ANY in (quote[i], template[j : j + 1]):
            best = max(best, given(i + 1, j))
        if j < len(template) and ANY in (template[j], quote[i : i + 1]):
            best = max(best, given(i, j + 1))
        return best

    return given(0, 0) > len(quote.replace(ANY, "")) / 2


def is_said(quote: str) -> bool:
    """Whether a template that shares a word with the quote agrees with it."""
    pattern = _LEFT_OUT.sub(ANY, quote)
    words = set(_WORD.findall(pattern))
    return any(agrees(pattern, each) for each in templates() if words.intersection(_WORD.findall(each)))


def test_pages_quote() -> None:
    """There is something to hold to the source."""
    assert len([quote for page in PAGES for quote in quotes(page.read_text())]) > 60


@pytest.mark.parametrize("quote", [quote for page in PAGES for quote in quotes(page.read_text())])
def test_quoted_text_is_in_the_source(quote: str) -> None:
    """A line or an error that a page quotes is one that the server writes."""
    assert is_said(quote)


@pytest.mark.parametrize(
    ("quote", "said"),
    [
        pytest.param("Adding/updating models.", True, id="whole"),
        pytest.param("Adding/updating models", False, id="cut without a sign"),
        pytest.param("Retrying of Loading servable: … retry: {n}", True, id="with what is left out"),
        pytest.param("Retrying of loading servable: … retry: {n}", False, id="another letter"),
        pytest.param("Running gRPC ModelServer at 0.0.0.0:8500 ...", True, id="an example of what is filled in"),
        pytest.param("Running ModelServer at 0.0.0.0:8500 ...", False, id="a word less"),
        pytest.param("The models are lost …", False, id="nowhere"),
        pytest.param("Keeps every model's versions on their way to what is aspired.", False, id="a docstring"),
    ],
)
def test_comparison(quote: str, said: bool) -> None:
    """Quotes agree with the source to the letter, save for what is left out or filled in."""
    assert is_said(quote) is said
