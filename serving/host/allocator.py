"""How much memory the process keeps of what it has used: settings of glibc's allocator, and pages given back.

Nothing here is needed for an answer. Where the C library or the kernel lacks a call, it is left out.
"""

import ctypes
import mmap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SMAPS = Path("/proc/self/smaps")

_ALLOCATOR = {
    # Blocks come from heaps, none from mappings of their own: a mapping is zeroed by the kernel each time, which takes
    # as long as parsing the image that it is for, and a fifth of a step whose results are above 32 MiB.
    "M_MMAP_MAX": (-4, 0),
    # A heap's free end is kept for the next request: giving back hundreds of megabytes takes long, and who frees
    # the last of them would do it with the interpreter's lock. ``return_free_pages`` does it without.
    "M_TRIM_THRESHOLD": (-1, 2**31 - 1),
    # glibc makes eight heaps per CPU, and what is free in one is of no use to the threads of another. TensorFlow's own
    # pool, which these replace, has one lock.
    "M_ARENA_MAX": (-8, 2),
}
"""``mallopt``'s parameters: number and value (docs/adr/0009-garbage-collection-off-the-road.md, "Decision")."""


_TRIM_BYTES = 64 * 1024
_settings_made = False


def set_up_allocator() -> None:
    """Make the settings above. To be called before TensorFlow's library is loaded."""
    global _settings_made  # they are the process's
    mallopt = _function("mallopt")
    if mallopt is not None:
        for number, value in _ALLOCATOR.values():
            mallopt(number, value)
        _settings_made = True


@contextmanager
def returning() -> Iterator[None]:
    """Return the free ends of all heaps while much is freed, and the other free pages after that.

    ``return_free_pages`` alone leaves the end of each heap but the first: up to 64 MiB of an unloaded model.
    """
    mallopt = _function("mallopt") if _settings_made else None
    number, usual = _ALLOCATOR["M_TRIM_THRESHOLD"]
    if mallopt is not None:
        mallopt(number, _TRIM_BYTES)
    try:
        yield
    finally:
        return_free_pages()
        if mallopt is not None:
            mallopt(number, usual)


def return_free_pages() -> None:
    """Return the heaps' free pages to the system: tens of milliseconds after a large model, without the GIL."""
    malloc_trim = _function("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(ctypes.c_size_t(0))


def forget_start(smaps: Path = _SMAPS) -> None:
    """Unmap what only the start has read of TensorFlow's files: symbol names, relocations, registrations.

    They stay in the page cache, as far as there is room, and come back when they are read.
    """
    madvise = _function("madvise")
    if madvise is None:
        return
    try:
        text = smaps.read_text()
    except OSError:
        return
    for start, length in unchanged(text.splitlines()):
        madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED)


def unchanged(smaps: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Address and length of TensorFlow's mappings that equal their files and that nobody can write to.

    A relocated page is anonymous, and a mapping that has one is left alone: its contents are nowhere else.
    """
    mapping = None
    for line in smaps:
        first, _, rest = line.partition(" ")
        if "-" in first:
            start, end = (int(word, 16) for word in first.split("-"))
            wanted = rest.startswith(("r--p", "r-xp")) and "/libtensorflow" in rest
            mapping = (start, end - start) if wanted else None
        elif mapping is not None and first == "Anonymous:" and rest.split() == ["0", "kB"]:
            yield mapping


def _function(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None)
