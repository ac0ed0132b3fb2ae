"""One browser for all tests, and pages that are watched: what they asked for, and what they complained about."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.browser.chromium import chromium
from tests.support.server_process import ServerProcess

SECONDS = 40
# What Chromium says of every answer that is an error, which tests ask for on purpose.
OF_ANSWERS = "Failed to load resource"

Open = Callable[..., Page]


class Watched:
    """Contexts of the browser, and what went wrong in their pages."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        self.hosts: set[str] = set()

    def page(self, **options: object) -> Page:
        """A page in a context of its own, with Playwright's ``options``."""
        context = self.browser.new_context(**options)  # type: ignore[arg-type]
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        return page

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(OF_ANSWERS):
            self.complaints.append(message.text)

    def close(self) -> None:
        """Close all pages."""
        for context in self.contexts:
            context.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    expect.set_options(timeout=SECONDS * 1000)
    with chromium() as started:
        yield started


@pytest.fixture
def visit(browser: Browser, server: ServerProcess) -> Iterator[Open]:
    """Opens the page of the file's ``server``, at a path after its ``#``.

    Whatever the test does, the page asks no other host, breaks no policy and writes no error to the console.
    """
    watched = Watched(browser)

    def opened(path: str = "/", **options: object) -> Page:
        page = watched.page(**options)
        page.set_default_timeout(SECONDS * 1000)
        page.goto(f"http://127.0.0.1:{server.rest_port}/ui/#{path}")
        return page

    yield opened
    watched.close()
    assert watched.complaints == []
    assert watched.hosts - {""} == {f"127.0.0.1:{server.rest_port}"}
