"""A report as text, to be read in a terminal and in the documentation. Judges nothing."""

import json
import textwrap
from collections.abc import Iterator, Sequence

from build.inspection.families import EVEN_WINDOWS, FAMILY_BYTES, WINDOW_BYTES
from build.inspection.instructions import Count, InstructionSet
from build.inspection.packages import Package
from build.inspection.report import Report, Subject

LARGEST = 5
"""How many of the parts are shown."""
_COLUMNS = 45
_WIDTH = 120
_SHOWN = 12


def rendered(report: Report) -> str:
    """All of it but the lists that --json and --sbom give in full."""
    sections = (_head, _instructions, _dispatch, _libraries, _licences, _bill, _sizes, _start)
    return "\n\n".join("\n".join(lines) for section in sections if (lines := list(section(report))))


def verdict(broken: Sequence[str]) -> str:
    """The first lines: whether all is well, and otherwise what is not."""
    if not broken:
        return "verdict: every promise is kept"
    count = "1 promise is" if len(broken) == 1 else f"{len(broken)} promises are"
    return "\n".join([f"verdict: {count} broken", *(f"  {each}" for each in broken)])


def megabytes(size: int) -> str:
    """As ``788.1 MB``; a megabyte is a million bytes."""
    return f"{size / 1e6:.1f} MB"


def _head(report: Report) -> Iterator[str]:
    yield f"{'image' if report.subject is Subject.IMAGE else 'wheel'}: {report.name}"
    if not report.description:
        yield "build.json: none, so what it was compiled for is not stated"
        return
    told = report.description
    features = " ".join(sorted(report.cpu_features or ()))
    yield f"build.json: TensorFlow {told.get('tensorflow')} for {told.get('cpu_target')}; needs of the CPU: {features}"


def _instructions(report: Report) -> Iterator[str]:
    if not report.counts:
        yield "instructions: not counted, which is done for x86-64 alone"
        return
    everything = report.counts[0]
    symbols = "the dynamic linker's names" if report.stripped else "all names"
    yield f"instructions in {report.library} ({megabytes(everything.sample.code_bytes)} of code, {symbols}), by objdump"
    yield (
        f"  sampled: {EVEN_WINDOWS} windows of {WINDOW_BYTES // 1024} KiB evenly over the code, then of each family "
        f"of functions at most about {megabytes(FAMILY_BYTES)}"
    )
    heads = "".join(f"{kind.value:>9}" for kind in InstructionSet)
    yield f"  {'':{_COLUMNS}}{'functions':>10}{'code':>10}{'looked at':>11}{heads}"
    yield from map(_count, report.counts)


def _count(count: Count) -> str:
    sample = count.sample
    name = sample.family.value if sample.family else "everything, evenly"
    found = "".join(f"{count.found[kind]:9,}" for kind in InstructionSet)
    return f"  {name:{_COLUMNS}}{sample.functions:10,}{megabytes(sample.code_bytes):>10}{count.instructions:11,}{found}"


def _dispatch(report: Report) -> Iterator[str]:
    dispatch = report.dispatch
    yield "at run time, on this machine's CPU"
    if said := dispatch.failure or dispatch.skipped:
        yield from (f"  {line}" for line in said.splitlines())
        return
    yield f"  oneDNN {dispatch.version} generates code for: {dispatch.isa or 'nothing, it was not asked'}"
    yield from (f"  it executed: {primitive}" for primitive in dispatch.executed)
    unused = " ".join(dispatch.unused) or "nothing"
    yield f"  this CPU has and TensorFlow's own code was not compiled for: {unused}"


def _libraries(report: Report) -> Iterator[str]:
    libraries = report.libraries
    yield f"libtensorflow_cc is linked with ({' '.join(libraries.newest)} or newer)"
    places = {library.name: library for library in libraries.linked}
    for name in libraries.direct:
        library = places[name]
        expected = "the driver's" if library.is_drivers else "the system's" if library.is_system else "missing"
        yield f"  {name:<32} {library.path or expected}"
    absent = [lib.name for lib in libraries.linked if not (lib.path or lib.is_system or lib.is_drivers)]
    yield f"  all {libraries.objects} shared objects need {len(places)} libraries; not there: {_listed(absent)}"


def _licences(report: Report) -> Iterator[str]:
    files = sum(len(package.licence_files) for package in report.packages)
    yield f"licences: {files} files of {len(report.packages)} packages"
    for kind, name in (("pypi", "Python distributions"), ("deb", "Debian packages")):
        packages = [package for package in report.packages if package.kind == kind]
        without = [package.name for package in packages if not package.licence_files]
        if packages:
            yield f"  {len(packages)} {name}; without a licence file: {_listed(without)}"
    if report.subject is Subject.WHEEL:
        yield from (f"  {file}" for package in report.packages for file in package.licence_files)
    yield from _names_of_licences(report.packages)


def _names_of_licences(packages: Sequence[Package]) -> Iterator[str]:
    names = sorted({package.licence for package in packages if package.licence})
    if names:
        text = f"by their metadata: {'; '.join(names)}"
        yield textwrap.fill(text, width=_WIDTH, initial_indent="  ", subsequent_indent="    ")


def _bill(report: Report) -> Iterator[str]:
    bill = report.bill
    form = f"{bill['bomFormat']} {bill['specVersion']}"
    size = len(json.dumps(bill, indent=2))
    yield f"bill of materials: {form}, {len(bill['components'])} components, {size:,} bytes"


def _sizes(report: Report) -> Iterator[str]:
    sizes = report.sizes
    where = ""
    if report.subject is Subject.IMAGE:
        where = f", everything above {sizes.base}" if sizes.base else ", with its base image, which is not known"
    packed = "as `docker save | gzip`" if report.subject is Subject.IMAGE else "the wheel itself"
    yield f"size: {megabytes(sizes.unpacked)} unpacked, {megabytes(sizes.packed)} {packed}{where}"
    shown = sizes.parts[:LARGEST]
    yield from (f"  {megabytes(part.size):>10}  {part.name}" for part in shown)
    rest = sum(part.size for part in sizes.parts[LARGEST:])
    yield f"  {megabytes(rest):>10}  {len(sizes.parts) - len(shown)} others"


def _start(report: Report) -> Iterator[str]:
    if report.first_answer_seconds is not None:
        yield f"from `docker run` to the first answer of half_plus_two: {report.first_answer_seconds:.2f} s"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}" if names else "none"
