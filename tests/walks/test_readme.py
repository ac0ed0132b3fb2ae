"""A newcomer's first ten minutes: every command of README.md, in order, in a clean clone with nothing set up.

Those with Docker are in tests/image/test_readme_containers.py.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clean_clone import ROOT, make_clone
from tests.support.shell_blocks import Reader, shell_blocks, terminal

pytestmark = pytest.mark.timeout(1200)

INSTALL_SECONDS = 900.0
"""TensorFlow is downloaded within, where it is not in the cache of packages."""
TESTS = "tests/unit/core"
"""What `make test` runs here; all the rest of it is what runs this."""

_CONTAINERS = re.compile(r"\bdocker\b|\bmake image\b")
_WELCOME = re.compile(r"^```text\n(Serving over .*?)^```$", re.MULTILINE | re.DOTALL)
_PORT = re.compile(r"\b850[01]\b")
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Newcomer(Reader):
    """Somebody with a clone in which nothing is set up."""

    def __init__(self, clone: Path) -> None:
        # The ports are here because make would take flags for arguments of its own.
        super().__init__(clone, {**terminal(), "GRPC_PORT": "-1", "REST_PORT": "-1", "TESTS": TESTS, "ARGS": ""})
        self.packages: set[str] = set()
        self.megabytes = 0
        self.log = ""

    def look(self) -> None:
        """Keep what the server has said, what the environment has, and its size, while it is only for serving."""
        if not self.packages:
            self.server.wait_for("^  curl ")
            listed = json.loads(self.shell(".venv/bin/pip list --format=json --disable-pip-version-check 2>/dev/null"))
            self.packages = {each["name"].lower().replace("_", "-") for each in listed}
            self.megabytes = int(self.shell("du -sm .venv").split()[0])
            self.log = "".join(self.server.output)

    def read(self, page: str) -> None:
        """Do what the page says."""
        for block in shell_blocks(page):
            if _CONTAINERS.search(block):
                continue
            # The server stays in its terminal, and the next command goes into the other one.
            for command in block.splitlines() if "make serve" in block else [block]:
                if "make serve" in command:
                    self.serve(f"exec env {command}", INSTALL_SECONDS)
                    self.look()
                else:
                    self.enter(command)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    clone = make_clone(tmp_path_factory.mktemp("newcomer") / "clone")
    try:
        with Newcomer(clone) as reader:
            reader.read((clone / "README.md").read_text())
            yield reader
    finally:
        shutil.rmtree(clone)


def test_first_command_answers_a_prediction(newcomer: Newcomer) -> None:
    """After `make serve` the curl call of the page prints what the page says."""
    assert json.loads(newcomer.output(":predict")) == {"predictions": [2.5, 3.0, 4.5]}
    assert newcomer.output(":predict").strip() in (ROOT / "README.md").read_text()


def test_what_it_looks_like(newcomer: Newcomer) -> None:
    """`make serve` ends with the lines that the page shows, but for the ports, which are others here."""
    (shown,) = _WELCOME.findall((ROOT / "README.md").read_text())
    assert re.search(_PORT.sub(r"\\d+", re.escape(shown)), newcomer.log)


def test_first_command_installs_what_serving_needs(newcomer: Newcomer) -> None:
    """The packages of requirements.lock, ourselves and the installers: nothing of what tests need."""
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    ours = {"tensorflow-serving-appliance", "pip", "setuptools", "uv"}
    assert newcomer.packages >= {"tensorflow-cpu", "openvino"}
    assert newcomer.packages - locked - ours == set()


def test_disk_is_what_the_page_says(newcomer: Newcomer) -> None:
    """The page's gigabytes for `make serve` are those of the environment, within a tenth."""
    (written,) = re.findall(r"(\S+) GB of disk", (ROOT / "README.md").read_text())
    assert newcomer.megabytes * 1.048576 / 1000 == pytest.approx(float(written), rel=0.1)


