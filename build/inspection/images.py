"""An image looked into through the engine: its layers, its files, a product of two matrices, a first answer."""

import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from build.container import Containers, DrivenContainer
from build.engine import ContainerSpec
from build.errors import EngineLostError, VerifyError
from build.inspection import dispatch
from build.inspection.contents import Contents, of_archive
from build.inspection.dispatch import Dispatch
from build.inspection.sizes import Sizes, layers, of_layers
from build.steps import LABEL

HERE = Path(__file__).parent
_FIRST_ANSWER = "first answer: "
_EXPECTED = '"predictions":[2.5,3.0,4.5]}'


class Images(Containers, Protocol):
    """What is needed of an engine; ``build.engine.Engine`` has it."""

    def save(self, image: str) -> Iterator[bytes]:
        """The archive that ``docker save`` writes."""

    def inspect_image(self, name: str) -> Mapping[str, Any]:
        """What ``docker image inspect`` prints."""


def labels(engine: Images, image: str) -> Mapping[str, str]:
    """The image's labels."""
    return dict(engine.inspect_image(image)["Config"].get("Labels") or {})


def default_base() -> str:
    """The Dockerfile's own base image, by its digest."""
    base = tomllib.loads((HERE.parent / "pins.toml").read_text())["base"]
    return f"{base['image']}@{base['digest']}"


def sizes(engine: Images, image: str, base: str) -> Sizes:
    """The image's, above ``base``; above the Dockerfile's own when that is empty, if the engine has it."""
    wanted = base or default_base()
    try:
        below = _digests(engine, wanted)
    except EngineLostError:
        if base:
            raise
        below = ()
    # Of an image that is not built on it nothing would be left out, and the figures would mean something else.
    if _digests(engine, image)[: len(below)] != below:
        if base:
            raise VerifyError(f"{image} is not built on {base}.", "--base with the image that it was built on")
        below = ()
    return of_layers(layers(engine.save(image)), frozenset(below), wanted if below else "")


def _digests(engine: Images, image: str) -> tuple[str, ...]:
    return tuple(engine.inspect_image(image)["RootFS"]["Layers"])


def contents_and_dispatch(engine: Images, image: str, directory: Path) -> tuple[Contents, Dispatch]:
    """Its files, and what it did with the CPU: both from one container, which is removed."""
    spec = _spec(image, ("python3", "-c", dispatch.SCRIPT.read_text()), dispatch.VERBOSE)
    with DrivenContainer(engine, spec) as container:
        lines = list(container.lines())
        found = dispatch.parse(lines, container.wait().status)
        return of_archive(engine.archive(container.id, "/"), directory), found


def first_answer_seconds(engine: Images, image: str, clock: Callable[[], float] = time.monotonic) -> float:
    """From before the container is made until a model that is written in it has answered; ``VerifyError`` if never."""
    model = {"SAVED_MODEL": (HERE / "half_plus_two.pbtxt").read_text()}
    spec = _spec(image, ("bash", "-c", (HERE / "first_answer.sh").read_text()), model)
    began = clock()
    output = []
    with DrivenContainer(engine, spec) as container:
        for line in container.lines():
            if line == f"{_FIRST_ANSWER}{_EXPECTED}":
                return clock() - began
            output.append(line)
        status = container.wait().status
    tail = "".join(f"\n  | {line}" for line in output[-10:])
    raise VerifyError(
        f"{image} gave no answer, or a wrong one, and ended with status {status}:{tail}", f"docker run {image}"
    )


def _spec(image: str, command: tuple[str, ...], environment: Mapping[str, str]) -> ContainerSpec:
    return ContainerSpec(image=image, command=command, environment=environment, labels={LABEL: "verify"}, volumes={})
