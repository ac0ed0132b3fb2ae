"""The libraries that a wheel's or an image's shared objects are linked with, and where each would come from."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from build.inspection.contents import Contents
from build.inspection.elf import Elf

SYSTEM = re.compile(
    r"ld-linux-|linux-vdso|lib(c|m|dl|rt|pthread|util|resolv|nsl|gcc_s|stdc\+\+|atomic|z|expat|crypt|lzma|bz2)\.so"
)
"""What a wheel may expect of the system: the libraries that the manylinux policies list, as far as they matter here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """A needed library: a path in the wheel or image, or empty; and how many shared objects need it."""

    name: str
    path: str
    users: int

    @property
    def is_drivers(self) -> bool:
        """Whether it comes with NVIDIA's driver, which is the host's and never in an image."""
        return self.name.startswith(("libcuda.so", "libnvidia-"))

    @property
    def is_system(self) -> bool:
        """Whether any Linux is expected to have it."""
        return bool(SYSTEM.match(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Libraries:
    """All that is linked with; ``direct`` are those of libtensorflow_cc; ``newest`` the versions it asks for."""

    objects: int
    linked: tuple[Linked, ...]
    direct: tuple[str, ...]
    newest: tuple[str, ...]


def linked(contents: Contents) -> Libraries:
    """What every shared object needs."""
    users: dict[str, int] = defaultdict(int)
    objects, versions = 0, frozenset[str]()
    direct: tuple[str, ...] = ()
    main = contents.library()
    for path in contents.named("**/*.so*"):
        try:
            with Elf(path) as elf:
                objects += 1
                for name in elf.needed:
                    users[name] += 1
                if path == main:
                    direct, versions = elf.needed, elf.versions
        except ValueError:
            # A linker's script, as libc.so is one, or a file for another CPU.
            continue
    places = {PurePosixPath(file.path).name: file.path for file in contents.files}
    found = tuple(Linked(name=name, path=places.get(name, ""), users=users[name]) for name in sorted(users))
    return Libraries(objects=objects, linked=found, direct=direct, newest=newest(versions))


def newest(versions: Iterable[str]) -> tuple[str, ...]:
    """Of versions such as ``GLIBC_2.27`` the highest of each name."""
    highest: dict[str, tuple[int, ...]] = {}
    for version in versions:
        name, _, number = version.rpartition("_")
        if re.fullmatch(r"\d+(\.\d+)*", number):
            highest[name] = max(highest.get(name, ()), tuple(map(int, number.split("."))))
    return tuple(f"{name}_{'.'.join(map(str, number))}" for name, number in sorted(highest.items()))
