"""A reader of 64-bit little-endian ELF files, no more than inspection needs: sections, functions, needed libraries."""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType

MAGIC = b"\x7fELF\x02\x01"
"""The first bytes of such a file: ELF, 64 bits, little-endian."""

# <elf.h>: the numbers of the format.
_MACHINES = {62: "x86_64", 183: "aarch64"}
_SYMTAB, _DYNAMIC, _NOBITS, _DYNSYM, _VERNEED = 2, 6, 8, 11, 0x6FFFFFFE
_FUNCTION, _INDIRECT_FUNCTION = 2, 10
_NEEDED = 1

_HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_ENTRY = struct.Struct("<qQ")
_NEED = struct.Struct("<HHIII")
_NEED_VERSION = struct.Struct("<IHHII")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section: where it lies in memory and in the file, in bytes. ``link`` is the index of its partner."""

    name: str
    kind: int
    address: int
    offset: int
    size: int
    link: int


class Elf:
    """One file, mapped while its ``with`` block lasts. ``ValueError`` when it is of another kind."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError(f"not a 64-bit little-endian ELF file: {path.name}")
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        header = _HEADER.unpack_from(self.data)
        self.machine = _MACHINES.get(header[1], f"machine {header[1]}")
        self.sections = self._read_sections(offset=header[5], count=header[11], names=header[12])

    def __enter__(self) -> "Elf":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.data.close()

    def _read_sections(self, *, offset: int, count: int, names: int) -> tuple[Section, ...]:
        rows = [_SECTION.unpack_from(self.data, offset + number * _SECTION.size) for number in range(count)]
        start = rows[names][4] if rows else 0
        return tuple(
            Section(
                name=self.string(start + row[0]), kind=row[1], address=row[3], offset=row[4], size=row[5], link=row[6]
            )
            for row in rows
        )

    def string(self, offset: int) -> str:
        """The text that begins at an offset of the file and ends with a zero."""
        return self.data[offset : self.data.find(b"\0", offset)].decode(errors="replace")

    def section(self, name: str) -> Section | None:
        """The section of a name; None when there is none, or when it has no bytes in the file."""
        return next((s for s in self.sections if s.name == name and s.kind != _NOBITS), None)

    def _of_kind(self, kind: int) -> Section | None:
        return next((section for section in self.sections if section.kind == kind), None)

    @cached_property
    def symbols(self) -> Section | None:
        """The whole table of symbols; after `strip`, the one for dynamic linking; None when there is none at all."""
        return self._of_kind(_SYMTAB) or self._of_kind(_DYNSYM)

    @property
    def stripped(self) -> bool:
        """Whether only the symbols for dynamic linking are left."""
        return self._of_kind(_SYMTAB) is None

    def functions(self, section: Section) -> Iterator[tuple[int, int, int]]:
        """The functions in a section, in no order: address, size, and where in the file the name is."""
        if self.symbols is None:
            return
        index = self.sections.index(section)
        names = self.sections[self.symbols.link].offset
        table = memoryview(self.data)[self.symbols.offset : self.symbols.offset + self.symbols.size]
        for name, info, _, within, address, size in _SYMBOL.iter_unpack(table):
            if within == index and size and info & 15 in (_FUNCTION, _INDIRECT_FUNCTION):
                yield address, size, names + name

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """The libraries that the dynamic linker loads with this one."""
        return self._dynamic(_NEEDED)

    def _dynamic(self, wanted: int) -> tuple[str, ...]:
        section = self._of_kind(_DYNAMIC)
        if section is None:
            return ()
        names = self.sections[section.link].offset
        entries = _ENTRY.iter_unpack(self.data[section.offset : section.offset + section.size])
        return tuple(self.string(names + value) for tag, value in entries if tag == wanted)

    @cached_property
    def versions(self) -> frozenset[str]:
        """The versions of other libraries' symbols that it asks for, as ``GLIBC_2.27``."""
        section = self._of_kind(_VERNEED)
        return frozenset(self._versions(section)) if section else frozenset()

    def _versions(self, section: Section) -> Iterator[str]:
        names = self.sections[section.link].offset
        need, following = section.offset, 1
        while following:
            _, count, _, first, following = _NEED.unpack_from(self.data, need)
            version = need + first
            for _ in range(count):
                _, _, _, name, step = _NEED_VERSION.unpack_from(self.data, version)
                yield self.string(names + name)
                version += step
            need += following
