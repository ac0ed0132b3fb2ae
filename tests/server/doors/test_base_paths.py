"""Which base paths a reload may name, without keys: those beside the ones given, unless a flag allows any."""

from pathlib import Path

import pytest

from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats
from tests.server.doors.ways_in import proto
from tests.support.server_process import ServerProcess, wait_until, write_model_config

BODY = b'{"instances": [1.0]}'
TRANSPORTS = pytest.mark.parametrize("transport", ["native", "grpcio"])


class Paths:
    """A server without keys, and reloads for it."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.client = GrpcClient(server)

    def reload(self, *base_paths: Path | str) -> str:
        """What is wrong with a list of ``first`` and others; nothing if it is in effect."""
        named = {f"n{number}": path for number, path in enumerate(base_paths)}
        entries = "".join(
            f'config {{ name: "{name}" base_path: "{path}" model_platform: "tensorflow" }}'
            for name, path in named.items()
        )
        payload = proto("tensorflow.serving.ReloadConfigRequest", f"config {{ model_config_list {{ {entries} }} }}")
        try:
            self.client.call("ModelService/HandleReloadConfigRequest", payload)
        except RefusedError as error:
            return f"{error.code}: {error}"
        return ""

    def answers(self, name: str) -> bool:
        """Whether a model is served."""
        return self.server.rest("POST", f"/v1/models/{name}:predict", BODY)[0] == 200


@TRANSPORTS
def test_reloads_stay_below_the_parents(models: Path, tmp_path: Path, transport: str) -> None:
    """Other base paths are refused, with both ways out, and the former list goes on."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(models / "half_plus_three")
    base = tmp_path / "models"
    base.mkdir()
    for name in ("half_plus_two", "half_plus_three"):
        (base / name).mkdir()
        (base / name / "1").symlink_to(next((models / name).iterdir()))
    flags = (f"--model_base_path={base / 'half_plus_two'}", "--model_name=n0", f"--grpc_transport={transport}")
    with ServerProcess(flags) as server:
        paths = Paths(server)
        assert paths.reload(base / "half_plus_two", base / "half_plus_three") == ""
        refused = paths.reload(base / "half_plus_two", base / "half_plus_three", elsewhere)
        assert refused.startswith("PERMISSION_DENIED: ")
        assert (
            f"A reload may not give model n2 the base path {elsewhere}; allowed, links followed: below {base}"
            in refused
        )
        assert "--allow_any_base_path" in refused
        assert paths.reload(base / "half_plus_two", f"{base}/../elsewhere") != ""
        assert paths.answers("n0")
        assert paths.answers("n1")
        server.wait_for("ReloadConfig failed: A reload may not give model n2")
        paths.client.close()


def test_a_changed_file_moves_the_parents(models: Path, tmp_path: Path) -> None:
    """What the operator writes into the configuration file may be named, and so may what is beside it."""
    one, two = tmp_path / "one", tmp_path / "two"
    for directory in (one, two):
        for name in ("half_plus_two", "half_plus_three"):
            (directory / name).mkdir(parents=True)
            (directory / name / "1").symlink_to(next((models / name).iterdir()))
    config = write_model_config(tmp_path / "models.config", {"n0": one / "half_plus_two"})
    flags = (f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1")
    with ServerProcess(flags) as server:
        paths = Paths(server)
        assert paths.reload(one / "half_plus_two", two / "half_plus_three").startswith("PERMISSION_DENIED")
        write_model_config(config, {"n0": two / "half_plus_two"})
        wait_until("two is allowed", lambda: paths.reload(two / "half_plus_two", two / "half_plus_three") == "")
        paths.client.close()


def test_the_flag_allows_any(models: Path, tmp_path: Path) -> None:
    """As in TensorFlow Serving."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(models / "half_plus_three")
    with ServerProcess([f"--model_base_path={models / 'half_plus_two'}", "--allow_any_base_path"]) as server:
        paths = Paths(server)
        assert paths.reload(elsewhere) == ""
        assert paths.client.predict(Target(model="n0"), {"x": floats(2)})["y"].tolist() == [4]
        paths.client.close()
