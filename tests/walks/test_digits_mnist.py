"""The page's lines for MNIST: with them, and a stand-in for Keras's download, the other scripts work as they are."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server_process import ServerProcess
from tests.walks.test_digits import DIGITS, error_rate

pytestmark = pytest.mark.timeout(300)

STAND_IN = """
import runpy, sys
import numpy as np
from keras.datasets import mnist
from sklearn.datasets import load_digits

def load_data():
    digits = load_digits()
    # As Keras has MNIST: bytes of ink [number, 28, 28], bytes of labels. Here each pixel is 3 x 3, with a margin of 2.
    images = np.pad(np.kron(digits.images * 255 // 16, np.ones([1, 3, 3])), [(0, 0), (2, 2), (2, 2)]).astype(np.uint8)
    labels = digits.target.astype(np.uint8)
    return (images[1100:], labels[1100:]), (images[:1100], labels[:1100])

mnist.load_data = load_data
sys.argv = sys.argv[1:]
sys.path[0] = sys.argv[0].rpartition("/")[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The example's scripts, changed as the page says."""
    (lines,) = re.findall(r"^```python\n(.*?)^```$", (DIGITS / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    scripts = shutil.copytree(DIGITS, tmp_path / "digits")
    data = scripts / "digits_data.py"
    # `load` is the last of the file.
    kept, sides = re.subn(r"^SIDE = .*\n", "", data.read_text().partition("def load()")[0], flags=re.MULTILINE)
    assert sides == 1
    data.write_text(kept + lines)
    return scripts


def run(script: Path, *arguments: object) -> str:
    """What a script prints, in a process where Keras has the stand-in's images."""
    command = [sys.executable, "-c", STAND_IN, str(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_lines_of_the_page(scripts: Path, tmp_path: Path) -> None:
    """Images of 28 x 28 are trained on, exported, served and asked about; both clients count the model's error rate."""
    model = tmp_path / "models" / "digits"
    trained = error_rate(run(scripts / "train_and_export.py", "--training_iteration=50", model))
    with ServerProcess(["--model_name=digits", f"--model_base_path={model}"]) as server:
        clients = [
            error_rate(run(scripts / script, f"--server=127.0.0.1:{server.grpc_port}"))
            for script in ("client.py", "classify_client.py")
        ]
    assert clients == [trained] * 2
    assert float(trained.removesuffix("%")) < 50
