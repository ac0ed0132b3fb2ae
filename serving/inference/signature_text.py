"""SignatureDefs inside error texts, in the form of protobuf's C++ debug string."""

from typing import Any

from google.protobuf import text_format

_MARKER = "goo.gle/debugproto   \n"
"""What current protobuf puts before debug strings, so that nobody parses them."""


def show(definition: Any) -> str:
    """The message as multi-line text."""
    return _MARKER + str(text_format.MessageToString(definition))
