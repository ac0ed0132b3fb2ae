"""The page of a running server: where it is, what its answers allow a browser, and what it is drawn from."""

import gzip
import http.client
import json
from contextlib import ExitStack

import pytest

from serving.rest.api.ui_events import MOST_STREAMS
from tests.server.doors.conftest import SERVED, Servers
from tests.support.events import EventStream
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TIMED = "/ui/data/timed/v1/models/half_plus_two"
ONE = b'{"instances": [1.0]}'


@pytest.fixture(scope="module")
def server(servers: Servers) -> ServerProcess:
    """The server of all tests of doors."""
    return servers("native")


Got = tuple[int, http.client.HTTPMessage, bytes]


def get(server: ServerProcess, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Got:
    """One exchange; underscores in names of headers stand for hyphens."""
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=START_SECONDS)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        pytest.param(BROWSER, 302, id="browser"),
        pytest.param("text/html", 302, id="html"),
        pytest.param("*/*", 404, id="curl"),
        pytest.param("application/json, text/html;q=0.5", 404, id="rather JSON"),
        pytest.param("text/html;q=0, */*", 404, id="no HTML"),
        pytest.param("", 404, id="nothing"),
    ],
)
def test_who_is_led_to_the_page(server: ServerProcess, accept: str, status: int) -> None:
    """Whoever prefers HTML, by a relative address; others get TensorFlow Serving's page for what there is not."""
    found, headers, body = get(server, "/", Accept=accept)
    assert found == status
    assert headers["Location"] == ("ui/" if status == 302 else None)
    assert (body[:6] == b"<HTML>") is (status == 404)


def test_the_path_without_a_slash(server: ServerProcess) -> None:
    """It leads to the page as well."""
    status, headers, _ = get(server, "/ui")
    assert (status, headers["Location"]) == (302, "ui/")


@pytest.mark.parametrize("path", ["/ui", "/ui/", "/ui/index.html", "/ui/none.js", "/ui/data/state", "/ui/data/none"])
def test_what_a_browser_may_do_with_it(server: ServerProcess, path: str) -> None:
    """Load scripts and styles of the server alone, guess no types, tell nobody where it came from."""
    _, headers, _ = get(server, path)
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_the_page(server: ServerProcess) -> None:
    """It is HTML, has a tag, and is asked for anew each time."""
    status, headers, body = get(server, "/ui/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Cache-Control"] == "no-cache"
    assert body.lstrip().lower().startswith(b"<!doctype html>")


def test_a_file_that_is_known(server: ServerProcess) -> None:
    """It is not sent again, compressed or not; the other form of it is another file to a cache."""
    for encoding in ("gzip", "identity"):
        tag = get(server, "/ui/", Accept_Encoding=encoding)[1]["ETag"]
        status, headers, body = get(server, "/ui/", Accept_Encoding=encoding, If_None_Match=tag)
        assert (status, headers["ETag"], body) == (304, tag, b"")
        other = "identity" if encoding == "gzip" else "gzip"
        assert get(server, "/ui/", Accept_Encoding=other, If_None_Match=tag)[0] == 200


def test_compressed(server: ServerProcess) -> None:
    """For who takes gzip."""
    _, headers, body = get(server, "/ui/", Accept_Encoding="br, gzip")
    assert (headers["Content-Encoding"], headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(body) == get(server, "/ui/")[2]
    assert get(server, "/ui/", Accept_Encoding="gzip;q=0")[1]["Content-Encoding"] is None


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/ui/none.js", 404, "The page has no file 'none.js'"),
        ("GET", "/ui/../settings.py", 404, "The page has no file '../settings.py'"),
        ("GET", "/ui/%2e%2e/settings.py", 404, "The page has no file "),
        ("GET", "/ui/data/none", 404, "There is nothing at /ui/data/none; expected state, events, "),
        ("POST", "/ui/data/state", 400, "Malformed request: POST /ui/data/state; expected GET or HEAD"),
        ("GET", "/ui/data/example", 400, "The query names no model; expected model=NAME"),
        ("GET", "/ui/data/example?model=none", 404, "Servable not found for request: Latest(none)"),
        ("GET", "/ui/data/example?model=multi&version=x", 400, "version is 'x'; expected a whole number"),
        ("GET", "/ui/data/example?model=multi&signature=x", 400, 'The model has no signature "x"'),
        ("POST", "/ui/data/timed/v1/models/m:guess", 400, "Malformed request: POST /v1/models/m:guess"),
    ],
)
def test_errors(server: ServerProcess, method: str, path: str, status: int, text: str) -> None:
    """They have the shape of the API's."""
    found, headers, body = get(server, path, method)
    assert (found, headers["Content-Type"]) == (status, "application/json")
    assert json.loads(body)["error"].startswith(text)


@pytest.mark.parametrize("path", ["/uis", "/u", "/UI/"])
def test_other_paths(server: ServerProcess, path: str) -> None:
    """They are the page that TensorFlow Serving has for them."""
    status, _, body = get(server, path)
    assert (status, body[:6]) == (404, b"<HTML>")


