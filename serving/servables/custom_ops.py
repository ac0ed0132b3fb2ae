"""Libraries of custom operations and kernels: loaded into TensorFlow before any model that needs them."""

from collections.abc import Sequence
from pathlib import Path

from serving.errors import Code, ConfigurationError, ServingError
from serving.servables import libtensorflow


def load_custom_ops(paths: Sequence[Path]) -> None:
    """Load each shared library, in order; they stay loaded. Raises ConfigurationError with the reason for the first."""
    for path in paths:
        if not path.is_file():
            raise ConfigurationError(Code.NOT_FOUND, f"Custom operations: {path} is not a file")
        library = libtensorflow.load()
        try:
            with library.checked() as status:
                library.LoadLibrary(bytes(path.resolve()), status)
        except ServingError as error:
            raise ConfigurationError(
                error.code,
                f"Custom operations: {path} cannot be loaded: {error.message}. Expected a shared library of operations "
                f"and kernels that was built for TensorFlow {libtensorflow.version()}",
            ) from error
