"""Reloads while clients are served: over gRPC with both transports, and from the configuration file."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format

from serving.protos import ReloadConfigRequest, ReloadConfigResponse
from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until

RELOAD = "ModelService/HandleReloadConfigRequest"
MODELS = 24
A_MOMENT = 2.0
"""A deadline for calls that are not expected to be answered."""


class Reloading:
    """A server that nothing else uses, and lists for it."""

    def __init__(self, server: ServerProcess, models: Path) -> None:
        self.server = server
        self.client = GrpcClient(server)
        self._models = models

    def entry(self, name: str, base: str = "half_plus_three", more: str = "") -> str:
        """One model of a list, at one of the models' base paths."""
        return f'config {{ name: "{name}" base_path: "{self._models / base}" model_platform: "tensorflow" {more} }}'

    def request(self, *entries: str) -> bytes:
        """A serialised request for this list."""
        text = f"config {{ model_config_list {{ {' '.join(entries)} }} }}"
        return bytes(text_format.Parse(text, ReloadConfigRequest()).SerializeToString())

    def reload(self, *entries: str, timeout: float = START_SECONDS) -> None:
        """Put a list into effect. Raises RefusedError."""
        data = self.client.call(RELOAD, self.request(*entries), timeout)
        assert ReloadConfigResponse.FromString(data).HasField("status")

    def listed(self) -> dict[str, list[str]]:
        """The states of all models' versions, as the REST door has them."""
        models = json.loads(self.server.rest("GET", "/v1/models")[1])["states"]
        return {name: [each["state"] for each in model["model_version_status"]] for name, model in models.items()}


@pytest.fixture(scope="module")
def reloading(transport: str, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reloading]:
    """A server with one model, ``first``."""
    config = tmp_path_factory.mktemp("config") / "models.config"
    config.write_text("model_config_list {}")
    flags = (
        f"--grpc_transport={transport}",
        f"--model_config_file={config}",
        "--max_num_load_retries=0",
        "--allow_any_base_path",
    )
    with ServerProcess(flags) as server:
        yield Reloading(server, models)
    assert "Traceback" not in "".join(server.output)


@pytest.fixture(autouse=True)
def one_model(reloading: Reloading) -> None:
    """Every test begins with the same list."""
    reloading.reload(reloading.entry("first"))


def test_many_models_come_and_go(reloading: Reloading) -> None:
    """All new models serve when the call returns; all that a later list omits are unloaded, the others untouched."""
    names = [f"m{number}" for number in range(MODELS)]
    reloading.reload(reloading.entry("first"), *[reloading.entry(name) for name in names])
    for name in names:
        assert reloading.client.predict(Target(model=name), {"x": floats(2)})["y"].tolist() == [4]
    reloading.reload(reloading.entry("first"), reloading.entry("m3"))
    kept = {"first", "m3"}
    wait_until(
        "all others are gone",
        lambda: all((states == ["END"]) == (name not in kept) for name, states in reloading.listed().items()),
    )
    with pytest.raises(RefusedError, match=r"Latest\(m4\)"):
        reloading.client.predict(Target(model="m4"), {"x": floats(2)})


def test_labels_move_under_traffic(reloading: Reloading) -> None:
    """A label moves to a new version and back while it is asked for: every answer is one version's, none fails."""
    policy = "model_version_policy { specific { versions: %d } }"
    both = "model_version_policy { specific { versions: 1 versions: 2 } }"
    stable = 'version_labels { key: "stable" value: %d }'
    reloading.reload(reloading.entry("l", "labels", policy % 1))
    reloading.reload(reloading.entry("l", "labels", policy % 1 + stable % 1))
    done = threading.Event()

    def ask() -> set[float]:
        answers: set[float] = set()
        client = GrpcClient(reloading.server)
        while not done.is_set():
            (outputs,) = client.predict(Target(model="l", label="stable"), {"x": floats(1)}).values()
            answers.add(float(outputs[0]))
        client.close()
        return answers

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            for before, after in ((1, 2), (2, 1)):
                reloading.reload(reloading.entry("l", "labels", both + stable % before))
                wait_until("both versions serve", lambda: reloading.listed()["l"][-2:] == ["AVAILABLE", "AVAILABLE"])
                reloading.reload(reloading.entry("l", "labels", policy % after + stable % after))
                wait_until("one version is gone", lambda: "END" in reloading.listed()["l"][-2:])
        finally:
            done.set()
        assert set().union(*(each.result(START_SECONDS) for each in asking)) == {2.0, 3.0}


