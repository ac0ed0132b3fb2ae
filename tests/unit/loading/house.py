"""Models whose loaders can be told to fail or to wait, for tests of lists of models. No tests."""

from pathlib import Path

import pytest

from serving.configuration.model_config import ModelConfig
from serving.core.manager import Manager
from serving.core.servable import Loader
from serving.core.startup import Progress
from serving.core.version_policy import All, VersionPolicy
from serving.errors import Code, ServingError
from serving.loading.models import Models
from serving.request_log.log import RequestLog
from tests.support import TIMEOUT_SECONDS, FakeServable, Gate, Watch, fails, loads
from tests.support.server_process import wait_until

BROKEN = ServingError(Code.DATA_LOSS, "no model")


class House:
    """Models on base paths of a directory, with loaders that can be told to fail or to wait."""

    def __init__(self, directory: Path, *, allow_unavailable_labels: bool = False) -> None:
        self.directory = directory
        self.broken: set[str] = set()
        self.gates: dict[str, Gate] = {}
        self.manager = Manager(max_load_retries=0)
        self.watch = Watch(self.manager.monitor)
        self.models = Models(
            self.manager,
            self._loader,
            poll_wait_seconds=0,
            max_loads=4,
            max_unloads=1,
            request_log=RequestLog(),
            allow_unavailable_labels=allow_unavailable_labels,
        )

    def _loader(self, name: str, version: int, path: Path) -> Loader:
        loader = fails(BROKEN) if name in self.broken else loads(FakeServable(f"{name}{version}"))
        return self.gates.get(name, loader)

    def make(self, name: str, *versions: int) -> None:
        """Version directories of a model."""
        for version in versions:
            (self.directory / name / str(version)).mkdir(parents=True)

    def config(
        self, name: str, policy: VersionPolicy | None = None, labels: dict[str, int] | None = None
    ) -> ModelConfig:
        """An entry of a list; the base path need not exist."""
        return ModelConfig(name=name, base_path=self.directory / name, policy=policy or All(), labels=labels or {})

    def start(self, *configs: ModelConfig) -> None:
        """Serve a first list, all of it."""
        self.models.start(configs)
        wait_until("all of it serves", lambda: self.models.startup().progress is Progress.READY)

    def reload(self, *configs: ModelConfig, timeout: float | None = TIMEOUT_SECONDS) -> None:
        """Another list."""
        self.models.reload(configs, timeout)

    def refusal(self, *configs: ModelConfig, timeout: float | None = TIMEOUT_SECONDS) -> tuple[Code, str]:
        """Code and text with which a list ends."""
        with pytest.raises(ServingError) as raised:
            self.models.reload(configs, timeout)
        return raised.value.code, raised.value.message
