"""Counts AVX, AVX2, FMA and AVX-512 instructions in samples of a library's code, as objdump disassembles them.

A whole libtensorflow_cc is a minute and more of disassembly and gigabytes of text; a sample tells as much.
"""

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from build.errors import InputError
from build.inspection.elf import Elf
from build.inspection.families import Sample, samples


class InstructionSet(Enum):
    """What an instruction asks of the CPU, as far as it matters here; AVX is what only AVX is needed for."""

    AVX = "AVX"
    AVX2 = "AVX2"
    FMA = "FMA"
    AVX512 = "AVX-512"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A sample, and what was found in it."""

    sample: Sample
    sampled_bytes: int
    instructions: int
    found: dict[InstructionSet, int]


# Only AVX-512 has these: the widest registers, the upper sixteen of the others, masks, broadcasts, roundings.
_AVX512 = re.compile(rb"%zmm|%[xy]mm(?:1[6-9]|2\d|3[01])|%k[0-7]|\{1to\d+\}|\{r[nduz]-sae\}|\{sae\}")
_FMA = re.compile(rb"vfn?m(?:add|sub|addsub|subadd)(?:132|213|231)[ps][sd]\b")
_AVX2 = re.compile(
    rb"vp?gather|vpblendd |vpbroadcast|vbroadcasti128|vextracti128|vinserti128|vperm2i128"
    rb"|vperm(?:d|q|ps|pd) |vps[lr][la]v|vpmaskmov"
)
# AVX itself has these for its wide registers; every other vp... with one is AVX2.
_AVX_WIDE = re.compile(rb"vpermil|vperm2f128|vptest")

_NO_WORK = (b"nop", b"int3", b"(bad)", b"data16", b"cs nop", b"xchg   %ax,%ax")
_PADDING = b"\x90" * 16
"""Between spans: as long as the longest instruction, so that one cut short does not swallow the next span's first."""


def instruction_set(instruction: bytes) -> InstructionSet | None:
    """What an instruction as objdump writes it, mnemonic first, asks for; None for less than AVX."""
    if not instruction.startswith((b"v", b"k")) and b"%k" not in instruction:
        return None
    if _AVX512.search(instruction):
        return InstructionSet.AVX512
    if not instruction.startswith(b"v"):
        return None
    if _FMA.match(instruction):
        return InstructionSet.FMA
    wide_integers = instruction.startswith(b"vp") and b"%ymm" in instruction and not _AVX_WIDE.match(instruction)
    if wide_integers or _AVX2.match(instruction):
        return InstructionSet.AVX2
    return InstructionSet.AVX if b"%xmm" in instruction or b"%ymm" in instruction or b"vzero" in instruction else None


def count(path: Path) -> tuple[Count, ...]:
    """What is found in a library, the even sample first; nothing for a CPU other than x86-64.

    ``InputError`` when there is no objdump.
    """
    with Elf(path) as elf:
        text = elf.section(".text")
        if elf.machine != "x86_64" or text is None:
            return ()
        chosen = list(samples(elf, text))
        return tuple(_counted(sample, elf) for sample in chosen)


def _counted(sample: Sample, elf: Elf) -> Count:
    pieces = [elf.data[span.offset : span.offset + span.size] for span in sample.spans]
    found: Counter[InstructionSet | None] = Counter(map(instruction_set, disassembled(pieces)))
    return Count(
        sample=sample,
        sampled_bytes=sum(map(len, pieces)),
        instructions=found.total(),
        found={kind: found[kind] for kind in InstructionSet},
    )


def disassembled(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """The instructions in pieces of x86-64 code that do something, one by one, as objdump writes them."""
    objdump = shutil.which("objdump")
    if objdump is None:
        raise InputError("Counting instructions takes objdump, which is not here.", "sudo apt-get install binutils")
    with tempfile.NamedTemporaryFile(prefix="verify-", suffix=".bin") as code:
        code.write(_PADDING.join(pieces))
        code.flush()
        command = [objdump, "-D", "-b", "binary", "-m", "i386:x86-64", "--no-show-raw-insn", code.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as running:  # noqa: S603 - the words above
            yield from _instructions(running.stdout or ())
        if running.returncode:
            raise InputError(f"objdump ended with status {running.returncode}.", f"{objdump} --version")


def _instructions(lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        _, tab, instruction = line.partition(b":\t")
        if tab and not instruction.startswith(_NO_WORK):
            yield instruction
