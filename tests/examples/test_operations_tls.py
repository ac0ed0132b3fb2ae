"""The page examples/operations/tls: HTTPS, and gRPC for clients with a certificate; nobody else is answered."""

import json
import ssl
import stat
from collections.abc import Iterator

import pytest

from tests.examples.walk import Walk

pytestmark = pytest.mark.timeout(300)

ANSWER = [2.5, 3.0, 4.5]
CLIENT = "python examples/operations/tls/client.py --server=localhost:8500 --ca=certificates/ca.crt"


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with Walk("operations/tls", tmp_path_factory.mktemp("tls")) as walk:
        walk.run()
        yield walk


def test_rest_is_https(walk: Walk) -> None:
    """curl that trusts the authority gets the answer."""
    assert json.loads(walk.output("curl -s --cacert")) == {"predictions": ANSWER}


def test_grpc_with_a_certificate(walk: Walk) -> None:
    """The client that shows its certificate gets the answer."""
    assert walk.output("--certificate=certificates/client.crt") == f"version 1 answers {ANSWER}\n"


def test_grpc_without_a_certificate(walk: Walk) -> None:
    """The client without one is refused."""
    assert walk.output("! python") == "refused: UNAVAILABLE\n"


def test_certificate_of_another_authority(walk: Walk) -> None:
    """A client's certificate that another authority has signed is refused."""
    output = walk.shell(
        "sh examples/operations/tls/make_certificates.sh others\n"
        f"! {CLIENT} --key=others/client.key --certificate=others/client.crt"
    )
    assert output.endswith("refused: UNAVAILABLE\n")


def test_plain_http_is_not_answered(walk: Walk) -> None:
    """Without TLS the REST port gives nothing away."""
    output = walk.output("! curl")
    assert output.startswith("curl: (")
    assert "model_version_status" not in output


def test_server_is_trusted_by_its_name(walk: Walk) -> None:
    """The certificate of the server is good for localhost, by the rules of Python's own TLS."""
    context = ssl.create_default_context(cafile=walk.directory / "certificates" / "ca.crt")
    pem = ssl.get_server_certificate(
        ("localhost", walk.server.rest_port), ca_certs=str(walk.directory / "certificates" / "ca.crt")
    )
    assert pem == (walk.directory / "certificates" / "server.crt").read_text()
    assert context.check_hostname


def test_keys_are_private(walk: Walk) -> None:
    """Nobody else can read what the script has made."""
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (walk.directory / "certificates").iterdir()}
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}
    assert {"server.key", "client.key", "ca.key", "grpc.config"} <= modes.keys()
