"""Paths that are no API's: our probes, where browsers are led, and TensorFlow Serving's page for all others."""

from collections.abc import Callable, Mapping

from serving.rest import errors, media
from serving.rest.answer import Answer

_TEXT = b"text/plain"
_TO_PAGE = Answer(302, b"", _TEXT, extra=b"Location: ui/\r\nVary: Accept\r\n")
"""A relative address: a proxy in front may have the server below a path of its own."""


def answer(method: str, path: str, headers: Mapping[str, str], ready: Callable[[], bool], *, page: bool) -> Answer:
    """The answer to a request for ``path``; with ``page`` there is one at ``/ui/`` for people."""
    if method in ("GET", "HEAD"):
        if path == "/healthz/live":
            return Answer(200, b"live\n", _TEXT)
        if path == "/healthz/ready":
            is_ready = ready()
            return Answer(200 if is_ready else 503, b"ready\n" if is_ready else b"not ready\n", _TEXT)
        if page and path == "/" and media.prefers_html(headers.get("Accept", "")):
            return _TO_PAGE
    return errors.page(404)
