"""The file of keys: what each field comes to, and errors that name file, entry, field, what was given and expected."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.access import key_file
from serving.access.keys import Holder, Keys, digest_of
from serving.errors import Code, ConfigurationError
from serving.inference.principal import Right

KEY = "tfs_jUoBsfy1Lk7S3kUXWZt0yWo5lR1bDdq1oGkT0dK8mQA"
DIGEST = digest_of(KEY).hex()
GOOD: Mapping[str, Any] = {"name": "a", "sha256": DIGEST, "rights": ["predict"]}
NAME = r"up to 64 letters, digits and \._:@/-, the first a letter or digit"
SOME = "a list with some of predict, read, admin, metrics"
OUR_DIGESTS = "64 hexadecimal digits, the SHA-256 of a key and not the key itself, or a list of such"
DAY = r'a day such as "2027-01-31", in UTC, or a time such as "2027-01-31T12:00:00Z"'


def read(*entries: object) -> list[Holder]:
    """The entries of a file."""
    return [*key_file.parse(json.dumps(entries).encode(), "F").holders.values()]


def without(field: str, **more: object) -> dict[str, object]:
    """The good entry without one field, and with others."""
    return {**{name: value for name, value in GOOD.items() if name != field}, **more}


def test_an_entry_with_everything() -> None:
    """Each field is carried."""
    given = {
        "name": "team-a@example.com/1",
        "sha256": [DIGEST.upper(), "0" * 64],
        "certificate": "a.example.com",
        "rights": ["predict", "read", "metrics"],
        "models": ["resnet", "bert*"],
        "max_in_flight": 8,
        "requests_per_second": 0.5,
        "expires": "2027-01-31T12:00:00+02:00",
    }
    (holder,) = read(given)
    assert holder.digests == (bytes.fromhex(DIGEST), bytes(32))
    assert holder.certificates == ("a.example.com",)
    assert holder.expires_at == datetime(2027, 1, 31, 10, tzinfo=UTC).timestamp()
    principal = holder.principal
    assert principal.name == "team-a@example.com/1"
    assert principal.rights == {Right.PREDICT, Right.READ, Right.METRICS}
    assert (principal.max_in_flight, principal.requests_per_second) == (8, 0.5)
    assert [principal.may_use(name) for name in ("resnet", "resnet2", "bert", "bert-large")] == [
        True,
        False,
        True,
        True,
    ]


def test_an_entry_with_the_least() -> None:
    """All models, no limit, no end."""
    (holder,) = read(GOOD)
    assert (holder.principal.models, holder.expires_at) == (None, None)
    assert (holder.principal.max_in_flight, holder.principal.requests_per_second) == (0, 0)


def test_a_day_is_its_beginning() -> None:
    """In UTC, so that it is the same on every machine."""
    (holder,) = read({**GOOD, "expires": "2027-01-31"})
    assert holder.expires_at == datetime(2027, 1, 31, tzinfo=UTC).timestamp()


def test_a_star_alone_is_all_models() -> None:
    """With it the right admin makes sense again."""
    (holder,) = read({**GOOD, "rights": ["admin"], "models": ["a", "*"]})
    assert holder.principal.models is None


def test_an_empty_list_is_a_list() -> None:
    """Nobody may call; a byte order mark does no harm."""
    assert not key_file.parse(b"\xef\xbb\xbf[]", "F").holders


BAD: Mapping[str, tuple[object, str]] = {
    "no object": (7, "entry 1: it is a number; expected an object with name, sha256, certificate, rights"),
    "a string": (KEY, "entry 1: it is a string of 47 characters; expected an object"),
    "unknown field": (
        {**GOOD, "model": "m"},
        r'entry 1 \(a\): there is no field "model"; expected some of name, sha256',
    ),
    "no name": (without("name"), f"entry 1: name is missing; expected {NAME}"),
    "bad name": (without("name", name="a\nb"), rf'entry 1: name is "a\\nb"; expected {NAME}'),
    "long name": (without("name", name="a" * 65), rf"entry 1: name is \"a{{63}}…; expected {NAME}"),
    "no credential": (without("sha256"), r"entry 1 \(a\): it has neither sha256 nor certificate; expected one of them"),
    "a key": (
        without("sha256", sha256=KEY),
        rf"entry 1 \(a\): sha256 is a string of 47 characters; expected {OUR_DIGESTS}",
    ),
    "digest of another type": (without("sha256", sha256={}), rf"sha256 is an object; expected {OUR_DIGESTS}"),
    "one of two": (without("sha256", sha256=[DIGEST, KEY]), rf"sha256 is a list of 2; expected {OUR_DIGESTS}"),
    "empty certificate": ({**GOOD, "certificate": ""}, 'certificate is ""; expected a name of the client'),
    "no rights": (without("rights"), f"rights is missing; expected {SOME}"),
    "empty rights": (without("rights", rights=[]), rf"rights is \[\]; expected {SOME}"),
    "unknown right": (without("rights", rights=["write"]), rf'rights is \["write"\]; expected {SOME}'),
    "several as one": (without("rights", rights="predict, read"), rf'rights is "predict, read"; expected {SOME}'),
    "empty models": ({**GOOD, "models": []}, r"models is \[\]; expected a list of models' names"),
    "admin of some": ({**GOOD, "rights": ["admin"], "models": ["m"]}, "it has models and the right admin"),
    "no limit": ({**GOOD, "max_in_flight": 0}, "max_in_flight is 0; expected a whole number from 1 on"),
    "true": ({**GOOD, "max_in_flight": True}, "max_in_flight is true; expected a whole number from 1 on"),
    "half a request": ({**GOOD, "max_in_flight": 1.5}, "max_in_flight is 1.5; expected a whole number from 1 on"),
    "negative rate": ({**GOOD, "requests_per_second": -1}, "requests_per_second is -1; expected a number above 0"),
    "endless rate": (
        {**GOOD, "requests_per_second": float("inf")},
        "requests_per_second is Infinity; expected a number above 0",
    ),
    "no day": ({**GOOD, "expires": "soon"}, f'expires is "soon"; expected {DAY}'),
    "somewhere": ({**GOOD, "expires": "2027-01-31T12:00:00"}, f'expires is "2027-01-31T12:00:00"; expected {DAY}'),
    "seconds": ({**GOOD, "expires": 1800000000}, f"expires is 1800000000; expected {DAY}"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_entries(name: str) -> None:
    """Each is refused, and what may be a key is not shown."""
    given, expected = BAD[name]
    with pytest.raises(ConfigurationError, match=f"^INVALID_ARGUMENT: F: .*{expected}") as raised:
        read(given)
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert KEY not in raised.value.text


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        pytest.param(without("sha256", sha256="0" * 64), r"entry 2 \(a\): name is that of entry 1 \(a\)", id="name"),
        pytest.param(without("name", name="b"), r"entry 2 \(b\): sha256 is that of entry 1 \(a\)", id="sha256"),
        pytest.param(
            {"name": "b", "certificate": ["x", "c"], "rights": ["read"]},
            r"entry 2 \(b\): certificate is that of entry 1 \(a\)",
            id="certificate",
        ),
    ],
)
def test_each_is_there_once(second: dict[str, Any], expected: str) -> None:
    """Nobody would know whose it is."""
    with pytest.raises(ConfigurationError, match=expected):
        read({**GOOD, "certificate": "c"}, second)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", "F: line 1, column 1: Expecting value; expected a JSON list", id="empty"),
        pytest.param(b"[{}\n {}]", "F: line 2, column 2: Expecting ',' delimiter; expected a JSON list", id="syntax"),
        pytest.param(b'{"keys": []}', "F has an object; expected a JSON list of entries", id="no list"),
        pytest.param(b'["\xff"]', "F: byte 2 is not UTF-8; expected JSON", id="not UTF-8"),
        pytest.param(b"[" * 200_000, "F: it is nested too deep", id="deep"),
        pytest.param(b"[" + b"9" * 5000 + b"]", "F: Exceeds the limit", id="a long number"),
        pytest.param(b'[{"name": 1, "name": 2}]', 'F: an entry has the field "name" twice', id="twice"),
        pytest.param(b'[{"models": "\\ud800"}]', "F: entry 1: name is missing", id="no character"),
        pytest.param(b'[{"name": "\\ud800"}]', r'F: entry 1: name is "\\ud800"', id="no character in a name"),
    ],
)
def test_what_is_no_list(content: bytes, expected: str) -> None:
    """The error says where it ends to be one."""
    with pytest.raises(ConfigurationError, match=expected.replace("(", r"\(")) as raised:
        key_file.parse(content, "F")
    assert raised.value.text


def test_what_is_cut_off_is_no_file() -> None:
    """A file that is just being written never counts: no beginning of it is a list."""
    content = json.dumps([GOOD, without("name", name="b", sha256="0" * 64)]).encode()
    for end in range(len(content)):
        with pytest.raises(ConfigurationError):
            key_file.parse(content[:end], "F")


def keys_or_text(content: bytes) -> Keys | str:
    """What a file comes to, or what is wrong with it."""
    try:
        return key_file.parse(content, "F")
    except ConfigurationError as error:
        return error.text


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([DIGEST, "read", "a", "*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*key_file.FIELDS, "x"]), inner),
    max_leaves=12,
)


@given(
    st.lists(
        _JSON
        | st.fixed_dictionaries({}, optional={field: st.just(GOOD.get(field)) | _JSON for field in key_file.FIELDS}),
        max_size=3,
    )
)
def test_whatever_is_written_is_keys_or_an_error(entries: list[object]) -> None:
    """With a text that can be shown; there is no third."""
    outcome = keys_or_text(json.dumps(entries).encode())
    assert outcome.startswith("F") if isinstance(outcome, str) else len(outcome.holders) == len(entries)


@given(st.binary(max_size=200))
def test_any_bytes_are_keys_or_an_error(content: bytes) -> None:
    """The same for what is no JSON."""
    outcome = keys_or_text(content)
    assert not isinstance(outcome, str) or outcome.startswith("F")


def test_digests_are_not_shown() -> None:
    """They get into no log by way of a representation."""
    (holder,) = read(GOOD)
    assert "digest" not in repr(holder)
