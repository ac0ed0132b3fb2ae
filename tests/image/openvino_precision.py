"""Run by the image's Python: what OpenVINO computes in, of its own accord and by the server's own settings.

usage: python openvino_precision.py GRAPH
GRAPH is the file of a frozen graph. Prints one JSON object.
"""

import ctypes
import json
import os
import sys

from serving.openvino.compiling import EngineSettings, core
from serving.openvino.library import Library, load

PRECISION = b"INFERENCE_PRECISION_HINT"


def precision(library: Library, model: int) -> str:
    """What a compiled model computes in."""
    value = ctypes.c_void_p()
    library.check(library.compiled_model_get_property(model, PRECISION, ctypes.byref(value)))
    return ctypes.string_at(value.value or 0).decode()


def own_choice(library: Library, graph: str) -> str:
    """Without any setting."""
    made = library.made(library.core_create)
    model = library.made(library.core_read_model, made, graph.encode(), None)
    return precision(library, library.made(library.core_compile_model, made, model, b"CPU", 0))


def as_served(library: Library, graph: str) -> str:
    """By the server's settings, each of which is read back and must be what was asked for."""
    with core(library, EngineSettings(threads=1)) as made:
        return precision(library, made.compile(os.open(graph, os.O_RDONLY)))


if __name__ == "__main__":
    found = load()
    print(json.dumps({"own choice": own_choice(found, sys.argv[1]), "served": as_served(found, sys.argv[1])}))
