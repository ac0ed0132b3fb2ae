"""The wheels of `make dist`, each installed into an environment of its own as a package index would give it."""

import email
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from serving import __version__
from tests.support.server_process import ServerProcess

ROOT = Path(__file__).parents[2]
CLIENT, SERVER = ROOT / ".dist" / "client" / "bin", ROOT / ".dist" / "server" / "bin"
NAMES = {"client": "tensorflow-serving-appliance-client", "server": "tensorflow-serving-appliance"}

pytestmark = pytest.mark.skipif(not (SERVER / "python").exists(), reason="only within `make dist`")

PREDICT = """
import sys
from serving.client import Client
with Client(sys.argv[1]) as client:
    print(client.predict("half_plus_two", {"x": [1.0, 2.0, 5.0]})["y"].tolist())
"""


def run(*command: Path | str) -> str:
    """What a command of one of the environments prints, started outside of the repository."""
    words = [str(word) for word in command]
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, cwd="/").stdout


def metadata(which: str) -> Message:
    """What the wheel says of itself to an index."""
    (wheel,) = (ROOT / "dist").glob(f"{NAMES[which].replace('-', '_')}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The installed server with half_plus_two, started by its command."""
    base_path = tmp_path_factory.mktemp("half_plus_two")
    first = min(path for path in (models / "half_plus_two").iterdir() if path.name.isdigit())  # the next is another
    shutil.copytree(first, base_path / "1")
    flags = ["--model_name=half_plus_two", f"--model_base_path={base_path}"]
    command = [str(SERVER / "tensorflow_model_server")]
    with ServerProcess(flags, command=command, directory=Path("/")) as process:
        yield process


def test_client_has_no_tensorflow() -> None:
    """Its environment has the client and not the server, and neither TensorFlow nor aiohttp."""
    code = "import serving.client, importlib.util as u; print([u.find_spec(n) for n in ('tensorflow', 'aiohttp')])"
    assert run(CLIENT / "python", "-c", code) == "[None, None]\n"
    assert "ls" in run(CLIENT / "serving-client", "--help")


def test_server_tells_its_version() -> None:
    """The command is there, and finds TensorFlow's library."""
    lines = run(SERVER / "tensorflow_model_server", "--version").splitlines()
    assert lines[0] == f"TensorFlow ModelServer: {__version__}"
    assert re.fullmatch(r"TensorFlow Library: \d+\.\d+\.\d+", lines[1])


def test_server_answers(server: ServerProcess) -> None:
    """Over REST, and over gRPC to the installed client."""
    status, body = server.rest("POST", "/v1/models/half_plus_two:predict", '{"instances": [1.0, 2.0, 5.0]}')
    assert (status, json.loads(body)) == (200, {"predictions": [2.5, 3.0, 4.5]})
    assert run(CLIENT / "python", "-c", PREDICT, f"localhost:{server.grpc_port}") == "[2.5, 3.0, 4.5]\n"


@pytest.mark.parametrize("which", ["client", "server"])
def test_metadata_is_fit_for_an_index(which: str) -> None:
    """Name, version, licence and page are there, and the page has no link that leads nowhere on an index."""
    told = metadata(which)
    assert (told["Name"], told["Version"], told["License-Expression"]) == (NAMES[which], __version__, "Apache-2.0")
    assert told["Description-Content-Type"] == "text/markdown"
    page = str(told.get_payload())
    assert page.startswith(f"# {NAMES[which]}\n")
    assert re.findall(r"\]\((?!https://)[^)]*\)", page) == []
    assert "Typing :: Typed" in (told.get_all("Classifier") or [])
