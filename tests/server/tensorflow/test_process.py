"""What the engine does to its process: nothing of TensorFlow's Python, nothing left behind by loads and closes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

LOAD_AND_RUN = """
import json, sys
from pathlib import Path
from tests.support.models import call, floats, loaded
with loaded(Path(sys.argv[1])) as servable:
    answer = call(servable, {"x": floats(1, 2)})["y"].array.tolist()
imported = [name for name in sys.modules if name == "tensorflow" or name.startswith(("tensorflow.", "keras"))]
json.dump({"answer": answer, "imported": imported}, sys.stdout)
"""

THEN_IMPORT = """
import sys
from pathlib import Path
from tests.support.models import call, floats, loaded
with loaded(Path(sys.argv[1])) as servable:
    before = call(servable, {"x": floats(1, 2)})["y"].array.tolist()
    import tensorflow as tf
    assert tf.add(1, 2).numpy() == 3
    assert call(servable, {"x": floats(1, 2)})["y"].array.tolist() == before == [3.5, 4.0]
"""

FIFTY_CYCLES = """
import json, os, sys
from pathlib import Path
from tests.support.models import call, floats, loaded
from serving.protos import ConfigProto
from serving.servables.saved_model import SavedModelOptions
# With threads of its own a session that is not closed keeps them.
config = ConfigProto(use_per_session_threads=True, inter_op_parallelism_threads=2, intra_op_parallelism_threads=2)
options = SavedModelOptions(session_config=config.SerializeToString())
def cycles(count):
    for path in sys.argv[1:] * count:
        with loaded(Path(path), options) as servable:
            call(servable, {"x": floats(1)})
def held():
    files = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    return {"threads": len(os.listdir("/proc/self/task")), "files": sorted(files)}
cycles(2)  # what TensorFlow starts once and keeps
before = held()
cycles(25)
json.dump([before, held()], sys.stdout)
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter at the root of the repository."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_nothing_of_tensorflows_python_is_imported(models: Path) -> None:
    """A process that loads and runs a model has no module of the tensorflow package."""
    result = python(LOAD_AND_RUN, str(models / "half_plus_three" / "1"))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"answer": [3.5, 4.0], "imported": []}


def test_real_import_in_the_same_process_does_no_harm(models: Path) -> None:
    """TensorFlow's Python can be imported beside a loaded model; both go on answering."""
    result = python(THEN_IMPORT, str(models / "half_plus_three" / "1"))
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts in /proc, which this system lacks")
def test_fifty_loads_and_closes_leave_files_and_threads_flat(models: Path) -> None:
    """Closing a model gives back its descriptors and threads."""
    result = python(FIFTY_CYCLES, str(models / "half_plus_two" / "123"), str(models / "half_plus_three" / "1"))
    assert result.returncode == 0, result.stderr
    before, after = json.loads(result.stdout)
    assert after == before
