"""Protobuf's wire format, the little of it that is read or written without message classes: hot or huge messages."""


def varint(number: int) -> bytes:
    """A non-negative number in base-128 form."""
    if number < 128:
        return bytes((number,))
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def field(tag: bytes, value: bytes) -> bytes:
    """A length-delimited field."""
    return tag + varint(len(value)) + value


def only_field(message: bytes, number: int) -> bytes:
    """The message without all its fields but one; what is left out is skipped, not parsed.

    A MetaGraphDef's signatures are a few kilobytes beside a graph of up to two gigabytes. Raises ValueError if the
    bytes are no message.
    """
    kept, position, view = [], 0, memoryview(message)
    while position < len(message):
        start = position
        tag, position = _read_varint(message, position)
        match tag & 7:
            case 0:  # varint
                _, position = _read_varint(message, position)
            case 1:  # 64 bits
                position += 8
            case 2:  # length-delimited
                length, position = _read_varint(message, position)
                position += length
            case 5:  # 32 bits
                position += 4
            case kind:
                raise ValueError(f"wire type {kind} at byte {start}; expected 0, 1, 2 or 5")
        if tag >> 3 == number:
            kept.append(view[start:position])
    return b"".join(kept)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at ``position`` and the position behind it."""
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
        shift += 7
