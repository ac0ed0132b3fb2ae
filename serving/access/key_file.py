"""The file of keys: JSON text to ``Keys``. Errors name the entry and the field, and never show what may be a key.

JSON, for a file that is being written, and therefore cut off, is never valid JSON.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from serving.access.keys import Holder, Keys
from serving.errors import invalid_configuration
from serving.inference.principal import Principal, Right

RIGHTS = ", ".join(right.value for right in Right)
FIELDS = (
    "name",
    "sha256",
    "certificate",
    "rights",
    "models",
    "max_in_flight",
    "requests_per_second",
    "expires",
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,63}")
_DIGEST = re.compile(r"[0-9A-Fa-f]{64}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_LONGEST_SHOWN = 64


def parse(content: bytes, place: str) -> Keys:
    """The keys of a file with this ``content``; ``place`` says where it is from. Raises ConfigurationError."""
    entries = parse_list(content, place)
    holders: list[Holder] = []
    taken: dict[str | bytes, str] = {}
    for number, given in enumerate(entries, 1):
        entry = _Entry(place, number, given)
        holder = entry.holder()
        for field, of in _unique(holder):
            if of in taken:
                entry.fail(f"{field} is that of entry {taken[of]} as well; expected each once")
            taken[of] = entry.label
        holders.append(holder)
    return Keys(holders)


def parse_list(content: bytes, place: str) -> list[Any]:
    """The entries, unread. Raises ConfigurationError if it is no JSON list."""
    try:
        entries = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise invalid_configuration(f"{place}: {where}: {error.msg}; expected a JSON list of entries") from None
    except UnicodeDecodeError as error:
        raise invalid_configuration(f"{place}: byte {error.start} is not UTF-8; expected JSON") from None
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise invalid_configuration(f"{place}: {why}; expected a JSON list of entries") from None
    if not isinstance(entries, list):
        raise invalid_configuration(f"{place} has {_kind(entries)}; expected a JSON list of entries")
    return entries


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an entry has the field {_shown(twice)} twice")
    return made


def _unique(holder: Holder) -> Iterator[tuple[str, str | bytes]]:
    yield "name", f"name {holder.principal.name}"
    for digest in holder.digests:
        yield "sha256", digest
    for name in holder.certificates:
        yield "certificate", f"certificate {name}"


@dataclass(frozen=True, slots=True)
class _Entry:
    place: str
    number: int
    given: Any

    @property
    def label(self) -> str:
        """Its number, counted from 1, and its name if it has one."""
        name = self.given.get("name") if isinstance(self.given, dict) else None
        return f"{self.number} ({name})" if isinstance(name, str) and _NAME.fullmatch(name) else str(self.number)

    def fail(self, what: str) -> NoReturn:
        raise invalid_configuration(f"{self.place}: entry {self.label}: {what}")

    def wrong(self, field: str, expected: str, *, secret: bool = False) -> NoReturn:
        """Say that a field is no use; of one that may hold a key, not what it is."""
        value = self.given.get(field)
        shown = "missing" if field not in self.given else _kind(value) if secret else _shown(value)
        self.fail(f"{field} is {shown}; expected {expected}")

    def holder(self) -> Holder:
        if not isinstance(self.given, dict):
            self.fail(f"it is {_kind(self.given)}; expected an object with {', '.join(FIELDS[:4])}")
        for field in self.given:
            if field not in FIELDS:
                self.fail(f"there is no field {_shown(field)}; expected some of {', '.join(FIELDS)}")
        principal = self._principal()
        digests = self._texts("sha256", _is_digest, _DIGESTS, secret=True)
        certificates = self._texts("certificate", bool, "a name of the client's certificate, or a list of them")
        if not digests and not certificates:
            self.fail("it has neither sha256 nor certificate; expected one of them")
        return Holder(
            principal=principal,
            digests=tuple(bytes.fromhex(each) for each in digests),
            certificates=tuple(certificates),
            expires_at=self._expiry(),
        )

    def _principal(self) -> Principal:
        name = self.given.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self.wrong("name", "up to 64 letters, digits and ._:@/-, the first a letter or digit")
        words = self._texts("rights", lambda word: word in RIGHTS.split(", "), f"a list with some of {RIGHTS}")
        if not words:
            self.wrong("rights", f"a list with some of {RIGHTS}")
        models = self._texts("models", bool, "a list of models' names, in which * stands for any characters")
        rights, limited = frozenset(map(Right, words)), bool(models) and "*" not in models
        if limited and Right.ADMIN in rights:
            self.fail("it has models and the right admin, which changes the list of all models; expected one of them")
        return Principal(
            name=name,
            rights=rights,
            models=tuple(models) if limited else None,
            max_in_flight=self._whole("max_in_flight"),
            requests_per_second=self._rate("requests_per_second"),
        )

    def _texts(
        self, field: str, fits: Callable[[str], object], expected: str, *, secret: bool = False
    ) -> Sequence[str]:
        """The strings of a field that may be one string; none if there is no such field."""
        if field not in self.given:
            return ()
        value = self.given[field]
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not texts or not all(isinstance(each, str) and fits(each) for each in texts):
            self.wrong(field, expected, secret=secret)
        return list(dict.fromkeys(texts))

    def _whole(self, field: str) -> int:
        value = self.given.get(field, 0)
        if field in self.given and (type(value) is not int or not 0 < value < 2**31):
            self.wrong(field, "a whole number from 1 on; without a limit the field is left out")
        return int(value)

    def _rate(self, field: str) -> float:
        value = self.given.get(field, 0)
        if field in self.given and (type(value) not in (int, float) or not 0 < value < math.inf):
            self.wrong(field, "a number above 0; without a limit the field is left out")
        return float(value)

    def _expiry(self) -> float | None:
        if "expires" not in self.given:
            return None
        value = self.given["expires"]
        when = _time(value) if isinstance(value, str) else None
        if when is None:
            self.wrong("expires", 'a day such as "2027-01-31", in UTC, or a time such as "2027-01-31T12:00:00Z"')
        return when.timestamp()


_DIGESTS = "64 hexadecimal digits, the SHA-256 of a key and not the key itself, or a list of such"


def _is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def _time(text: str) -> datetime | None:
    """A time with its offset, or the beginning of a day in UTC."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    if _DATE.fullmatch(text):
        return when.replace(tzinfo=UTC)
    return when if when.tzinfo is not None else None


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _kind(value: object) -> str:
    match value:
        case str():
            return f"a string of {len(value)} characters"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "an object"
        case bool() | None:
            return json.dumps(value)
        case _:
            return "a number"
