"""Foreign text in a line of the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.telemetry.quoting import quoted, quoted_lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("plain: größe 模型 😀 \\n 'x'", "plain: größe 模型 😀 \\n 'x'", id="ordinary"),
        pytest.param("a\nb\r\nc\td", r"a\nb\r\nc\td", id="line breaks"),
        pytest.param("\x1b[31mred\x07\0\x7f", r"\x1b[31mred\x07\x00\x7f", id="escapes"),
        pytest.param("\x85\x9b", r"\x85\x9b", id="C1"),
        pytest.param("\u2028\u2029", r"\u2028\u2029", id="line separators"),
        pytest.param("\u202etxt\u2066\u200f", r"\u202etxt\u2066\u200f", id="bidirectional"),
        pytest.param("\udcff\ud800", r"\xff\ud800", id="surrogates"),
    ],
)
def test_quoted(text: str, expected: str) -> None:
    """Ordinary text is as it was; what ends lines, controls terminals or is no character is shown."""
    assert quoted(text) == expected


@given(st.text(st.characters(), max_size=50))
def test_one_line(text: str) -> None:
    """Whatever it is, it has one line, can be encoded, and stays as it is when quoted again."""
    line = quoted(text)
    assert len(line.splitlines()) <= 1
    assert line.encode().decode() == line
    assert quoted(line) == line


def test_lines_stay() -> None:
    """A text of several lines keeps them, and nothing else that ends one."""
    assert quoted_lines("a\nb\r\u2028\x1b") == "a\nb\\r\\u2028\\x1b"
