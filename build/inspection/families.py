"""Which families of functions a library has, by their mangled names, and which of their bytes are sampled. Reads code,
disassembles none of it.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from build.inspection.elf import Elf, Section


class Family(Enum):
    """Where a function comes from, in the order in which the names are tried."""

    ONEDNN = "oneDNN (generates its fast code at run time)"
    LLVM = "LLVM, MLIR, XLA"
    CHOSEN = "named for an instruction set, to be chosen"
    EIGEN = "Eigen, TensorFlow's kernels"
    TENSORFLOW = "TensorFlow outside Eigen"
    LITE = "TensorFlow Lite, ruy, gemmlowp"
    OTHER = "other"


# A name in C++ begins with _Z, perhaps some letters, and the outermost namespace with its length in front. Eigen's
# loops run as closures, so that many are members of std::function's machinery and name Eigen only further on.
_OUTERMOST = rb"_Z(?:T[hv][^_]*_)?Z*N?[KV]*"
_NAMES = {
    Family.ONEDNN: _OUTERMOST + rb"(?:4dnnl|6Xbyak)|dnnl_",
    Family.LLVM: _OUTERMOST + rb"(?:4llvm|4mlir|3xla)|LLVM",
    Family.CHOSEN: rb"[^\0]*?(?:N_AVX[23]|[Aa]vx(?:2|512)|_fma3?(?:_|\0)|_f16c|_avx)",
    Family.EIGEN: _OUTERMOST + rb"(?:5Eigen|S[a-z0-9][^\0]*?5Eigen)",
    Family.TENSORFLOW: _OUTERMOST + rb"(?:10tensorflow|3tsl|8stream_executor)|TF_",
    Family.LITE: _OUTERMOST + rb"(?:6tflite|3ruy|8gemmlowp)|xnn_",
}
_PATTERN = re.compile(b"|".join(b"(?P<%s>%s)" % (f.name.encode(), names) for f, names in _NAMES.items()), re.DOTALL)

EVEN_WINDOWS = 256
WINDOW_BYTES = 16_384
"""The even sample: so many windows, equally far apart, each from the beginning of a function on."""
FAMILY_BYTES = 1_000_000
"""At most about so much of each family is sampled, as functions that are equally far apart in its list."""
FUNCTION_BYTES = 32_768
"""No more than so much of one function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of code: its offset in the file and its length. It begins where an instruction begins."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was chosen of one family; of all the code when ``family`` is None. ``code_bytes`` is what there is."""

    family: Family | None
    functions: int
    code_bytes: int
    spans: tuple[Span, ...]


def family_at(data: bytes, name: int) -> Family:
    """The family of the function whose name, ended by a zero, begins at ``name``."""
    found = _PATTERN.match(data, name)
    return Family[found.lastgroup] if found and found.lastgroup else Family.OTHER


def samples(elf: Elf, text: Section) -> Iterator[Sample]:
    """The even sample of a section of code, then one for each family that it has."""
    by_family: dict[Family, list[Span]] = defaultdict(list)
    # Several names may stand for one function; it counts once.
    functions = {address: (size, name) for address, size, name in elf.functions(text)}
    shift = text.offset - text.address
    for address, (size, name) in sorted(functions.items()):
        # mmap and bytes are the same to a regular expression, which reads in place; copies of the names are 175 MB.
        by_family[family_at(elf.data, name)].append(Span(offset=address + shift, size=size))  # type: ignore[arg-type]
    beginnings = sorted(address + shift for address in functions)
    yield Sample(family=None, functions=len(functions), code_bytes=text.size, spans=tuple(even_spans(text, beginnings)))
    for family in Family:
        if spans := by_family[family]:
            total = sum(span.size for span in spans)
            yield Sample(family=family, functions=len(spans), code_bytes=total, spans=tuple(chosen_spans(spans, total)))


def even_spans(text: Section, beginnings: Sequence[int]) -> Iterator[Span]:
    """Windows over a section; each begins with the first function at or behind its point, given their offsets."""
    end = text.offset + text.size
    step = max(text.size // EVEN_WINDOWS, WINDOW_BYTES)
    for point in range(text.offset, end, step):
        place = bisect_left(beginnings, point)
        # Without names the section's first byte alone is known to begin an instruction; x86 code falls into step soon.
        start = beginnings[place] if place < len(beginnings) and beginnings[place] < point + step else point
        yield Span(offset=start, size=min(WINDOW_BYTES, end - start))


def chosen_spans(spans: Sequence[Span], total: int) -> Iterator[Span]:
    """Of a family's functions every n-th, so many that they come to FAMILY_BYTES at most, or to a little more."""
    step = -(-total // FAMILY_BYTES)
    for span in spans[::step]:
        yield Span(offset=span.offset, size=min(span.size, FUNCTION_BYTES))
