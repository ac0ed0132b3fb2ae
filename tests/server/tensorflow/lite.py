"""TensorFlow Lite files, loaded for a test, and the aliases of a signature. No tests."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from serving.core.servable import Servable
from serving.servables.tflite import TfliteServable, load_tflite


@contextmanager
def lite(path: Path, interpreters: int = 1) -> Iterator[TfliteServable]:
    """A loaded file, closed at the end."""
    with ThreadPoolExecutor(2) as executor:
        servable = load_tflite(path, interpreters=interpreters, threads=1, executor=executor)
        try:
            yield servable
        finally:
            servable.close()


def only(servable: Servable, signature_name: str = "serving_default") -> tuple[str, str]:
    """The one input alias and the one output alias of a signature."""
    signature = servable.signatures[signature_name]
    (given_alias,), (made_alias,) = signature.inputs, signature.outputs
    return given_alias, made_alias
