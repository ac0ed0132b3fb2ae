"""Bodies that are instances and nothing else, made into requests in rows: JSON lines, or one value of JSON.

SageMaker's clients send both. Whether a text is one value is looked at here, what it says by those who read requests.
"""

import re

import numpy as np
import simdjson

from serving.codecs.json import text as json_text
from serving.errors import ServingError, invalid_argument

_REQUEST = re.compile(rb'"(?:instances|inputs|examples)"\s*:')
_NEXT_LINE = re.compile(rb"[}\]][ \t\r]*\n\s*[\[{]")
_OF_INSTANCES = re.compile(rb"\s*\[\s*[\[{]")
_SPACE = b" \t\r\n"
_NOT_NESTING = b"0123456789+-.eE, \t\r\n"
_LISTS_OF_NUMBERS = _NOT_NESTING + b"[]"
_END = "end"
_LARGEST_SHOWN = 64


def is_request(body: bytes) -> bool:
    """Whether a body is a request of TensorFlow Serving's: somewhere it has one of the names that those have."""
    return _REQUEST.search(body) is not None


def rows(body: bytes) -> bytes:
    """A request for what ``body`` holds: JSON lines if it looks like those, otherwise one value.

    Raises ServingError, INVALID_ARGUMENT, as the two do.
    """
    if b"\n" in body and _NEXT_LINE.search(body) is not None:
        return rows_of_lines(body)
    return rows_of_value(body)


def rows_of_value(body: bytes) -> bytes:
    """A request for one value: a list of lists or objects is all instances, everything else is one.

    Raises ServingError, INVALID_ARGUMENT, for what is no value of JSON, or several.
    """
    value = body.strip(_SPACE)
    if not value:
        raise _nothing()
    if not _are_values([value]):
        raise invalid_argument(
            f"The body is no JSON: {_shown(value)}; expected one value, or application/jsonlines with one in each line"
        )
    return b'{"instances":%b}' % (value if _OF_INSTANCES.match(value) else b"[%b]" % value)


def rows_of_lines(body: bytes) -> bytes:
    """A request with an instance for each line that is not blank.

    Raises ServingError, INVALID_ARGUMENT, for the first line that is no value of JSON, or several.
    """
    lines = [stripped for line in body.split(b"\n") if (stripped := line.strip(_SPACE))]
    if not lines:
        raise _nothing()
    if not _are_values(lines):
        numbered = ((number, line.strip(_SPACE)) for number, line in enumerate(body.split(b"\n"), 1))
        number, line = next((number, line) for number, line in numbered if line and not _is_value(line))
        raise invalid_argument(f"Line {number} of the body is no JSON: {_shown(line)}; expected one value in each line")
    return b'{"instances":[%b]}' % b",".join(lines)


def _are_values(texts: list[bytes]) -> bool:
    """Whether each text is one value; of lists of numbers only the brackets are looked at, the rest is seen later."""
    if any(text.translate(None, _LISTS_OF_NUMBERS) for text in texts):
        return all(map(_is_value, texts))
    nestings = {text.translate(None, _NOT_NESTING) for text in texts}
    if b"" in nestings and any(b"," in text for text in texts if text[:1] != b"["):
        return False
    return all(text[:1] == b"[" and text[-1:] == b"]" for text in texts if b"[" in text) and all(
        not nesting or _is_one_list(nesting) for nesting in nestings
    )


def _is_one_list(brackets: bytes) -> bool:
    """Whether brackets open one list and close it at the end."""
    steps = np.where(np.frombuffer(brackets, np.uint8) == ord("["), 1, -1)
    depths = np.cumsum(steps)
    return bool(depths[-1] == 0 and np.all(depths[:-1] > 0))


def _is_value(text: bytes) -> bool:
    try:
        simdjson.Parser().parse(text)
    except (ValueError, RuntimeError):
        return _is_odd_value(text)
    return True


def _is_odd_value(text: bytes) -> bool:
    """The same for what only TensorFlow Serving's reader takes, such as infinities: it stops behind the first value."""
    try:
        found = json_text.parse(b'[%b,"%b"]' % (text, _END.encode()))
    except ServingError:
        return False
    return isinstance(found, list) and len(found) == 2 and found[1] == _END


def _nothing() -> ServingError:
    return invalid_argument("The body is empty; expected instances, as JSON")


def _shown(text: bytes) -> str:
    cut = text[:_LARGEST_SHOWN].decode("utf-8", "replace")
    return f"{cut}…" if len(text) > _LARGEST_SHOWN else cut
