"""Optimisation as a stage of loading: a model that gains from it is served from an optimised graph (docs/operating.md).

The stage puts the parts together: what is a candidate, the child process that does the work, the comparison at the end.
"""

import resource
import time
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from serving.core.servable import Servable, ServableId
from serving.core.version_files import SAVED_MODEL
from serving.errors import ServingError, invalid_configuration
from serving.host import cpus, memory
from serving.optimizing import candidates, comparing, graph_state
from serving.optimizing.cache import Cache
from serving.optimizing.candidates import NotOptimizedError, Sizes, Step
from serving.optimizing.comparing import Comparison, Outcome
from serving.optimizing.examples import examples
from serving.optimizing.process import Children, ChildRequest, Optimized
from serving.optimizing.session import WholeStep, open_optimized
from serving.protos import ConfigProto
from serving.servables import custom_ops, libtensorflow, saved_model_config
from serving.servables.saved_model import SavedModelOptions, SavedModelServable
from serving.settings import Settings
from serving.telemetry.log import logger

_CPUINFO = Path("/proc/cpuinfo")
_OPEN_FILES = Path("/proc/self/fd")

_ON = 1  # RewriterConfig.Toggle
_MAX_FILES, _SHARE_OF_FILES = 256, 4
"""A model has at most so many files of weights, and this part of those that the process may still open."""


class Precision(Enum):
    """The values of --optimize."""

    OFF = "off"
    SAFE = "safe"
    FAST = "fast"


class OptimizeStage:
    """A stage for ``Loaders``, with ``close`` for the end: a load that waits for its child then goes on without it.

    ``options`` are those that the models were loaded with.
    """

    def __init__(
        self,
        options: SavedModelOptions,
        *,
        bfloat16: bool = False,
        max_weights_bytes: int,
        children: Children,
        cache: Cache | None = None,
        libraries: Sequence[Path] = (),
        available_bytes: Callable[[], int | None] = memory.available_bytes,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._options = options
        self._bfloat16 = bfloat16
        self._max_weights_bytes = max_weights_bytes
        self._cache = cache
        self._libraries = tuple(str(path.resolve()) for path in libraries)
        self._children = children
        self._available_bytes = available_bytes
        self._clock = clock

    def __call__(self, servable: Servable, servable_id: ServableId, path: Path) -> Servable:
        """The servable on its optimised graph, or as it is, with the reason in the log."""
        if not isinstance(servable, SavedModelServable):
            return servable
        began = self._clock()
        try:
            optimized, outcome = self._optimized(servable, path)
        except NotOptimizedError as reason:
            say = logger.debug if reason.expected else logger.info
            say("Servable %s is served as it is saved: %s", servable_id, reason)
            return servable
        except (ServingError, OSError, DecodeError) as error:
            logger.warning("Servable %s is served as it is saved, for optimising it failed: %s", servable_id, error)
            return servable
        servable.close()
        logger.info(
            "Servable %s is optimised: %.1f ms per call instead of %.1f; its answers differ by %.1e at most. "
            "It took %.1f s (--optimize)",
            servable_id,
            outcome.seconds * 1000,
            outcome.plain_seconds * 1000,
            outcome.difference,
            self._clock() - began,
        )
        return optimized

    def close(self, _seconds: float = 0.0) -> None:
        """End the children, which takes no time."""
        self._children.close()

    def _optimized(self, plain: SavedModelServable, path: Path) -> tuple[SavedModelServable, Outcome]:
        self._check_sizes(path)
        step, signatures = candidates.one_step(plain.signatures)
        graph_state.check(path / SAVED_MODEL, self._options.tags, step.fetches)
        comparison = Comparison(plain.resolve(*step), examples(plain.signatures, step, path), self._clock)
        config = self._config(path)
        request = ChildRequest(
            path=path,
            tags=self._options.tags,
            config=_of_one_run(config),
            signatures=signatures,
            step=step,
            example=comparison.example,
            libraries=self._libraries,
            max_files=_files_to_spare(),
        )
        optimize = self._children.optimize
        optimized = self._cache.optimized(request, optimize) if self._cache is not None else optimize(request)
        servable = self._open(plain, step, optimized, config.SerializeToString())
        try:
            return servable, comparison.outcome(servable.resolve(*step), _tolerance(config))
        except BaseException:
            servable.close()
            raise

    def _check_sizes(self, path: Path) -> None:
        sizes = Sizes(
            weights=sum(_size(file) for file in path.glob("variables/variables.data-*")),
            graph=_size(path / SAVED_MODEL),
            available=self._available_bytes(),
        )
        candidates.check_sizes(sizes, self._max_weights_bytes)

    def _config(self, path: Path) -> Any:
        config = ConfigProto.FromString(saved_model_config.merged(path, self._options.session_config))
        if config.graph_options.rewrite_options.disable_meta_optimizer:
            raise NotOptimizedError("its configuration turns TensorFlow's graph optimiser off")
        if self._bfloat16:
            config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = _ON
        return config

    def _open(
        self, plain: SavedModelServable, step: Step, optimized: Optimized, session_config: bytes
    ) -> SavedModelServable:
        try:
            session = open_optimized(libtensorflow.load(), optimized, session_config)
        except ServingError as error:
            optimized.close()
            raise NotOptimizedError(f"the optimised graph cannot be loaded: {error}") from error
        session.may_loop = plain.may_loop
        return plain.on_session(session, WholeStep(session, step, plain.executor).part)


def from_settings(settings: Settings, options: SavedModelOptions) -> OptimizeStage | None:
    """The stage that is asked for; None with --optimize=off. Raises ConfigurationError for another word."""
    try:
        precision = Precision(settings.optimize)
    except ValueError:
        expected = ", ".join(each.value for each in Precision)
        raise invalid_configuration(
            f"--optimize={settings.optimize} is not understood; expected one of {expected}"
        ) from None
    if precision is Precision.OFF:
        return None
    cpu = _CPUINFO.read_text() if _CPUINFO.exists() else ""
    bfloat16 = precision is Precision.FAST and cpus.has_bfloat16(cpu)
    if precision is Precision.FAST and not bfloat16:
        logger.info("--optimize=fast is as safe here: this CPU does not compute with bfloat16")
    directory = settings.optimize_cache_dir
    return OptimizeStage(
        options,
        bfloat16=bfloat16,
        max_weights_bytes=settings.optimize_max_weights_bytes,
        children=Children(),
        cache=Cache(Path(directory), cpus.cpu_model(cpu)) if directory else None,
        libraries=custom_ops.named_by(settings.custom_op_libraries),
    )


def _tolerance(config: Any) -> float:
    lower = config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 == _ON
    return comparing.BFLOAT16_PRECISION if lower else comparing.SAME_PRECISION


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _files_to_spare() -> int:
    """How many files one model may keep open: a part of what is left, for clients need some as well."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return _MAX_FILES
    return min(_MAX_FILES, max(limit - sum(1 for _ in _OPEN_FILES.iterdir()), 0) // _SHARE_OF_FILES)


def _of_one_run(config: Any) -> bytes:
    """The same for the child, which makes one run at a time and needs no threads for more."""
    alone = ConfigProto()
    alone.CopyFrom(config)
    del alone.session_inter_op_thread_pool[:]
    return bytes(alone.SerializeToString())