def test_missing_base_path_blocks_no_later_reload(reloading: Reloading) -> None:
    """A call that waits for a model that never comes leaves both doors and other reloads alone."""
    missing = reloading.entry("missing", "no-such-model")
    payload = reloading.request(reloading.entry("first"), missing)
    waiting = reloading.client.channel.unary_unary(f"/tensorflow.serving.{RELOAD}").future(payload)
    wait_until(
        "the list is in effect", lambda: any("(Re-)adding model: missing" in line for line in reloading.server.output)
    )
    assert reloading.client.predict(Target(model="first"), {"x": floats(2)})["y"].tolist() == [4]
    reloading.reload(reloading.entry("first"), reloading.entry("next"))
    assert reloading.client.predict(Target(model="next"), {"x": floats(2)})["y"].tolist() == [4]
    assert waiting.exception(START_SECONDS).code() is grpc.StatusCode.ABORTED
    assert reloading.server.rest("GET", "/healthz/ready")[0] == 200


def test_a_deadline_ends_the_wait_and_the_list_stays(reloading: Reloading) -> None:
    """What the call added comes when its directory does; a second call with the same list has nothing to wait for."""
    missing = reloading.entry("late", "no-such-model")
    with pytest.raises(RefusedError) as raised:
        reloading.reload(reloading.entry("first"), missing, timeout=A_MOMENT)
    assert raised.value.code == "DEADLINE_EXCEEDED"
    reloading.reload(reloading.entry("first"), missing)


def test_one_failing_model_does_not_keep_others_from_loading(reloading: Reloading) -> None:
    """The call ends in the failure; the other new model serves, and the next list is taken."""
    with pytest.raises(
        RefusedError, match=r"1 model\(s\) did not become available: {{{name: bad version: 1}"
    ) as raised:
        reloading.reload(reloading.entry("bad", "broken"), reloading.entry("good"), reloading.entry("first"))
    assert raised.value.code == "UNKNOWN"
    assert reloading.client.predict(Target(model="good"), {"x": floats(2)})["y"].tolist() == [4]
    reloading.reload(reloading.entry("first"))


def test_metrics_of_a_reload(reloading: Reloading) -> None:
    """Each name asked for is answered once, unknown ones with 0."""
    request = ReloadConfigRequest.FromString(reloading.request(reloading.entry("first")))
    request.metric_names.extend(["/no/such/metric"] * 2)
    response = ReloadConfigResponse.FromString(reloading.client.call(RELOAD, request.SerializeToString()))
    assert [(metric.name, metric.int64_value_increase) for metric in response.metric] == [("/no/such/metric", 0)]


def test_a_waiting_reload_does_not_hold_up_the_end(models: Path, transport: str, tmp_path: Path) -> None:
    """SIGTERM ends the wait with UNAVAILABLE, and the process well before its grace is over."""
    config = tmp_path / "models.config"
    config.write_text("model_config_list {}")
    flags = (
        f"--grpc_transport={transport}",
        f"--model_config_file={config}",
        "--drain_grace_seconds=50",
        "--allow_any_base_path",
    )
    with ServerProcess(flags) as server:
        reloading = Reloading(server, models)
        payload = reloading.request(reloading.entry("missing", "no-such-model"))
        waiting = reloading.client.channel.unary_unary(f"/tensorflow.serving.{RELOAD}").future(payload)
        server.wait_for("Re-.adding model: missing")
        server.terminate()
        assert waiting.exception(START_SECONDS).code() is grpc.StatusCode.UNAVAILABLE
        assert server.wait() == 0


def test_the_file_is_followed(models: Path, transport: str, tmp_path: Path) -> None:
    """A changed file is put into effect by itself, a bad one is passed over."""
    config = tmp_path / "models.config"
    entry = f'config {{ name: "%s" base_path: "{models}/half_plus_three" model_platform: "tensorflow" }}'
    config.write_text(f"model_config_list {{ {entry % 'a'} }}")
    flags = (
        f"--grpc_transport={transport}",
        f"--model_config_file={config}",
        "--model_config_file_poll_wait_seconds=1",
    )
    with ServerProcess(flags) as server:
        config.write_text("improperly formatted file")
        server.wait_for("Failed to read ModelServerConfig file: Invalid protobuf file")
        assert server.rest("POST", "/v1/models/a:predict", '{"instances": [2]}')[0] == 200
        config.write_text(f"model_config_list {{ {entry % 'a'} {entry % 'b'} }}")
        wait_until("b serves", lambda: server.rest("POST", "/v1/models/b:predict", '{"instances": [2]}')[0] == 200)
