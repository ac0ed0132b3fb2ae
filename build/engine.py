"""The Docker engine: the only module that knows the SDK. Plain values go in and out, errors are of build/errors.py."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import docker
import docker.errors
from urllib3.exceptions import HTTPError

from build.errors import EngineLostError, EngineUnavailableError, ImageBuildError
from build.machine import EngineInfo
from build.steps import BuildImage

# Ordinary calls: creating a container from a large image on a busy disk takes a while. Builds and compiles have none.
CALL_SECONDS = 120
STOP_SECONDS = 10

# The classic builder prints what comes from standard error in red.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

# What an engine calls its CPU, in the kernel's words.
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """A container to make. ``volumes`` gives the place in the container for each named volume."""

    image: str
    command: tuple[str, ...] = ()
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    volumes: Mapping[str, str]
    memory_bytes: int | None = None
    network: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a container's process ended; ``out_of_memory`` when the kernel killed something in it for want of memory."""

    status: int
    out_of_memory: bool


class Engine:
    """A connection to an engine. Any method raises ``EngineLostError`` when the engine refuses or is gone."""

    def __init__(self, client: Any) -> None:
        self._api = client.api

    @classmethod
    def connect(cls, environment: Mapping[str, str]) -> "Engine":
        """The engine that ``DOCKER_HOST`` and its companions name; this machine's own without them."""
        try:
            client = docker.from_env(environment=dict(environment), timeout=CALL_SECONDS)
            client.ping()
        except (docker.errors.DockerException, OSError) as error:
            if "Permission denied" in str(error):
                raise EngineUnavailableError(
                    f"Docker's engine is there, but may not be used: {error}",
                    'sudo usermod -aG docker "$(id -un)", and log in again; or run the same command as root',
                ) from error
            raise EngineUnavailableError(
                f"No Docker engine answers: {error}",
                "start one, for example: sudo systemctl start docker. For an engine that is not at the usual place: "
                "export DOCKER_HOST=\"$(docker context inspect --format '{{.Endpoints.docker.Host}}')\"",
            ) from error
        return cls(client)

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the connection; containers and builds go on."""
        self._api.close()

    def info(self) -> EngineInfo:
        """What the engine says of itself."""
        with _asking("what it is"):
            found = self._api.info()
        architecture = str(found["Architecture"])
        return EngineInfo(
            version=str(found["ServerVersion"]),
            architecture=_ARCHITECTURES.get(architecture, architecture),
            cpus=int(found["NCPU"]),
            memory_bytes=int(found["MemTotal"]),
            root_directory=str(found["DockerRootDir"]),
            local="localunixsocket" in self._api.base_url,
        )

    def build(self, step: BuildImage, root: str) -> Iterator[str]:
        """Build an image from the tree below ``root``; gives what the engine prints, line by line.

        ``ImageBuildError`` when a step of the Dockerfile fails.
        """
        context = f"{root}/{step.context}"
        with _asking(f"to build {step.images[0]}"):
            messages = self._api.build(
                path=context,
                # A Dockerfile outside its context is sent along, if the path is absolute.
                dockerfile=f"{root}/{step.dockerfile}",
                tag=step.images[0],
                target=step.target or None,
                buildargs=dict(step.arguments),
                labels=dict(step.labels),
                network_mode=step.network or None,
                rm=True,
                forcerm=True,
                decode=True,
            )
            error = ""
            # Read to its end also after an error, which gives the connection back.
            for message in messages:
                text = _COLOUR.sub("", str(message.get("stream") or message.get("status") or ""))
                yield from (line for line in text.splitlines() if line.strip())
                error = error or str(message.get("error", "")).strip()
        if error:
            raise ImageBuildError(error, "")
        for image in step.images[1:]:
            self.tag(step.images[0], image)

    def tag(self, image: str, name: str) -> None:
        """Give an image another name."""
        repository, _, tag = name.rpartition(":")
        with _asking(f"to call {image} {name}"):
            self._api.tag(image, repository, tag)

    def remove_image(self, name: str) -> None:
        """Take a name from an image, and remove the image if that was its last."""
        with _asking(f"to remove the image {name}"):
            self._api.remove_image(name)

    def save(self, image: str) -> Iterator[bytes]:
        """The archive that ``docker save`` writes, in pieces."""
        with _asking(f"to save {image}"):
            yield from self._api.get_image(image)

    def inspect_image(self, name: str) -> Mapping[str, Any]:
        """What ``docker image inspect`` prints for an image."""
        with _asking(f"about the image {name}"):
            return dict(self._api.inspect_image(name))

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a named volume, if it is not there."""
        with _asking(f"for the volume {name}"):
            self._api.create_volume(name, labels=dict(labels))

    def remove_volume(self, name: str) -> None:
        """Remove a named volume with what is in it. One that is gone is no error."""
        with _asking(f"to remove the volume {name}"), suppress(docker.errors.NotFound):
            self._api.remove_volume(name, force=True)

    def containers(self, label: str, *, running: bool) -> tuple[str, ...]:
        """The short ids of the containers with a label ``name=value``: those that run, or all."""
        with _asking("for its containers"):
            found = self._api.containers(all=not running, filters={"label": label})
        return tuple(str(container["Id"])[:12] for container in found)

    def create(self, spec: ContainerSpec) -> str:
        """Make a container; its id. It does not run yet."""
        binds = {volume: {"bind": place, "mode": "rw"} for volume, place in spec.volumes.items()}
        with _asking(f"for a container of {spec.image}"):
            host = self._api.create_host_config(
                binds=binds,
                # Reaps what the script leaves behind, and hands on signals.
                init=True,
                mem_limit=spec.memory_bytes,
                # No swap beside the memory: a compile that swaps never ends.
                memswap_limit=spec.memory_bytes,
                network_mode=spec.network or None,
            )
            made = self._api.create_container(
                spec.image,
                command=list(spec.command) or None,
                environment=dict(spec.environment),
                labels=dict(spec.labels),
                host_config=host,
            )
        return str(made["Id"])[:12]

    def start(self, container: str) -> Iterator[bytes]:
        """Start a container; gives what it prints, in pieces, until it ends."""
        with _asking(f"to start {container}"):
            # Attached before the start: nothing is missed, and no logging driver is needed.
            output = self._api.attach(container, stdout=True, stderr=True, stream=True, logs=False)
            try:
                self._api.start(container)
            except BaseException:
                _close(output)
                raise
        return _pieces(output, container)

    def wait(self, container: str) -> Ended:
        """Wait until a container has ended."""
        with _asking(f"to wait for {container}"):
            status = int(self._api.wait(container, timeout=None)["StatusCode"])
            state = self._api.inspect_container(container)["State"]
        return Ended(status=status, out_of_memory=bool(state["OOMKilled"]))

    def archive(self, container: str, path: str) -> Iterator[bytes]:
        """What is at a path in a container, running or not, as a tar stream in pieces."""
        with _asking(f"for {path} in {container}"):
            pieces, _ = self._api.get_archive(container, path)
            yield from pieces

    def stop(self, container: str) -> None:
        """End a container's process."""
        with _asking(f"to stop {container}"):
            self._api.stop(container, timeout=STOP_SECONDS)

    def remove(self, container: str) -> None:
        """Kill a container, if it still runs, and forget it; its named volumes stay. One that is gone is no error."""
        with _asking(f"to remove {container}"), suppress(docker.errors.NotFound):
            self._api.remove_container(container, force=True, v=True)


def _pieces(output: Any, container: str) -> Iterator[bytes]:
    with _asking(f"for the output of {container}"):
        try:
            yield from output
        finally:
            _close(output)


def _close(stream: Any) -> None:
    # The SDK's close() of a stream refuses over SSH, and elsewhere leaves the connection open.
    stream._response.close()


@contextmanager
def _asking(what: str) -> Iterator[None]:
    try:
        yield
    except docker.errors.APIError as error:
        raise EngineLostError(
            f"The Docker engine was asked {what} and refused: {error.explanation or error}",
            "docker info; then the same command again",
        ) from error
    # The SDK lets the errors of requests (an OSError) and of urllib3 pass.
    except (docker.errors.DockerException, HTTPError, OSError) as error:
        raise EngineLostError(
            f"The Docker engine was asked {what} and is gone: {error}",
            "docker info; once it answers, the same command again: a compile resumes",
        ) from error
