"""The command ``serving-client``: what it prints and writes, against real servers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.server.client.terminal import npy, run, terminal
from tests.support.scripted import ScriptedServer
from tests.support.server_process import ServerProcess


@pytest.mark.parametrize("way", ["index", "REST"])
def test_ls(served: ServerProcess, at: Mapping[str, str], way: str) -> None:
    """The models and their states, from v2's index, or from the REST API's list."""
    given = ("ls", "--rest", f"localhost:{served.rest_port}") if way == "REST" else ("ls",)
    state = "AVAILABLE" if way == "REST" else "READY"
    lines = run(*given, env=at).splitlines()
    assert lines[0].split()[:3] == ["MODEL", "VERSION", "STATE"]
    assert ["half_plus_three", "1", state] in [line.split() for line in lines]
    listed = json.loads(run(*given, "--json", env=at))
    assert {"model": "labels", "version": 3, "state": state, "message": ""} in listed


@pytest.mark.parametrize("protocol", ["tfs", "v2"])
def test_status(at: Mapping[str, str], protocol: str) -> None:
    """The states of a model, or of one version."""
    state = "READY" if protocol == "v2" else "AVAILABLE"
    assert f" {state}" in run("status", "labels", "--version", "2", "--protocol", protocol, env=at)
    (found,) = json.loads(run("status", "labels", "--version", "2", "--json", "--protocol", protocol, env=at))
    assert (found["version"], found["state"]) == (2, state)


def test_signatures(at: Mapping[str, str]) -> None:
    """Names, types and shapes of what goes in and comes out."""
    lines = [line.split() for line in run("signatures", "multi", env=at).splitlines()]
    assert lines[:2] == [["multi,", "version", "1"], ["SIGNATURE", "NAME", "DTYPE", "SHAPE"]]
    assert ["serving_default", "in", "a", "float32", "[-1,2]"] in lines
    assert ["out", "sum", "float32", "[-1,2]"] in lines
    found = json.loads(run("signatures", "multi", "--json", env=at))
    assert found["signatures"]["serving_default"]["inputs"]["b"]["dtype"] == "int32"
    only = run("signatures", "multi", "--protocol", "v2", env=at)
    assert "serving_default" in only


@pytest.mark.parametrize("protocol", ["auto", "tfs", "v2"])
def test_predict(at: Mapping[str, str], tmp_path: Path, protocol: str) -> None:
    """A file in, the outputs on the terminal, as JSON, or in a file."""
    (tmp_path / "x.npy").write_bytes(npy(np.array([1, 2, 5], np.float32)))
    given = ("predict", "half_plus_three", "--protocol", protocol, "--input", str(tmp_path / "x.npy"))
    assert run(*given, env=at) == "y  float32[3]\n[3.5 4.  5.5]\n"
    answer = json.loads(run(*given, "--json", env=at))
    assert answer["outputs"] == {"y": [3.5, 4.0, 5.5]}
    assert (answer["model"], answer["version"]) == ("half_plus_three", 1)
    for name in ("y.npy", "y.npz"):
        assert run(*given, "--output", str(tmp_path / name), env=at) == ""
    assert np.load(tmp_path / "y.npy").tolist() == np.load(tmp_path / "y.npz")["y"].tolist() == [3.5, 4.0, 5.5]


@pytest.mark.parametrize(
    ("data", "given", "expected"),
    [
        pytest.param(npy(np.array([1], np.float32)), ("half_plus_three",), {"y": [3.5]}, id="npy"),
        pytest.param(b"[1, 2]", ("half_plus_three",), {"y": [3.5, 4.0]}, id="list"),
        pytest.param(b'{"x": [1]}', ("half_plus_three",), {"y": [3.5]}, id="by name"),
        pytest.param(b'{"instances": [1, 2]}', ("half_plus_three",), {"y": [3.5, 4.0]}, id="as REST has it"),
        pytest.param(b"[0]", ("labels", "--label", "stable"), {"y": [1.0]}, id="label"),
        pytest.param(b"[0]", ("labels", "--version", "2"), {"y": [2.0]}, id="version"),
        pytest.param(npy(np.array([1], np.float64)), ("half_plus_three", "--cast"), {"y": [3.5]}, id="cast"),
        pytest.param(b'["\xc3\xbc", {"b64": "/w=="}]', ("dtypes", "--signature", "string"),
                     {"y": ["\xfc", {"b64": "/w=="}]}, id="strings"),
        pytest.param(npy(np.array([np.nan, -np.inf], np.float32)), ("dtypes", "--signature", "float"),
                     {"y": ["NaN", "-Infinity"]}, id="numbers that JSON lacks"),
    ],
)  # fmt: skip
def test_predict_from_the_standard_input(
    at: Mapping[str, str], data: bytes, given: tuple[str, ...], expected: Mapping[str, Any]
) -> None:
    """What it is the first bytes tell."""
    assert json.loads(run("predict", *given, "--input", "-", "--json", data=data, env=at))["outputs"] == expected


def test_predict_from_several_files(at: Mapping[str, str], tmp_path: Path) -> None:
    """By the names of the inputs, or all in one npz."""
    (tmp_path / "a.json").write_text("[[1, 2]]")
    np.save(tmp_path / "b.npy", np.array([3], np.int32))
    np.savez(tmp_path / "both.npz", a=np.array([[1, 2]], np.float32), b=np.array([3], np.int32))
    named = ("--input", f"a={tmp_path / 'a.json'}", "--input", f"b={tmp_path / 'b.npy'}")
    for inputs in (named, ("--input", str(tmp_path / "both.npz"))):
        assert json.loads(run("predict", "multi", *inputs, "--json", env=at))["outputs"]["b2"] == [6]


def test_predict_an_image_as_bytes(at: Mapping[str, str], tmp_path: Path) -> None:
    """A model of strings gets the file as it is."""
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "red.png")
    given = ("predict", "dtypes", "--signature", "string", "--input", str(tmp_path / "red.png"))
    run(*given, "--output", str(tmp_path / "y.npy"), env=at)
    assert np.load(tmp_path / "y.npy")[0] == (tmp_path / "red.png").read_bytes().rstrip(b"\0")


@pytest.mark.parametrize("protocol", ["tfs", "v2"])
def test_bench(at: Mapping[str, str], protocol: str) -> None:
    """A table of numbers that were measured, and the same as JSON."""
    given = ("bench", "multi", "--protocol", protocol, "--requests", "30", "--concurrency", "3", "--batch", "2")
    head, row = [line.split("  ") for line in run(*given, env=at).splitlines()[1:]]
    assert [each.strip() for each in head if each] == [
        *("REQUESTS", "ERRORS", "SECONDS", "PER SECOND", "P50 MS", "P90 MS", "P99 MS", "MAX MS")
    ]
    assert [each.strip() for each in row if each][:2] == ["30", "0"]
    found = json.loads(run(*given, "--json", env=at))
    assert (found["requests"], found["errors"], found["concurrency"], found["protocol"]) == (30, 0, 3, protocol)
    latencies = [found["latency_ms"][each] for each in ("p50", "p90", "p99", "max")]
    assert latencies == sorted(latencies)
    assert 0 < latencies[0] < found["seconds"] * 1000


def test_bench_for_some_time(at: Mapping[str, str]) -> None:
    """With a request of one's own."""
    given = ("bench", "half_plus_three", "--seconds", "0.2", "--input", "-", "--json")
    found = json.loads(run(*given, data=b"[1, 2]", env=at))
    assert found["seconds"] >= 0.2
    assert found["requests_per_second"] == pytest.approx(found["requests"] / found["seconds"])


