"""What TensorFlow Serving's REST API has not and its paths have room for: comparing two versions, moving a label.

Loaded by the first request for either (docs/operating.md, "Compare two versions").
"""

import re
from functools import partial
from urllib.parse import parse_qsl

import orjson

from serving.codecs.json import comparison as json_comparison
from serving.core.model_spec import ModelSpec
from serving.errors import invalid_argument
from serving.inference.call import Reply
from serving.inference.comparing import Comparisons
from serving.inference.context import RequestContext
from serving.inference.operations import PredictForm
from serving.inference.repository import Done
from serving.inference.service import Service
from serving.rest.answer import JSON
from serving.rest.api import tfs_paths
from serving.rest.encoding import as_encoded
from serving.rest.endpoint import Endpoint

_VERSION = re.compile(r"0*([0-9]{1,19})", re.ASCII)
_LARGEST_VERSION = 2**63 - 1
_LARGEST_BODY = 65536
_LONGEST_SHOWN = 256
_HOW = "expected ?versions=1,2 or ?labels=stable,canary"
_EXAMPLE = '{"version": "2"}'


class Versions:
    """Both requests. ``form`` is that of requests for Predict in JSON."""

    def __init__(self, service: Service, form: PredictForm) -> None:
        self._service = service
        self._form = form
        self._comparisons = Comparisons(service, json_comparison.written)

    def endpoint(self, path: str, encoding: str) -> Endpoint:
        """What answers a POST for one of ``tfs_paths.OWN`` with a body of this Content-Encoding.

        Raises ServingError, INVALID_ARGUMENT, for a query that names no two versions.
        """
        found = tfs_paths.OWN.fullmatch(path)
        if found is None:
            raise invalid_argument(f"Malformed request: POST {path}")
        name, query, label = found.groups()
        name = tfs_paths.decoded(name)
        if label is not None:
            return Endpoint(name, partial(self._move, name, tfs_paths.decoded(label)), JSON)
        addresses, form = _addresses(name, query or ""), as_encoded(self._form, encoding)
        return Endpoint(name, partial(self._comparisons.begin, addresses, form), JSON)

    def _move(self, name: str, label: str, body: bytes, context: RequestContext) -> Reply:
        version = _version_in(body)

        def write(done: Done) -> bytes:
            told = {"name": done.name, "label": label, "version": str(version), "note": done.note}
            return orjson.dumps({key: _shown(text) for key, text in told.items()})

        return self._service.move_label(name, label, version, write, context, len(body))


def _addresses(name: str, query: str) -> tuple[ModelSpec, ModelSpec]:
    """The two versions that a query names, by numbers or by labels."""
    given = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    if len(given) != 1 or given[0][0] not in ("versions", "labels"):
        raise invalid_argument(f"The query is {_cut(query)!r}; {_HOW}")
    ((kind, text),) = given
    words = [word.strip() for word in text.split(",")]
    if len(words) != 2 or not all(words):
        raise invalid_argument(f"{kind} is {_cut(text)!r}; expected two, and {_HOW[9:]}")
    first, second = words
    if kind == "labels":
        return ModelSpec(name, None, first), ModelSpec(name, None, second)
    return ModelSpec(name, _number(first), None), ModelSpec(name, _number(second), None)


def _number(text: str) -> int:
    found = _VERSION.fullmatch(text)
    if found is None or int(found[1]) > _LARGEST_VERSION:
        raise invalid_argument(f"{_cut(text)!r} is no version; expected a number, such as 2")
    return int(found[1])


def _version_in(body: bytes) -> int:
    """The version that a label is to be for."""
    try:
        document = orjson.loads(body) if len(body) <= _LARGEST_BODY else None
    except orjson.JSONDecodeError:
        document = None
    if not (isinstance(document, dict) and document.keys() == {"version"}):
        raise invalid_argument(f"The body of {len(body)} bytes names no version; expected {_EXAMPLE}")
    version = document["version"]
    if isinstance(version, bool) or not isinstance(version, str | int):
        raise invalid_argument(f"version is {_cut(str(version))}; expected a number in a string, as in {_EXAMPLE}")
    return _number(str(version))


def _cut(text: str) -> str:
    return _shown(text[:_LONGEST_SHOWN])


def _shown(text: str) -> str:
    """Valid Unicode: what comes from a URL may be other bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
