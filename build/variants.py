"""The images that can be made, as a table: where TensorFlow comes from, what CPU it asks for. Decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Architecture(Enum):
    """The kinds of CPU, in the kernel's words."""

    X86_64 = "x86_64"
    AARCH64 = "aarch64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One image. ``cpu_target`` is what the compiler calls the CPU, empty when TensorFlow comes from the package index.

    ``cpu_features`` are the flags that mark such a CPU in /proc/cpuinfo: enough to tell whether it can run the wheel.
    ``gpu`` says whether the runtime image has NVIDIA's libraries. ``architecture`` is None where the package index has
    a wheel for each.
    """

    name: str
    summary: str
    architecture: Architecture | None = Architecture.X86_64
    cpu_target: str = ""
    cpu_features: frozenset[str] = frozenset()
    cuda_compute_capabilities: tuple[str, ...] = ()
    gpu: bool = False

    @property
    def compiled(self) -> bool:
        """Whether TensorFlow is compiled for it."""
        return bool(self.cpu_target)

    @property
    def cuda(self) -> bool:
        """Whether what is compiled has GPU kernels."""
        return bool(self.cuda_compute_capabilities)

    @property
    def depends_on_this_cpu(self) -> bool:
        """Whether the outcome differs from machine to machine."""
        return self.cpu_target == "native"


AVX2 = frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma"})
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}

# From Ampere's A100 on: real code for the data-centre and desktop cards sold since 2020, and PTX for what comes later.
CAPABILITIES = ("sm_80", "sm_86", "sm_89", "compute_90")

_ALL = (
    Variant(name="cpu", summary="the portable wheel, for any CPU with AVX and for 64-bit ARM", architecture=None),
    Variant(
        name="cpu-avx2",
        summary="AVX2 and FMA: Intel from 2013, AMD from 2015",
        cpu_target="haswell",
        cpu_features=AVX2,
    ),
    Variant(
        name="cpu-avx512",
        summary="AVX-512: Intel servers from 2017, AMD from Zen 4",
        cpu_target="skylake-avx512",
        cpu_features=AVX512,
    ),
    Variant(
        name="cpu-native",
        summary="exactly the CPU that compiles; runs nowhere else for sure",
        architecture=None,
        cpu_target="native",
    ),
    Variant(name="gpu", summary="NVIDIA GPUs, the wheels from the package index", gpu=True),
    Variant(
        name="gpu-avx2",
        summary="NVIDIA GPUs, and AVX2 for what stays on the CPU",
        cpu_target="haswell",
        cpu_features=AVX2,
        cuda_compute_capabilities=CAPABILITIES,
        gpu=True,
    ),
    Variant(
        name="arm64",
        summary="64-bit ARM servers",
        architecture=Architecture.AARCH64,
        cpu_target="armv8",
        cpu_features=frozenset({"asimd"}),
    ),
)

VARIANTS: Mapping[str, Variant] = MappingProxyType({variant.name: variant for variant in _ALL})
"""Every variant by its name, in the order in which they are shown."""
