"""Which scripts of other sites may read the REST door's answers (docs/rest.md, "URL grammar"): header lines.

A browser asks; nobody is kept from anything by these but the scripts of pages that it shows.
"""

import re
from collections.abc import Mapping, Sequence

from serving.errors import invalid_configuration

VARIES = b"Vary: Origin\r\n"
"""What a cache has to know where answers differ by origin, those for origins that are not listed among them."""

_EVERYBODY = (
    b"Access-Control-Allow-Origin: *\r\n"
    b"Access-Control-Allow-Methods: POST, GET\r\n"
    b"Access-Control-Allow-Headers: Content-Type%b\r\n"
)
_CREDENTIALS = b", Authorization, X-Api-Key"

_PREFLIGHT = (
    b"Access-Control-Allow-Origin: %b\r\n"
    b"Access-Control-Allow-Methods: GET, POST\r\n"
    b"Access-Control-Allow-Headers: Content-Type, Content-Encoding, Authorization, X-Api-Key, X-Request-Id, "
    b"X-Priority, Traceparent, Tracestate, Inference-Header-Content-Length, X-Grpc-Web, X-User-Agent, Grpc-Timeout\r\n"
    b"Access-Control-Max-Age: 7200\r\n"
)
"""The headers that this server reads, of those that a script has to be allowed to send."""

_ANSWER = (
    b"Access-Control-Allow-Origin: %b\r\n"
    b"Access-Control-Expose-Headers: Inference-Header-Content-Length, Grpc-Status, Grpc-Message, Retry-After, "
    b"X-Request-Id, Server-Timing\r\n"
)
"""The headers that this server sends, of those that a script has to be allowed to read."""

_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_USUAL_PORTS = {"http": "80", "https": "443"}


class Cors:
    """No scripts of other sites. Preflights are answered as TensorFlow Serving does, by what the origin looks like."""

    def lines(self, headers: Mapping[str, str]) -> bytes:
        """Complete header lines for an API's answer to a request with these headers."""
        return b""

    def allows(self, origin: str) -> bool:
        """Whether a preflight of this origin is answered with success."""
        return "http://" in origin or "https://" in origin

    def preflight(self, origin: str) -> bytes:
        """Complete header lines for the answer to a preflight."""
        return b""


class Everybody(Cors):
    """Scripts of all sites, as with TensorFlow Serving's flag; they may send keys if ``credentials`` are asked for."""

    def __init__(self, *, credentials: bool) -> None:
        self._lines = _EVERYBODY % (_CREDENTIALS if credentials else b"")

    def lines(self, headers: Mapping[str, str]) -> bytes:
        """As ``Cors``."""
        return self._lines

    def preflight(self, origin: str) -> bytes:
        """As ``Cors``."""
        return self._lines


class Listed(Cors):
    """Scripts of these origins alone: others get no lines but the one for caches."""

    def __init__(self, origins: Sequence[str]) -> None:
        named = [(origin, origin.encode()) for origin in origins]
        self._answers = {origin: _ANSWER % written + VARIES for origin, written in named}
        self._preflights = {origin: _PREFLIGHT % written + VARIES for origin, written in named}

    def lines(self, headers: Mapping[str, str]) -> bytes:
        """As ``Cors``."""
        return self._answers.get(headers.get("origin", ""), VARIES)

    def allows(self, origin: str) -> bool:
        """As ``Cors``."""
        return origin in self._answers

    def preflight(self, origin: str) -> bytes:
        """As ``Cors``."""
        return self._preflights.get(origin, VARIES)


def origins(text: str) -> tuple[str, ...]:
    """Those of a comma-separated list, each as browsers write it. Raises ConfigurationError for what is none."""
    return tuple(_origin(each.strip()) for each in text.split(",") if each.strip())


def _origin(text: str) -> str:
    match = _ORIGIN.fullmatch(text.lower())
    if match is None:
        raise invalid_configuration(
            f"--rest_api_cors_allowed_origins has the entry {text!r}; expected scheme, host and maybe port of a "
            "site, as in https://app.example:8443, without a path or wildcards. --rest_api_enable_cors_support allows "
            "every site"
        )
    scheme, host, port = match.groups()
    return f"{scheme}://{host}" if port in (None, _USUAL_PORTS[scheme]) else f"{scheme}://{host}:{port}"
