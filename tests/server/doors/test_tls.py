"""TLS at both doors: who is let in, and which configurations end the start instead of serving plain text."""

import http.client
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from serving import tls
from serving.errors import ConfigurationError
from serving.protos import PredictResponse
from tests.server.doors.certificates import HOST, Authority, Identity, encrypted_key, write_config
from tests.server.doors.clients import Target, floats, predict_request
from tests.support.server_process import START_SECONDS, ServerProcess

HALF = Target(model="half")
OURS, OTHERS = Authority("ours"), Authority("others")
KNOWN, STRANGER = OURS.identity("known"), OTHERS.identity("stranger")


@contextmanager
def serving(models: Path, *flags: str) -> Iterator[ServerProcess]:
    """A server of one model; it must end well and log no traceback, whatever its clients did."""
    with ServerProcess(["--model_name=half", f"--model_base_path={models / 'half_plus_three'}", *flags]) as server:
        yield server
    assert server.process.returncode == 0, server.output
    assert "Traceback" not in "".join(server.output)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module", params=["grpcio", "native"])
def transport(request: pytest.FixtureRequest) -> str:
    """The gRPC transport."""
    return f"--grpc_transport={request.param}"


@pytest.fixture(scope="module")
def secure(models: Path, directory: Path, transport: str) -> Iterator[ServerProcess]:
    """A server with TLS at both doors that asks clients for nothing."""
    identity = OURS.identity()
    config = write_config(directory / "secure", key=identity.key, certificate=identity.certificate)
    flags = (f"--ssl_config_file={config}", f"--rest_api_ssl_config_file={config}", transport)
    with serving(models, *flags, f"--grpc_socket_path={directory / 'socket'}") as server:
        yield server


@pytest.fixture(scope="module")
def mutual(models: Path, directory: Path, transport: str) -> Iterator[ServerProcess]:
    """A server with TLS at both doors that wants certificates of ``OURS``."""
    identity = OURS.identity()
    config = write_config(
        directory / "mutual",
        key=identity.key,
        certificate=identity.certificate,
        authority=OURS.certificate,
        verify=True,
    )
    with serving(models, f"--ssl_config_file={config}", f"--rest_api_ssl_config_file={config}", transport) as server:
        yield server


def ask_grpc(address: str, trust: Authority, shown: Identity | None = None) -> list[float]:
    """Predict over TLS. Raises grpc.RpcError."""
    credentials = grpc.ssl_channel_credentials(
        trust.certificate, shown.key if shown else None, shown.certificate if shown else None
    )
    with grpc.secure_channel(address, credentials, (("grpc.ssl_target_name_override", HOST),)) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        data = call(predict_request(HALF, {"x": floats(1, 2)}), timeout=START_SECONDS)
    return list(PredictResponse.FromString(data).outputs["y"].float_val)


def ask_rest(server: ServerProcess, context: ssl.SSLContext) -> bytes:
    """Predict over HTTPS. Raises OSError."""
    connection = http.client.HTTPSConnection(HOST, server.rest_port, context=context, timeout=START_SECONDS)
    try:
        connection.request("POST", "/v1/models/half:predict", '{"inputs": [1.0]}')
        return connection.getresponse().read()
    finally:
        connection.close()


def client_context(directory: Path, trust: Authority, shown: Identity | None = None) -> ssl.SSLContext:
    """What a client trusts, and what it shows."""
    context = ssl.create_default_context(cadata=trust.certificate.decode())
    if shown is not None:
        path = directory / "shown.pem"
        path.write_bytes(shown.key + shown.certificate)
        context.load_cert_chain(path)
    return context


def test_grpc_answers_over_tls(secure: ServerProcess) -> None:
    """A client that trusts the certificate is answered."""
    assert ask_grpc(f"localhost:{secure.grpc_port}", OURS) == [3.5, 4.0]


def test_socket_is_secured_like_the_port(secure: ServerProcess, directory: Path) -> None:
    """Credentials hold for every listener of the door."""
    assert ask_grpc(f"unix:{directory / 'socket'}", OURS) == [3.5, 4.0]
    with (
        grpc.insecure_channel(f"unix:{directory / 'socket'}") as channel,
        pytest.raises(grpc.RpcError, match="UNAVAILABLE"),
    ):
        channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")(b"", timeout=START_SECONDS)


def test_certificate_is_the_configured_one(secure: ServerProcess) -> None:
    """A client that trusts somebody else goes away."""
    with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        ask_grpc(f"localhost:{secure.grpc_port}", OTHERS)


def test_grpc_takes_no_plain_text(secure: ServerProcess) -> None:
    """There is no way around TLS."""
    with secure.channel() as channel, pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")(b"", timeout=START_SECONDS)


def test_log_tells_of_tls(secure: ServerProcess) -> None:
    """That it is on, and not that anything else was needed for it."""
    secure.wait_for("Using SSL credentials$")
    assert "grpcio carries" not in "".join(secure.output)


def test_rest_answers_over_https(secure: ServerProcess, directory: Path) -> None:
    """The same flag's message secures REST; the answers are the same."""
    assert ask_rest(secure, client_context(directory, OURS)) == b'{\n    "outputs": [\n        3.5\n    ]\n}'


def test_rest_takes_no_plain_text(secure: ServerProcess) -> None:
    """An HTTP request is no handshake."""
    with pytest.raises((OSError, http.client.HTTPException)):
        secure.rest("GET", "/v1/models/half")


def test_printed_command_is_https(secure: ServerProcess) -> None:
    """The command to try is one for this door."""
    secure.wait_for(rf"curl -k -d .* 'https://localhost:{secure.rest_port}/v1/models/half:predict'")