def test_state(server: ServerProcess) -> None:
    """Models, labels, versions and signatures; who has no key to show may do everything where none are asked for."""
    status, headers, body = get(server, "/ui/data/state")
    state = json.loads(body)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert state["may"] == {"predict": True, "read": True, "admin": True}
    assert (state["server"]["ready"], state["server"]["grpc_port"]) == (True, server.grpc_port)
    models = {model["name"]: model for model in state["models"]}
    assert set(models) == set(SERVED)
    assert models["labels"]["labels"] == {"stable": "1", "canary": "2"}
    assert [version["version"] for version in models["labels"]["versions"]] == ["3", "2", "1"]
    (version,) = models["half_plus_three"]["versions"]
    assert (version["state"], version["engine"], version["error"]) == ("AVAILABLE", "TensorFlow", "")
    assert version["engine_said"].startswith("It is served as it is saved: ")
    shown = {each["name"]: each for each in version["signatures"]}
    assert shown["serving_default"]["method_name"] == "tensorflow/serving/predict"
    assert shown["serving_default"]["inputs"][0] == {"name": "x", "dtype": "DT_FLOAT", "shape": [-1]}


def test_findings_come(server: ServerProcess) -> None:
    """A process of its own looks for them; the ports, which the server has, are none."""

    def findings() -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(get(server, "/ui/data/state")[2])["findings"] or []
        return found

    wait_until("there are findings", lambda: bool(findings()))
    rows = findings()
    assert {"libraries", "model half_plus_two"} <= {row["what"] for row in rows}
    assert {row["level"] for row in rows} <= {"ok", "warning"}


@pytest.mark.parametrize("body", [ONE, b'{"instances": ["a"]}', b"{"])
def test_a_timed_request(server: ServerProcess, body: bytes) -> None:
    """It is answered as the ordinary one, and says where its time went, errors too; the ordinary one does not."""
    status, headers, answer = get(server, f"{TIMED}:predict", "POST", body)
    ordinary, of_ordinary, expected = get(server, "/v1/models/half_plus_two:predict", "POST", body)
    assert (status, answer) == (ordinary, expected)
    stages = [stage.partition(";dur=")[0] for stage in headers["Server-Timing"].split(", ")]
    assert stages == ["queue", "decode", "run", "encode", "total"]
    assert of_ordinary["Server-Timing"] is None


@pytest.mark.parametrize("query", ["model=half_plus_two&version=123", "model=labels&label=canary", "model=strings"])
def test_an_example(server: ServerProcess, query: str) -> None:
    """It is answered when it is sent as it is."""
    status, _, body = get(server, f"/ui/data/example?{query}")
    assert status == 200
    made = json.loads(body)
    model = query.partition("&")[0].removeprefix("model=")
    assert get(server, f"/v1/models/{model}:predict", "POST", json.dumps(made["body"]).encode())[0] == 200
    assert made["image"] is None


def test_events_begin_with_all_there_is(server: ServerProcess) -> None:
    """The state, the same as asked for by itself, and a sample of numbers."""
    get(server, f"{TIMED}:predict", "POST", ONE)
    with EventStream(server) as stream:
        assert (stream.status, stream.headers["Content-Type"]) == (200, "text/event-stream")
        state, sample = stream.event(), stream.event()
    assert state is not None
    assert sample is not None
    assert (state.name, sample.name) == ("state", "sample")
    assert {model["name"] for model in state.data["models"]} == set(SERVED)
    counts = sample.data["models"]["half_plus_two"]
    assert counts["requests"] == sum(counts["seconds"]["counts"]) + counts["errors"] > 0
    assert len(counts["seconds"]["counts"]) == len(counts["seconds"]["bounds"]) + 1
    assert sample.data["memory_bytes"] > 0


def test_what_has_not_changed_is_not_sent_again(server: ServerProcess) -> None:
    """After the first state there are samples alone."""
    wait_until("findings", lambda: json.loads(get(server, "/ui/data/state")[2])["findings"] is not None)
    with EventStream(server) as stream:
        names = [event.name for event in (stream.event(), stream.event(), stream.event()) if event is not None]
    assert names == ["state", "sample", "sample"]


def test_too_many_pages(server: ServerProcess) -> None:
    """A further one is told so, until another has been closed."""
    with ExitStack() as stack:
        streams = [stack.enter_context(EventStream(server)) for _ in range(MOST_STREAMS)]
        for stream in streams:
            assert stream.event() is not None
        status, _, body = get(server, "/ui/data/events")
        assert status == 503
        assert json.loads(body)["error"].startswith(f"{MOST_STREAMS} pages are told of events, as many as may be")
    wait_until("the places are free", lambda: head_of_events(server) == 200)


def head_of_events(server: ServerProcess) -> int:
    with EventStream(server) as stream:
        return stream.status


def test_heads(server: ServerProcess) -> None:
    """They can be asked for alone; of events there is no end to wait for."""
    for path in ("/ui/", "/ui/data/state", "/ui/data/events"):
        status, _, body = get(server, path, "HEAD")
        assert (status, body) == (200, b"")
