"""Predict over REST with protobuf and numpy bodies: every pair of forms, what is refused, and how it is told."""

import gzip
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from serving.protos import message
from tests.server.doors.clients import Arrays, Target, floats, from_proto, predict_request, text
from tests.server.doors.conftest import Servers
from tests.support.properties import examples
from tests.support.raw import RawConnection, Response, request
from tests.support.server_process import ServerProcess

JSON, PROTOBUF = "application/json", "application/x-protobuf"
NPY, NPZ = "application/x-npy", "application/x-npz"
FORMS = (JSON, PROTOBUF, NPY, NPZ)

MULTI = {"a": np.array([[1, 2], [3, 4]], np.float32), "b": np.array([10, 20], np.int32)}
MULTI_OUTPUTS = {"b2": [20, 40], "sum": [[11, 12], [23, 24]]}


@pytest.fixture(scope="module")
def server(servers: Servers) -> ServerProcess:
    return servers("grpcio")


@pytest.fixture
def connection(server: ServerProcess) -> Iterator[RawConnection]:
    with RawConnection(server.rest_port) as connection:
        yield connection


def body_of(form: str, inputs: Arrays) -> bytes:
    """A request's body in this form, for the default signature."""
    if form == PROTOBUF:
        return predict_request(Target(model=""), inputs)
    if form == JSON:
        return json.dumps({"inputs": {name: array.tolist() for name, array in inputs.items()}}).encode()
    file = io.BytesIO()
    if form == NPZ:
        save: Any = np.savez
        save(file, **inputs)
    else:
        (array,) = inputs.values()
        np.save(file, array)
    return file.getvalue()


def outputs_of(response: Response) -> Any:
    """The outputs by name, or the only one where the form has no name for it, as lists."""
    form = response.headers["content-type"]
    if form == JSON:
        return response.json["outputs"]
    if form == PROTOBUF:
        outputs = message("tensorflow.serving.PredictResponse").FromString(response.body).outputs
        return {name: from_proto(proto).tolist() for name, proto in outputs.items()}
    found = np.load(io.BytesIO(response.body))
    return found.tolist() if form == NPY else {name: found[name].tolist() for name in found.files}


def ask(
    connection: RawConnection, target: str, form: str, body: bytes, *headers: str, accept: str | None = None
) -> Response:
    """One predict request; ``target`` is what stands between `models/` and the colon."""
    lines = [f"Content-Type: {form}", *([] if accept is None else [f"Accept: {accept}"]), *headers]
    connection.send(request("POST", f"/v1/models/{target}:predict", body, *lines))
    return connection.response()


def refusal(response: Response) -> str:
    """The text of a 400, which is JSON whatever was asked for."""
    assert (response.status, response.headers["content-type"]) == (400, JSON)
    assert list(response.json) == ["error"]
    return str(response.json["error"])


@pytest.mark.parametrize("accept", [None, *FORMS])
@pytest.mark.parametrize("form", FORMS)
def test_every_pair_of_forms(connection: RawConnection, form: str, accept: str | None) -> None:
    """The content type says how the body is read, Accept how the answer is written; without it both are the same."""
    response = ask(connection, "half_plus_three", form, body_of(form, {"x": floats(1, 2)}), accept=accept)
    answered = accept or form
    assert (response.status, response.headers["content-type"]) == (200, answered)
    assert outputs_of(response) == ({"y": [3.5, 4]} if answered in (PROTOBUF, NPZ) else [3.5, 4])


@pytest.mark.parametrize("accept", [JSON, PROTOBUF, NPZ])
@pytest.mark.parametrize("form", [JSON, PROTOBUF, NPZ])
def test_several_inputs_and_outputs(connection: RawConnection, form: str, accept: str) -> None:
    """All forms but npy carry them by name."""
    response = ask(connection, "multi", form, body_of(form, MULTI), accept=accept)
    assert (response.headers["content-type"], outputs_of(response)) == (accept, MULTI_OUTPUTS)


def test_archive_under_the_name_of_an_array(connection: RawConnection) -> None:
    """The first bytes tell an archive from an array."""
    assert outputs_of(ask(connection, "multi", NPY, body_of(NPZ, MULTI), accept=NPZ)) == MULTI_OUTPUTS


