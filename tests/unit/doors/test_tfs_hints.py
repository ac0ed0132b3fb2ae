"""Hints beside errors of TensorFlow Serving's REST API: what was meant, which verbs and models there are."""

import pytest

from serving.errors import Code, ServingError
from serving.rest.api import tfs_hints
from serving.rest.api.tfs_paths import MalformedError

SERVED = {"digits": (2, 1), "half_plus_two": (123,), "idle": ()}
VERBS = "the verbs are predict, classify, regress or compare, by POST"


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("POST", "/v1/models/m:predct", f"did you mean :predict? {VERBS}"),
        ("POST", "/v1/models/m/predict", f"did you mean :predict? {VERBS}"),
        ("POST", "/v1/models/m/versions/1:Predict", f"did you mean :predict? {VERBS}"),
        ("GET", "/v1/models/m:predict", f"did you mean POST and :predict? {VERBS}"),
        ("POST", "/v1/models/m:explain", VERBS),
        ("POST", "/v1/models/m", "POST needs a verb behind the name: :predict, classify, regress or compare"),
        ("GET", "/v1/models/m:metadata", "did you mean GET /v1/models/NAME/metadata?"),
        (
            "POST",
            "/v1/model/m:predict",
            "expected POST /v1/models/NAME:VERB with the verb predict, classify, regress or compare",
        ),
    ],
    ids=["typo", "slash", "case", "GET", "other verb", "no verb", "colon", "model"],
)
def test_malformed_requests(method: str, path: str, said: str) -> None:
    """The verbs, and the one that is nearest to what was written."""
    assert tfs_hints.malformed(method, path).startswith(said)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "Servable not found for request: Latest(digitz)",
            "did you mean digits? models served: digits, half_plus_two, idle",
        ),
        ("Servable not found for request: Latest(x)", "models served: digits, half_plus_two, idle"),
        ("Servable not found for request: Specific(digits, 7)", "digits has the available versions 2, 1"),
        ("Servable not found for request: Latest(idle)", "idle has no available version now"),
        (
            "Could not find any versions of model digts",
            "did you mean digits? models served: digits, half_plus_two, idle",
        ),
        ("Could not find version 7 of model digits", "digits has the available versions 2, 1"),
        ("Something else was not found", ""),
    ],
    ids=["typo", "unknown", "version", "nothing available", "status", "status of a version", "other"],
)
def test_what_is_not_there(message: str, said: str) -> None:
    """The models that are served, or the versions of the one that was asked for."""
    assert tfs_hints.missing(message, SERVED) == said


def test_models_are_named_only_where_anybody_may_know() -> None:
    """With keys nothing is said of models, and the verbs all the same."""
    missing = ServingError(Code.NOT_FOUND, "Servable not found for request: Latest(x)")
    assert tfs_hints.lines(missing, None) == b""
    assert tfs_hints.lines(MalformedError("POST", "/v1/models/m:x"), None).startswith(b"X-Error-Hint: the verbs are ")


def test_a_hint_is_one_line_of_ascii() -> None:
    """Names that are foreign text end no line and begin no header."""
    error = ServingError(Code.NOT_FOUND, "Servable not found for request: Latest(x)")
    line = tfs_hints.lines(error, lambda: {"a\r\nSet-Cookie: b": (1,), "ä\x00": (1,)})
    assert line == b"X-Error-Hint: models served: a??Set-Cookie: b, ??\r\n"
