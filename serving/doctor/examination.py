"""All checks, in the order in which a start meets what they look at; here alone the machine is read for them."""

import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from serving.configuration import flag_values
from serving.configuration.model_config import ModelConfig
from serving.configuration.session_config import Sessions
from serving.doctor import (
    arguments,
    certificates,
    config_files,
    environment,
    keys,
    libraries,
    machine,
    model_checks,
    places,
    ports,
)
from serving.doctor.apart import apart
from serving.doctor.config_files import Named
from serving.doctor.finding import Finding, Level, fails, warning
from serving.doctor.machine import Machine
from serving.doctor.model_checks import Looked
from serving.host import cpus, memory
from serving.settings import Settings

_CPUINFO = Path("/proc/cpuinfo")
_BUILD = Path(sys.prefix) / "build.json"
"""What the image's TensorFlow was compiled for; nobody else has the file."""


class Examination:
    """Looks at one thing after the other and keeps the rows; a check that fails itself is one, and the others go on."""

    def __init__(self, settings: Settings, usable_cpus: int) -> None:
        self.findings: list[Finding] = []
        self._given = settings
        self._settings = flag_values.usable(settings)
        self._cpus = usable_cpus
        self._sessions: Sessions | None = None
        self._models: list[Named] = []
        self._looked = Looked()

    @property
    def failing(self) -> list[Finding]:
        """The rows of what fails."""
        return [each for each in self.findings if each.level is Level.FAILS]

    def check(self, what: str, look: Callable[[], Iterable[Finding]]) -> None:
        """Add the rows that ``look`` gives."""
        self.findings += _guarded(what, look)

    def look_at_machine(self) -> Finding:
        """Libraries and CPUs; the row that says whether the CPU can run TensorFlow's library."""
        self.check("libraries", lambda: libraries.look(self._given))
        can_run = _cpu(_cpuinfo())
        self.findings.append(can_run)
        granted, schedulable = cpus.granted_cpus(), len(os.sched_getaffinity(0))
        self.check("CPUs", lambda: machine.quota(self._given, schedulable, granted))
        return can_run

    def look_at_start(self, *, ports_are_free: bool = True) -> None:
        """What a start reads and takes before it has models; the ports only where no server should have them."""
        self.check("settings", lambda: _words(self._given))
        self.check("files", self._files)
        self.check("certificates", lambda: certificates.look(self._settings, datetime.now(UTC)))
        self.check("keys", lambda: keys.look(self._settings, datetime.now(UTC)))
        if ports_are_free:
            self.check("ports", lambda: ports.look(self._settings))
        self.check("directories", lambda: places.look(self._settings))

    def look_at_models(self, names: frozenset[str] | None = None, *, read: bool = True) -> None:
        """The files of all models, or of those with these ``names``; with ``read`` their graphs, which are parsed.

        That holds the interpreter's lock for as long as a graph is large.
        """
        self.check("models", self._listed)
        sessions = self._sessions or Sessions(settings=self._settings, config=None)
        for each in self._models:
            if names is None or each.model.name in names:
                look = partial(model_checks.look, each, sessions, self._looked, read=read)
                self.check(f"model {each.model.name}", look)

    def look_with_library(self) -> None:
        """What TensorFlow's library tells of the models, and the memory that all of them need."""
        machine_here = Machine(cpus=self._cpus, cpuinfo=_cpuinfo(), available_bytes=memory.available_bytes())
        sessions = self._sessions
        if sessions is not None:
            look = partial(model_checks.with_library, self._looked, sessions, machine_here)
            self.check("TensorFlow", lambda: apart("TensorFlow", lambda: _guarded("engines", look)))
        self.check("memory", lambda: model_checks.memory(self._looked, self._settings, machine_here))

    def _files(self) -> Iterable[Finding]:
        self._sessions, found = config_files.other_files(self._settings, self._cpus)
        return found

    def _listed(self) -> Iterable[Finding]:
        self._models, found = config_files.named_models(self._settings)
        return found


def everything(given: Sequence[str], variables: Mapping[str, str], usable_cpus: int) -> list[Finding]:
    """All rows for a command line and an environment. A process apart loads TensorFlow's library, if the CPU can."""
    command_line, of_arguments = arguments.read(given, usable_cpus)
    settings = command_line.settings
    examination = Examination(settings, usable_cpus)
    examination.findings += arguments.understood(command_line, of_arguments)
    examination.check("environment", lambda: environment.look(variables, settings))
    can_run = examination.look_at_machine()
    examination.look_at_start()
    examination.look_at_models()
    if can_run.level is not Level.FAILS:
        examination.look_with_library()
    return examination.findings


def of_failed_start(settings: Settings, usable_cpus: int) -> list[Finding]:
    """What is wrong, as far as that is seen without TensorFlow's library."""
    examination = Examination(settings, usable_cpus)
    examination.look_at_start()
    examination.look_at_models()
    return examination.failing


def of_waiting(settings: Settings, usable_cpus: int, names: frozenset[str]) -> list[Finding]:
    """The same of the files of models that do not become available."""
    examination = Examination(settings, usable_cpus)
    examination.look_at_models(names, read=False)
    return examination.failing


def of_running_server(settings: Settings, usable_cpus: int) -> list[Finding]:
    """All rows that can be had beside a server with these settings, without TensorFlow's library."""
    examination = Examination(settings, usable_cpus)
    examination.look_at_machine()
    examination.look_at_start(ports_are_free=False)
    examination.look_at_models(read=False)
    return examination.findings


def of_failed_version(model: ModelConfig, version: int, sessions: Sessions) -> list[Finding]:
    """The same of one version beside others that serve; nothing if it is gone. A large graph is not parsed."""
    what = f"model {model.name} version {version}"
    found = _guarded(what, lambda: model_checks.look_at_version(model, version, sessions))
    return [each for each in found if each.level is Level.FAILS]


def _guarded(what: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except Exception as error:  # noqa: BLE001 - whatever is so wrong that a check stumbles is told as well
        return [fails(what, f"the check itself failed: {type(error).__name__}: {error}", "Please report it.")]


def _cpuinfo() -> str:
    return _CPUINFO.read_text() if _CPUINFO.exists() else ""


def _cpu(cpuinfo: str) -> Finding:
    try:
        build: dict[str, Any] = json.loads(_BUILD.read_text())
    except (OSError, ValueError):
        return machine.cpu(cpuinfo, machine.PORTABLE.get(platform.machine(), ()), "TensorFlow's wheel")
    return machine.cpu(cpuinfo, build.get("cpu_features", ()), f"this image ({build.get('cpu_target', 'unknown')})")


def _words(settings: Settings) -> Iterable[Finding]:
    """Values that only the start itself reads."""
    for error in flag_values.wrong(settings):
        if error.message != flag_values.NO_MODEL:  # which has a row of its own
            named = error.message.startswith("--")
            yield fails(error.message.partition(" ")[0] if named else "flags", error.message, flag_values.advice(error))
    if settings.use_alts_credentials and not settings.ssl_config_file:
        yield warning("--use_alts_credentials", "works on Google Cloud alone; elsewhere the start fails")
