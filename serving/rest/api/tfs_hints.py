"""What helps beside an error of TensorFlow Serving's REST API, whose text stays as it is: one line for a header.

It is worked out for errors alone, and says nothing that the one who asks might not know.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from serving.errors import Code, ServingError, first_few
from serving.rest.api.tfs_paths import VERBS, MalformedError

HEADER = b"X-Error-Hint"
"""Not ``Warning``, which HTTP has given up, and which had to come with a date and a code."""

Served = Callable[[], Mapping[str, Sequence[int]]]
"""The names of the models and their available versions, highest first."""

_MOST_CHARACTERS = 400
_MODEL_PATH = re.compile(r"/v1/models/[^/:?#]+(?:/(?:versions|labels)/[^/:?#]+)?", re.ASCII | re.IGNORECASE)
_AFTER = re.compile(r"[:/]([^/:?#]*)")
_MISSING = re.compile(
    r"Servable not found for request: (?:Latest\((?P<latest>.*)\)|Specific\((?P<specific>.*), \d+\))"
    r"|Could not find (?:any versions|version \d+) of model (?P<any>.*)",
    re.DOTALL,
)
_POSTED = (*VERBS, "compare")
_WITH_POST = ", ".join(_POSTED[:-1]) + f" or {_POSTED[-1]}"
_PATHS = (
    f"expected POST /v1/models/NAME:VERB with the verb {_WITH_POST}, or GET /v1/models/NAME or "
    "/v1/models/NAME/metadata; /versions/NUMBER or /labels/LABEL may follow the name"
)


def lines(error: ServingError, served: Served | None) -> bytes:
    """The header's line; nothing where there is no hint. Without ``served`` no model is named."""
    hint = ""
    if isinstance(error, MalformedError):
        hint = malformed(error.method, error.path)
    elif error.code is Code.NOT_FOUND and served is not None:
        hint = missing(error.message, served())
    if not hint:
        return b""
    text = "".join(each if " " <= each <= "~" else "?" for each in hint[:_MOST_CHARACTERS])
    return b"%b: %b\r\n" % (HEADER, text.encode("ascii"))


def malformed(method: str, path: str) -> str:
    """What the request was probably meant to be."""
    model = _MODEL_PATH.match(path)
    if model is None:
        return _PATHS
    rest = path[model.end() :]
    following = _AFTER.fullmatch(rest)
    if not rest and method == "POST":
        return f"POST needs a verb behind the name: :{_WITH_POST}"
    if following is None:
        return _PATHS
    near = _near(following[1].lower(), (*_POSTED, "metadata"))
    if near == "metadata":
        return "did you mean GET /v1/models/NAME/metadata?"
    verbs = f"the verbs are {_WITH_POST}, by POST"
    meant = f":{near}" if method == "POST" else f"POST and :{near}"
    return f"did you mean {meant}? {verbs}" if near else verbs


def missing(message: str, served: Mapping[str, Sequence[int]]) -> str:
    """Which models, or which versions of the model, there are; nothing for other texts."""
    found = _MISSING.fullmatch(message)
    if found is None:
        return ""
    name = found["latest"] or found["specific"] or found["any"] or ""
    if name in served:
        versions = first_few([str(each) for each in served[name]])
        return f"{name} has the available versions {versions}" if versions else f"{name} has no available version now"
    near = _near(name, list(served))
    names = f"models served: {first_few(list(served)) or 'none'}"
    return f"did you mean {near}? {names}" if near else names


def _near(word: str, words: Sequence[str]) -> str:
    from difflib import get_close_matches  # only here: most servers answer no such request

    return next(iter(get_close_matches(word, words, n=1)), "")
