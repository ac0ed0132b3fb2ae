"""A core with the settings that this server uses, and a frozen graph compiled with them into bytes to import later."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_char_p, c_void_p
from dataclasses import dataclass
from enum import Enum

from serving.openvino.float_environment import DenormalsFlushed
from serving.openvino.library import Library, OpenVinoError

_CPU = b"CPU"
_BLOCK = 4 * 2**20

RUNTIME_CACHE_CAPACITY = "64"
"""Kernels that a model keeps for further shapes; without a bound, each shape adds some 200 KB for good."""


class Numbers(Enum):
    """What a model computes in."""

    FLOAT32 = "f32"
    BFLOAT16 = "bf16"
    FLOAT16 = "f16"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """``threads`` compute for all streams together; ``streams`` calls run side by side, each on its part of them."""

    threads: int
    streams: int = 1
    numbers: Numbers = Numbers.FLOAT32

    def properties(self) -> dict[str, str]:
        """By the engine's names, all of which can be read back from what is compiled."""
        return {
            "PERFORMANCE_HINT": "LATENCY" if self.streams == 1 else "THROUGHPUT",
            # Without it a CPU with AMX computes in bfloat16.
            "INFERENCE_PRECISION_HINT": self.numbers.value,
            "EXECUTION_MODE_HINT": "ACCURACY" if self.numbers is Numbers.FLOAT32 else "PERFORMANCE",
            "INFERENCE_NUM_THREADS": str(self.threads),
            "NUM_STREAMS": str(self.streams),
            "ENABLE_CPU_PINNING": "NO",
            # TensorFlow's threads flush denormal numbers to zero as well.
            "CPU_DENORMALS_OPTIMIZATION": "YES",
        }


class Core:
    """OpenVINO with ``settings`` for all that it compiles or imports. Raises OpenVinoError if it does not take them."""

    def __init__(self, library: Library, settings: EngineSettings) -> None:
        self.library = library
        self._wanted = settings.properties()
        self.handle = library.made(library.core_create)
        try:
            properties = {**self._wanted, "CPU_RUNTIME_CACHE_CAPACITY": RUNTIME_CACHE_CAPACITY}
            for name, value in properties.items():
                library.check(
                    library.core_set_property(self.handle, _CPU, c_char_p(name.encode()), c_char_p(value.encode()))
                )
        except OpenVinoError:
            self.close()
            raise

    def close(self) -> None:
        """Free it; what it compiled stays."""
        self.library.core_free(self.handle)

    def compile(self, graph: int) -> int:
        """The compiled model of a serialised, frozen GraphDef in the file ``graph``."""
        library = self.library
        model = library.made(library.core_read_model, self.handle, f"/proc/self/fd/{graph}".encode(), None)
        try:
            # The properties are the core's; the function takes pairs of more, of which there are none.
            with DenormalsFlushed():
                compiled = library.made(library.core_compile_model, self.handle, model, _CPU, 0)
        finally:
            library.model_free(model)
        return self._checked(compiled)

    def imported(self, address: int, size: int) -> int:
        """The compiled model of what ``export`` wrote, which must stay at ``address`` as long as it is used."""
        with DenormalsFlushed():
            compiled = self.library.made(self.library.core_import_model, self.handle, address, size, _CPU)
        return self._checked(compiled)

    def export(self, compiled: int, file: int) -> None:
        """Write a compiled model to a file."""
        self.library.check(self.library.compiled_model_export_model(compiled, f"/proc/self/fd/{file}".encode()))

    def _checked(self, compiled: int) -> int:
        """Wrong settings are passed over in silence, so each is read back."""
        try:
            for name, wanted in self._wanted.items():
                found = self._property(compiled, name)
                if found != wanted:
                    raise OpenVinoError(f"{name} is {found} in the compiled model; expected {wanted}")
        except OpenVinoError:
            self.library.compiled_model_free(compiled)
            raise
        return compiled

    def _property(self, compiled: int, name: str) -> str:
        value = c_void_p()
        self.library.check(self.library.compiled_model_get_property(compiled, name.encode(), ctypes.byref(value)))
        text = ctypes.string_at(value.value).decode() if value.value else ""
        self.library.free(value)
        return text


@contextmanager
def core(library: Library, settings: EngineSettings) -> Iterator[Core]:
    """A core for the time of a block."""
    made = Core(library, settings)
    try:
        yield made
    finally:
        made.close()


def compiled(library: Library, settings: EngineSettings, graph: bytes) -> int:
    """A memory file with the compiled model of a serialised GraphDef; the caller closes it. Raises OpenVinoError."""
    source, target = os.memfd_create("graph", os.MFD_CLOEXEC), os.memfd_create("compiled", os.MFD_CLOEXEC)
    try:
        view = memoryview(graph)
        while view:
            view = view[os.write(source, view[:_BLOCK]) :]
        with core(library, settings) as made:
            model = made.compile(source)
            try:
                made.export(model, target)
            finally:
                library.compiled_model_free(model)
    except BaseException:
        os.close(target)
        raise
    finally:
        os.close(source)
    return target
