"""A server of one model in a store, and what a test asks it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.support.server_process import ServerProcess, wait_until

NAME = "half"
MODEL = Path(__file__).parents[3] / "examples" / "demo_models" / "models" / "half_plus_two" / "1"
ANSWER_SECONDS = 4


class Served(ServerProcess):
    """Looks at its store every second, and waits for an answer for ``ANSWER_SECONDS``."""

    def __init__(self, url: str, cache: Path, environment: Mapping[str, str], *flags: str, wait: bool = True) -> None:
        given = (
            f"--model_name={NAME}",
            f"--model_base_path={url}",
            f"--model_cache_dir={cache}",
            "--model_store_poll_wait_seconds=1",
            f"--model_store_timeout_seconds={ANSWER_SECONDS}",
            "--optimize=off",
        )
        super().__init__((*given, *flags), environment=environment, wait=wait)

    def __enter__(self) -> Self:
        return self

    def answers(self) -> bool:
        """Whether a request is answered, rightly and soon."""
        body = json.dumps({"instances": [2.0]})
        status, answer = self.rest("POST", f"/v1/models/{NAME}:predict", body, timeout=5)
        return status == 200 and json.loads(answer) == {"predictions": [3.0]}

    def available(self) -> set[int]:
        """The versions that serve."""
        _, answer = self.rest("GET", f"/v1/models/{NAME}")
        states = json.loads(answer)["model_version_status"]
        return {int(each["version"]) for each in states if each["state"] == "AVAILABLE"}

    def metric(self, name: str) -> int:
        """A number of the metrics page."""
        _, page = self.rest("GET", "/metrics")
        return next(int(line.split()[-1]) for line in page.decode().splitlines() if line.startswith(f":serving:{name}"))

    def wait_for_versions(self, *versions: int) -> None:
        """Until exactly these serve."""
        wait_until(f"versions {versions} serve", lambda: self.available() == set(versions))


def cached(cache: Path) -> list[str]:
    """The versions in a cache, whole ones alone."""
    return sorted(each.name.partition("-")[0] for each in cache.glob("*/*") if each.is_dir() and each.name[0] != ".")
