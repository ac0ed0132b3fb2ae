"""The file of keys of a running server: a change counts at once and loses nobody; a start needs a good one."""

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from serving.access.making import make_key
from tests.server.doors.ways_in import PREDICTS
from tests.support.raw import RawConnection, request
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until, write_model_config

PREDICT = "/v1/models/half_plus_two:predict"
BODY = b'{"instances": [1.0]}'
TRANSPORTS = pytest.mark.parametrize("transport", ["native", "grpcio"])


class File:
    """A file of keys that changes, and a server that follows it."""

    def __init__(self, server: ServerProcess, path: Path) -> None:
        self.server = server
        self.path = path

    def replace(self, entries: list[object], how: str = "rename") -> None:
        """Write other entries and wait until they count."""
        seen = len(self.server.output)
        other = self.path.with_name("other.json")
        text = json.dumps(entries)
        if how == "in place":
            self.path.write_text(text)
        else:
            other.write_text(text)
            if how == "link":
                target = self.path.with_name(f"target{seen}.json")
                other.rename(target)
                other.symlink_to(target)
            other.replace(self.path)
        wait_until("the change counts", lambda: any("has changed: " in line for line in self.server.output[seen:]))


@pytest.fixture
def following(models: Path, tmp_path: Path, transport: str) -> Iterator[File]:
    """A server of one model with an empty file."""
    path = tmp_path / "keys.json"
    path.write_text("[]")
    path.chmod(0o600)
    config = write_model_config(tmp_path / "models.config", {"half_plus_two": models / "half_plus_two"})
    flags = [
        f"--model_config_file={config}",
        f"--grpc_transport={transport}",
        f"--api_keys_file={path}",
    ]
    with ServerProcess(flags) as server:
        yield File(server, path)
    assert server.process.returncode == 0
    assert "Traceback" not in "".join(server.output)


@TRANSPORTS
def test_a_revoked_key_ends_at_once(following: File, transport: str) -> None:
    """On connections that are open, at both doors: the next request is refused, and the one after a return answered."""
    made = make_key("a", "predict", "", "")
    entries: list[object] = [json.loads(made.entry)]
    following.replace(entries)
    written = request("POST", PREDICT, BODY, f"X-Api-Key: {made.key}")
    with RawConnection(following.server.rest_port) as connection, following.server.channel() as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        (way,) = (each for each in PREDICTS if each.name == transport)

        def ask() -> tuple[int, str]:
            connection.send(written)
            status = connection.response().status
            try:
                call(way.payload, metadata=[("x-api-key", made.key)], timeout=START_SECONDS)
            except grpc.RpcError as error:
                return status, error.code().name
            return status, "OK"

        assert [ask() for _ in range(3)] == [(200, "OK")] * 3
        following.replace([])
        assert [ask() for _ in range(2)] == [(401, "UNAUTHENTICATED")] * 2
        following.replace(entries)
        assert ask() == (200, "OK")
    assert made.key not in "".join(following.server.output)


@TRANSPORTS
def test_no_request_is_lost_while_the_file_changes(following: File, transport: str) -> None:
    """A key that stays is answered throughout, however the file is replaced, and also while it is broken."""
    stays, goes = make_key("stays", "predict", "", ""), make_key("goes", "predict", "", "")
    only, both = [json.loads(stays.entry)], [json.loads(stays.entry), json.loads(goes.entry)]
    following.replace([*only])
    done = threading.Event()
    written = request("POST", PREDICT, BODY, f"Authorization: Bearer {stays.key}")

    def over_rest() -> set[object]:
        seen: set[object] = set()
        with RawConnection(following.server.rest_port) as connection:
            while not done.is_set():
                connection.send(written)
                seen.add(connection.response().status)
        return seen

    def over_grpc() -> set[object]:
        seen: set[object] = set()
        (way,) = (each for each in PREDICTS if each.name == transport)
        with following.server.channel() as channel:
            call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
            while not done.is_set():
                try:
                    call(way.payload, metadata=[("x-api-key", stays.key)], timeout=START_SECONDS)
                    seen.add("OK")
                except grpc.RpcError as error:
                    seen.add((error.code(), error.details()))
        return seen

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(each) for each in (over_rest, over_grpc) * 2]
        try:
            for entries, how in ((both, "rename"), (only, "link"), (both, "in place"), (only, "rename")):
                following.replace([*entries], how)
            following.path.write_text('[{"name": ')
            following.server.wait_for("The former keys stay in effect")
            following.path.unlink()
            following.server.wait_for("No such file or directory. The former keys stay in effect")
            following.replace([*both])
        finally:
            done.set()
        assert set().union(*(each.result(START_SECONDS) for each in asking)) == {200, "OK"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(None, "NOT_FOUND: --api_keys_file={path}: No such file or directory", id="missing"),
        pytest.param("[", "INVALID_ARGUMENT: --api_keys_file={path}: line 1, column 2: ", id="broken"),
        pytest.param(
            '[{"name": "a", "rights": ["read"]}]',
            "INVALID_ARGUMENT: --api_keys_file={path}: entry 1 (a): it has neither sha256 nor certificate",
            id="no credential",
        ),
    ],
)
def test_a_start_needs_a_good_file(models: Path, tmp_path: Path, content: str | None, expected: str) -> None:
    """The process ends with 255; it does not serve everybody instead."""
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_text(content)
    flags = (f"--model_base_path={models / 'half_plus_two'}", f"--api_keys_file={path}")
    with ServerProcess(flags, wait=False) as server:
        assert server.wait() == 255
    assert server.output[-1].startswith(f"Failed to start server. Error: {expected.format(path=path)}")


def test_without_the_flag_there_is_no_such_room(models: Path) -> None:
    """A server without keys does not even import what reads them; the page and the command are as ever."""
    command = (sys.executable, "-X", "importtime", "-m", "serving")
    with ServerProcess([f"--model_base_path={models / 'half_plus_two'}"], command=command) as server:
        server.wait_for("^Try it:")
    said = "".join(server.output)
    assert "serving.inference.principal" in said
    assert "serving.access" not in said
