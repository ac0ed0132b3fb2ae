"""The server of a mixed soak: models, keys and flags, with the access log in a file."""

import hashlib
import json
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.server_process import ServerProcess, write_model_config

NAMES = ("half_plus_three", "half_plus_two", "slow")
"""Models that stay; the second has the versions 123 and 124, between which a label moves."""
CHURNED = "churned"
MAX_IN_FLIGHT = 6
"""Fewer than there are clients that call at a time, so that some wait and some are refused."""
_TO_A_FILE = 'exec "$@" >"$0"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server, two keys for it, and where its models stand."""

    server: ServerProcess
    caller: str
    admin: str
    models: Path
    churned: Path
    access_log: Path


@contextmanager
def serving(models: Path, folder: Path) -> Iterator[Served]:
    """Start it, with all of its files in ``folder``."""
    caller, admin = (f"tfs_{secrets.token_urlsafe(32)}" for _ in range(2))
    keys = folder / "keys.json"
    keys.touch(mode=0o600)
    keys.write_text(
        json.dumps([_entry("caller", caller, "predict", "read"), _entry("admin", admin, "admin", "metrics")])
    )
    shutil.copytree(models / "half_plus_three" / "1", folder / CHURNED / "1")
    base_paths = {name: models / name for name in NAMES} | {CHURNED: folder / CHURNED}
    labels = {"half_plus_two": {"stable": 123}}
    config = write_model_config(folder / "models.config", base_paths, labels=labels)
    flags = (
        f"--model_config_file={config}",
        f"--api_keys_file={keys}",
        f"--max_in_flight={MAX_IN_FLIGHT}",
        "--max_waiting_requests=2",
        "--access_log=json",
        "--allow_version_labels_for_unavailable_models",
    )
    log = folder / "access.log"
    command = ("sh", "-c", _TO_A_FILE, str(log), sys.executable, "-m", "serving")
    with ServerProcess(flags, command=command) as server:
        yield Served(server=server, caller=caller, admin=admin, models=models, churned=folder / CHURNED, access_log=log)


def _entry(name: str, key: str, *rights: str) -> dict[str, object]:
    return {"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "rights": rights}
