"""The table of HTTP/2's cases and its page; that the transports do so is tests/server/doors/test_http2.py's."""

import pytest

from tests.server.doors import http2_table
from tests.server.doors.http2_table import CASES, Case


def test_page_is_as_generated() -> None:
    """docs/http2.md is what ``python -m tests.server.doors.http2_table`` writes."""
    assert http2_table.PAGE.read_text() == http2_table.page()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section} {case.name}")
def test_deviations_have_a_reason(case: Case) -> None:
    """Exactly what the RFC does not allow is explained."""
    assert bool(case.why) == (not (case.conforms("native") and case.conforms("grpcio")))


def test_cases_have_names_of_their_own() -> None:
    """By its section and name a case is found."""
    assert len({(case.section, case.name) for case in CASES}) == len(CASES)
