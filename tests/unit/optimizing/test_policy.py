"""What the flags say about optimising, on one CPU and on another."""

from pathlib import Path
from typing import Any

import pytest

from serving.configuration import flag_values
from serving.openvino.compiling import Numbers
from serving.optimizing import comparing
from serving.optimizing.policy import Policy, Precision, TriedEngine, policy_of
from serving.servables.saved_model import SavedModelOptions
from serving.settings import FLAGS, Settings

OLD, BFLOAT16, FLOAT16 = "flags : avx2", "flags : avx512_bf16 amx_tile", "flags : avx512_fp16"
OPTIONS = SavedModelOptions(tags=("serve", "cpu"))


def policy(cpu: str = OLD, threads: int = 4, rows: int = 0, **flags: Any) -> Policy | None:
    return policy_of(Settings(**flags), OPTIONS, cpu, threads, rows)


def there(cpu: str = OLD, threads: int = 4, rows: int = 0, **flags: Any) -> Policy:
    made = policy(cpu, threads, rows, **flags)
    assert made is not None
    return made


def test_off_is_no_policy() -> None:
    """Nothing is tried."""
    assert policy(optimize="off") is None


def test_the_defaults() -> None:
    """Both engines, in single precision, and a version does not wait."""
    made = there()
    assert (made.tensorflow, made.openvino, made.bfloat16) == (True, Numbers.FLOAT32, False)
    assert (made.tolerance, made.wait, made.threads) == (comparing.SAME_PRECISION, False, 4)
    assert made.options is OPTIONS


@pytest.mark.parametrize(
    ("words", "tensorflow", "openvino"),
    [
        ("tensorflow", True, None),
        ("openvino", False, Numbers.FLOAT32),
        ("openvino,tensorflow", True, Numbers.FLOAT32),
        (" tensorflow , openvino ", True, Numbers.FLOAT32),
        ("openvino,openvino", False, Numbers.FLOAT32),
    ],
)
def test_engines(words: str, tensorflow: bool, openvino: Numbers | None) -> None:
    """Those that are named are tried, in whatever order."""
    made = there(optimize_engines=words)
    assert (made.tensorflow, made.openvino) == (tensorflow, openvino)


@pytest.mark.parametrize(
    ("cpu", "numbers", "bfloat16", "tolerance"),
    [
        pytest.param(BFLOAT16, Numbers.BFLOAT16, True, comparing.BFLOAT16_PRECISION, id="bfloat16"),
        pytest.param(FLOAT16, Numbers.FLOAT16, False, comparing.BFLOAT16_PRECISION, id="float16"),
        pytest.param(f"{BFLOAT16} avx512_fp16", Numbers.BFLOAT16, True, comparing.BFLOAT16_PRECISION, id="both"),
        pytest.param(OLD, Numbers.FLOAT32, False, comparing.SAME_PRECISION, id="neither"),
        pytest.param("", Numbers.FLOAT32, False, comparing.SAME_PRECISION, id="unknown"),
    ],
)
def test_fast_is_what_the_cpu_computes_in(cpu: str, numbers: Numbers, bfloat16: bool, tolerance: float) -> None:
    """Half as many bits where the CPU has operations for them; answers may differ more then, and only then."""
    made = there(cpu, optimize="fast")
    assert (made.openvino, made.bfloat16, made.tolerance) == (numbers, bfloat16, tolerance)
    assert there(cpu).openvino is Numbers.FLOAT32
    assert there(cpu).tolerance == comparing.SAME_PRECISION


def test_fast_that_is_not_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Who asks for more than the CPU has reads it."""
    caplog.set_level("INFO", "serving")
    there(BFLOAT16, optimize="fast")
    assert caplog.messages == []
    there(OLD, optimize="fast")
    assert caplog.messages == ["--optimize=fast is as safe here: this CPU does not compute with bfloat16 or float16"]


@pytest.mark.parametrize(
    ("usual", "rows"), [(0, (1, 8)), (1, (1, 8)), (8, (1, 8)), (4, (1, 4, 8)), (32, (1, 8, 32)), (1000, (1, 8, 64))]
)
def test_rows_that_are_measured(usual: int, rows: tuple[int, ...]) -> None:
    """One, eight and the largest usual number, if that is no call of seconds."""
    assert there(rows=usual).rows == rows


def test_what_is_passed_on() -> None:
    """The limit of the weights, whether to wait, and custom operations by their whole paths."""
    made = there(optimize_max_weights_bytes=7, optimize_wait=True, custom_op_libraries="a.so")
    assert (made.max_weights_bytes, made.wait) == (7, True)
    assert made.libraries == (str(Path("a.so").resolve()),)


def test_words_are_those_of_the_flags() -> None:
    """What the flags take, which is judged before this room is loaded, is what there is."""
    choices = {flag.name: flag.choices for flag in FLAGS}
    assert choices["optimize"] == tuple(each.value for each in Precision)
    every = ",".join(each.value for each in TriedEngine)
    assert not list(flag_values.wrong(Settings(model_base_path="/m", optimize_engines=every)))
    assert Settings().optimize_engines == every
