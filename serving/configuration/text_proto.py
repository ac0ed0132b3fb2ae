"""Text protos in files: read and parsed with TensorFlow Serving's errors; knows no message in particular.

``text_proto.read(path, MessageClass)`` is what every flag that names such a file uses: models, sessions, platforms,
batching, monitoring, TLS.
"""

from pathlib import Path
from typing import Any

from google.protobuf import text_format

from serving.errors import Code, ConfigurationError, invalid_configuration
from serving.protos import POOL


def read(path: Path | str, message_class: Any) -> Any:
    """The message of ``message_class`` that the text file holds; ``Any`` fields may be written out.

    Raises ConfigurationError: NOT_FOUND if there is no file, INVALID_ARGUMENT if it is empty or not such a message.
    """
    return parse(_bytes(Path(path)), message_class, str(path))


def parse(text: bytes, message_class: Any, path: str) -> Any:
    """The message in ``text``; ``path`` is where the text came from, for the error."""
    try:
        return text_format.Parse(text.decode("utf-8", "replace"), message_class(), descriptor_pool=POOL)
    except text_format.ParseError as error:
        raise invalid_configuration(f"Invalid protobuf file: '{path}'; {error}") from None


def _bytes(path: Path) -> bytes:
    try:
        text = path.read_bytes()
    except OSError as error:
        code = Code.NOT_FOUND if isinstance(error, FileNotFoundError) else Code.FAILED_PRECONDITION
        raise ConfigurationError(code, f"{path}; {error.strerror}") from None
    if not text:  # TensorFlow maps the file into memory, and nothing cannot be mapped
        raise invalid_configuration(f"{path}; Invalid argument")
    return text
