"""Which form a body has and which one the answer gets, by the headers (docs/rest.md, "Binary predict").

Not the forms themselves: those are codecs. What is not named here counts as JSON, as in TensorFlow Serving.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import product
from types import MappingProxyType
from typing import NamedTuple, TypeVar

Named = TypeVar("Named")
"""What a media type stands for."""


class Form(Enum):
    """How tensors are written in a body; the value is the content type."""

    __hash__ = object.__hash__  # Enum's own hashes the name, in Python, for each lookup

    JSON = b"application/json"
    PROTOBUF = b"application/x-protobuf"
    NPY = b"application/x-npy"
    NPZ = b"application/x-npz"


class Forms(NamedTuple):
    """The form of a request's body and that of its answer, unless the answer is an error: those are JSON."""

    request: Form
    answer: Form


_PAIRS: Mapping[tuple[Form, Form], Forms] = MappingProxyType({pair: Forms(*pair) for pair in product(Form, Form)})
JSON_ONLY = _PAIRS[Form.JSON, Form.JSON]
"""What nearly every request asks for; ``forms`` gives this very object."""

_NAMES: Mapping[str, Form] = MappingProxyType(
    {form.value.decode(): form for form in Form} | {"application/protobuf": Form.PROTOBUF}
)
_ANY = ("*/*", "application/*")
_QUALITY = re.compile(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", re.ASCII)
_MOST_RANGES = 64
"""What of Accept is read; browsers send half a dozen."""


def forms(content_type: str, accept: str) -> Forms:
    """The forms that Content-Type and Accept ask for; either is empty if the request lacks it."""
    request = _NAMES.get(content_type.partition(";")[0].strip().lower(), Form.JSON) if content_type else Form.JSON
    answer = request if not accept or accept == "*/*" else _answer(accept, request)
    return _PAIRS[request, answer]


def preferred(accept: str, known: Mapping[str, Named], default: Named) -> Named:
    """What the first media type of the highest quality is, of those that are ``known`` by name in lower case.

    ``default`` if Accept has none of them, or takes anything.
    """
    best, highest = default, 0.0
    for name, quality in _ranges(accept):
        found = default if name in _ANY else known.get(name)
        if found is not None and quality > highest:
            best, highest = found, quality
    return best


def prefers_openmetrics(accept: str) -> bool:
    """Whether a scraper asks for metrics in the OpenMetrics format, and not rather for plain text."""
    qualities: dict[str, float] = {}
    for name, quality in _ranges(accept):
        qualities[name] = max(quality, qualities.get(name, 0.0))
    wanted = qualities.get("application/openmetrics-text", 0.0)
    return wanted > 0 and wanted >= qualities.get("text/plain", 0.0)


def prefers_html(accept: str) -> bool:
    """Whether a browser asks for a page to show: HTML by its name, and nothing rather than that."""
    qualities = list(_ranges(accept))
    html = max((quality for name, quality in qualities if name == "text/html"), default=0.0)
    return html > 0 and html >= max(quality for _, quality in qualities)


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an answer may be compressed so; only if that is said by name."""
    return any(name == "gzip" and quality > 0 for name, quality in _ranges(accept_encoding))


def _answer(accept: str, request: Form) -> Form:
    """The first form of the highest quality; the request's own if Accept has none that we know."""
    return preferred(accept, _NAMES, request)


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for text in accept.lower().split(",", _MOST_RANGES)[:_MOST_RANGES]:
        name, *parameters = text.split(";")
        found = [match[1] for each in parameters if (match := _QUALITY.fullmatch(each))]
        yield name.strip(), float(found[0]) if found else 1.0