def test_strings(connection: RawConnection) -> None:
    """Arrays of bytes are strings, and come back as such."""
    response = ask(connection, "strings", NPZ, body_of(NPZ, {"s": np.array([b"abc", b"\xff"])}))
    assert outputs_of(response) == {"out": [b"abc", b"\xff"], "out_bytes": [b"abc", b"\xff"]}


@pytest.mark.parametrize(
    ("target", "form", "body", "expected"),
    [
        pytest.param(
            "multi", NPY, body_of(NPY, {"a": MULTI["a"]}), "signature serving_default has the inputs {a,b}", id="inputs"
        ),
        pytest.param(
            "multi",
            NPY,
            body_of(NPZ, MULTI),
            "The answer has 2 outputs, {b2,sum}, and application/x-npy carries one; expected Accept: application/x-npz",
            id="outputs",
        ),
        pytest.param(
            "multi", NPZ, body_of(NPZ, {"a": MULTI["a"]}), "input size does not match signature", id="missing"
        ),
        pytest.param(
            "half_plus_three", NPZ, body_of(NPZ, {"z": floats(1)}), "Signature input alias: x(feed name: ", id="name"
        ),
        pytest.param(
            "half_plus_three",
            NPY,
            body_of(NPY, {"x": np.array([1])}),
            'The array for input "x" has dtype <i8; expected <f4, for the signature declares float. Arrays are not',
            id="dtype",
        ),
        pytest.param("half_plus_three", NPY, b'{"instances": [1]}', "expected an array as numpy.save", id="JSON"),
        pytest.param("half_plus_three", NPY, b"", "expected an array as numpy.save", id="empty"),
        pytest.param("half_plus_three", NPZ, b"PK\x03\x04", "no usable .npz archive", id="archive"),
        pytest.param(
            "half_plus_three",
            PROTOBUF,
            b'{"instances": [1]}',
            "Cannot parse the body of 18 bytes; expected a tensorflow.serving.PredictRequest message",
            id="no message",
        ),
        pytest.param("unknown", NPY, b"", "expected an array as numpy.save", id="body before model"),
        pytest.param("half_plus_three", JSON, b"{", "JSON Parse error: ", id="JSON for another form"),
    ],
)
def test_refused(connection: RawConnection, target: str, form: str, body: bytes, expected: str) -> None:
    """What cannot be used is an error in JSON that says what was given and what was expected."""
    assert expected in refusal(ask(connection, target, form, body, accept=NPY))


def test_unknown_model(connection: RawConnection) -> None:
    """The version is looked up as for JSON."""
    response = ask(connection, "unknown", NPY, body_of(NPY, {"x": floats(1)}))
    assert (response.status, response.json) == (404, {"error": "Servable not found for request: Latest(unknown)"})


def message_for(inputs: Arrays, spec: Mapping[str, Any], *, output_filter: tuple[str, ...] = ()) -> bytes:
    """A PredictRequest with any model_spec."""
    made = message("tensorflow.serving.PredictRequest").FromString(
        predict_request(Target(model=""), inputs, output_filter=output_filter)
    )
    made.model_spec.CopyFrom(message("tensorflow.serving.ModelSpec")(**spec))
    return bytes(made.SerializeToString())


def test_signature_and_filter_of_a_message_count(connection: RawConnection) -> None:
    """What a PredictRequest asks for beside its inputs is done."""
    body = message_for(MULTI, {"signature_name": "uneven"}, output_filter=("head",))
    assert outputs_of(ask(connection, "multi", PROTOBUF, body, accept=NPY)) == [10]


def test_signature_of_json_counts(connection: RawConnection) -> None:
    """A JSON body names its signature whatever it is answered in; rows become what the outputs are."""
    body = json.dumps({"signature_name": "scalar", "instances": [{"a": [1, 2]}, {"a": [3, 4]}]}).encode()
    assert outputs_of(ask(connection, "multi", JSON, body, accept=NPY)) == 10


