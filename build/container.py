"""A container that is driven: started, read, waited for, copied from, always removed. Knows nothing of what it runs."""

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Protocol

from build.engine import ContainerSpec, Ended
from build.inspection.contents import Stream


class Containers(Protocol):
    """What is needed of an engine; ``build.engine.Engine`` has it, tests have their own."""

    def create(self, spec: ContainerSpec) -> str:
        """Make a container; its id."""

    def start(self, container: str) -> Iterator[bytes]:
        """Start it; what it prints."""

    def wait(self, container: str) -> Ended:
        """Wait for its end."""

    def archive(self, container: str, path: str) -> Iterator[bytes]:
        """A path in it as a tar stream."""

    def stop(self, container: str) -> None:
        """End its process."""

    def remove(self, container: str) -> None:
        """Kill and forget it."""


class DrivenContainer:
    """One container, from its making to its removal on leaving the ``with`` block, whatever the reason for leaving.

    With ``keep`` it is stopped instead, and ``say`` is told how to look into it and how to remove it.
    """

    def __init__(
        self, engine: Containers, spec: ContainerSpec, *, keep: bool = False, say: Callable[[str], None] = print
    ) -> None:
        self._engine = engine
        self._spec = spec
        self._keep = keep
        self._say = say
        self._output: Iterator[bytes] = iter(())
        self.id = ""

    def __enter__(self) -> "DrivenContainer":
        self.id = self._engine.create(self._spec)
        try:
            self._output = self._engine.start(self.id)
        except BaseException:
            # Leaving is not called for a block that was never entered.
            self._engine.remove(self.id)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._keep:
            self._engine.remove(self.id)
            return
        self._engine.stop(self.id)
        mounts = "".join(f" --volume {volume}:{place}" for volume, place in self._spec.volumes.items())
        self._say(
            f"Kept: container {self.id}.\n"
            f"  what it printed:             docker logs {self.id}\n"
            f"  a file of it:                docker cp {self.id}:/path .\n"
            f"  a shell beside it:           docker run --rm -it{mounts} {self._spec.image} bash\n"
            f"  remove it:                   docker rm --force --volumes {self.id}"
        )

    def lines(self) -> Iterator[str]:
        """What it prints, line by line without their ends, until its process ends."""
        rest = b""
        for piece in self._output:
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield _text(line)
        if rest:
            yield _text(rest)

    def wait(self) -> Ended:
        """How its process ended."""
        return self._engine.wait(self.id)

    def copy_out(self, place: str, directory: Path) -> list[Path]:
        """Copy the plain files directly in ``place`` to ``directory``; the copies. Links and directories stay."""
        with tarfile.open(fileobj=Stream(self._engine.archive(self.id, place)), mode="r|") as archive:
            return list(_extracted(archive, directory))


def _text(line: bytes) -> str:
    # A program that believes in a terminal rewrites its line; the last state is the one to keep.
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")


def _extracted(archive: tarfile.TarFile, directory: Path) -> Iterator[Path]:
    for member in archive:
        path = PurePosixPath(member.name)
        content = archive.extractfile(member) if member.isfile() and len(path.parts) == 2 else None
        if content is None:
            continue
        target = directory / path.name
        with target.open("wb") as copy:
            while piece := content.read(1 << 20):
                copy.write(piece)
        yield target
