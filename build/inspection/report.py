"""Everything that was found in a wheel or an image, as values, and as JSON. Finds nothing itself."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from build.inspection.dispatch import Dispatch
from build.inspection.instructions import Count
from build.inspection.libraries import Libraries
from build.inspection.packages import Package
from build.inspection.sbom import Document
from build.inspection.sizes import Sizes


class Subject(Enum):
    """What was looked at; the value is CycloneDX's word for it."""

    WHEEL = "library"
    IMAGE = "container"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """``description`` is build.json, empty when there is none. ``first_answer_seconds`` is None for a wheel."""

    subject: Subject
    name: str
    description: Mapping[str, Any]
    library: str
    stripped: bool
    counts: tuple[Count, ...]
    dispatch: Dispatch
    libraries: Libraries
    packages: tuple[Package, ...]
    bill: Document
    sizes: Sizes
    first_answer_seconds: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def cpu_features(self) -> frozenset[str] | None:
        """The CPU flags that the build says it was compiled for; None when it says nothing."""
        features = self.description.get("cpu_features")
        return frozenset(map(str, features)) if isinstance(features, list) else None


def as_json(report: Report) -> dict[str, Any]:
    """All of it, as values that JSON has. The spans of a sample are left out: they are offsets in a file."""
    found = {
        "subject": report.subject.name.lower(),
        "name": report.name,
        "description": dict(report.description),
        "library": report.library,
        "stripped": report.stripped,
        "instructions": [_count(count) for count in report.counts],
        "dispatch": asdict(report.dispatch),
        "libraries": asdict(report.libraries),
        "packages": [asdict(package) for package in report.packages],
        "sbom": report.bill,
        "sizes": asdict(report.sizes),
    }
    timed = report.first_answer_seconds
    return found | ({"first_answer_seconds": round(timed, 3)} if timed is not None else {})


def _count(count: Count) -> dict[str, Any]:
    sample = count.sample
    return {
        "family": sample.family.name.lower() if sample.family else "all",
        "functions": sample.functions,
        "code_bytes": sample.code_bytes,
        "sampled_bytes": count.sampled_bytes,
        "instructions": count.instructions,
        **{kind.value: number for kind, number in count.found.items()},
    }
