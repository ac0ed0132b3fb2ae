"""The graph of a version, by its directory, of whichever kind it is; to look at, not to run."""

from pathlib import Path
from typing import Any

from serving.core import version_files
from serving.errors import ServingError
from serving.optimizing.candidates import NotOptimizedError
from serving.optimizing.graph_index import GraphIndex
from serving.optimizing.graph_state import read_meta_graph
from serving.protos import message
from serving.servables.bundle_files import read_bundle


def read_graph(path: Path, tags: tuple[str, ...]) -> GraphIndex | None:
    """The graph of the version at ``path``, None for TensorFlow Lite's. NotOptimizedError if it cannot be read."""
    try:
        if (path / version_files.SAVED_MODEL).exists():
            return GraphIndex(read_meta_graph(path / version_files.SAVED_MODEL, tags).graph_def)
        if (path / version_files.SESSION_BUNDLE).exists():
            graph: Any = message("tensorflow.GraphDef").FromString(read_bundle(path).graph)
            return GraphIndex(graph)
    except ServingError as error:
        raise NotOptimizedError(str(error)) from error
    if (path / version_files.TFLITE_MODEL).exists():
        return None
    raise NotOptimizedError(f"{path} has no graph that can be read")
