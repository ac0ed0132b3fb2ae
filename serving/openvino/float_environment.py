"""How a thread computes with denormal numbers while it calls OpenVINO: they are zeros, as in TensorFlow's runs.

OpenVINO has a flag of the CPU for that. It sets it in the thread that compiles, and leaves it set there; in threads
that only call it is not set at all. Here it is set for each call and taken back: the thread reads and writes the
numbers of other requests.
"""

import ctypes
import platform
from types import TracebackType
from typing import Any

_BYTES = 64
"""More than any ``fenv_t`` has: 32 on x86-64, 8 on aarch64."""

_WORDS = {"x86_64": (28, 0x8040), "aarch64": (0, 1 << 24)}
"""Where a ``fenv_t`` has the CPU's word on floats, and the bits in it that flush results and operands."""

_process: Any = ctypes.PyDLL(None)  # Python itself has the mathematical library
_place, _bits = _WORDS.get(platform.machine(), (0, 0))


class DenormalsFlushed:
    """A block in which this thread flushes denormals; after it the float environment is what it was before."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        before = self._before = ctypes.create_string_buffer(_BYTES)
        _process.fegetenv(before)
        within = ctypes.create_string_buffer(before.raw, _BYTES)
        word = ctypes.c_uint32.from_buffer(within, _place)
        word.value |= _bits
        _process.fesetenv(within)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _process.fesetenv(self._before)
