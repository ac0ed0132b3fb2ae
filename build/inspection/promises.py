"""What a wheel or an image promises, held against what was found in it. Pure judgement of a report."""

from collections.abc import Iterator

from build.inspection import sbom
from build.inspection.families import Family
from build.inspection.instructions import Count, InstructionSet
from build.inspection.report import Report, Subject

UNPACKED_LIMIT = 950_000_000
PACKED_LIMIT = 275_000_000
"""Of an image for the CPU, in bytes, without its base image."""

# The flag of the CPU that stands for each set of instructions in build.json.
_FLAGS = {
    "avx": InstructionSet.AVX,
    "avx2": InstructionSet.AVX2,
    "fma": InstructionSet.FMA,
    "avx512f": InstructionSet.AVX512,
}


def problems(report: Report) -> Iterator[str]:
    """Every broken promise in a sentence."""
    yield from _instruction_problems(report)
    if report.dispatch.failure:
        yield f"two matrices could not be multiplied: {report.dispatch.failure}"
    yield from _library_problems(report)
    yield from _licence_problems(report)
    yield from (f"the bill of materials: {problem}" for problem in sbom.problems(report.bill))
    if report.subject is Subject.IMAGE:
        yield from _size_problems(report)


def _instruction_problems(report: Report) -> Iterator[str]:
    # Eigen's kernels are compiled for one CPU and never chosen at run time: they show what the compiler was told.
    eigen = next((count for count in report.counts if count.sample.family is Family.EIGEN), None)
    if eigen is None or report.cpu_features is None:
        return
    for flag, kind in _FLAGS.items():
        if flag in report.cpu_features and not eigen.found[kind]:
            yield f"build.json asks the CPU for {flag}, and Eigen's kernels have no {kind.value}: {_sampled(eigen)}"
        if flag not in report.cpu_features and eigen.found[kind]:
            yield (
                f"build.json does not ask the CPU for {flag}, and Eigen's kernels have {eigen.found[kind]:,} "
                f"instructions of {kind.value}: {_sampled(eigen)}"
            )


def _sampled(count: Count) -> str:
    return f"{count.instructions:,} instructions were looked at"


def _library_problems(report: Report) -> Iterator[str]:
    if not report.library:
        yield "there is no libtensorflow_cc"
    for library in report.libraries.linked:
        missing = not (library.path or library.is_drivers) and (
            report.subject is Subject.IMAGE or not library.is_system
        )
        if missing and library.name in report.libraries.direct:
            yield f"libtensorflow_cc needs {library.name}, which is not there"


def _licence_problems(report: Report) -> Iterator[str]:
    for package in report.packages:
        if package.kind == "pypi" and package.name.startswith(("tensorflow", "openvino")) and not package.licence_files:
            yield f"{package.name} has no licence file, which its licence asks to be handed on"


def _size_problems(report: Report) -> Iterator[str]:
    sizes = report.sizes
    # Of a GPU image three quarters are NVIDIA's libraries; without the base nothing can be said.
    if not sizes.base or report.labels.get("serving.variant", "cpu").startswith("gpu"):
        return
    for what, size, limit in (
        ("unpacked", sizes.unpacked, UNPACKED_LIMIT),
        ("as `docker save | gzip`", sizes.packed, PACKED_LIMIT),
    ):
        if size > limit:
            yield f"{what} it is {size / 1e6:.1f} MB without its base image; the limit is {limit / 1e6:.0f} MB"