@pytest.mark.parametrize(
    ("target", "spec"),
    [
        pytest.param("labels", {}, id="none"),
        pytest.param("labels", {"name": "labels"}, id="name"),
        pytest.param("labels/versions/2", {"name": "labels", "version": {"value": 2}}, id="version"),
        pytest.param("labels/labels/canary", {"version_label": "canary"}, id="label"),
    ],
)
def test_message_and_url_agree(connection: RawConnection, target: str, spec: Mapping[str, Any]) -> None:
    """A PredictRequest may say again what the URL says; the answer names the version."""
    response = ask(connection, target, PROTOBUF, message_for({"x": floats(1)}, spec))
    found = message("tensorflow.serving.PredictResponse").FromString(response.body).model_spec
    assert (found.name, found.version.value, found.signature_name) == (
        "labels",
        3 if target == "labels" else 2,
        "serving_default",
    )


@pytest.mark.parametrize(
    ("target", "spec", "expected"),
    [
        pytest.param("labels", {"name": "other"}, 'has the name "other", the URL "labels"; expected', id="name"),
        pytest.param("labels", {"version": {"value": 2}}, 'has the version "2", the URL none; expected', id="version"),
        pytest.param(
            "labels/versions/1", {"version": {"value": 0}}, 'has the version "0", the URL "1"; expected', id="version 0"
        ),
        pytest.param(
            "labels/labels/stable",
            {"version_label": "canary"},
            'has the version_label "canary", the URL "stable"; expected the same, or none in the model_spec',
            id="label",
        ),
        pytest.param(
            "labels/versions/1", {"version_label": "stable"}, "the URL none; expected", id="label for version"
        ),
    ],
)
def test_message_and_url_disagree(
    connection: RawConnection, target: str, spec: Mapping[str, Any], expected: str
) -> None:
    """A PredictRequest that names another version than the URL is refused, not guessed at."""
    assert expected in refusal(ask(connection, target, PROTOBUF, message_for({"x": floats(1)}, spec)))


@pytest.mark.parametrize("form", [PROTOBUF, NPY, NPZ])
def test_large_bodies(connection: RawConnection, form: str) -> None:
    """Bodies and answers of megabytes, which come in pieces and are read off the event loop."""
    given = np.arange(300_000, dtype=np.float32)
    response = ask(connection, "half_plus_three", form, body_of(form, {"x": given}), accept=NPY)
    assert outputs_of(response) == (given / 2 + 3).tolist()


def test_gzip(connection: RawConnection) -> None:
    """A compressed body is inflated first, whatever it is."""
    body = gzip.compress(body_of(NPY, {"x": floats(1)}))
    assert outputs_of(ask(connection, "half_plus_three", NPY, body, "Content-Encoding: gzip")) == [3.5]


def test_forms_take_turns_on_a_connection(connection: RawConnection) -> None:
    """Each request of a connection has its own form."""
    for form in (*FORMS, *FORMS):
        response = ask(connection, "half_plus_three", form, body_of(form, {"x": floats(5)}), accept=JSON)
        assert outputs_of(response) == [5.5]


@pytest.mark.parametrize("method", ["classify", "regress"])
def test_other_methods_take_json_alone(connection: RawConnection, method: str) -> None:
    """For them the content type means nothing, as in TensorFlow Serving."""
    body = b'{"signature_name": "regress_flat", "examples": [{"v": 2.0}]}' if method == "regress" else b"{"
    connection.send(request("POST", f"/v1/models/classifier:{method}", body, f"Content-Type: {NPY}", f"Accept: {NPY}"))
    response = connection.response()
    assert response.headers["content-type"] == JSON
    assert list(response.json) == ["results" if method == "regress" else "error"]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_subnormal=False), min_size=1, max_size=20))
@settings(examples(50), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_forms_agree_to_the_byte(connection: RawConnection, values: list[float]) -> None:
    """The same numbers in any form get the same answer."""
    given = {"x": floats(*values)}
    answers = {ask(connection, "half_plus_three", form, body_of(form, given), accept=JSON).body for form in FORMS}
    assert len(answers) == 1


def test_arrays_of_text_are_refused(connection: RawConnection) -> None:
    """numpy's text is not bytes; nobody guesses an encoding."""
    words: NDArray[Any] = np.array(["a"])
    assert "<U1; expected bytes" in refusal(ask(connection, "strings", NPZ, body_of(NPZ, {"s": words})))
    assert outputs_of(ask(connection, "strings", JSON, b'{"inputs": ["a"]}', accept=NPZ))["out"] == text(b"a").tolist()
