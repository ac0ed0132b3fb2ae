"""What a call raises when the server, or the way to it, says no: its words, what was asked, and what may help."""

import re
from collections.abc import Mapping
from types import MappingProxyType

import grpc

_CODES: Mapping[int, grpc.StatusCode] = MappingProxyType({code.value[0]: code for code in grpc.StatusCode})

_NUMPY_NAMES: Mapping[str, str] = MappingProxyType({"float": "float32", "double": "float64", "half": "float16"})
"""TensorFlow's words for types that numpy calls otherwise."""

_OUT_OF_TIME = "Deadline Exceeded"
"""What gRPC itself says when the time is over. A server that gives up, for that or for a limit of its own, says why."""

_WRONG_DTYPE = re.compile(r"[Ee]xpects arg\[\d+\] to be (\w+) but (\w+) is provided")
_NO_METHOD = re.compile(
    r"method not (found|implemented)|unknown (method|service)|not implement the method", re.IGNORECASE
)
"""What servers say of a method that they do not know, if they say anything."""

_PROXY = re.compile(r"HTTP proxy")
_NO_HANDSHAKE = re.compile(r"[Hh]andshake|SSL|TLS|certificate|verification check|Verification Check")
_FAILED = "(failed to connect|connections to all backends failing)"
"""gRPC's words where one address is tried after the other, and where all have their turn."""

_HUNG_UP = re.compile(f"{_FAILED}.*(Socket closed|Connection reset)")
_NO_GRPC = re.compile(f"{_FAILED}.*HTTP/2")
_NO_CONNECTION = re.compile(f"{_FAILED}|Connection refused|DNS resolution failed|errors resolving")


class ServingError(Exception):
    """A call that was not answered.

    ``code`` is gRPC's, ``message`` the server's own words or the transport's, ``asked`` the call, and ``hint`` a
    sentence that may help, or "". ``retry_seconds`` is the time after which a server that refused the call wants it
    again, if it says so.
    """

    def __init__(self, code: grpc.StatusCode, message: str, asked: str = "", hint: str = "") -> None:
        super().__init__(code, message, asked, hint)
        self.code = code
        self.message = message
        self.asked = asked
        self.hint = hint
        self.retry_seconds: float | None = None

    def __str__(self) -> str:
        asked = f" ({self.asked})" if self.asked else ""
        hint = f"\n{self.hint}" if self.hint else ""
        return f"{self.code.name}: {self.message}{asked}{hint}"


def about(what: str, error: TypeError | ValueError) -> TypeError | ValueError:
    """The same kind of error, with what it is about before its text."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"{what}: {error}")


def code_of(number: int) -> grpc.StatusCode:
    """gRPC's code of a number; UNKNOWN for numbers that it does not have."""
    return _CODES.get(number, grpc.StatusCode.UNKNOWN)


def serving_error(
    error: grpc.RpcError,
    *,
    asked: str,
    address: str,
    timeout_seconds: float | None,
    api: str = "TensorFlow Serving's API",
) -> ServingError:
    """What gRPC raised, as users shall see it. ``api`` is the one that the call is of."""
    code, message = error.code(), error.details() or ""
    return ServingError(code, message, asked, _hint(code, message, address, timeout_seconds, api))


def _hint(code: grpc.StatusCode, message: str, address: str, timeout_seconds: float | None, api: str) -> str:
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            return _hint_unavailable(message, address)
        case grpc.StatusCode.DEADLINE_EXCEEDED if timeout_seconds is not None:
            what = "No answer within" if message == _OUT_OF_TIME else "The server gave up; the call had"
            return f"{what} timeout_seconds={timeout_seconds:g}."
        case grpc.StatusCode.RESOURCE_EXHAUSTED if "larger than max" in message:
            return (
                "The message is over a limit on sizes: one of the server's, or the option "
                "grpc.max_receive_message_length or grpc.max_send_message_length, if this client was given one."
            )
        case grpc.StatusCode.INVALID_ARGUMENT if wrong := _WRONG_DTYPE.search(message):
            return _hint_dtype(_NUMPY_NAMES.get(wrong[1], wrong[1]))
        case grpc.StatusCode.NOT_FOUND if "Servable not found" in message:
            return "Is this the name the model is served under, and is a version of it available? status() tells."
        case grpc.StatusCode.FAILED_PRECONDITION if message.startswith("Serving signature"):
            return "metadata() tells which signatures there are."
        case grpc.StatusCode.UNIMPLEMENTED if not message or _NO_METHOD.search(message):
            return f"What answers at {address} does not know this call: is it a server of {api}?"
        case _:
            return ""


def _hint_dtype(name: str) -> str:
    if name == "string":
        return "Give the input as str or bytes."
    return f'Give the input as an array of that type: numpy.asarray(values, "{name}").'


def _hint_unavailable(message: str, address: str) -> str:
    its_port = "is this its gRPC port (8500)? 8501 is REST's."
    if _PROXY.search(message):
        return (
            f"A proxy that the environment names refuses the way to {address}: name the machine in no_proxy, or turn "
            'proxies off with ("grpc.enable_http_proxy", 0) among the options.'
        )
    if _NO_HANDSHAKE.search(message):
        return f"The TLS handshake with {address} failed: do the credentials fit the server's certificate and its name?"
    if _HUNG_UP.search(message):
        return f"What listens at {address} hangs up: does it want TLS (credentials=), and {its_port}"
    if _NO_GRPC.search(message):
        return f"What answers at {address} speaks no gRPC: {its_port}"
    if _NO_CONNECTION.search(message):
        return f"No server answers at {address}; is it running, and {its_port}"
    return ""
