"""Keys at every way into the server: who is let in, and to what."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from serving.access.making import make_key
from tests.server.doors.ways_in import LARGE, OTHERS, PREDICTS, Outcome, Way, proto, rpc
from tests.server.telemetry.metrics_page import PAGE, monitoring
from tests.support.raw import RawConnection, request
from tests.support.server_process import START_SECONDS, ServerProcess, write_model_config

WAYS = (*PREDICTS, *OTHERS, *LARGE)
PREDICT = "/v1/models/half_plus_two:predict"
BODY = b'{"instances": [1.0]}'
STATUS = {"UNAUTHENTICATED": "HTTP 401", "PERMISSION_DENIED": "HTTP 403"}
RELOAD = rpc("/tensorflow.serving.ModelService/HandleReloadConfigRequest")
TRANSPORTS = pytest.mark.parametrize("transport", ["native", "grpcio"])


def right_of(way: Way) -> str:
    """What a way in asks for; nothing for health."""
    if way.name.endswith(("Check", "Watch", "live", "server ready")):
        return ""
    reads = ("reflection", "status", "metadata", "models", "GetModelStatus", "GetModelMetadata")
    more = ("config", "ready", "statistics", "server", "settings")
    return "read" if way.name.endswith((*reads, *more)) else "predict"


KEYED = [way for way in WAYS if right_of(way)]
OF_A_MODEL = [way for way in KEYED if way.address[0]]


def refusal(way: Way, code: str, text: str) -> Outcome:
    """What a door makes of an error."""
    return Outcome(STATUS[code] if way.door == "REST" else code, text)


class Keyed:
    """A server with keys. ``keys`` are by name: one for each right, ``all``, and ``three`` for another model alone."""

    def __init__(self, server: ServerProcess, keys: Mapping[str, str]) -> None:
        self.server = server
        self.keys = keys

    def ask(self, way: Way, name: str | None) -> Outcome:
        """What comes of a request with somebody's key."""
        headers = {} if name is None else {"authorization": f"Bearer {self.keys[name]}"}
        return way.send(self.server, way.payload, headers)

    def rest(self, method: str, target: str, name: str | None = None, **headers: str) -> tuple[int, bytes]:
        """A REST exchange with somebody's key."""
        sent = dict(headers) if name is None else {"X-API-Key": self.keys[name], **headers}
        return self.server.rest(method, target, None, sent)


def make_keys(path: Path) -> dict[str, str]:
    """A file with the keys that ``Keyed`` has."""
    asked = {right: (right, "") for right in ("predict", "read", "admin", "metrics")}
    asked |= {"all": ("predict,read,admin,metrics", ""), "three": ("predict,read", "half_plus_th*")}
    return {name: make_key(name, rights, models, str(path)).key for name, (rights, models) in asked.items()}


