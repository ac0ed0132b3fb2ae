"""The page examples/operations/tls: HTTPS, and gRPC for clients with a certificate; nobody else is answered."""

import json
import socket
import ssl
import stat
from collections.abc import Iterator

import pytest

from tests.support.ports import HOST
from tests.support.server_process import START_SECONDS
from tests.walks.walk import Walk

pytestmark = pytest.mark.timeout(300)

ANSWER = [2.5, 3.0, 4.5]
CLIENT = "python examples/operations/tls/client.py --server=localhost:8500 --ca=certificates/ca.crt"


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with Walk("operations/tls", tmp_path_factory.mktemp("tls")) as walk:
        walk.run()
        yield walk


def connected(walk: Walk, name: str) -> ssl.SSLSocket:
    """A connection to the REST port of the server, which must be ``name`` by the certificates of the page."""
    context = ssl.create_default_context(cafile=walk.directory / "certificates" / "ca.crt")
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    plain = socket.create_connection((HOST, walk.server.rest_port), timeout=START_SECONDS)
    return context.wrap_socket(plain, server_hostname=name)


def test_rest_is_https(walk: Walk) -> None:
    """curl that trusts the authority gets the answer."""
    assert json.loads(walk.output("curl -s --cacert")) == {"predictions": ANSWER}


def test_grpc_with_a_certificate(walk: Walk) -> None:
    """The client that shows its certificate gets the answer."""
    assert walk.output("--certificate=certificates/client.crt") == f"version 1 answers {ANSWER}\n"


def test_grpc_without_a_certificate(walk: Walk) -> None:
    """The client without one is refused."""
    assert walk.output("! python").startswith("error: UNAVAILABLE: ")


def test_certificate_of_another_authority(walk: Walk) -> None:
    """A client's certificate that another authority has signed is refused."""
    output = walk.shell(
        "sh examples/operations/tls/make_certificates.sh others\n"
        f"! {CLIENT} --key=others/client.key --certificate=others/client.crt"
    )
    assert "error: UNAVAILABLE: " in output
    assert "answers" not in output


def test_plain_http_is_not_answered(walk: Walk) -> None:
    """Without TLS the REST port gives nothing away."""
    output = walk.output("! curl")
    assert output.startswith("curl: (")
    assert "model_version_status" not in output


def test_server_is_trusted_by_its_name(walk: Walk) -> None:
    """The certificate of the server is good for localhost, by the strict rules that are Python's own since 3.13."""
    with connected(walk, "localhost") as connection:
        shown = ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")
    assert shown == (walk.directory / "certificates" / "server.crt").read_text()


def test_server_is_not_trusted_by_another_name(walk: Walk) -> None:
    """Under a name that is not in its certificate the server is refused."""
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        connected(walk, "another.example")


def test_keys_are_private(walk: Walk) -> None:
    """Nobody else can read what the script has made."""
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (walk.directory / "certificates").iterdir()}
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}
    assert {"server.key", "client.key", "ca.key", "grpc.config"} <= modes.keys()
