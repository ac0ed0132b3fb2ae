"""A software bill of materials in CycloneDX's JSON, and a check of what the format requires. Knows no files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from build.inspection.packages import Package

# https://cyclonedx.org/docs/1.6/json/
SPECIFICATION = "1.6"
_TYPES = frozenset(
    {"application", "framework", "library", "container", "platform", "operating-system", "device", "device-driver"}
    | {"firmware", "file", "machine-learning-model", "data", "cryptographic-asset"}
)

Document = dict[str, Any]


def bill(subject: str, kind: str, packages: Sequence[Package]) -> Document:
    """The bill for a subject of CycloneDX's type ``kind``. It has no time and no number: same contents, same bill."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": {"component": {"type": kind, "bom-ref": f"subject:{subject}", "name": subject}},
        "components": [_component(package) for package in packages],
    }


def _component(package: Package) -> Document:
    component: Document = {
        "type": "library",
        "bom-ref": package.url,
        "name": package.name,
        "version": package.version,
        "purl": package.url,
    }
    if package.licence:
        name = {"license": {"name": package.licence}}
        component["licenses"] = [{"expression": package.licence} if package.is_expression else name]
    return component


def problems(document: Mapping[str, Any]) -> Iterator[str]:
    """What is missing or wrong of the fields that the schema requires, and of those whose values it fixes."""
    if document.get("bomFormat") != "CycloneDX":
        yield f"bomFormat is {document.get('bomFormat')!r}, expected 'CycloneDX'"
    if document.get("specVersion") != SPECIFICATION:
        yield f"specVersion is {document.get('specVersion')!r}, expected {SPECIFICATION!r}"
    version = document.get("version", 1)
    if not isinstance(version, int) or version < 1:
        yield f"version is {version!r}, expected a number from 1 on"
    components = document.get("components", [])
    subject = document.get("metadata", {}).get("component")
    for component in [*([subject] if subject else []), *components]:
        yield from _component_problems(component)
    references = [component.get("bom-ref") for component in components]
    for reference in sorted({str(r) for r in references if r is not None and references.count(r) > 1}):
        yield f"bom-ref {reference} is there more than once"


def _component_problems(component: Mapping[str, Any]) -> Iterator[str]:
    name = component.get("name")
    if not isinstance(name, str) or not name:
        yield f"a component has the name {name!r}, expected a text"
    if component.get("type") not in _TYPES:
        yield f"{name} has the type {component.get('type')!r}, which CycloneDX does not have"
    licences = component.get("licenses", [])
    if len(licences) > 1 and any("expression" in licence for licence in licences):
        yield f"{name} has an expression beside other licences"
    for licence in licences:
        choices = licence.get("license", {}).keys() & {"id", "name"}
        if ("expression" in licence) == ("license" in licence) or ("license" in licence and len(choices) != 1):
            yield f"{name} has a licence that is neither an expression nor one id or name"