def test_the_install_is_one_line(newcomer: Newcomer) -> None:
    """Which Python was taken and why; what is downloaded, and no line for each package."""
    lines = newcomer.log.splitlines()
    assert len([line for line in lines if re.match(r"Making \.venv with \S+ \(Python 3\.1[123]\.\d+\): \w", line)]) == 1
    (installed,) = [number for number, line in enumerate(lines) if line.startswith("Installing ")]
    assert re.fullmatch(
        r"Installing TensorFlow and OpenVINO \(\d+ MB unless cached\): [\d,]+ MB in \d+ s", lines[installed]
    )
    assert lines[installed + 1].startswith("Demo models: ")


def test_second_command_runs_tests(newcomer: Newcomer) -> None:
    """`make test` passes; here it is told to run some of the tests."""
    assert re.search(r"\d+ passed", newcomer.output("make test"))


def test_own_model_is_served(newcomer: Newcomer) -> None:
    """The model named by MODEL_NAME and MODEL_BASE_PATH tells its state and its signatures."""
    output = newcomer.output("/metadata")
    assert '"state": "AVAILABLE"' in output
    assert "signature_def" in output


def test_client_has_no_tensorflow(newcomer: Newcomer) -> None:
    """The client's environment has what it needs, and neither TensorFlow nor the server."""
    assert "tensorflow-serving-appliance-client" in newcomer.output("pip install").replace("_", "-")
    listed = json.loads(newcomer.shell(".demo/client/bin/pip list --format=json 2>/dev/null"))
    assert {each["name"] for each in listed} <= {
        *("grpcio", "numpy", "protobuf", "typing_extensions", "tensorflow-serving-appliance-client"),
        *("pip", "setuptools"),
    }


def test_python_of_the_page_runs(newcomer: Newcomer, tmp_path: Path) -> None:
    """The client's lines of Python print what their comments say, in the client's own environment."""
    blocks = _PYTHON.findall((ROOT / "README.md").read_text())
    assert len(blocks) == 1
    script = tmp_path / "page.py"
    script.write_text(newcomer.with_ports(blocks[0]))
    python = newcomer.directory / ".demo/client/bin/python"
    done = subprocess.run([python, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\[\d\]\nAVAILABLE\n", done.stdout)


def ratio(load: str, ours: str, baseline: str) -> float:
    """How much of a baseline we reach, as docs/benchmarks.md has it."""
    rows = (line.split("|") for line in (ROOT / "docs" / "benchmarks.md").read_text().splitlines())
    found = [
        cells[4] for cells in rows if len(cells) > 4 and load in cells[1] and ours in cells[2] and baseline in cells[3]
    ]
    assert len(found) == 1, found
    return float(found[0].split()[0])


@pytest.mark.parametrize(
    ("words", "load", "ours", "baseline"),
    [
        pytest.param(
            r"(\S+) times the answers of Flask's own server", "connections 16,", " lane:", " Flask:", id="Flask"
        ),
        pytest.param(r"(\S+) times those of FastAPI", "connections 16,", " lane:", " FastAPI:", id="FastAPI"),
    ],
)
def test_figures_were_measured(words: str, load: str, ours: str, baseline: str) -> None:
    """What the page promises is what docs/benchmarks.md says, rounded."""
    written = re.findall(words, (ROOT / "README.md").read_text())
    assert len(written) == 1
    digits = len(written[0].partition(".")[2])
    assert float(written[0]) == round(ratio(load, ours, baseline), digits)


@pytest.mark.parametrize(
    ("words", "model"),
    [
        (r"(\S+) \(ResNet-50\)", "resnet50"),
        (r"(\S+) \(MobileNetV2\)", "mobilenetv2"),
        (r"(\S+) \(EfficientNetB0\)", "efficientnetb0"),
    ],
)
def test_figures_of_engines_were_measured(words: str, model: str) -> None:
    """One row and one client, as docs/benchmarks.md has it."""
    written = re.findall(words, (ROOT / "README.md").read_text())
    rows = [line.split("|") for line in (ROOT / "docs" / "benchmarks.md").read_text().splitlines()]
    (measured,) = [cells[4] for cells in rows if len(cells) == 9 and cells[1].strip() == model]
    assert len(written) == 1
    assert float(written[0]) == round(float(measured.split()[0]), 2)
