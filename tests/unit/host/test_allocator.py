"""Memory that is given back: what may be unmapped, and that nothing of it is needed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.host import allocator

LIBRARY = "/site-packages/tensorflow/libtensorflow_cc.so.2"


def smaps(permissions: str, path: str, anonymous_kb: int) -> list[str]:
    """One mapping, four pages from address 0x1000, as the kernel describes it."""
    return [
        f"1000-5000 {permissions} 00000000 08:01 123                     {path}",
        "Size:                 16 kB",
        "Rss:                  16 kB",
        f"Anonymous:      {anonymous_kb:8} kB",
        "AnonHugePages:         0 kB",
        "VmFlags: rd mr mw me sd",
    ]


@pytest.mark.parametrize(
    ("permissions", "path", "anonymous_kb", "expected"),
    [
        pytest.param("r--p", LIBRARY, 0, [(0x1000, 0x4000)], id="symbols"),
        pytest.param("r-xp", LIBRARY, 0, [(0x1000, 0x4000)], id="code"),
        pytest.param("r--p", LIBRARY, 4, [], id="relocated"),
        pytest.param("rw-p", LIBRARY, 0, [], id="data"),
        pytest.param("r--s", LIBRARY, 0, [], id="shared"),
        pytest.param("r--p", "/usr/lib/libc.so.6", 0, [], id="another library"),
        pytest.param("r--p", "", 0, [], id="no file"),
    ],
)
def test_what_may_be_unmapped(permissions: str, path: str, anonymous_kb: int, expected: list[tuple[int, int]]) -> None:
    """Only what TensorFlow's files still hold, and nobody can have written to."""
    assert list(allocator.unchanged(smaps(permissions, path, anonymous_kb))) == expected


def test_mappings_are_told_apart() -> None:
    """What is said of one mapping does not count for the next."""
    lines = [*smaps("r--p", LIBRARY, 8), *smaps("rw-p", LIBRARY, 0), *smaps("r-xp", LIBRARY, 0)]
    assert len(list(allocator.unchanged(lines))) == 1


def test_system_without_smaps(tmp_path: Path) -> None:
    """Where the kernel does not describe its mappings, all of them stay."""
    allocator.forget_start(tmp_path / "smaps")


@pytest.mark.parametrize("call", [allocator.set_up_allocator, allocator.return_free_pages, allocator.forget_start])
def test_c_library_without_the_call(call: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without glibc's functions nothing happens."""
    monkeypatch.setattr(allocator, "_function", lambda name: None)
    call()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's parameters")
def test_every_parameter_is_one_that_glibc_takes() -> None:
    """``mallopt`` answers 1 for what it understands and can do."""
    mallopt = allocator._function("mallopt")
    if mallopt is None:
        pytest.skip("this C library has no mallopt")
    code = (
        "import ctypes; from serving.host import allocator as f; "
        "print([ctypes.CDLL(None).mallopt(*each) for each in f._ALLOCATOR.values()])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
    )
    assert result.stdout == "[1, 1, 1]\n", result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heaps")
def test_what_other_threads_have_allocated_is_returned() -> None:
    """The free end of a heap that is not the first stays with the process otherwise."""
    if allocator._function("malloc_trim") is None:
        pytest.skip("this C library has no malloc_trim")
    code = """
import contextlib, ctypes, sys, threading
from serving.host import allocator, memory
allocator.set_up_allocator()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
blocks = []
def allocate():
    for _ in range(2):
        blocks.append(libc.malloc(16 << 20))
        ctypes.memset(blocks[-1], 1, 16 << 20)
thread = threading.Thread(target=allocate)
thread.start()
thread.join()
before = memory.held_bytes()
with allocator.returning() if sys.argv[1] == "returning" else contextlib.nullcontext():
    for block in blocks:
        libc.free(block)
allocator.return_free_pages()
print((before - memory.held_bytes()) >> 20)
"""
    returned = [
        subprocess.run(
            [sys.executable, "-c", code, how], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
        ).stdout
        for how in ("usual", "returning")
    ]
    assert int(returned[1]) >= 30 > int(returned[0])
