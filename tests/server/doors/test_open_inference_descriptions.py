"""What a server and its models say of themselves by the Open Inference Protocol over REST, and paths of Triton's."""

from typing import Any

import pytest

from tests.server.doors.open_inference import get, given, infer, split
from tests.support.raw import RawConnection, request


def test_health(connection: RawConnection) -> None:
    """As the specification has them; KServe's client reads the body, others the status."""
    for path, said in (("live", {"live": True}), ("ready", {"ready": True})):
        response = get(connection, f"/v2/health/{path}")
        assert (response.status, response.json) == (200, said)


def test_server_metadata(connection: RawConnection) -> None:
    found = get(connection, "/v2").json
    assert found["name"] == "tensorflow-serving-appliance"
    assert found["version"]
    assert {"binary_tensor_data", "classification", "statistics", "model_configuration"} <= set(found["extensions"])


@pytest.mark.parametrize("path", ["multi", "multi/versions/1"])
def test_model_metadata(connection: RawConnection, path: str) -> None:
    assert get(connection, f"/v2/models/{path}").json == {
        "name": "multi",
        "versions": ["1"],
        "platform": "tensorflow_savedmodel",
        "inputs": [
            {"name": "a", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "b", "datatype": "INT32", "shape": [-1]},
        ],
        "outputs": [
            {"name": "b2", "datatype": "INT32", "shape": [-1]},
            {"name": "sum", "datatype": "FP32", "shape": [-1, 2]},
        ],
    }


def test_metadata_of_a_signature(connection: RawConnection) -> None:
    """A query names it, as the parameter does in requests; one that there is not is refused."""
    found = get(connection, "/v2/models/multi?signature_name=scalar").json
    assert (found["inputs"], found["outputs"]) == (
        [{"name": "a", "datatype": "FP32", "shape": [-1, 2]}],
        [{"name": "scalar", "datatype": "FP32", "shape": []}],
    )
    refused = get(connection, "/v2/models/multi?signature_name=other")
    assert (refused.status, "other" in refused.json["error"]) == (400, True)


def test_versions_and_labels(connection: RawConnection) -> None:
    """The latest, one by its number, and one by TensorFlow Serving's label in the place of a number."""
    assert get(connection, "/v2/models/labels").json["versions"] == ["1", "2", "3"]
    for path, version in (("labels", "3"), ("labels/versions/1", "1"), ("labels/versions/canary", "2")):
        answer, _ = split(infer(connection, path, {"inputs": [given("x", "FP32", [1], [1.0])]}))
        assert answer["model_version"] == version
        assert get(connection, f"/v2/models/{path}/ready").json == {"name": "labels", "ready": True}


def test_model_ready_only_if_it_is(connection: RawConnection) -> None:
    for path in ("nobody", "labels/versions/9", "labels/versions/none"):
        response = get(connection, f"/v2/models/{path}/ready")
        assert (response.status, list(response.json)) == (404, ["error"])


def test_model_config(connection: RawConnection) -> None:
    """As Triton's clients read it; whole shapes, so there is no batch dimension beside them."""
    found = get(connection, "/v2/models/strings/config").json
    assert (found["name"], found["platform"], found["max_batch_size"]) == ("strings", "tensorflow_savedmodel", 0)
    assert found["input"] == [{"name": "s", "data_type": "TYPE_STRING", "dims": [-1]}]
    assert found["version_policy"] == {"specific": {"versions": [1]}}


def test_statistics(connection: RawConnection) -> None:
    """Requests, failures and runs of the only version of a model; of one of several nobody has counted."""
    before = statistics(connection, "dtypes")
    asked = {"inputs": [given("x", "FP32", [2], [1.5, 2.5])]}
    split(infer(connection, "dtypes", asked))
    assert infer(connection, "dtypes", {"inputs": []}).status == 400
    after = statistics(connection, "dtypes/versions/1")
    grown = {
        kind: after["inference_stats"][kind]["count"] - before["inference_stats"][kind]["count"]
        for kind in ("success", "fail", "compute_infer", "queue")
    }
    assert grown == {"success": 1, "fail": 1, "compute_infer": 1, "queue": 0}
    assert after["inference_stats"]["success"]["ns"] > before["inference_stats"]["success"]["ns"]
    assert after["inference_count"] - before["inference_count"] == 1
    assert get(connection, "/v2/models/labels/stats").json["model_stats"] == [
        {"name": "labels", "version": version} for version in ("3", "2", "1")
    ]
    names = {each["name"] for each in get(connection, "/v2/models/stats").json["model_stats"]}
    assert {"dtypes", "multi", "labels"} <= names


def statistics(connection: RawConnection, path: str) -> Any:
    (found,) = get(connection, f"/v2/models/{path}/stats").json["model_stats"]
    return found


def test_paths(connection: RawConnection) -> None:
    """What there is not is not found, another method is told which one it is, and names may be encoded."""
    assert get(connection, "/v2/nothing").status == 404
    assert get(connection, "/v2/models/multi/infer").json["error"].endswith("expected POST")
    assert get(connection, "/v2/models/m%75lti/ready").status == 200
    assert get(connection, "/v2x").status == 404


def test_settings_of_triton(connection: RawConnection) -> None:
    """They are told as they are here, and cannot be changed; nobody's memory is shared."""
    assert get(connection, "/v2/trace/setting").json["trace_level"] == ["OFF"]
    assert get(connection, "/v2/models/multi/trace/setting").json["trace_level"] == ["OFF"]
    assert get(connection, "/v2/logging").json["log_verbose_level"] == 0
    for kind in ("system", "cuda"):
        assert get(connection, f"/v2/{kind}sharedmemory/status").json == []
        connection.send(request("POST", f"/v2/{kind}sharedmemory/unregister", b""))
        assert connection.response().status == 200
    for path in ("/v2/trace/setting", "/v2/logging", "/v2/systemsharedmemory/region/r/register"):
        connection.send(request("POST", path, b"{}"))
        refused = connection.response()
        assert (refused.status, "expected" in refused.json["error"]) == (501, True)
