"""The costly requests: each kind with its door and the bytes of one request, made before anything is measured.

Each is of a size that a server takes by default, and costs it far more than it cost its sender.
"""

import gzip
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from serving.protos import PredictRequest
from tests.bench.asking import Address
from tests.bench.models import STRINGS

SMALL_BYTES = 64_000
"""Of a document below the 64 KiB up to which bodies are read where they arrive."""

LARGE_BYTES = 100_000_000
NESTED_BYTES = 20_000_000
INFLATED_BYTES = 100 * 2**20
STRINGS_COUNT = 5_000_000
_HALF_COUNT = STRINGS_COUNT // 2
DECLARED_COUNT = 33_000_000

_HALF = "half_plus_two"
_FLOAT, _STRING = 1, 7
_NUMBERS_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of costly request for ``model``; ``body`` makes a body for REST, or a message if it is ``over_grpc``."""

    title: str
    body: Callable[[], bytes]
    model: str = _HALF
    headers: Mapping[str, str] = field(default_factory=dict)
    over_grpc: bool = False

    def request(self, address: Address) -> bytes:
        """All bytes of one REST request on a connection that stays open."""
        body = self.body()
        place = address.rest.partition("://")[2]
        lines = {"Host": place, "Content-Type": "application/json", **self.headers, "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"POST /v1/models/{self.model}:predict HTTP/1.1\r\n{head}\r\n".encode() + body


def instances(element: bytes, size: int, last: bytes = b"") -> bytes:
    """A document of about ``size`` bytes, whose instances are this element over and over, and then ``last``."""
    count = max(1, size // (len(element) + 1))
    return b'{"instances":[' + b",".join([element] * count) + last + b"]}"


def plain_numbers(size: int) -> bytes:
    """A document of about ``size`` bytes, whose instances are a thousand different numbers over and over."""
    numbers = np.random.default_rng(_NUMBERS_SEED).random(1000).round(6)
    return instances(b",".join(repr(float(number)).encode() for number in numbers), size)


def repeated_keys(size: int) -> bytes:
    """A document of about ``size`` bytes with every key twice; of members with the same name the first counts."""
    return instances(b'{"x":1,"x":1}', size)


def inflates(document: bytes) -> bytes:
    """``document`` in gzip, as small as it gets."""
    return gzip.compress(document, 9, mtime=0)


def padded() -> bytes:
    """A valid document of INFLATED_BYTES, nearly all of them blanks."""
    start, end = b'{"instances":[', b"1.5]}"
    return start + b" " * (INFLATED_BYTES - len(start) - len(end)) + end


def message(model: str, dtype: int, count: int, *, content: bytes = b"", values: Iterable[float | bytes] = ()) -> bytes:
    """A PredictRequest whose input x says that it has ``count`` elements."""
    request = PredictRequest()
    request.model_spec.name = model
    tensor = request.inputs["x"]
    tensor.dtype = dtype
    tensor.tensor_shape.dim.add().size = count
    tensor.tensor_content = content
    (tensor.string_val if dtype == _STRING else tensor.float_val).extend(values)
    serialized: bytes = request.SerializeToString()
    return serialized


def _floats() -> bytes:
    count = LARGE_BYTES // 4
    return message(_HALF, _FLOAT, count, content=np.ones(count, np.float32).tobytes())


def _array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.ones(LARGE_BYTES // 4, np.float32))
    return file.getvalue()


def _small(element: bytes, last: bytes = b"") -> Callable[[], bytes]:
    return lambda: instances(element, SMALL_BYTES, last)


def _columnar() -> bytes:
    # The answer is one number for all of them, which has no place in a list of predictions.
    return instances(b'"\\u00e9\\n"', SMALL_BYTES).replace(b"instances", b"inputs", 1)


def _binary(title: str, form: str, body: Callable[[], bytes]) -> Kind:
    return Kind(title=title, body=body, headers={"Content-Type": form, "Accept": form})


def _strings(title: str, body: Callable[[], bytes]) -> Kind:
    return Kind(title=title, body=body, model=STRINGS, over_grpc=True)


_GZIP = {"Content-Encoding": "gzip"}

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "gzip-json": Kind(title="gzip, 100 KB to 100 MiB, JSON", body=lambda: inflates(padded()), headers=_GZIP),
        "gzip-zeros": Kind(
            title="gzip, 100 KB to 100 MiB, zeros", body=lambda: inflates(bytes(INFLATED_BYTES)), headers=_GZIP
        ),
        "json-lists": Kind(title="JSON, 64 KB, lists of lists, the last longer", body=_small(b"[1]", b",[1,2]")),
        "json-keys": Kind(title="JSON, 64 KB, repeated keys", body=lambda: repeated_keys(SMALL_BYTES)),
        "json-nan": Kind(title="JSON, 64 KB, NaN after numbers", body=_small(b"1", b",NaN")),
        "json-escapes": Kind(title="JSON, 64 KB, escaped strings", body=_columnar, model=STRINGS),
        "json-objects": Kind(title="JSON, 64 KB, small objects", body=_small(b"{}")),
        "grpc-content": _strings(
            "gRPC, 5 MB, strings in tensor_content",
            lambda: message(STRINGS, _STRING, STRINGS_COUNT, content=bytes(STRINGS_COUNT)),
        ),
        "grpc-short": _strings(
            "gRPC, 5 MB, short strings in tensor_content",
            lambda: message(STRINGS, _STRING, _HALF_COUNT, content=b"\1" * _HALF_COUNT + b"a" * _HALF_COUNT),
        ),
        "grpc-values": _strings(
            "gRPC, 10 MB, empty strings in string_val",
            lambda: message(STRINGS, _STRING, STRINGS_COUNT, values=[b""] * STRINGS_COUNT),
        ),
        "grpc-declared": Kind(
            title="gRPC, 40 bytes that declare 33 million floats",
            body=lambda: message(_HALF, _FLOAT, DECLARED_COUNT, values=[1.5]),
            over_grpc=True,
        ),
        "json-large": Kind(title="JSON, 100 MB, plain numbers", body=lambda: plain_numbers(LARGE_BYTES)),
        "json-nested": Kind(title="JSON, 20 MB, lists of lists", body=lambda: instances(b"[1.5,2.5]", NESTED_BYTES)),
        "protobuf-large": _binary("protobuf over REST, 100 MB", "application/x-protobuf", _floats),
        "npy-large": _binary("npy over REST, 100 MB", "application/x-npy", _array),
    }
)
"""Every kind by its name, in the order of the run."""
