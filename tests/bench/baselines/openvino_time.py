"""OpenVINO without any server, through its C API with the server's settings: it is told and tells as model_time.py.

usage: python -m tests.bench.baselines.openvino_time VERSION_DIRECTORY INPUT.npy
It reads the SavedModel itself, and checks no shapes, types or answers.
"""

import ctypes as c
import os
import sys

import numpy as np

from tests.bench.baselines.bare_engine import Floats
from tests.bench.baselines.model_time import follow
from tests.image.openvino_by_hand import Api, Shape

_ELEMENT_TYPES = {"float32": 4, "int32": 9}


def settings() -> dict[str, str]:
    """What the server asks for, for one call at a time."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "EXECUTION_MODE_HINT": "ACCURACY",
        "INFERENCE_NUM_THREADS": str(len(os.sched_getaffinity(0))),
        "NUM_STREAMS": "1",
        "ENABLE_CPU_PINNING": "NO",
        "CPU_RUNTIME_CACHE_CAPACITY": "16",
    }


class BareOpenVino:
    """A compiled SavedModel with one input and one output of floats; RuntimeError if it fails."""

    def __init__(self, version: str) -> None:
        self._api = Api()
        core = self._api.made("ov_core_create")
        model = self._api.made("ov_core_read_model", core, version.encode(), None)
        words = [c.c_char_p(word.encode()) for pair in settings().items() for word in pair]
        compiled = c.c_void_p()
        self._api.call("ov_core_compile_model", core, model, b"CPU", c.c_size_t(len(words)), c.byref(compiled), *words)
        self._request = self._api.made("ov_compiled_model_create_infer_request", compiled)

    def __call__(self, x: Floats) -> Floats:
        """One call; the input is lent for its time, the output is a copy, for the next call overwrites it."""
        shape = Shape(x.ndim, (c.c_int64 * x.ndim)(*x.shape))
        kind, data = _ELEMENT_TYPES[x.dtype.name], x.ctypes.data_as(c.c_void_p)
        tensor = self._api.made("ov_tensor_create_from_host_ptr", kind, shape, data)
        self._api.call("ov_infer_request_set_input_tensor", self._request, tensor)
        self._api.call("ov_infer_request_infer", self._request)
        output = self._api.made("ov_infer_request_get_output_tensor_by_index", self._request, c.c_size_t(0))
        answer = self._read(output)
        self._api.free("ov_tensor_free", output)
        self._api.free("ov_tensor_free", tensor)
        return answer

    def _read(self, output: c.c_void_p) -> Floats:
        shape = Shape()
        self._api.call("ov_tensor_get_shape", output, c.byref(shape))
        sizes = shape.sizes[: shape.rank]
        self._api.call("ov_shape_free", c.byref(shape))
        place = c.cast(self._api.made("ov_tensor_data", output), c.POINTER(c.c_float))
        return np.ctypeslib.as_array(place, tuple(sizes)).copy()


if __name__ == "__main__":
    follow(BareOpenVino(sys.argv[1]), np.load(sys.argv[2]))
