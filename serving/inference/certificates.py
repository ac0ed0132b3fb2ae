"""Which names a client's certificate has, in the form in which Python's TLS shows it. It verifies nothing."""

from collections.abc import Mapping
from typing import Any

_NAMES = frozenset(("DNS", "URI", "email"))


def names_in(shown: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The names in a certificate, the common one last; none without a certificate."""
    if not shown:
        return ()
    common = [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
    return (*(value for kind, value in shown.get("subjectAltName", ()) if kind in _NAMES), *common)
