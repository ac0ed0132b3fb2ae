"""The request target as a URI (docs/rest.md, "URL grammar"); not what its path means, which the APIs say."""

import re

_PERCENT = r"%[0-9A-Fa-f]{2}"
_PATH = rf"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|{_PERCENT})*"
_QUERY = rf"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|{_PERCENT})*"
_TARGET = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.\-]*:|(?![^/?#]*:))(?://(?P<authority>[^/?#]*))?"
    rf"(?P<rest>{_PATH}(?:\?{_QUERY})?(?:#{_QUERY})?)"
)
_PLAIN = re.compile(rf"/(?!/){_PATH}")


def path_of(target: str) -> str | None:
    """Path, query and fragment of a request target, or None if it is no URI. An absolute target loses its authority."""
    if _PLAIN.fullmatch(target):
        return target
    match = _TARGET.fullmatch(target)
    return match["rest"] if match else None
