"""The Python distributions and Debian packages that are installed, with their licences, as their own metadata says."""

import email.parser
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from build.inspection.contents import LICENCE, Contents

# A long text in the field License is the licence itself, not its name.
_NAME_LENGTH = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One that is installed. ``kind`` is its package URL's type; ``licence`` the name, or an SPDX expression."""

    kind: str
    name: str
    version: str
    licence: str = ""
    is_expression: bool = False
    licence_files: tuple[str, ...] = ()
    architecture: str = ""

    @property
    def url(self) -> str:
        """The package URL, which names it among all packages (the purl specification)."""
        if self.kind == "deb":
            return f"pkg:deb/debian/{self.name}@{self.version.replace(':', '%3A')}?arch={self.architecture}"
        return f"pkg:pypi/{re.sub(r'[-_.]+', '-', self.name).lower()}@{self.version}"


def installed(contents: Contents) -> tuple[Package, ...]:
    """All of them, Python's first, in the order of their names."""
    present = frozenset(file.path for file in contents.files)
    python = [_distribution(path, contents.kept, present) for path in contents.named("**/*.dist-info/METADATA")]
    debian = [package for path in contents.named("var/lib/dpkg/status") for package in _debian(path, present)]
    # A distribution that carries a copy of another, as setuptools does, may carry the very version that is installed.
    found = {package.url: package for package in [*python, *debian]}
    return tuple(sorted(found.values(), key=lambda package: (package.kind != "pypi", package.name.lower())))


def _distribution(metadata: Path, root: Path, present: frozenset[str]) -> Package:
    fields = email.parser.HeaderParser().parsestr(metadata.read_text(encoding="utf-8", errors="replace"))
    expression = fields.get("License-Expression", "")
    named = fields.get("License", "").strip()
    classified = [
        text.rpartition(" :: ")[2] for text in fields.get_all("Classifier", []) if text.startswith("License ::")
    ]
    short = named if named and len(named) <= _NAME_LENGTH and "\n" not in named else ", ".join(classified)
    return Package(
        kind="pypi",
        name=fields["Name"],
        version=fields["Version"],
        licence=expression or short,
        is_expression=bool(expression),
        licence_files=tuple(sorted(set(_licence_files(metadata.parent, root, present)))),
    )


def _licence_files(directory: Path, root: Path, present: frozenset[str]) -> Iterator[str]:
    place = directory.relative_to(root).parent
    inside = f"{directory.relative_to(root).as_posix()}/"
    own = tuple((place / name).as_posix() + "/" for name in _top_level(directory))
    for file in present:
        name = file.rpartition("/")[2]
        if file.startswith(inside) and (LICENCE.match(name) or "/licenses/" in file):
            yield file
        if file.startswith(own) and LICENCE.match(name) and not name.endswith((".py", ".pyc", ".h")):
            yield file


def _top_level(directory: Path) -> set[str]:
    # RECORD says it best, but a slim image may do without: then top_level.txt, and by custom the distribution's name.
    record, names = directory / "RECORD", directory / "top_level.txt"
    if record.is_file():
        lines = record.read_text().splitlines()
        return {line.partition("/")[0] for line in lines if "/" in line} - {directory.name, ".."}
    by_custom = re.sub(r"[-.]+", "_", directory.name.partition("-")[0])
    return set(names.read_text().split()) if names.is_file() else {by_custom}


def _debian(status: Path, present: frozenset[str]) -> Iterator[Package]:
    for paragraph in status.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        fields = dict(re.findall(r"(?m)^(Package|Version|Architecture|Status): (.*)$", paragraph))
        if fields.get("Status", "").endswith(" installed"):
            documents = f"usr/share/doc/{fields['Package']}"
            # A directory that is a link stands among the files: then the licence is that of the package it leads to.
            licence_files = tuple(sorted({documents, f"{documents}/copyright"} & present))
            yield Package(
                kind="deb",
                name=fields["Package"],
                version=fields["Version"],
                licence_files=licence_files,
                architecture=fields["Architecture"],
            )