@pytest.fixture(scope="module")
def config(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration of two models."""
    names = ("half_plus_two", "half_plus_three")
    return write_model_config(
        tmp_path_factory.mktemp("keys") / "models.config", {name: models / name for name in names}
    )


@pytest.fixture(scope="module")
def keyed(config: Path) -> Iterator[Callable[[str], Keyed]]:
    """The server with a gRPC transport, started when first asked for; it must end well, and say no key."""
    started: dict[str, Keyed] = {}
    with ExitStack() as stack:

        def start(transport: str) -> Keyed:
            if transport not in started:
                keys = make_keys(config.with_name(f"{transport}.json"))
                flags = [
                    f"--model_config_file={config}",
                    f"--grpc_transport={transport}",
                    f"--api_keys_file={config.with_name(f'{transport}.json')}",
                    "--enable_grpc_healthcheck_service",
                    "--rest_api_enable_cors_support",
                    monitoring(config.parent, "prometheus_config { enable: true }"),
                ]
                started[transport] = Keyed(stack.enter_context(ServerProcess(flags)), keys)
            return started[transport]

        yield start
        pages = [each.rest("GET", PAGE, "metrics")[1].decode() for each in started.values()]
    for each, page in zip(started.values(), pages, strict=True):
        said = "".join(each.server.output)
        assert each.server.process.returncode == 0, said
        assert "Traceback" not in said
        assert not [name for name, key in each.keys.items() if key in said or key in page]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_key_with_the_right_opens(keyed: Callable[[str], Keyed], way: Way) -> None:
    """Every way in, with the one right that it needs."""
    assert keyed(way.transport).ask(way, right_of(way) or None) == Outcome("OK")


@pytest.mark.parametrize("way", KEYED, ids=str)
def test_without_a_key_nothing_opens(keyed: Callable[[str], Keyed], way: Way) -> None:
    """The text says how to send one."""
    text = "The request has no key; expected a key, as authorization: Bearer KEY or as x-api-key: KEY"
    assert keyed(way.transport).ask(way, None) == refusal(way, "UNAUTHENTICATED", text)


@pytest.mark.parametrize("way", KEYED, ids=str)
def test_another_right_does_not_open(keyed: Callable[[str], Keyed], way: Way) -> None:
    """The text names the principal and the right."""
    text = f"admin lacks the right {right_of(way)}, which this request needs"
    assert keyed(way.transport).ask(way, "admin") == refusal(way, "PERMISSION_DENIED", text)


@pytest.mark.parametrize("way", OF_A_MODEL, ids=str)
def test_other_models_stay_closed(keyed: Callable[[str], Keyed], way: Way) -> None:
    """A key for some models opens no other."""
    text = "three may not use model half_plus_two"
    assert keyed(way.transport).ask(way, "three") == refusal(way, "PERMISSION_DENIED", text)


def test_a_model_of_its_own(keyed: Callable[[str], Keyed]) -> None:
    """Its own is answered, and the list of models has nothing else; models that there are not are closed as well."""
    server = keyed("native")
    assert server.rest("GET", "/v1/models/half_plus_three", "three")[0] == 200
    assert [*json.loads(server.rest("GET", "/v1/models", "three")[1])["states"]] == ["half_plus_three"]
    assert [*json.loads(server.rest("GET", "/v1/models", "all")[1])["states"]] == ["half_plus_three", "half_plus_two"]
    status, body = server.rest("GET", "/v1/models/none", "three")
    assert (status, json.loads(body)) == (403, {"error": "three may not use model none"})


@pytest.mark.parametrize("more", [(), ("Transfer-Encoding: chunked",)], ids=["lane", "road"])
@pytest.mark.parametrize("key", ["", "X-Api-Key: tfs_unknown", "Authorization: Basic YTpi"])
def test_401_says_how_to_authenticate(keyed: Callable[[str], Keyed], more: tuple[str, ...], key: str) -> None:
    """Beside the headers of CORS, and the connection goes on."""
    fields = [*more, *filter(None, [key])]
    written = request("POST", PREDICT, None if more else BODY, *fields) + (b"0\r\n\r\n" if more else b"")
    with RawConnection(keyed("native").server.rest_port) as connection:
        for _ in range(2):
            connection.send(written)
            response = connection.response()
            assert response.status == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param(("authorization: bearer {all}", "X-API-KEY: {all}"), 200, id="the same twice"),
        pytest.param(("Authorization: Bearer {all}", "X-API-Key: {predict}"), 401, id="two keys"),
        pytest.param(("X-API-Key: {all}", "X-Api-Key: {predict}"), 401, id="two of a name"),
        pytest.param(("Authorization: Bearer {all}", "Authorization: Basic YTpi"), 401, id="two schemes"),
    ],
)
def test_several_headers(keyed: Callable[[str], Keyed], fields: tuple[str, ...], status: int) -> None:
    """One key is expected, as often as a client likes."""
    server = keyed("native")
    with RawConnection(server.server.rest_port) as connection:
        connection.send(request("POST", PREDICT, BODY, *(field.format(**server.keys) for field in fields)))
        assert connection.response().status == status


@TRANSPORTS
def test_several_metadata(keyed: Callable[[str], Keyed], transport: str) -> None:
    """The same over gRPC."""
    server = keyed(transport)
    call = (("x-api-key", server.keys["all"]), ("x-api-key", server.keys["read"]))
    with server.server.channel() as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")(
            proto("tensorflow.serving.GetModelStatusRequest", 'model_spec { name: "half_plus_two" }'),
            metadata=call,
            timeout=START_SECONDS,
        )
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert raised.value.details() == "The request has several keys; expected one"


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        pytest.param("GET", "/healthz/live", 200, id="live"),
        pytest.param("GET", "/healthz/ready", 200, id="ready"),
        pytest.param("OPTIONS", PREDICT, 200, id="preflight"),
        pytest.param("GET", "/nothing", 404, id="no such path"),
        pytest.param("GET", "/v1/models/half_plus_two/nothing", 400, id="no such call"),
    ],
)
def test_what_stays_open(keyed: Callable[[str], Keyed], method: str, target: str, status: int) -> None:
    """Probes, browsers' questions, and what is not there."""
    assert keyed("native").rest(method, target, Origin="http://a.example.com")[0] == status


def test_browsers_may_send_keys(keyed: Callable[[str], Keyed]) -> None:
    """Only if a preflight names the headers."""
    with RawConnection(keyed("native").server.rest_port) as connection:
        connection.send(request("OPTIONS", PREDICT, None, "Origin: http://a.example.com"))
        headers = connection.response().headers
    assert headers["access-control-allow-headers"] == "Content-Type, Authorization, X-Api-Key"


def test_metrics_have_a_right_of_their_own(keyed: Callable[[str], Keyed]) -> None:
    """The page says which models there are, and how busy."""
    server = keyed("native")
    assert server.rest("GET", PAGE, "metrics")[0] == 200
    assert server.rest("GET", PAGE)[0] == 401
    status, body = server.rest("GET", PAGE, "predict")
    assert status == 403
    assert json.loads(body) == {"error": "predict lacks the right metrics, which this request needs"}


@TRANSPORTS
def test_reload_is_for_admins(
    keyed: Callable[[str], Keyed], config: Path, models: Path, transport: str, tmp_path: Path
) -> None:
    """With the right any base path may be named."""
    server = keyed(transport)
    (tmp_path / "elsewhere").symlink_to(models / "half_plus_three")
    entry = f'config {{ name: "e" base_path: "{tmp_path / "elsewhere"}" model_platform: "tensorflow" }}'
    text = config.read_text().rstrip().removesuffix("}") + entry + "}"
    payload = proto("tensorflow.serving.ReloadConfigRequest", f"config {{ {text} }}")
    assert RELOAD(server.server, payload, {"x-api-key": server.keys["all"]}) == Outcome("OK")
    outcome = RELOAD(server.server, payload, {"x-api-key": server.keys["predict"]})
    assert outcome == Outcome("PERMISSION_DENIED", "predict lacks the right admin, which this request needs")
    assert RELOAD(server.server, payload, {}).status == "UNAUTHENTICATED"
    before = proto("tensorflow.serving.ReloadConfigRequest", f"config {{ {config.read_text()} }}")
    assert RELOAD(server.server, before, {"x-api-key": server.keys["admin"]}) == Outcome("OK")
