"""The outermost part that every inference request in JSON shares: an object, and the signature it names."""

from serving.codecs.json.echo import echo
from serving.codecs.json.text import JsonObject, member, parse
from serving.errors import invalid_argument


def read(body: bytes) -> tuple[JsonObject, str]:
    """The members of the body and its ``signature_name``, empty if it has none.

    Raises ServingError, INVALID_ARGUMENT: not JSON, not an object, or ``signature_name`` not a string.
    """
    document = parse(body)
    if not isinstance(document, tuple):
        raise invalid_argument(f"JSON Value: {echo(document)} Is not object")
    name = member(document, "signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {echo(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return document, name
