"""Our answers are those that a real TensorFlow Serving gave, except where docs/compatibility.md says otherwise."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.protos import message
from tests.parity import replay, tensorflow_says
from tests.parity.replay import Answer, Case, ProfileServer
from tests.parity.tensorflow_says import Call

DIFFERENCES = {
    "C2": "GET /v1/models lists the models",
    "C16-invalid-utf8": "error bodies are valid UTF-8",
    "R-bundle": "session bundles load, if they are whole",
    "G30": "session bundles load, if they are whole",
    "H5": "what does not fit into a batch is run apart",
    "H5-second": "what does not fit into a batch is run apart",
    "H5-fails-together": "a bad request does not fail its batch",
    "M2-core": "metrics inside TensorFlow's library are not shown",
}
"""Recordings we answer otherwise on purpose; docs/compatibility.md lists each with its reason."""


def _examples(**features: list[float] | list[int]) -> dict[str, list[bytes]]:
    """An input of one tf.Example."""
    example = message("tensorflow.Example")()
    for name, values in features.items():
        feature = example.features.feature[name]
        (feature.int64_list if isinstance(values[0], int) else feature.float_list).value.extend(values)
    return {"inputs": [example.SerializeToString()]}


_REGRESS = "half_plus_two/123", "regress_x_to_y"
_MISSING = Call(*_REGRESS, _examples(x2=[80.0]))
_NEGATIVE = Call("failing/1", "serving_default", {"x": [-1.0]})

TENSORFLOWS_OWN = {
    "E9-missing": _MISSING,
    "F17-rest-row": Call("counter/1", "incr_counter_by", {"delta": [2.0]}),
    "G-ragged-rank": Call("ragged/1", "serving_default", {"ids": [1, 2]}),
    "H4-failing": _NEGATIVE,
    "H10-failing": _NEGATIVE,
    "K-int": Call(*_REGRESS, _examples(x=[1])),
    "K-two": Call(*_REGRESS, _examples(x=[1.0, 2.0])),
    "MI-missing": _MISSING,
    "P-failing": Call("failing/1", "serving_default", {"x": [4.0, -9.0]}),
    "P-h2-raw-scalar": Call(*_REGRESS, {"inputs": b"nonsense"}),
    "P-mnist-scalar": Call("mnist/1", "serving_default", {"images": [1.0]}),
    "P-mnist-shape": Call("mnist/1", "serving_default", {"images": [[1.0, 2.0]]}),
    "P-multi-broadcast": Call("multi/1", "serving_default", {"a": [[1.0, 2.0], [3.0, 4.0]], "b": [5, 6, 7]}),
    "P-ragged-rank": Call("ragged/1", "serving_default", {"ids": [1, 2]}),
}
"""Recordings of errors in a kernel's words. Which one runs depends on the CPU: ours are TensorFlow's of this machine.

With AVX-512 ``P-mnist-scalar`` was ``In[0] ndims must be >= 2``; without, ``In[0] and In[1] has different ndims``.
"""

CASES = sorted(replay.load(), key=lambda case: str(case["profile"]["name"]))


class _Servers:
    """The server of the profile in use; the cases come ordered by profile, so one at a time is enough."""

    def __init__(self, models: Path, directory: Path) -> None:
        self._models = models
        self._directory = directory
        self._current: tuple[str, ProfileServer] | None = None

    def of(self, case: Case) -> ProfileServer:
        name = case["profile"]["name"]
        if self._current is None or self._current[0] != name:
            self.close()
            files = self._directory / name
            files.mkdir(parents=True)
            self._current = (name, ProfileServer(case["profile"], self._models, files))
        return self._current[1]

    def run(self, case: Case) -> tuple[Any, Answer, bool]:
        """What was expected, what came, and whether they match."""
        if case["protocol"] != "start":
            return self.of(case).run(case)
        self.close()
        files = self._directory / case["profile"]["name"]
        files.mkdir()
        return replay.run_start(case, self._models, files)

    def close(self) -> None:
        if self._current is not None:
            self._current[1].close()
            self._current = None


@pytest.fixture(scope="module")
def servers(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Servers]:
    running = _Servers(models, tmp_path_factory.mktemp("profiles"))
    yield running
    running.close()


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_answers_as_recorded(case: Case, servers: _Servers, models: Path) -> None:
    """A recorded request gets the recorded answer, in TensorFlow's words of today where they are its own."""
    if case["id"] in TENSORFLOWS_OWN:
        case = replay.with_error(case, tensorflow_says.error(TENSORFLOWS_OWN[case["id"]], models))
    expect, got, good = servers.run(case)
    if case["id"] in DIFFERENCES:
        assert not good, f"{case['id']} is listed as a difference ({DIFFERENCES[case['id']]}) but is none"
    else:
        assert good, f"{case['compare']}:\nexpected {expect}\ngot      {got}"
