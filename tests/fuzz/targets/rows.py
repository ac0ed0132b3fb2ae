"""Bodies of other platforms' clients: CSV, JSON lines and parameters, against Python's ``csv`` and ``json``."""

import csv
import io
import json
from functools import partial
from random import Random
from typing import Any

from serving.codecs.comma_separated import CsvDocument
from serving.codecs.json import instances, parameters
from tests.fuzz.drawing import chance, mutated
from tests.fuzz.target import Target, unless_refused
from tests.support.json_requests import B, S, X

_DAMAGED = 20
"""In a hundred."""
_WORDS = ("a", "", '"', "a,b", "1", "1.5", "ü", "parameters", "instances", "]", "\\", "signature_name", "x\ny")


def _number(random: Random) -> int | float:
    return random.choice((0, 1, -1, 2.5, 1e-3, -7.25, 1e30, 123456789, random.random()))


def _value(random: Random, depth: int = 2) -> Any:
    """Anything that JSON has."""
    kind = random.randrange(6 if depth else 3)
    if kind < 2:
        return _number(random)
    if kind == 2:
        return random.choice((*_WORDS, None, True))
    inner = [_value(random, depth - 1) for _ in range(random.randrange(4))]
    return inner if kind < 5 else {random.choice(_WORDS): each for each in inner}


def _maybe_damaged(random: Random, text: str) -> bytes:
    data = text.encode()
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _csv(random: Random) -> bytes:
    fields = random.choice((1, 1, 2, 3))
    words = chance(random, 40)
    rows = [
        [random.choice(_WORDS) if words else _number(random) for _ in range(fields)]
        for _ in range(random.randrange(1, 6))
    ]
    file = io.StringIO()
    ends = random.choice(("\n", "\r\n"))
    quoted = csv.writer(file, lineterminator=ends, quoting=csv.QUOTE_ALL)
    (quoted if chance(random, 50) else csv.writer(file, lineterminator=ends)).writerows(rows)
    return _maybe_damaged(random, file.getvalue())


def _check_csv(data: bytes) -> bool:
    for inputs in (X, B):
        unless_refused(partial(CsvDocument(data).tensors, inputs))
    found = unless_refused(lambda: CsvDocument(data).tensors(S))
    if found is None:
        return False
    text = data.decode("utf-8", "surrogateescape")
    rows = [row for row in csv.reader(io.StringIO(text, newline="\n"), strict=True) if row]
    expected = [[field.encode("utf-8", "surrogateescape") for field in row] for row in rows]
    array = found[1]["s"].array
    assert array.tolist() == ([row[0] for row in expected] if array.ndim == 1 else expected)
    return True


def _lines(random: Random) -> bytes:
    values = [_value(random) for _ in range(random.randrange(1, 6))]
    ends = random.choice(("\n", "\r\n", "\n\n"))
    return _maybe_damaged(random, ends.join(json.dumps(value, ensure_ascii=chance(random, 50)) for value in values))


def _check_lines(data: bytes) -> bool:
    unless_refused(partial(instances.rows, data))
    request = unless_refused(partial(instances.rows_of_lines, data))
    if request is None:
        return False
    try:
        expected = [json.loads(line) for line in data.split(b"\n") if line.strip(b" \t\r\n")]
    except (
        ValueError,
        RecursionError,
    ):  # what numbers are is seen later, and TensorFlow Serving's reader takes more than Python's
        return False
    assert json.loads(request) == {"instances": expected}
    return True


def _parameters(random: Random) -> bytes:
    given: Any = {"signature_name": random.choice(_WORDS)} if chance(random, 70) else _value(random)
    members = [("instances", _value(random)), ("parameters", given)]
    if chance(random, 20):
        members.append((random.choice(_WORDS), _value(random)))
    random.shuffle(members)
    return _maybe_damaged(random, json.dumps(dict(members), ensure_ascii=chance(random, 50)))


def _check_parameters(data: bytes) -> bool:
    request = unless_refused(partial(parameters.with_signature, data))
    if request is None:
        return False
    try:
        before, after = (json.loads(each, object_pairs_hook=_first) for each in (data, request))
    except (ValueError, RecursionError):
        return False
    if not isinstance(before, dict):
        return False
    given = before.get("parameters")
    assert after.get("instances") == before.get("instances")
    name = before.get("signature_name", given.get("signature_name") if isinstance(given, dict) else None)
    assert after.get("signature_name") == name
    return True


def _first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of members with the same name the first counts."""
    return dict(reversed(pairs))


TARGETS = (
    Target(
        name="rows.csv",
        promise="the strings that csv reads, numbers as JSON has them, or INVALID_ARGUMENT",
        make=_csv,
        check=_check_csv,
        seeds=(b"1,2\n3,4\n", b'"a","b""c"\r\n'),
    ),
    Target(
        name="rows.lines",
        promise="an instance for each line that json reads, or INVALID_ARGUMENT",
        make=_lines,
        check=_check_lines,
        seeds=(b"[1, 2]\n[3, 4]\n", b'{"x": "]"}\n\n{"x": 1}'),
    ),
    Target(
        name="rows.parameters",
        promise="the same instances, and the signature that the outermost parameters name, or INVALID_ARGUMENT",
        make=_parameters,
        check=_check_parameters,
        seeds=(b'{"instances": [1], "parameters": {"signature_name": "s"}}',),
    ),
)
