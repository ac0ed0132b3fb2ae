"""A server of two workers whose models change, and what each worker says of them."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from serving.protos import ReloadConfigRequest
from tests.server.doors.clients import GrpcClient
from tests.support.server_process import START_SECONDS
from tests.support.workers_server import WorkersServer

RELOAD = "ModelService/HandleReloadConfigRequest"
BODY = b'{"instances": [1.0]}'
_ALL = "model_version_policy { all {} }"
THREE, TWO = 3.5, 2.5
"""What the models of these names answer to ``BODY``."""


class Changing:
    """The server; ``directory`` has base paths that a test may change."""

    def __init__(self, server: WorkersServer, directory: Path, config: Path) -> None:
        self.server = server
        self.directory = directory
        self.config = config

    def entry(self, name: str, base: str = "", more: str = "") -> str:
        """One model of a list, at the base path of its name or another."""
        return entry(name, self.directory / (base or name), more)

    def reload(self, *entries: str, timeout: float = START_SECONDS) -> None:
        """Put a list into effect, by whichever worker. Raises RefusedError."""
        text = f"config {{ model_config_list {{ {' '.join(entries)} }} }}"
        request = text_format.Parse(text, ReloadConfigRequest()).SerializeToString()
        GrpcClient(self.server).call(RELOAD, bytes(request), timeout)

    def post(self, path: str, document: Mapping[str, Any] | None = None) -> tuple[int, str]:
        """Status and body of a request to whichever worker."""
        status, body = self.server.rest("POST", path, json.dumps(document or {}))
        return status, body.decode()

    def answers(self, name: str) -> list[Any]:
        """What each worker predicts, or the status of its refusal."""
        answers = self.server.of_each("POST", f"/v1/models/{name}:predict", BODY)
        return [json.loads(body)["predictions"][0] if status == 200 else status for status, body in answers.values()]

    def states(self, name: str) -> list[Mapping[str, str]]:
        """What each worker says of the versions of a model."""
        return [
            {each["version"]: each["state"] for each in json.loads(body).get("model_version_status", [])}
            for _, body in self.server.of_each("GET", f"/v1/models/{name}").values()
        ]

    def put(self, version: Path, place: str) -> None:
        """Have a version directory appear whole, as ``{name}/{version}``."""
        target = self.directory / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(version, self.directory / "partial")
        (self.directory / "partial").rename(target)


@contextmanager
def changing(
    models: Path, directory: Path, *flags: str, names: tuple[str, ...] = ("half_plus_three",)
) -> Iterator[Changing]:
    """Two workers that serve ``names``, each from a base path of its own in ``directory``."""
    for name, version in (("half_plus_three", "1"), ("half_plus_two", "123")):
        shutil.copytree(models / name / version, directory / name / "1")
    (directory / "broken" / "1").mkdir(parents=True)
    (directory / "broken" / "1" / "saved_model.pb").write_bytes(b"none")
    config = directory / "models.config"
    config.write_text(model_list(directory, *names))
    with WorkersServer(2, (f"--model_config_file={config}", "--max_num_load_retries=0", *flags)) as server:
        yield Changing(server, directory, config)


def model_list(directory: Path, *names: str) -> str:
    """A list of models, each at the base path of its name."""
    return f"model_config_list {{ {' '.join(entry(name, directory / name, _ALL) for name in names)} }}"


def entry(name: str, base_path: Path, more: str = "") -> str:
    """One model of a list."""
    return f'config {{ name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" {more} }}'
