"""What the flags say about optimising: which engines are tried, in which precision, on which terms. Pure."""

from dataclasses import dataclass
from enum import Enum

from serving.host import cpus
from serving.openvino.compiling import Numbers
from serving.optimizing import comparing
from serving.servables import custom_ops
from serving.servables.saved_model import SavedModelOptions
from serving.settings import Settings
from serving.telemetry.log import logger

_ROWS = (1, 8)
_MOST_ROWS = 64
"""More rows are not measured: a call of them takes long, and is decided as one of these."""


class Precision(Enum):
    """The values of --optimize."""

    OFF = "off"
    SAFE = "safe"
    FAST = "fast"


class TriedEngine(Enum):
    """The values of --optimize_engines."""

    TENSORFLOW = "tensorflow"
    OPENVINO = "openvino"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the flags say: which engines are tried, in which precision, and on which terms.

    ``openvino`` is what OpenVINO computes in, None if it is not tried; ``bfloat16`` is for TensorFlow's optimiser.
    """

    options: SavedModelOptions
    tensorflow: bool
    openvino: Numbers | None
    bfloat16: bool
    tolerance: float
    threads: int
    rows: tuple[int, ...]
    max_weights_bytes: int
    libraries: tuple[str, ...] = ()
    wait: bool = False


def policy_of(
    settings: Settings, options: SavedModelOptions, cpuinfo: str, threads: int, usual_rows: int
) -> Policy | None:
    """What is asked for on a CPU with this /proc/cpuinfo; None for nothing. Raises ConfigurationError."""
    precision = Precision(settings.optimize)
    engines = _engines(settings.optimize_engines)
    if precision is Precision.OFF:
        return None
    fast = precision is Precision.FAST
    bfloat16 = fast and cpus.has_bfloat16(cpuinfo)
    numbers = Numbers.BFLOAT16 if bfloat16 else Numbers.FLOAT32
    if fast and not bfloat16 and cpus.has_float16(cpuinfo):
        numbers = Numbers.FLOAT16
    if fast and numbers is Numbers.FLOAT32:
        logger.info("--optimize=fast is as safe here: this CPU does not compute with bfloat16 or float16")
    return Policy(
        options=options,
        tensorflow=TriedEngine.TENSORFLOW in engines,
        openvino=numbers if TriedEngine.OPENVINO in engines else None,
        bfloat16=bfloat16,
        tolerance=comparing.SAME_PRECISION if numbers is Numbers.FLOAT32 else comparing.BFLOAT16_PRECISION,
        threads=threads,
        rows=tuple(sorted({*_ROWS, min(max(usual_rows, 1), _MOST_ROWS)})),
        max_weights_bytes=settings.optimize_max_weights_bytes,
        libraries=tuple(str(path.resolve()) for path in custom_ops.named_by(settings.custom_op_libraries)),
        wait=settings.optimize_wait,
    )


def _engines(words: str) -> frozenset[TriedEngine]:
    return frozenset(TriedEngine(word.strip()) for word in words.split(","))
