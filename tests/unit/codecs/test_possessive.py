"""Patterns that give nothing back: what they mean on every Python there is."""

import re
from pathlib import Path

import pytest

SERVING = Path(__file__).parents[3] / "serving"
GROUPS = re.compile(r"(.{4})\)(?:[*+?]|\{\d*,?\d*\})\+(?!,)")
"""What is before the end of a group that is repeated possessively; with a comma it is a set of characters."""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("(?:a|b)*+", [":a|b"], id="several"),
        pytest.param("(?:a|(?!))++", ["(?!)"], id="with its last alternative"),
        pytest.param("[a-z]*+(a)*", [], id="no group"),
    ],
)
def test_groups_are_found(text: str, found: list[str]) -> None:
    """The pattern above sees them."""
    assert GROUPS.findall(text) == found


def test_possessive_groups_end_with_an_alternative_that_fails() -> None:
    """Python before 3.11.5, which Debian 12 has, goes on from where the last alternative has failed."""
    sources = [path.read_text() for path in SERVING.rglob("*.py")]
    ends = [end for text in sources for end in GROUPS.findall(text)]
    assert ends
    assert set(ends) == {"(?!)"}
