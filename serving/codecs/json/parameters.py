"""Predict requests with ``parameters`` beside the instances, as Vertex AI's clients send them."""

from typing import Any

import orjson

from serving.codecs.json.strings import encoded, quoted
from serving.codecs.json.text import JsonValue, has_member, member, parse
from serving.errors import invalid_argument

_NAME = b'"parameters"'
_SIGNATURE_NAME = "signature_name"
_SPACE = b" \t\r\n"


def has_parameters(body: bytes) -> bool:
    """Whether a body may have them."""
    return _NAME in body


def with_signature(body: bytes) -> bytes:
    """The body with the ``signature_name`` of its parameters as its own, unless it has one; others mean nothing.

    Raises ServingError, INVALID_ARGUMENT: parameters that are no object, a name that is no string.
    """
    return _of_last_member(body) or _of_any(body)


def _of_last_member(body: bytes) -> bytes | None:
    """The same where parameters are the last member, as they nearly always are; the instances stay text."""
    start = body.rfind(_NAME)
    head = body[:start].rstrip(_SPACE)
    if head[-1:] != b"," or _NAME in head:  # of two members with the same name the first counts
        return None
    try:
        document = orjson.loads(b"{" + body[start:])  # which is a whole object only if they are the outermost one's
    except orjson.JSONDecodeError:
        return None
    given = document.get("parameters")
    if len(document) != 1 or not (given is None or type(given) is dict):
        return None
    return head[:-1] + _member(given.get(_SIGNATURE_NAME) if given else None) + b"}"


def _of_any(body: bytes) -> bytes:
    """The same for parameters anywhere: nothing is cut out, for a request may have members that mean nothing."""
    document = parse(body)
    given: JsonValue = member(document, "parameters") if isinstance(document, tuple) else None
    if given is None or not isinstance(document, tuple):
        return body
    if not isinstance(given, tuple):
        raise invalid_argument('parameters is no object; expected an object, such as {"signature_name": "…"}')
    added = _member(member(given, _SIGNATURE_NAME))
    if not added or has_member(document, _SIGNATURE_NAME):
        return body
    opened = body.index(b"{") + 1
    return body[:opened] + added[1:] + b"," + body[opened:]


def _member(name: Any) -> bytes:
    if name is None:
        return b""
    if not isinstance(name, str):
        raise invalid_argument(f"parameters has the signature_name {str(name)[:64]}; expected a string")
    return b',"signature_name":' + quoted(encoded(name))
