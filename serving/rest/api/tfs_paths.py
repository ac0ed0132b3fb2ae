"""The path grammar, on the raw request target (docs/compatibility.md, "URL grammar").

Not a router: TensorFlow Serving matches the still percent-encoded target, query included, and decodes names afterwards.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from serving.errors import Code, ServingError, invalid_argument

_POST = re.compile(
    r"/v1/models/([^/:]+)(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?:(classify|regress|predict)",
    re.ASCII | re.IGNORECASE,
)
_GET = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?(?:\/(metadata))?",
    re.ASCII | re.IGNORECASE,
)
OWN = re.compile(r"/v1/models/([^/:?#]+)(?::compare(?:\?([^#]*))?|/labels/([^/:?#]+))", re.ASCII)
"""What is POSTed beside TensorFlow Serving's own: ``:compare`` with its query, or a label that is to be moved."""

_API = re.compile(r"/v1/.*", re.ASCII | re.IGNORECASE)

_LARGEST_VERSION = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A matched API path: ``method`` is the inference method, ``metadata``, or empty for status."""

    name: str
    version: int | None
    label: str | None
    method: str


def is_api(path: str) -> bool:
    """Whether errors of this path have the API's shape."""
    return _API.fullmatch(path) is not None


def match(method: str, path: str) -> Route:
    """The route of a GET or POST. INVALID_ARGUMENT if the path fits neither grammar."""
    found = {"POST": _POST, "GET": _GET}[method].fullmatch(path) if method in ("GET", "POST") else None
    if found is None or (method == "POST" and found[4] != found[4].lower()):
        raise invalid_argument(f"Malformed request: {method} {path}")
    name, version, label, verb = found.groups()
    return Route(
        name=decoded(name or ""),
        version=_version(version) if version else None,
        label=decoded(label) if label is not None else None,
        method="" if verb == "METADATA" or (verb and verb != verb.lower()) else verb or "",
    )


def name_in(method: str, path: str) -> str:
    """The model that a path names, also where ``match`` refuses it; empty without one."""
    found = {"POST": _POST, "GET": _GET}[method].fullmatch(path) if method in ("GET", "POST") else None
    if found is None and method == "POST":
        found = OWN.fullmatch(path)
    return decoded(found[1] or "") if found else ""


class VersionTooLargeError(ServingError):
    """A version beyond 64 bits; TensorFlow Serving answers it with an empty 400."""

    def __init__(self) -> None:
        super().__init__(Code.INVALID_ARGUMENT, "the version has more than 64 bits")


def _version(digits: str) -> int:
    significant = digits.lstrip("0")
    if len(significant) > len(str(_LARGEST_VERSION)) or int(significant or "0") > _LARGEST_VERSION:
        raise VersionTooLargeError
    return int(significant or "0")


def decoded(text: str) -> str:
    """A name as it is meant; bytes that are no UTF-8 become surrogates."""
    return unquote(text, errors="surrogateescape") if "%" in text else text
