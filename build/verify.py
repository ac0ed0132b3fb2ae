"""Shows what a wheel or an image really contains, and says which promise it breaks. What is looked at, and how, is in
build/inspection/; this puts it together.
"""

import argparse
import json
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from build.engine import Engine
from build.errors import InputError
from build.inspection import dispatch, images, instructions, libraries, packages, sbom, sizes
from build.inspection.contents import Contents, of_wheel
from build.inspection.dispatch import Dispatch
from build.inspection.elf import Elf
from build.inspection.promises import problems
from build.inspection.rendering import rendered, verdict
from build.inspection.report import Report, Subject, as_json
from build.inspection.sizes import Sizes
from build.machine import cpu_features
from build.wheels import DESCRIPTION

Tell = Callable[[str], None]
"""Hears of each thing that is about to be looked at, as a sentence."""


def _untold(text: str) -> None:
    """Nobody waits."""


def report_wheel(wheel: Path, tell: Tell = _untold) -> Report:
    """What is in a wheel. Its libraries are unpacked into a temporary directory for as long as it takes."""
    if not wheel.is_file():
        raise InputError(f"There is no wheel {shlex.quote(str(wheel))}.", "--wheel with the path of a .whl file")
    with tempfile.TemporaryDirectory(prefix="verify-") as directory:
        tell("unpacking the wheel's libraries")
        contents = of_wheel(wheel, Path(directory))
        description = _description([wheel.parent / DESCRIPTION])
        files = contents.files
        measured = Sizes(unpacked=sum(f.size for f in files), packed=wheel.stat().st_size, parts=sizes.parts(files))
        tell("running its library, to see which instructions are chosen here")
        tried = _dispatch(contents.library(), description)
        return _report(
            contents,
            tell,
            subject=Subject.WHEEL,
            name=wheel.name,
            description=description,
            dispatch=tried,
            sizes=measured,
        )


def report_image(engine: images.Images, name: str, base: str = "", tell: Tell = _untold) -> Report:
    """What is in an image, and how long it takes to its first answer. Starts containers and removes them."""
    with tempfile.TemporaryDirectory(prefix="verify-") as directory:
        tell("copying files out of the image, and running its library to see which instructions are chosen here")
        contents, found = images.contents_and_dispatch(engine, name, Path(directory))
        # Before the sizes, which take a minute: most of what can be wrong with an image shows here.
        tell("starting a container, until it answers")
        first_answer = images.first_answer_seconds(engine, name)
        tell("weighing the image and the one below it, about a minute")
        measured = images.sizes(engine, name, base)
        return _report(
            contents,
            tell,
            subject=Subject.IMAGE,
            name=name,
            description=_description(contents.named(f"opt/**/{DESCRIPTION}")),
            dispatch=found,
            first_answer_seconds=first_answer,
            sizes=measured,
            labels=images.labels(engine, name),
        )


def _report(contents: Contents, tell: Tell, *, subject: Subject, name: str, **found: Any) -> Report:
    library = contents.library()
    tell("counting instructions with objdump, and listing libraries and packages")
    listed = packages.installed(contents)
    return Report(
        subject=subject,
        name=name,
        library=library.name if library else "",
        stripped=_stripped(library) if library else False,
        counts=instructions.count(library) if library else (),
        libraries=libraries.linked(contents),
        packages=listed,
        bill=sbom.bill(name, subject.value, listed),
        **found,
    )


def _dispatch(library: Path | None, description: Mapping[str, Any]) -> Dispatch:
    if library is None:
        return Dispatch(skipped="not tried: there is no libtensorflow_cc")
    with Elf(library) as elf:
        features = frozenset(map(str, description.get("cpu_features", ())))
        obstacle = dispatch.obstacle(
            machine=elf.machine, features=features, here=platform.machine(), here_features=cpu_features()
        )
    return Dispatch(skipped=obstacle) if obstacle else dispatch.of_library(library.parent)


def _stripped(library: Path) -> bool:
    with Elf(library) as elf:
        return elf.stripped


def _description(places: Sequence[Path]) -> Mapping[str, Any]:
    for place in places:
        if place.is_file():
            told = json.loads(place.read_text())
            return told if isinstance(told, dict) else {}
    return {}


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(
        prog="python -m build verify",
        description="Shows what a wheel or an image really contains; takes a minute or two, and objdump (binutils).",
    )
    subject = made.add_mutually_exclusive_group(required=True)
    subject.add_argument("--wheel", type=Path, metavar="PATH", help="a TensorFlow wheel")
    subject.add_argument("--image", metavar="NAME", help="a runtime image")
    made.add_argument("--base", default="", metavar="NAME", help="the image below it; left out, the Dockerfile's own")
    made.add_argument("--json", action="store_true", help="everything as JSON, the bill of materials included")
    made.add_argument("--sbom", type=Path, metavar="PATH", help="write the bill of materials (CycloneDX) there")
    return made


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Print the verdict and the report; 1 when a promise is broken. What is being done goes to standard error.

    ``environment`` names the engine. Raises ``BuildError``.
    """
    chosen = parser().parse_args(arguments)
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"verify, {time.monotonic() - began:3.0f} s: {text} ...", file=sys.stderr, flush=True)

    if chosen.wheel:
        report = report_wheel(chosen.wheel, tell)
    else:
        report = report_image(Engine.connect(environment), chosen.image, chosen.base, tell)
    if chosen.sbom:
        chosen.sbom.write_text(json.dumps(report.bill, indent=2) + "\n")
    broken = list(problems(report))
    shown = json.dumps(as_json(report), indent=2) if chosen.json else f"{verdict(broken)}\n\n{rendered(report)}"
    print(shown, flush=True)
    for problem in broken:
        print(f"broken promise: {problem}", file=sys.stderr)
    return 1 if broken else 0
