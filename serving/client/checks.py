"""What simple arguments have to be, and how errors show what was given. Tensors and features are checked elsewhere."""

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

INT64 = range(-(2**63), 2**63)

_SHOWN = 200


def shown(value: object) -> str:
    """A value as errors echo it: its repr, cut at 200 characters."""
    # Of a long string no more is written out than can be shown.
    text = repr(value[: _SHOWN + 1] if isinstance(value, str | bytes) else value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def checked_text(what: str, value: Any) -> str:
    """The value, if it is a str. TypeError if not."""
    if not isinstance(value, str):
        raise TypeError(f"expected a str as the {what}, got {shown(value)}")
    return value


def checked_list(what: str, values: Any, kind: type) -> list[Any]:
    """The values as a list, if each is of this kind. TypeError if one is not, or if there is one in place of a list."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"expected a list of {what}, each a {kind.__name__}, got {shown(values)}")
    found = list(values)
    if wrong := [each for each in found if not isinstance(each, kind)]:
        raise TypeError(f"expected a list of {what}, each a {kind.__name__}, got {shown(wrong[0])} in it")
    return found


def checked_number(what: str, value: Any) -> float:
    """The value, if it is an int or a float, Python's or numpy's. TypeError if not."""
    if not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"expected a number as {what}, got {shown(value)}")
    return value  # type: ignore[return-value]  # numpy's floats are as good


def checked_int(what: str, value: Any, allowed: range = INT64) -> int:
    """The value as an int: Python's, numpy's, or what else is one. TypeError if not, ValueError if not in the range."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"expected an int as the {what}, got {shown(value)}")
    if number not in allowed:
        raise ValueError(f"expected an int from {allowed[0]} to {allowed[-1]} as the {what}, got {shown(number)}")
    return number
