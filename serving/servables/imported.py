"""A session on a graph that is at hand as bytes, through the C API; its variables, if any, have no values yet."""

from serving.errors import ServingError
from serving.servables.libtensorflow import Library
from serving.servables.session import Session


def open_graph(library: Library, graph_def: bytes, session_config: bytes) -> Session:
    """A session on a serialised GraphDef, with a serialised ConfigProto. Raises ServingError with TensorFlow's text."""
    graph = library.NewGraph()
    options, import_options = library.NewSessionOptions(), library.NewImportGraphDefOptions()
    buffer = library.NewBufferFromString(graph_def, len(graph_def))
    try:
        with library.checked() as status:
            library.SetConfig(options, session_config, len(session_config), status)
        with library.checked() as status:
            library.GraphImportGraphDef(graph, buffer, import_options, status)
        with library.checked() as status:
            return Session(library, library.NewSession(graph, options, status), graph)
    except ServingError:
        library.DeleteGraph(graph)
        raise
    finally:
        library.DeleteBuffer(buffer)
        library.DeleteImportGraphDefOptions(import_options)
        library.DeleteSessionOptions(options)
