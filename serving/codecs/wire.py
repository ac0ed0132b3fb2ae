"""Protobuf's wire format, the little of it that hot answers are written with by hand."""


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
