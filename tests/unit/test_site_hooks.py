"""docs/site_hooks.py: the links of a page on the site, and what a page may fetch."""

from types import ModuleType

import pytest

from tests.support.pages import DOCS, PAGES, ROOT, program

PLACES = {"README.md": "README.md", "CHANGELOG.md": "CHANGELOG.md", "examples/tls/README.md": "examples/tls/README.md"}


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    """docs/site_hooks.py as a module; docs/ is no package."""
    return program("site_hooks")


@pytest.mark.parametrize(
    ("source", "at", "text", "expected"),
    [
        pytest.param("docs/a.md", "a.md", "[b](b.md#c)", "[b](b.md#c)", id="beside it"),
        pytest.param("docs/adr/1.md", "adr/1.md", "[b](../b.md)", "[b](../b.md)", id="above it"),
        pytest.param("docs/a.md", "a.md", "[t](../examples/tls/README.md#x)", "[t](examples/tls/README.md#x)", id="in"),
        pytest.param("docs/a.md", "a.md", "[t](../examples/tls)", "[t](examples/tls/README.md)", id="a folder"),
        pytest.param("docs/adr/1.md", "adr/1.md", "[r](../../README.md)", "[r](../README.md)", id="the first page"),
        pytest.param(
            "docs/a.md", "a.md", "see [the code](../serving/a.py).", "see the code (`serving/a.py`).", id="code"
        ),
        pytest.param("docs/a.md", "a.md", "[`serving/a.py`](../serving/a.py)", "`serving/a.py`", id="its own path"),
        pytest.param(
            "examples/tls/README.md",
            "examples/tls/README.md",
            "[b](../../docs/b.md#c) and [s](../../CHANGELOG.md)",
            "[b](../../b.md#c) and [s](../../CHANGELOG.md)",
            id="from outside",
        ),
        pytest.param("docs/a.md", "a.md", "![p](../x.png)", "p (`x.png`)", id="a picture outside"),
        pytest.param("docs/a.md", "a.md", "![p](images/x.svg)", "![p](images/x.svg)", id="a picture"),
        pytest.param(
            "docs/a.md", "a.md", "[e](https://example.org/x) [h](#h)", "[e](https://example.org/x) [h](#h)", id="no"
        ),
        pytest.param("docs/a.md", "a.md", "```text\n[t](../b.py)\n```\n", "```text\n[t](../b.py)\n```\n", id="in code"),
    ],
)
def test_links_on_the_site(hooks: ModuleType, source: str, at: str, text: str, expected: str) -> None:
    """A link leads to a page of the site, or becomes the path of a file that the site does not have."""
    assert hooks.for_the_site(text, source, at, PLACES) == expected


def test_pages_outside_are_on_the_site(hooks: ModuleType) -> None:
    """All pages of the project but those of packages: the tutorials, the changelog, SECURITY.md."""
    there = {path.relative_to(ROOT).as_posix() for path in PAGES if DOCS not in path.parents}
    assert set(hooks.places(ROOT)) == {path for path in there if not path.startswith("serving/")}


@pytest.mark.parametrize(
    ("page", "asks"),
    [
        pytest.param('<script src="https://cdn.example/x.js"></script>', True, id="script"),
        pytest.param('<script src="//cdn.example/x.js"></script>', True, id="script without a scheme"),
        pytest.param('<link rel="stylesheet" href="https://fonts.example/css">', True, id="style"),
        pytest.param("<img alt=x src=http://a.example/x.png>", True, id="picture"),
        pytest.param('<link rel="canonical" href="https://example.org/">', False, id="an address"),
        pytest.param('<a href="https://example.org/">', False, id="link"),
        pytest.param('<script src="../assets/x.js"></script>', False, id="own script"),
    ],
)
def test_pages_that_ask_others_are_found(hooks: ModuleType, page: str, asks: bool) -> None:
    """What a browser fetches by itself counts, and what a reader may follow does not."""
    assert bool(list(hooks.asks_other_hosts(page))) is asks


def test_folders_are_filled_in(hooks: ModuleType) -> None:
    """Their pages stand in the navigation from above to below, each folder's own page first."""
    pages = {"a.md", "adr/2.md", "adr/README.md", "adr/10/README.md", "adr/1.md", "b/c.md"}
    nav = ["a.md", {"More": [{"Decisions": ["adr/*"]}, "b/c.md"]}]
    decisions = ["adr/README.md", "adr/1.md", "adr/2.md", "adr/10/README.md"]
    assert hooks.filled(nav, pages) == ["a.md", {"More": [{"Decisions": decisions}, "b/c.md"]}]


def test_folders_without_pages_are_refused(hooks: ModuleType) -> None:
    """A name that is wrong is told."""
    with pytest.raises(ValueError, match=r"nav has ard/\*, and there is no page in ard/"):
        hooks.filled(["ard/*"], {"adr/1.md"})
