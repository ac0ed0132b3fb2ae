"""``--dry_run``: every version is loaded as a start loads it and asked once for each signature; no port is opened.

What it tells is printed as it is known, for a model may end the process.
"""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from serving.composition.parts import Composition
from serving.configuration.model_config import Configured, ModelConfig
from serving.configuration.session_config import Sessions
from serving.core.servable import Servable, ServableId
from serving.core.store_url import StoreUrl
from serving.doctor import base_paths
from serving.doctor.config_files import Named
from serving.doctor.finding import Level, megabytes
from serving.doctor.requests import Answered, EndlessError, ask
from serving.doctor.versions import Version
from serving.errors import ServingError
from serving.host import memory, stop_signals
from serving.servables import libtensorflow
from serving.telemetry.quoting import quoted

_CLOSE_SECONDS = 1.0


@dataclass(slots=True)
class _Count:
    """What has come of it so far."""

    versions: int = 0
    signatures: int = 0
    failures: int = 0


def dry_run(sessions: Sessions, configured: Configured, cpus: int) -> int:
    """Print what came of each version; the exit status: 0 if all was answered, 1 if not.

    Raises ConfigurationError for what a start refuses.
    """
    stop_signals.leave_to_system()
    settings = sessions.settings.replaced(optimize_wait=True)
    sessions = dataclasses.replace(sessions, settings=settings)
    composition = Composition(sessions, cpus, on_death=lambda _: None)
    models = configured or ()
    composition.models.check(models)
    run = _DryRun(composition, sessions)
    try:
        for model in models:
            run.try_model(model)
        return run.end()
    finally:
        run.close()


class _DryRun:
    def __init__(self, composition: Composition, sessions: Sessions) -> None:
        self._composition = composition
        self._sessions = sessions
        self._count = _Count()
        self._loaded: list[Servable] = []
        with suppress(ServingError):
            libtensorflow.load()  # before memory is measured

    def try_model(self, model: ModelConfig) -> None:
        """All versions that the policy names, one after the other; they stay loaded, as in a server."""
        file = self._sessions.settings.model_config_file
        settings, url = self._sessions.settings, model.base_path
        versions, findings = base_paths.look(Named(model=model, file=Path(file) if file else None), settings)
        if isinstance(url, StoreUrl) and not any(each.level is Level.FAILS for each in findings):
            from serving.doctor import stores  # only where a model is in one

            versions, findings = stores.fetched(model, url, settings)
        for finding in findings:
            if finding.level is not Level.OK:
                self._count.failures += finding.level is Level.FAILS
                _say(f"{finding.what}: {finding.level.value}: {finding.found}")
                _say(f"  -> {finding.advice}" if finding.advice else "")
        for number, path in versions.items():
            self._try_version(ServableId(name=model.name, version=number), path)

    def end(self) -> int:
        """The last line, and the exit status."""
        count = self._count
        _say(
            f"{count.versions} version(s) loaded, {count.signatures} signature(s) answered, {count.failures} failed; "
            f"the process has {megabytes(memory.resident_bytes())}"
        )
        return int(count.failures > 0)

    def close(self) -> None:
        """End the threads; what still runs ends with the process."""
        for servable in self._loaded:
            servable.close()
        self._composition.close(_CLOSE_SECONDS)

    def _try_version(self, servable_id: ServableId, path: Path) -> None:
        what = f"model {servable_id.name} version {servable_id.version}"
        before, began = memory.resident_bytes(), time.perf_counter()
        try:
            servable = self._composition.loaders(servable_id.name, servable_id.version, path)()
        except ServingError as error:
            self._count.failures += 1
            _say(f"{what}: fails after {time.perf_counter() - began:.2f} s: {error}")
            for advice in self._advice(servable_id, path):
                _say(f"  -> {advice}")
            return
        took = time.perf_counter() - began
        self._count.versions += 1
        more = max(memory.resident_bytes() - before, 0)
        _say(f"{what}: loaded in {took:.2f} s, with {megabytes(more)} of memory")
        try:
            for answered in ask(servable, path, self._sessions.tags):
                self._tell(answered)
            self._loaded.append(servable)
        except EndlessError as error:
            self._count.failures += 1
            _say(f"  fails    {error}")

    def _tell(self, answered: Answered) -> None:
        if not answered.error:
            self._count.signatures += 1
            _say(f"  ok       {answered.signature}: answered in {answered.milliseconds:.2f} ms by {answered.engine}")
            return
        self._count.failures += 1
        _say(f"  fails    {answered.signature}: {answered.error}")
        if answered.tried:
            _say(
                f"  -> This input was made up ({answered.tried} were tried). If the model wants others, give it "
                "assets.extra/tf_serving_warmup_requests: those are taken first."
            )

    def _advice(self, servable_id: ServableId, path: Path) -> Iterator[str]:
        prefer_tflite = self._sessions.settings.prefer_tflite_model
        for finding in Version(id=servable_id, path=path, prefer_tflite=prefer_tflite).wrong():
            yield f"{finding.found}. {finding.advice}"


def _say(line: str) -> None:
    if line:
        print(quoted(line))
