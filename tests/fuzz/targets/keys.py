"""The file of API keys: every entry that is taken can be found by its digest and its name, and errors show no key."""

import json
from hashlib import sha256
from random import Random
from typing import Any

from serving.access import key_file
from serving.access.keys import digest_of
from serving.errors import ConfigurationError
from serving.inference.principal import Right
from tests.fuzz.drawing import chance, mutated
from tests.fuzz.target import Target, unless_refused

_SECRET = "tfs_never-to-be-seen"
_DAMAGED = 20
"""In a hundred."""


def _digest(random: Random) -> Any:
    digest = sha256(str(random.random()).encode()).hexdigest()
    return random.choice((*(digest,) * 8, [digest, sha256(digest.encode()).hexdigest()], _SECRET, digest[:-1]))


def _entry(random: Random, number: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": f"key-{number}", "rights": ["predict", "read"], "sha256": _digest(random)}
    more = {
        "certificate": random.choice((f"host-{number}.example", [f"a{number}", f"b{number}"], "", 5)),
        "models": random.choice((["m"], ["m*", "n"], [], "m")),
        "max_in_flight": random.choice((0, 4, -1, 2**70, 1.5, True)),
        "requests_per_second": random.choice((0, 0.5, 100, -1, 1e400, "1")),
        "expires": random.choice(("2030-01-01", "2030-01-01T00:00:00Z", "soon", 5)),
        "rights": random.choice((["admin"], ["predict", "metrics"], [], ["all"], "read")),
    }
    for name, value in more.items():
        if chance(random, 10):
            entry[name] = value
    return entry


def _make(random: Random) -> bytes:
    entries = [_entry(random, number) for number in range(random.choice((0, 1, 1, 2, 5)))]
    data = json.dumps(entries, indent=random.choice((None, 2))).encode()
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _check(data: bytes) -> bool:
    keys = unless_refused(lambda: _parsed(data))
    if keys is None:
        return False
    for name, holder in keys.holders.items():
        principal = holder.principal
        assert principal.name == name
        assert principal.rights <= frozenset(Right)
        assert principal.max_in_flight >= 0
        assert principal.requests_per_second >= 0
        assert holder.digests or holder.certificates
        assert all(len(digest) == len(digest_of("")) for digest in holder.digests)
        for certificate in holder.certificates:
            assert keys.of_certificate([certificate]) == [holder]
        assert principal.may_use("m") in (True, False)
    assert keys.of_key(_SECRET) is None
    return True


def _parsed(data: bytes) -> Any:
    try:
        return key_file.parse(data, "file")
    except ConfigurationError as error:
        if _SECRET in str(error):
            raise AssertionError("an error shows what may be a key") from error
        raise


TARGETS = (
    Target(
        name="keys.file",
        promise="principals that are found by what the file says of them, or ConfigurationError without a key in it",
        make=_make,
        check=_check,
        seeds=(b'[{"name": "a", "sha256": "' + b"ab" * 32 + b'", "rights": ["predict"], "models": ["m*"]}]',),
    ),
)
