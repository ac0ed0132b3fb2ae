"""The page where several workers are one server: a row for each of them, whoever answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.support.workers_server import WorkersServer


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[WorkersServer]:
    flags = ("--model_name=labels", f"--model_base_path={models / 'labels'}", "--optimize=off")
    with WorkersServer(2, flags) as running:
        yield running


def test_a_row_for_each(visit: Open, server: WorkersServer) -> None:
    """With its process and state; once one was killed, how it ended. On a phone the table alone scrolls."""
    page = visit("/", viewport={"width": 360, "height": 740})
    rows = page.get_by_role("region", name="Workers").locator("tbody tr")
    expect(rows).to_have_count(2)
    for worker, pid in server.pids().items():
        expect(rows.nth(worker)).to_contain_text(str(pid))
        expect(rows.nth(worker)).to_contain_text("serving")
    server.kill_worker_and_wait(1)
    expect(rows.nth(1)).to_contain_text("was ended by SIGKILL")
    assert page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]") == [360, 360]
