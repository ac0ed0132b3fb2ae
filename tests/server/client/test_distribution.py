"""The client as a distribution of its own: its wheel and the server's, each alone and beside each other."""

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from serving import __version__
from tests.support.server_process import ServerProcess

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "serving" / "client"
LIBRARIES = ("numpy", "numpy.libs", "grpc", "google", "typing_extensions.py")
"""What numpy, grpcio and protobuf are in site-packages."""

HATCHLING = (sys.executable, "-m", "hatchling", "build", "--target")

PREDICT = """
import sys
from serving.client import Client
with Client(sys.argv[1]) as client:
    print(client.predict("dtypes", {"x": [1.5, 2.0]}, signature="float")["y"])
print("tensorflow" in sys.modules, hasattr(sys.modules["serving"], "__version__"))
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Both wheels, built from the tree."""
    directory = tmp_path_factory.mktemp("wheels")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--no-index")
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(directory), str(ROOT), str(CLIENT)]
    subprocess.run(command, check=True, cwd=directory)
    (client,) = directory.glob("tensorflow_serving_appliance_client-*.whl")
    (server,) = set(directory.glob("*.whl")) - {client}
    return {"client": client, "server": server}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the client's three libraries and nothing else."""
    directory = tmp_path_factory.mktemp("libraries")
    found = find_spec("numpy")
    assert found is not None
    assert found.origin is not None
    installed = Path(found.origin).parents[1]
    for name in LIBRARIES:
        (directory / name).symlink_to(installed / name)
    return directory


def files(wheel: Path) -> set[str]:
    """What a wheel puts into site-packages, its metadata apart."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def installed(directory: Path, *unpacked: Path) -> Path:
    """A directory with these wheels in it."""
    for wheel in unpacked:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(directory)
    return directory


def run(path: Sequence[Path], code: str, *arguments: str) -> str:
    """What a program prints that sees these directories and the standard library only."""
    start = f"import sys; sys.path[:0] = {[os.fspath(each) for each in path]!r}\n"
    command = [sys.executable, "-I", "-S", "-c", start + code, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_no_file_is_in_both(wheels: Mapping[str, Path]) -> None:
    """The client's wheel has the client, the server's everything else of the package."""
    client, server = files(wheels["client"]), files(wheels["server"])
    kept = {".py", ".proto", ".binpb", ".typed"}
    source = {path.relative_to(ROOT).as_posix() for path in CLIENT.rglob("*") if path.suffix in kept}
    assert client == source
    assert {"serving/__init__.py", "serving/cli.py", "serving/rpc/routes.py", "serving/protos.binpb"} <= server
    assert not [name for name in server if name.startswith("serving/client")]


def test_wheels_carry_the_licence(wheels: Mapping[str, Path]) -> None:
    """Its text goes wherever a wheel goes."""
    for wheel in wheels.values():
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE"))
            assert archive.read(name) == (ROOT / "LICENSE").read_bytes()


def test_source_distribution_carries_the_licence(wheels: Mapping[str, Path], tmp_path: Path) -> None:
    """A file, and not a link to what is beside it in the repository only; the wheel made of it is the same."""
    subprocess.run(
        [*HATCHLING, "sdist", "--directory", str(tmp_path / "sdist")], cwd=CLIENT, check=True, stdout=subprocess.PIPE
    )
    (source,) = (tmp_path / "sdist").iterdir()
    with tarfile.open(source) as archive:
        assert [member.name for member in archive if not (member.isfile() or member.isdir())] == []
        # Not the argument of the same meaning: Debian 12's Python has none, and newer ones warn without either.
        archive.extraction_filter = lambda member, path: member
        archive.extractall(tmp_path)
    unpacked = tmp_path / source.name.removesuffix(".tar.gz")
    assert not (unpacked / "LICENSE").is_symlink()
    assert (unpacked / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    command = [*HATCHLING, "wheel", "--directory", str(tmp_path / "wheel")]
    subprocess.run(command, cwd=unpacked, check=True, stdout=subprocess.PIPE)
    (wheel,) = (tmp_path / "wheel").iterdir()
    with zipfile.ZipFile(wheel) as made, zipfile.ZipFile(wheels["client"]) as expected:
        assert {name: made.read(name) for name in made.namelist()} == {
            name: expected.read(name) for name in expected.namelist()
        }


def test_versions_are_equal(wheels: Mapping[str, Path]) -> None:
    """The client has the server's version."""
    assert {wheel.name.split("-")[1] for wheel in wheels.values()} == {__version__}


def test_client_alone(wheels: Mapping[str, Path], libraries: Path, tmp_path: Path, server: ServerProcess) -> None:
    """With numpy, grpcio, protobuf and nothing else it calls a server."""
    directory = installed(tmp_path, wheels["client"])
    assert run([directory, libraries], PREDICT, f"localhost:{server.grpc_port}") == "[1.5 2. ]\nFalse False\n"


def test_command_alone(wheels: Mapping[str, Path], libraries: Path, tmp_path: Path, server: ServerProcess) -> None:
    """The distribution has the command, which needs nothing else either; images say what they need."""
    directory = installed(tmp_path, wheels["client"])
    (entry,) = directory_entries(wheels["client"])
    assert entry == "serving-client = serving.client.terminal.main:command"
    code = "from serving.client.terminal.main import command; sys.argv[0] = 'serving-client'; command()"
    at = ("--server", f"localhost:{server.grpc_port}")
    assert "AVAILABLE" in run([directory, libraries], code, "status", "half_plus_three", *at)
    (tmp_path / "x.json").write_text("[1]")
    given = ("predict", "half_plus_three", "--input", str(tmp_path / "x.json"), *at)
    assert run([directory, libraries], code, *given) == "y  float32[1]\n[3.5]\n"


def directory_entries(wheel: Path) -> list[str]:
    """The commands that a wheel brings."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        lines = archive.read(name).decode().split()
    return [" ".join(lines[1:])]


def test_libraries_are_only_those(libraries: Path) -> None:
    """The environment of the test above has neither the server nor TensorFlow."""
    code = "import importlib.util as u; print([u.find_spec(name) for name in ('serving', 'tensorflow', 'aiohttp')])"
    assert run([libraries], code) == "[None, None, None]\n"


def test_client_beside_the_server(wheels: Mapping[str, Path], libraries: Path, tmp_path: Path) -> None:
    """In one environment each finds its own."""
    directory = installed(tmp_path, wheels["server"], wheels["client"])
    code = "import serving, serving.client, serving.protos\nfor m in (serving, serving.client): print(m.__file__)"
    expected = [directory / "serving" / "__init__.py", directory / "serving" / "client" / "__init__.py"]
    assert run([directory, libraries], code).splitlines() == [str(path) for path in expected]


def test_server_alone_has_no_client(wheels: Mapping[str, Path], libraries: Path, tmp_path: Path) -> None:
    """An image of the server has it only if somebody puts it there."""
    code = "import serving, importlib.util as u; print(u.find_spec('serving.client'))"
    assert run([installed(tmp_path, wheels["server"]), libraries], code) == "None\n"
