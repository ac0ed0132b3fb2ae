"""Text protos in files: read and parsed with TensorFlow Serving's errors; knows no message in particular.

``text_proto.read(path, MessageClass)`` is what every flag that names such a file uses: models, sessions, platforms,
batching, monitoring, TLS.
"""

from pathlib import Path
from typing import Any

from google.protobuf import text_format

from serving.configuration.protobuf_words import protobuf_words
from serving.errors import Code, ConfigurationError, invalid_configuration
from serving.protos import POOL
from serving.telemetry.log import logger

_said: dict[str, str] = {}
"""What was wrong with each file when it was last read, for one that is read again and again."""


def read(path: Path | str, message_class: Any) -> Any:
    """The message of ``message_class`` that the text file holds; ``Any`` fields may be written out.

    Raises ConfigurationError: NOT_FOUND if there is no file, INVALID_ARGUMENT if it is empty or not such a message.
    """
    return parse(_bytes(Path(path)), message_class, str(path))


def parse(text: bytes, message_class: Any, path: str) -> Any:
    """The message in ``text``; ``path`` is where the text came from, for the error.

    The log has protobuf's own words for what is wrong, once for as long as it is wrong.
    """
    content = text.decode("utf-8", "replace")
    try:
        message = text_format.Parse(content, message_class(), descriptor_pool=POOL)
        _said.pop(path, None)
        return message
    except text_format.ParseError as error:
        words = _words(content, error)
        if _said.get(path) != words:
            logger.error("Error parsing text-format %s: %s", message_class.DESCRIPTOR.full_name, words)
        _said[path] = words
        raise invalid_configuration(f"Invalid protobuf file: '{path}'; {error}") from None


def _words(text: str, error: text_format.ParseError) -> str:
    line, column = error.GetLine(), error.GetColumn()
    said = str(error).removeprefix(f"{line}:{column} : ")
    for quoted in (*text.split("\n")[(line or 1) - 1 :][:1], ""):  # it quotes the line, which is empty at the end
        said = said.removeprefix(f"'{quoted}': ")
    return protobuf_words(text, said, line, column)


def _bytes(path: Path) -> bytes:
    try:
        text = path.read_bytes()
    except OSError as error:
        code = Code.NOT_FOUND if isinstance(error, FileNotFoundError) else Code.FAILED_PRECONDITION
        raise ConfigurationError(code, f"{path}; {error.strerror}") from None
    if not text:  # TensorFlow maps the file into memory, and nothing cannot be mapped
        raise invalid_configuration(f"{path}; Invalid argument")
    return text