def test_known_client_is_answered(mutual: ServerProcess, directory: Path) -> None:
    """A certificate of the configured authority opens both doors."""
    assert ask_grpc(f"localhost:{mutual.grpc_port}", OURS, KNOWN) == [3.5, 4.0]
    assert b"3.5" in ask_rest(mutual, client_context(directory, OURS, KNOWN))


@pytest.mark.parametrize("shown", [pytest.param(None, id="no certificate"), pytest.param(STRANGER, id="a stranger's")])
def test_unknown_client_is_turned_away(mutual: ServerProcess, directory: Path, shown: Identity | None) -> None:
    """Without a certificate, or with one of another authority, neither door answers."""
    with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        ask_grpc(f"localhost:{mutual.grpc_port}", OURS, shown)
    with pytest.raises(OSError):
        ask_rest(mutual, client_context(directory, OURS, shown))


def test_no_command_for_those_with_certificates(mutual: ServerProcess) -> None:
    """Nothing is printed that would not work."""
    assert "Try it:\n" not in mutual.output


IDENTITY = OURS.identity()
BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no such file": (lambda path: path, r"{path}; No such file"),
    "not text proto": (lambda path: written(path, "server_key 7"), r"Invalid protobuf file: '{path}'"),
    "empty key": (
        lambda path: write_config(path, certificate=IDENTITY.certificate),
        r"{flag}: server_key is empty",
    ),
    "empty certificate": (
        lambda path: write_config(path, key=IDENTITY.key),
        r"{flag}: server_cert is empty",
    ),
    "a path instead": (
        lambda path: write_config(path, key=b"/etc/key.pem", certificate=IDENTITY.certificate),
        r"{flag}: server_key is not PEM; expected the PEM text itself, not a path",
    ),
    "key of another": (
        lambda path: write_config(path, key=KNOWN.key, certificate=IDENTITY.certificate),
        r"{flag}: .* key values mismatch",
    ),
    "damaged key": (
        lambda path: write_config(path, key=IDENTITY.key[:60], certificate=IDENTITY.certificate),
        r"{flag}: .* cannot be used",
    ),
    "encrypted key": (
        lambda path: write_config(path, key=encrypted_key(), certificate=IDENTITY.certificate),
        r"{flag}: server_key is encrypted",
    ),
    "damaged authority": (
        lambda path: write_config(
            path, key=IDENTITY.key, certificate=IDENTITY.certificate, authority=b"-----BEGIN", verify=True
        ),
        r"{flag}: .* cannot be used",
    ),
}


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("flag", ["ssl_config_file", "rest_api_ssl_config_file"])
@pytest.mark.parametrize("name", BAD)
def test_unusable_configuration(tmp_path: Path, name: str, flag: str) -> None:
    """Each is refused with what is wrong, and never served without."""
    make, expected = BAD[name]
    path = make(tmp_path / "config")
    with pytest.raises(ConfigurationError, match=expected.format(path=path, flag=f"--{flag}={path}")):
        tls.read(flag, str(path))


def test_key_is_not_shown(tmp_path: Path) -> None:
    """A key does not get into a log or a traceback by way of its representation."""
    credentials = tls.read("f", str(write_config(tmp_path / "c", key=IDENTITY.key, certificate=IDENTITY.certificate)))
    assert credentials is not None
    assert "PRIVATE" not in repr(credentials)


def test_authority_without_verification_is_harmless(tmp_path: Path) -> None:
    """custom_ca is looked at only if clients are verified."""
    path = write_config(tmp_path / "c", key=IDENTITY.key, certificate=IDENTITY.certificate, authority=b"nothing")
    credentials = tls.read("f", str(path))
    assert credentials is not None
    assert not credentials.verify_clients


@pytest.mark.parametrize("flag", ["ssl_config_file", "rest_api_ssl_config_file"])
def test_verification_without_authority(tmp_path: Path, flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's authorities are taken, and if it has none the start fails."""
    path = write_config(tmp_path / "c", key=IDENTITY.key, certificate=IDENTITY.certificate, verify=True)
    (tmp_path / "authorities").write_bytes(OURS.certificate)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities"))
    credentials = tls.read(flag, str(path))
    assert credentials is not None
    assert credentials.roots == OURS.certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="custom_ca is empty, and this machine has no authorities"):
        tls.read(flag, str(path))


def start_error(*flags: str) -> str:
    """The last line of a start that must fail."""
    with ServerProcess(flags, wait=False) as server:
        assert server.wait() == 255
    return server.output[-1]


def test_start_fails_with_a_bad_configuration(models: Path, tmp_path: Path) -> None:
    """The process ends with 255; it does not fall back to plain text."""
    config = write_config(tmp_path / "c", certificate=IDENTITY.certificate)
    line = start_error(f"--model_base_path={models / 'half_plus_three'}", f"--ssl_config_file={config}")
    assert line.startswith(f"Failed to start server. Error: INVALID_ARGUMENT: --ssl_config_file={config}: server_key ")


def test_alts_and_tls_exclude_each_other() -> None:
    """TensorFlow Serving's text, and what to do behind it."""
    with ServerProcess(("--use_alts_credentials", "--ssl_config_file=x"), wait=False) as server:
        assert server.wait() == 255
    failed, meant = server.output[-2:]
    assert failed == (
        "Failed to start server. Error: INVALID_ARGUMENT: "
        "Either use_alts_credentials must be false or ssl_config_file must be empty.\n"
    )
    assert "Leave out --use_alts_credentials" in meant


def test_alts_elsewhere_is_no_plain_text(models: Path) -> None:
    """Outside Google Cloud there are no such credentials, and the start fails."""
    line = start_error("--use_alts_credentials", f"--model_base_path={models / 'half_plus_three'}")
    assert "Failed to BuildAndStart gRPC server" in line
