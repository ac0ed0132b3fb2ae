"""An engine that behaves: containers run a prepared program, volumes and images are remembered. No tests."""

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from build.engine import ContainerSpec, Ended
from build.errors import EngineLostError, ImageBuildError
from build.steps import BuildImage


@dataclass(kw_only=True)
class Program:
    """What a container does: prints, leaves files in /wheels, ends. ``raises`` stands for what happens meanwhile."""

    prints: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict)
    status: int = 0
    out_of_memory: bool = False
    raises: BaseException | None = None


@dataclass
class FakeEngine:
    """Runs the same program in each container. ``events`` is everything it was asked, in order."""

    program: Program = field(default_factory=Program)
    refuses_to_start: bool = False
    failing_dockerfile: str = ""
    containers_with_label: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    specs: list[ContainerSpec] = field(default_factory=list)
    volumes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)

    def create(self, spec: ContainerSpec) -> str:
        self.specs.append(spec)
        name = f"c{len(self.specs)}"
        self.alive.add(name)
        self.events.append(f"create {name}")
        return name

    def start(self, container: str) -> Iterator[bytes]:
        self.events.append(f"start {container}")
        if self.refuses_to_start:
            raise EngineLostError("refused", "again")
        return self._output()

    def _output(self) -> Iterator[bytes]:
        # In pieces that respect no line, as a socket's are.
        for begin in range(0, len(self.program.prints), 7):
            yield self.program.prints[begin : begin + 7]
        if self.program.raises:
            raise self.program.raises

    def wait(self, container: str) -> Ended:
        return Ended(status=self.program.status, out_of_memory=self.program.out_of_memory)

    def archive(self, container: str, path: str) -> Iterator[bytes]:
        assert container in self.alive
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            directory = tarfile.TarInfo(path.strip("/"))
            directory.type = tarfile.DIRTYPE
            archive.addfile(directory)
            for name, content in self.program.files.items():
                member = tarfile.TarInfo(f"{path.strip('/')}/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        data = packed.getvalue()
        for begin in range(0, len(data), 1000):
            yield data[begin : begin + 1000]

    def stop(self, container: str) -> None:
        self.events.append(f"stop {container}")

    def remove(self, container: str) -> None:
        self.alive.discard(container)
        self.events.append(f"remove {container}")

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        self.volumes[name] = labels

    def containers(self, label: str, *, running: bool) -> tuple[str, ...]:
        return tuple(name for name, has in self.containers_with_label.items() if has == label)

    def build(self, step: BuildImage, root: str) -> Iterator[str]:
        self.events.append(f"build {step.dockerfile}")
        yield "Step 1/1 : FROM base"
        if step.dockerfile == self.failing_dockerfile:
            yield "gcc: not found"
            raise ImageBuildError("returned a non-zero code: 127", "")
