"""What goes wrong, as sentences for who sits at a terminal."""

import grpc

from serving.client.errors import ServingError

_WORDS = (
    ("(credentials=)", "(--tls)"),
    ("do the credentials fit", "do --ca, --cert and --key-file fit"),
    ("timeout_seconds=", "--timeout "),
    ("status() tells.", "serving-client status tells."),
    ("metadata() tells", "serving-client signatures tells"),
    ('or turn proxies off with ("grpc.enable_http_proxy", 0) among the options', "as in no_proxy=localhost"),
)
"""What the library's hints say to programs, and what the same is here."""

_KEY_HINT = "Give a key that may do this with --api-key or SERVING_API_KEY."


class ProblemError(Exception):
    """What cannot be done, in a sentence to act on."""


class UsageError(ProblemError):
    """What the command's arguments cannot be."""


def sentence(error: Exception) -> str:
    """What to print of an error."""
    if not isinstance(error, ServingError):
        return str(error)
    hint = error.hint
    for said, here in _WORDS:
        hint = hint.replace(said, here)
    if error.code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        hint = _KEY_HINT
    text = f"{error.message or 'no more was said'} ({error.code.name})"
    return f"{hint}\nThe reason: {text}" if error.code is grpc.StatusCode.UNAVAILABLE and hint else _joined(text, hint)


def _joined(text: str, hint: str) -> str:
    return f"{text}\n{hint}" if hint else text
