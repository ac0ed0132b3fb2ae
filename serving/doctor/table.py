"""Findings as a table of text, the worst at the end, where whoever runs it in a terminal sees them first."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap

from serving.doctor.finding import Finding, Level
from serving.telemetry.quoting import quoted

NARROWEST, USUAL, WIDEST = 80, 100, 120
"""Columns."""

_LEVEL, _WHAT = 9, 28
_ORDER = (Level.OK, Level.WARNING, Level.FAILS)


def text(findings: Sequence[Finding], columns: int = USUAL) -> str:
    """The table and a last line that counts. Words longer than a column, such as paths, are left whole."""
    width = max(NARROWEST, min(columns, WIDEST))
    ordered = sorted(findings, key=lambda each: _ORDER.index(each.level))
    lines = [f"{'':<{_LEVEL}}{'checked':<{_WHAT}}found", *(line for each in ordered for line in _row(each, width))]
    return "\n".join([*lines, "", _count(findings)]) + "\n"


def failed(findings: Sequence[Finding]) -> bool:
    """Whether something would go wrong."""
    return any(each.level is Level.FAILS for each in findings)


def _row(finding: Finding, width: int) -> Iterator[str]:
    what = _wrapped(finding.what, _WHAT - 1)
    found = _wrapped(finding.found, width - _LEVEL - _WHAT)
    advice = _wrapped(finding.advice, width - _LEVEL - _WHAT - 3)
    found += [f"{'   ' if index else '-> '}{line}" for index, line in enumerate(advice)]
    if any(len(line) >= _WHAT for line in what):  # such as a flag with a path
        found = ["" for _ in what] + found
    for index, (left, right) in enumerate(zip_longest(what, found, fillvalue="")):
        level = "" if index else finding.level.value
        yield f"{level:<{_LEVEL}}{left:<{_WHAT}}{right}".rstrip()


def _wrapped(words: str, width: int) -> list[str]:
    return wrap(quoted(words), width, break_long_words=False, break_on_hyphens=False)


def _count(findings: Sequence[Finding]) -> str:
    counts = {level: sum(each.level is level for each in findings) for level in Level}
    warnings = f"{counts[Level.WARNING]} warning" + ("" if counts[Level.WARNING] == 1 else "s")
    if not counts[Level.FAILS]:
        return f"Nothing fails: {warnings}, {counts[Level.OK]} ok"
    fail = "fails" if counts[Level.FAILS] == 1 else "fail"
    return f"{counts[Level.FAILS]} {fail}, {warnings}, {counts[Level.OK]} ok"
