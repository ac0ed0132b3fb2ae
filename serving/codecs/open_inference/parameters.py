"""Parameters of requests, inputs and outputs: what is read of them. Others are passed over, as Triton does."""

from collections.abc import Mapping
from typing import NamedTuple

from serving.errors import ServingError, invalid_argument

Parameter = bool | int | float | str
"""What a parameter may be."""

_SHARED_MEMORY = "shared_memory_region"
_MOST_CLASSES = 2**31 - 1
_LARGEST_TIMEOUT_MICROS = 2**63 - 1


class Asked(NamedTuple):
    """A request's parameters; ``timeout_ms`` is 0 without a limit. ``binary`` is for the outputs that are not named."""

    signature_name: str = ""
    timeout_ms: int = 0
    binary: bool = False


_NOTHING = Asked()


def of_request(parameters: Mapping[str, Parameter]) -> Asked:
    """``signature_name`` (or ``signature``), ``timeout`` in microseconds, ``binary_data_output``, ``priority``.

    A priority has no effect: there is one queue. Raises ServingError, INVALID_ARGUMENT, for a value of another type.
    """
    if not parameters:
        return _NOTHING
    signature = parameters.get("signature_name", parameters.get("signature", ""))
    if not isinstance(signature, str):
        raise _unfit("signature_name", "a string", signature)
    return Asked(signature, _timeout_ms(parameters.get("timeout", 0)), _flag(parameters, "binary_data_output"))


def classes(parameters: Mapping[str, Parameter]) -> int:
    """``classification`` of an output, 0 without. INVALID_ARGUMENT for what is no number of classes."""
    count = parameters.get("classification", 0)
    if type(count) is not int or not 0 <= count <= _MOST_CLASSES:
        raise _unfit("classification", "a number of classes", count)
    return count


def is_binary(parameters: Mapping[str, Parameter], *, otherwise: bool) -> bool:
    """``binary_data`` of an output; INVALID_ARGUMENT for what is neither true nor false."""
    return _flag(parameters, "binary_data", otherwise=otherwise)


def check_memory(kind: str, name: str, parameters: Mapping[str, Parameter]) -> None:
    """INVALID_ARGUMENT if the ``Input`` or ``Output`` is to be in shared memory, of which this server has none."""
    if _SHARED_MEMORY in parameters:
        raise invalid_argument(
            f'{kind} "{name}" is to be in the shared memory region "{str(parameters[_SHARED_MEMORY])[:64]}"; expected '
            "its contents in the request or the answer: this server takes no shared memory of its clients"
        )


def _timeout_ms(micros: Parameter) -> int:
    if type(micros) is not int or not 0 <= micros <= _LARGEST_TIMEOUT_MICROS:
        raise _unfit("timeout", "microseconds", micros)
    return -(-micros // 1000)


def _flag(parameters: Mapping[str, Parameter], name: str, *, otherwise: bool = False) -> bool:
    value = parameters.get(name, otherwise)
    if not isinstance(value, bool):
        raise _unfit(name, "true or false", value)
    return value


def _unfit(name: str, expected: str, given: Parameter) -> ServingError:
    return invalid_argument(f"The parameter {name} is {str(given)[:64]!r}; expected {expected}")
