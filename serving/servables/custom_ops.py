"""Libraries of custom operations and kernels: loaded into TensorFlow before any model that needs them."""

from collections.abc import Sequence
from pathlib import Path

from serving.errors import Code, ConfigurationError, ServingError
from serving.servables import libtensorflow


def named_by(setting: str) -> list[Path]:
    """The libraries that a value of --custom_op_libraries names: files, and of a directory its *.so by name."""
    paths = [Path(name) for name in setting.split(",") if name]
    # A directory without any stays in the list, so that loading can say so.
    return [library for path in paths for library in sorted(path.glob("*.so")) or [path]]


def load_custom_ops(paths: Sequence[Path]) -> None:
    """Load each shared library, in order; they stay loaded. Raises ConfigurationError with the reason for the first."""
    for path in paths:
        if not path.is_file():
            what = "is a directory without a file *.so" if path.is_dir() else "is not a file"
            raise ConfigurationError(Code.NOT_FOUND, f"Custom operations: {path} {what}")
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
