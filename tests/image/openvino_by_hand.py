"""Run by the image's Python: OpenVINO's C API, found, loaded and asked as the server does it. Imports nothing of ours.

usage: python openvino_by_hand.py GRAPH CACHE_DIRECTORY
GRAPH is the file of a frozen graph from float32 `x` to `y`. Prints one JSON object.
"""

import ctypes as c
import importlib.util
import json
import sys
from pathlib import Path

FLOAT32 = 4
CPU = b"CPU"


class Version(c.Structure):
    """ov_version_t."""

    _fields_ = (("number", c.c_char_p), ("description", c.c_char_p))


class Devices(c.Structure):
    """ov_available_devices_t."""

    _fields_ = (("names", c.POINTER(c.c_char_p)), ("size", c.c_size_t))


class Shape(c.Structure):
    """ov_shape_t."""

    _fields_ = (("rank", c.c_int64), ("sizes", c.POINTER(c.c_int64)))


def load() -> c.CDLL:
    """The library, where the package that carries it says it lies."""
    spec = importlib.util.find_spec("openvino")
    assert spec
    assert spec.submodule_search_locations
    [path] = Path(spec.submodule_search_locations[0], "libs").glob("libopenvino_c.so*")
    library = c.CDLL(str(path))
    library.ov_get_last_err_msg.restype = c.c_char_p
    return library


class Api:
    """Calls by name; RuntimeError with the library's own text when one fails."""

    def __init__(self) -> None:
        self._library = load()

    def call(self, name: str, *arguments: object) -> None:
        """A function that answers with a status."""
        if getattr(self._library, name)(*arguments):
            raise RuntimeError(f"{name}: {self._library.ov_get_last_err_msg().decode()}")

    def made(self, name: str, *arguments: object) -> c.c_void_p:
        """A function whose last argument is where to put what it made."""
        pointer = c.c_void_p()
        self.call(name, *arguments, c.byref(pointer))
        return pointer

    def free(self, name: str, pointer: c.c_void_p) -> None:
        """A function that frees what it is given."""
        release = getattr(self._library, name)
        release.restype = None
        release(pointer)

    def text(self, name: str, *arguments: object) -> str:
        """A function that makes a text."""
        return c.string_at(self.made(name, *arguments).value or 0).decode()


def version(api: Api) -> str:
    """Such as ``2026.4.1-22982-...``."""
    found = Version()
    api.call("ov_get_openvino_version", c.byref(found))
    return bytes(found.number).decode()


def devices(api: Api, core: c.c_void_p) -> list[str]:
    """What a model can be compiled for."""
    found = Devices()
    api.call("ov_core_get_available_devices", core, c.byref(found))
    return [found.names[index].decode() for index in range(found.size)]


def compiled(api: Api, graph: str, cache: str, hint: str) -> tuple[c.c_void_p, str]:
    """The graph compiled by a core of its own, and whether it came from the cache: YES or NO."""
    core = api.made("ov_core_create")
    api.call("ov_core_set_property", core, CPU, b"CACHE_DIR", c.c_char_p(cache.encode()))
    model = api.made("ov_core_read_model", core, graph.encode(), None)
    made = c.c_void_p()
    settings = [c.c_char_p(b"PERFORMANCE_HINT"), c.c_char_p(hint.encode())]
    api.call("ov_core_compile_model", core, model, CPU, c.c_size_t(len(settings)), c.byref(made), *settings)
    return made, api.text("ov_compiled_model_get_property", made, b"LOADED_FROM_CACHE")


def answer(api: Api, model: c.c_void_p, numbers: list[float]) -> list[float]:
    """One inference of as many numbers as it is given."""
    values = (c.c_float * len(numbers))(*numbers)
    shape = Shape(1, (c.c_int64 * 1)(len(numbers)))
    request = api.made("ov_compiled_model_create_infer_request", model)
    tensor = api.made("ov_tensor_create_from_host_ptr", FLOAT32, shape, c.cast(values, c.c_void_p))
    api.call("ov_infer_request_set_input_tensor", request, tensor)
    api.call("ov_infer_request_infer", request)
    output = api.made("ov_infer_request_get_output_tensor_by_index", request, c.c_size_t(0))
    data = api.made("ov_tensor_data", output)
    return list(c.cast(data, c.POINTER(c.c_float))[: len(numbers)])


def main(graph: str, cache: str) -> None:
    """Load, compile twice by the same cache, answer."""
    api = Api()
    found: dict[str, object] = {"version": version(api), "devices": devices(api, api.made("ov_core_create"))}
    for hint in ("LATENCY", "THROUGHPUT"):
        # One each: to the cache the two hints are the same.
        starts = [compiled(api, graph, f"{cache}/{hint}", hint) for _ in range(2)]
        found[hint] = {
            "from_cache": [from_cache for _, from_cache in starts],
            "answers": [answer(api, model, [1.0, 2.0, 5.0]) for model, _ in starts],
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