def test_bench_of_what_fails(at: Mapping[str, str]) -> None:
    """A model that does not answer what can be made up is told of, and no time is spent."""
    errors = run("bench", "classifier", code=1, env=at)
    assert "The request was made from the signature alone" in errors.replace("\n", " ")


def test_bench_counts_errors() -> None:
    """Requests that fail are counted apart and not sent again, with what was said, and the code is 1."""
    full = {"grpc-status": "8", "grpc-message": "full", "grpc-retry-pushback-ms": "1"}
    # The metadata, whose empty message is a model without inputs; a call that is not measured; and one that is.
    with ScriptedServer([*["answer"] * 3, full]) as server:
        given = ("bench", "m", "--server", server.address, "--protocol", "v2", "--requests", "4")
        found = run(*given, code=1)
        assert server.calls == 6
    row = found.splitlines()[2].split()
    assert row[:2] == ["4", "3"]
    assert "3 failed: full (RESOURCE_EXHAUSTED)" in found


def test_progress_and_colours_of_a_terminal(at: Mapping[str, str]) -> None:
    """On a terminal there is a bar, which is gone at the end, and states have colours; NO_COLOR takes them."""
    drawn = terminal("bench", "half_plus_three", "--seconds", "0.3", env=at)
    assert "[#" in drawn
    assert "\x1b[32m" in terminal("status", "labels", env=at)
    assert "\x1b" not in terminal("status", "labels", env={**at, "NO_COLOR": "1"})
