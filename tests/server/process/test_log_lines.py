"""What clients and files say stays within the lines of the log that tell of it."""

import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from serving.protos import ReloadConfigRequest
from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats, text
from tests.support.server_process import ServerProcess

RELOAD = "ModelService/HandleReloadConfigRequest"
FORGED = "2026-01-01 00:00:00.000000: E forged.py:1] all is lost"
NAME = f"x\n{FORGED}\r{FORGED}\u2028{FORGED}\x85 \x1b[31mred\u202e"
SHOWN = rf"x\n{FORGED}\r{FORGED}\u2028{FORGED}\x85 \x1b[31mred\u202e"


def forged(server: ServerProcess) -> list[str]:
    """Lines that somebody else has begun, or that say something to a terminal."""
    lines = "".join(server.output).splitlines()
    return [line for line in lines if line.startswith(FORGED) or "\x1b" in line or "\u202e" in line]


def test_names_and_paths_of_a_reload(models: Path, tmp_path: Path) -> None:
    """A caller that names models, base paths, platforms and labels so that they would write lines of their own."""
    base = tmp_path / NAME
    base.mkdir()
    (base / "1").symlink_to(models / "half_plus_three" / "1")
    request = ReloadConfigRequest()
    entries = request.config.model_config_list.config
    entries.add(name="default", base_path=str(models / "half_plus_three"), model_platform="tensorflow")
    entries.add(name=NAME, base_path=str(base), model_platform="tensorflow")
    flags = (f"--model_base_path={models / 'half_plus_three'}", "--allow_any_base_path")
    with ServerProcess(flags) as server:
        client = GrpcClient(server)
        client.call(RELOAD, request.SerializeToString())
        entries.add(name="absent", base_path=str(tmp_path / f"absent{NAME}"), model_platform=NAME)
        with pytest.raises(RefusedError):
            client.call(RELOAD, request.SerializeToString())
        client.close()
        server.wait_for("ReloadConfig failed: ")
    assert forged(server) == []
    assert any(SHOWN in line for line in server.output)
    assert "\nConfig entry\n\tindex : 1\n" in "".join(server.output)


def test_what_requests_say(models: Path) -> None:
    """Paths, headers, labels, signatures and tensors of either door, whoever tells of them."""
    with ServerProcess([f"--model_base_path={models / 'classifier'}"]) as server:
        for path in (f"/v1/models/{quote(NAME)}", f"/v1/models/default/labels/{quote(NAME)}/metadata"):
            assert server.rest("GET", path)[0] >= 400
        body = json.dumps({"signature_name": NAME, "instances": [{NAME: NAME}]})
        assert server.rest("POST", "/v1/models/default:predict", body, {"X-Request-Id": "\x1b[31m"})[0] == 400
        client = GrpcClient(server)
        for target in (Target(model=NAME), Target(model="default", signature=NAME)):
            with pytest.raises(RefusedError):
                client.predict(target, {NAME: floats(1)})
        # TensorFlow quotes what it cannot read, in its answer and, unless told otherwise, in a warning of its own.
        with pytest.raises(RefusedError, match=f"(?s)Could not parse example input.*{re.escape(FORGED)}"):
            client.predict(Target(model="default"), {"inputs": text(NAME.encode())})
        client.close()
    assert forged(server) == []


def test_names_at_the_start(models: Path, tmp_path: Path) -> None:
    """Those of flags and files, in the log, in the last lines of a start and in the reason why one fails."""
    flags = [f"--model_base_path={models / 'half_plus_three'}", f"--model_name={NAME}", f"{NAME}"]
    with ServerProcess(flags) as server:
        server.wait_for("Try it:")
    assert forged(server) == []
    with ServerProcess([f"--model_config_file={tmp_path / NAME}"], wait=False) as failed:
        assert failed.wait() == 255
    assert forged(failed) == []
    assert any(line.startswith("Failed to start server. Error: ") and SHOWN in line for line in failed.output)


def test_reason_of_a_failed_start_has_the_lines_of_tensorflow(models: Path, tmp_path: Path) -> None:
    """Its own line break is there, and none that the path has."""
    base = tmp_path / NAME
    (base / "1").mkdir(parents=True)
    with ServerProcess([f"--model_base_path={base}", "--max_num_load_retries=0"], wait=False) as failed:
        assert failed.wait() == 255
    assert forged(failed) == []
    assert failed.output[-1].startswith("Specified file path: ")
    assert SHOWN in failed.output[-1]
