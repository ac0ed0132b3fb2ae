"""Instructions, families, samples and ELF files: what a library's code is made of."""

import subprocess
from pathlib import Path

import pytest

from build.errors import InputError
from build.inspection import families
from build.inspection.elf import Elf, Section
from build.inspection.families import Family, Span, chosen_spans, even_spans, family_at
from build.inspection.instructions import InstructionSet, count, instruction_set
from tests.unit.build import inspected

AVX, AVX2, FMA, AVX512 = InstructionSet


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        pytest.param("addps  %xmm0,%xmm1", None, id="sse"),
        pytest.param("verr   %ax", None, id="v-of-another-kind"),
        pytest.param("vaddps %ymm0,%ymm1,%ymm2", AVX, id="avx"),
        pytest.param("vpaddd %xmm0,%xmm1,%xmm2", AVX, id="narrow-integers"),
        pytest.param("vzeroupper", AVX, id="no-operands"),
        pytest.param("vptest %ymm0,%ymm1", AVX, id="wide-and-yet-avx"),
        pytest.param("vpaddd %ymm0,%ymm1,%ymm2", AVX2, id="wide-integers"),
        pytest.param("vpbroadcastd %xmm0,%xmm1", AVX2, id="broadcast"),
        pytest.param("vgatherdps %xmm0,(%rax,%xmm1,4),%xmm2", AVX2, id="gather"),
        pytest.param("vextracti128 $0x1,%ymm0,%xmm1", AVX2, id="extract"),
        pytest.param("vextractf128 $0x1,%ymm0,%xmm1", AVX, id="extract-floats"),
        pytest.param("vfmadd231ps %ymm0,%ymm1,%ymm2", FMA, id="fma"),
        pytest.param("vfnmsub132sd (%rax),%xmm1,%xmm2", FMA, id="fma-scalar"),
        pytest.param("vfmadd231ps %zmm0,%zmm1,%zmm2", AVX512, id="fma-of-avx512"),
        pytest.param("vmovups %ymm16,(%rax)", AVX512, id="upper-registers"),
        pytest.param("vmovups %ymm1,(%rax){%k1}", AVX512, id="mask"),
        pytest.param("kmovw  %k1,%eax", AVX512, id="mask-register"),
        pytest.param("vaddps (%rax){1to8},%ymm1,%ymm2", AVX512, id="broadcast-from-memory"),
    ],
)
def test_instruction_set(instruction: str, expected: InstructionSet | None) -> None:
    """Each instruction counts for the set that the CPU must have for it."""
    assert instruction_set(instruction.encode()) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("_ZN4dnnl4impl3cpu3runEv", Family.ONEDNN, id="onednn"),
        pytest.param("_ZN4dnnl4impl3cpu3x6421jit_avx512_core_kernelEv", Family.ONEDNN, id="generator-of-avx512"),
        pytest.param("_ZNK4llvm8Function3runEv", Family.LLVM, id="llvm"),
        pytest.param("_ZN10tensorflow9BiasOpIN5Eigen16ThreadPoolDeviceEfE7ComputeEv", Family.TENSORFLOW, id="kernel"),
        pytest.param("_ZN5Eigen8internal4gebpEv", Family.EIGEN, id="eigen"),
        pytest.param("_ZNSt17_Function_handlerIFvllEZN5Eigen8internal3runEvE3fooE9_M_invoke", Family.EIGEN, id="loop"),
        pytest.param("_ZN3jxl6N_AVX23addEv", Family.CHOSEN, id="highway"),
        pytest.param("_ZN3ruy17KernelFloatAvx512Ev", Family.CHOSEN, id="ruy-avx512"),
        pytest.param("xnn_f32_gemm__fma3", Family.CHOSEN, id="xnnpack-fma"),
        pytest.param("xnn_f32_gemm__sse", Family.LITE, id="xnnpack"),
        pytest.param("jpeg_start", Family.OTHER, id="other"),
    ],
)
def test_family(name: str, expected: Family) -> None:
    """A function belongs to its outermost namespace, and where it is named for an instruction set, to those."""
    following = b"_ZN5Eigen5otherEv\0_avx2\0"
    assert family_at(b"\0" + name.encode() + b"\0" + following, 1) is expected


def test_even_sample() -> None:
    """Each window begins with the first function behind its point, or at the point when there is none in its reach."""
    window = families.WINDOW_BYTES
    text = Section(name=".text", kind=1, address=0, offset=1000, size=4 * window, link=0)
    spans = list(even_spans(text, [1000, 1000 + window + 5, 1000 + 3 * window + 7]))
    begins = [1000, 1000 + window + 5, 1000 + 2 * window, 1000 + 3 * window + 7]
    assert spans == [Span(offset=begin, size=min(window, 1000 + 4 * window - begin)) for begin in begins]


def test_family_sample() -> None:
    """Of a large family every n-th function is taken, and of a large function its beginning."""
    spans = [Span(offset=number * 50_000, size=50_000) for number in range(100)]
    chosen = list(chosen_spans(spans, 5_000_000))
    assert [span.offset for span in chosen] == [span.offset for span in spans[::5]]
    assert {span.size for span in chosen} == {families.FUNCTION_BYTES}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled library whose functions bear other families' names."""
    return inspected.compiled(tmp_path_factory.mktemp("library"))


@pytest.mark.parametrize("stripped", [pytest.param(False, id="whole"), pytest.param(True, id="stripped")])
def test_count(library: Path, tmp_path: Path, stripped: bool) -> None:
    """A compiler's instructions are found in the families that its functions are named for, after `strip` as well."""
    copy = tmp_path / library.name
    copy.write_bytes(library.read_bytes())
    if stripped:
        subprocess.run(["strip", "--strip-unneeded", copy], check=True)
    counts = {found.sample.family: found.found for found in count(copy)}
    assert counts[Family.EIGEN][FMA] > 0
    assert counts[Family.TENSORFLOW][AVX2] > 0
    assert counts[Family.TENSORFLOW][FMA] == counts[Family.TENSORFLOW][AVX512] == 0
    assert counts[Family.CHOSEN][AVX512] > 0
    assert set(counts[Family.LLVM].values()) == {0}
    assert all(counts[None][kind] >= counts[Family.EIGEN][kind] for kind in InstructionSet)


def test_elf(library: Path) -> None:
    """Needed libraries, the versions asked for, and whether it is stripped are read from the file."""
    with Elf(library) as elf:
        assert elf.machine == "x86_64"
        assert not elf.stripped
        assert "libc.so.6" in elf.needed
        assert any(version.startswith("GLIBC_2.") for version in elf.versions)


def test_another_file(tmp_path: Path) -> None:
    """What is no ELF file is refused by name."""
    (tmp_path / "libc.so").write_text("/* GNU ld script */")
    with pytest.raises(ValueError, match=r"not a 64-bit .* libc\.so"):
        Elf(tmp_path / "libc.so")


def test_no_objdump(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without objdump the failure names the package to install."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InputError, match="apt-get install binutils"):
        count(library)
