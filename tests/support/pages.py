"""The project's pages, and what is found in their texts. No tests."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = tuple(
    sorted(
        [
            ROOT / "README.md",
            ROOT / "CHANGELOG.md",
            ROOT / "SECURITY.md",
            ROOT / "serving" / "README.md",
            ROOT / "serving" / "client" / "README.md",
            *DOCS.rglob("*.md"),
            *(ROOT / "examples").rglob("*.md"),
        ]
    )
)

FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9_-]*)")
"""Two dashes and the name of a flag, which is the group."""

_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def headings(text: str) -> list[str]:
    """The headings of a page, outermost and inner ones alike."""
    return _HEADING.findall(prose(text))


def program(name: str) -> ModuleType:
    """A program of docs/ as a module; docs/ is no package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
