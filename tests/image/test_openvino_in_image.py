"""OpenVINO in the image: its libraries and what they load are there, for any user, and nothing else of it is."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from serving.protos import message
from tests.image.containers import ROOT, TrackedContainer, docker

PACKAGES = "/opt/serving/lib/python3.11/site-packages"
FLOAT = 1
SCRIPT = Path(__file__).with_name("openvino_by_hand.py")


def frozen_half_plus_two() -> bytes:
    """A graph without variables: y = x / 2 + 2 for float32 of any length."""
    graph = message("tensorflow.GraphDef")()
    graph.versions.producer = 1087
    x = graph.node.add(name="x", op="Placeholder")
    x.attr["dtype"].type = FLOAT
    x.attr["shape"].shape.dim.add(size=-1)
    for name, value in (("half", 0.5), ("two", 2.0)):
        constant = graph.node.add(name=name, op="Const")
        constant.attr["dtype"].type = constant.attr["value"].tensor.dtype = FLOAT
        constant.attr["value"].tensor.tensor_shape.SetInParent()
        constant.attr["value"].tensor.float_val.append(value)
    for name, operation, inputs in (("product", "Mul", ["x", "half"]), ("y", "AddV2", ["product", "two"])):
        graph.node.add(name=name, op=operation, input=inputs).attr["T"].type = FLOAT
    return bytes(graph.SerializeToString())


@pytest.fixture(scope="module", params=["65532:65532", "12345:12345", "0:0"], ids=lambda user: f"user-{user}")
def found(request: pytest.FixtureRequest, image: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the C API answers within a container with a read-only file system."""
    directory = tmp_path_factory.mktemp("openvino")
    directory.chmod(0o755)
    graph = directory / "graph.pb"
    graph.write_bytes(frozen_half_plus_two())
    graph.chmod(0o644)
    options = ["--rm", "--read-only", "--tmpfs=/tmp", "--network=none", f"--user={request.param}"]
    mounts = [f"--volume={directory}:/graph:ro", f"--volume={SCRIPT}:/script.py:ro"]
    printed = docker("run", *options, *mounts, image, "python", "/script.py", "/graph/graph.pb", "/tmp/cache")
    return dict(json.loads(printed))


def test_the_version_is_the_locks(found: Mapping[str, Any]) -> None:
    """The library that is loaded is of the locked package."""
    locked = re.search(r"^openvino==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked
    assert found["version"].startswith(f"{locked[1]}-")


def test_the_cpu_is_a_device(found: Mapping[str, Any]) -> None:
    """The plugin for CPUs is found and loads; those for other devices are not there."""
    assert found["devices"] == ["CPU"]


@pytest.mark.parametrize("hint", ["LATENCY", "THROUGHPUT"])
def test_a_frozen_graph_is_compiled(found: Mapping[str, Any], hint: str) -> None:
    """A graph of TensorFlow is read and answers, compiled for one call at a time and for many."""
    assert found[hint]["answers"] == [[2.5, 3.0, 4.5], [2.5, 3.0, 4.5]]


@pytest.mark.parametrize("hint", ["LATENCY", "THROUGHPUT"])
def test_the_second_start_imports_what_the_first_compiled(found: Mapping[str, Any], hint: str) -> None:
    """A compiled model in the cache is used; without the front end of OpenVINO's own format it would not be."""
    assert found[hint]["from_cache"] == ["NO", "YES"]


def test_nothing_else_of_it_is_there(half_plus_two: TrackedContainer) -> None:
    """Only the libraries, and a package without code to find them by."""
    listed = half_plus_two.execute("find", f"{PACKAGES}/openvino", "!", "-type", "d", "-printf", "%P\n").split()
    names = {re.split(r"\.so|\.cpython", name)[0] for name in listed}
    libraries = ["hwloc", "tbb", "tbbbind_2_5", "tbbmalloc"]
    libraries += [f"openvino{part}" for part in ("", "_c", "_ir_frontend", "_tensorflow_frontend")]
    plugin = {"libs/libopenvino_intel_cpu_plugin", "libs/libopenvino_arm_cpu_plugin"} & names
    expected = {f"libs/lib{name}" for name in libraries} | plugin | {"__init__.py", "__pycache__/__init__"}
    assert names == expected
    assert len(plugin) == 1


def test_nothing_reports_its_use(half_plus_two: TrackedContainer) -> None:
    """The package that OpenVINO's own Python sends its statistics with is left out."""
    assert half_plus_two.execute("find", PACKAGES, "-maxdepth", "1", "-iname", "*telemetry*") == ""


def test_licences_are_handed_on(half_plus_two: TrackedContainer) -> None:
    """Its licence, and the notices of oneDNN, oneTBB and the others within it."""
    directory = half_plus_two.execute("sh", "-c", f"echo {PACKAGES}/openvino-*.dist-info/licenses").strip()
    files = half_plus_two.execute("find", directory, "-type", "f", "-printf", "%P\n").split()
    notices = {f"licensing/{what}third-party-programs.txt" for what in ("onednn_", "onetbb_", "runtime-")}
    assert set(files) == {"LICENSE"} | notices
