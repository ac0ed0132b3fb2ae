"""Serialised messages from few kinds of fields, as any encoder, or none, may write them. No tests."""

from hypothesis import strategies as st

from serving.codecs.protobuf import wire

_NUMBERS = (1, 2, 3, 4, 5, 7, 8, 14, 15, 100)


def varint(number: int, longer: int = 0) -> bytes:
    """A number, with this many bytes more than it needs."""
    data = bytearray(wire.varint(number))
    for _ in range(longer):
        data[-1] |= 128
        data.append(0)
    return bytes(data)


def fields(text: str) -> bytes:
    """A length-delimited field of each character."""
    return b"".join(wire.field(b"\x0a", character.encode()) for character in text)


@st.composite
def field(draw: st.DrawFn, value: st.SearchStrategy[bytes]) -> bytes:
    """One field of any wire type; ``value`` is what a length-delimited one holds."""
    number, longer = draw(st.sampled_from(_NUMBERS)), draw(st.sampled_from((0, 0, 0, 0, 1, 3)))
    match draw(st.sampled_from((2, 2, 2, 2, 0, 1, 5, 3))):
        case 0:
            content, kind = varint(draw(st.integers(0, 2**64 - 1) | st.integers(0, 300)), longer), 0
        case 1:
            content, kind = draw(st.binary(min_size=8, max_size=8)), 1
        case 5:
            content, kind = draw(st.binary(min_size=4, max_size=4)), 5
        case 3:
            content, kind = draw(value) + varint(number << 3 | 4), 3
        case _:
            inner = draw(value)
            content, kind = varint(len(inner), longer) + inner, 2
    return varint(number << 3 | kind, draw(st.sampled_from((0, 0, 0, 0, 0, 1)))) + content


_TEXTS = st.sampled_from((b"", b"a", b"m", b"x", b"\xff", b"a" * 20, b"\0\0\x80?" * 5, b"\1\2\x80\1" * 4))
_FIELDS = st.recursive(
    st.lists(field(_TEXTS), max_size=4).map(b"".join) | _TEXTS,
    lambda inner: st.lists(field(inner), min_size=1, max_size=4).map(b"".join),
    max_leaves=5,
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Fields in fields, sometimes with a byte changed or cut off."""
    data = bytearray(b"".join(draw(st.lists(_FIELDS, min_size=1, max_size=4))))
    if data and draw(st.integers(0, 3)) == 0:
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if data and draw(st.integers(0, 5)) == 0:
        del data[draw(st.integers(0, len(data) - 1)) :]
    return bytes(data)
