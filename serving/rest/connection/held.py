"""What has arrived on a connection and waits: pieces as they came, put together once. Not how much may wait."""

_SMALL_PIECE = 4096
"""Smaller pieces are put together as they come: each would take more memory than it has bytes."""


class Held:
    """Bytes in their order; ``size`` of them."""

    __slots__ = ("_pieces", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes | bytearray] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        """Put ``data`` behind what there is."""
        self.size += len(data)
        if len(data) >= _SMALL_PIECE:
            self._pieces.append(data)
        elif self._pieces and isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += data
        else:
            self._pieces.append(bytearray(data))

    def starts_with(self, data: bytes) -> bool:
        """Whether the first piece does."""
        return bool(self._pieces) and self._pieces[0].startswith(data)

    def take(self, *, skip: int = 0) -> bytes:
        """All of it, which is not held any more, without ``skip`` bytes of the first piece."""
        first, *others = self._pieces or [b""]
        taken = b"".join((memoryview(first)[skip:], *others))
        self.clear()
        return taken

    def clear(self) -> None:
        """Drop all of it."""
        self._pieces.clear()
        self.size = 0
