"""Optimisation as a stage of loading: a model that gains from it is served from an optimised graph (docs/operating.md).

The stage puts the parts together; ``servables/optimize.py`` decides, and a child process does the work.
"""

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from serving.core.servable import Run, Servable, ServableId
from serving.core.tensor import Tensor
from serving.core.version_files import SAVED_MODEL
from serving.errors import ServingError, invalid_configuration
from serving.host import memory
from serving.optimizing import decisions as optimize
from serving.optimizing import graph_state
from serving.optimizing.cache import Cache
from serving.optimizing.decisions import NotOptimizedError, Precision, Sizes, Step
from serving.optimizing.examples import Example, examples
from serving.optimizing.process import Children, Optimized, Order
from serving.optimizing.session import WholeStep, open_optimized
from serving.protos import ConfigProto, message
from serving.servables import custom_ops, libtensorflow, saved_model_config
from serving.servables.saved_model import SavedModelOptions, SavedModelServable
from serving.settings import Settings
from serving.telemetry.log import logger

_SavedModel = message("tensorflow.SavedModel")
_CPUINFO = Path("/proc/cpuinfo")
_OPEN_FILES = Path("/proc/self/fd")

_ON = 1  # RewriterConfig.Toggle
_NO_LIMIT = 0
_ROUNDS, _MEASURING_SECONDS = 5, 2.0
"""How often the two are compared, and when to stop before."""

_MAX_FILES, _SHARE_OF_FILES = 256, 4
"""A model has at most so many files of weights, and this part of those that the process may still open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Measured seconds per call before and after, and the largest difference of the answers."""

    plain_seconds: float
    seconds: float
    difference: float


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
        cache: Cache | None = None,
        libraries: Sequence[Path] = (),
        children: Children | None = None,
        available_bytes: Callable[[], int | None] = memory.available_bytes,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._options = options
        self._bfloat16 = bfloat16
        self._max_weights_bytes = max_weights_bytes
        self._cache = cache
        self._libraries = tuple(str(path.resolve()) for path in libraries)
        self._children = children if children is not None else Children()
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

    def close(self) -> None:
        """End the children."""
        self._children.close()

    def _optimized(self, plain: SavedModelServable, path: Path) -> tuple[SavedModelServable, Outcome]:
        self._check_sizes(path)
        step, signatures = optimize.one_step(plain.signatures)
        _check_state(path, self._options.tags, step)
        tried = self._answers(plain, step, path)
        run, (first, _) = plain.resolve(*step), tried[0]
        optimize.check_call(min(self._seconds(run, first) for _ in range(2)))
        config = self._config(path)
        order = Order(
            path=path,
            tags=self._options.tags,
            config=config.SerializeToString(),
            signatures=signatures,
            step=step,
            example=first,
            libraries=self._libraries,
            max_files=_files_to_spare(),
        )
        servable = self._open(plain, step, self._made(order), order.config)
        try:
            return servable, self._compared(run, servable.resolve(*step), tried, _tolerance(config))
        except BaseException:
            servable.close()
            raise

    def _check_sizes(self, path: Path) -> None:
        sizes = Sizes(
            weights=sum(_size(file) for file in path.glob("variables/variables.data-*")),
            graph=_size(path / SAVED_MODEL),
            available=self._available_bytes(),
        )
        optimize.check_sizes(sizes, self._max_weights_bytes)

    def _config(self, path: Path) -> Any:
        config = ConfigProto.FromString(saved_model_config.merged(path, self._options.session_config))
        if config.graph_options.rewrite_options.disable_meta_optimizer:
            raise NotOptimizedError("its configuration turns TensorFlow's graph optimiser off")
        if self._bfloat16:
            config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = _ON
        return config

    def _answers(self, plain: SavedModelServable, step: Step, path: Path) -> list[tuple[Example, list[Tensor]]]:
        """What the model can be tried with, and its answers. What it refuses is left out."""
        run = plain.resolve(*step)
        tried = []
        for example in examples(plain.signatures, step, path):
            try:
                tried.append((example, run(example, _NO_LIMIT)))
            except ServingError as error:
                logger.debug("%s refuses an example: %s", path, error)
        if not tried:
            raise NotOptimizedError("there is nothing to compare its answers on; give it warm-up requests")
        return tried

    def _made(self, order: Order) -> Optimized:
        """The optimised graph, from the cache if it is there."""
        cache = self._cache
        if cache is None:
            return self._children.optimize(order)
        try:
            key = cache.key(order)
        except OSError as error:
            raise NotOptimizedError(f"its files cannot be read: {error}") from error
        found = cache.find(key)
        if found is not None:
            return found
        made = self._children.optimize(order)
        try:
            cache.keep(key, made)
        except OSError as error:
            logger.warning("--optimize_cache_dir=%s cannot be written to: %s", cache.directory, error.strerror)
        return made

    def _open(
        self, plain: SavedModelServable, step: Step, optimized: Optimized, session_config: bytes
    ) -> SavedModelServable:
        try:
            session = open_optimized(libtensorflow.load(), optimized, session_config)
        except ServingError as error:
            optimized.close()
            raise NotOptimizedError(f"the optimised graph cannot be loaded: {error}") from error
        return plain.answered_by(session, WholeStep(session, step, plain.executor).part)

    def _compared(
        self, plain: Run, run: Run, tried: Sequence[tuple[Example, list[Tensor]]], tolerance: float
    ) -> Outcome:
        try:
            difference = max(
                optimize.check_answers(answers, run(example, _NO_LIMIT), tolerance) for example, answers in tried
            )
            before, after = self._measured(plain, run, tried[0][0])
        except ServingError as error:
            raise NotOptimizedError(f"the optimised graph cannot be run: {error}") from error
        optimize.check_gain(before, after)
        return Outcome(plain_seconds=before, seconds=after, difference=difference)

    def _measured(self, plain: Run, run: Run, example: Example) -> tuple[float, float]:
        """The shortest calls of both, taken in turn so that what else the machine does hits both."""
        end = self._clock() + _MEASURING_SECONDS
        before, after = [self._seconds(plain, example)], [self._seconds(run, example)]
        while len(before) < _ROUNDS and self._clock() < end:
            before.append(self._seconds(plain, example))
            after.append(self._seconds(run, example))
        return min(before), min(after)

    def _seconds(self, run: Run, example: Example) -> float:
        began = self._clock()
        run(example, _NO_LIMIT)
        return self._clock() - began


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
    bfloat16 = precision is Precision.FAST and optimize.has_bfloat16(cpu)
    if precision is Precision.FAST and not bfloat16:
        logger.info("--optimize=fast is as safe here: this CPU does not compute with bfloat16")
    directory = settings.optimize_cache_dir
    return OptimizeStage(
        options,
        bfloat16=bfloat16,
        max_weights_bytes=settings.optimize_max_weights_bytes,
        cache=Cache(Path(directory), optimize.cpu_model(cpu)) if directory else None,
        libraries=custom_ops.named_by(settings.custom_op_libraries),
    )


def _check_state(path: Path, tags: Sequence[str], step: Step) -> None:
    try:
        saved_model = _SavedModel.FromString((path / SAVED_MODEL).read_bytes())
    except OSError as error:
        raise NotOptimizedError(f"{SAVED_MODEL} cannot be read: {error.strerror}") from error
    for meta_graph in saved_model.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == set(tags):
            operation = graph_state.operation_with_state(
                meta_graph, step.fetches, graph_state.operations_without_state()
            )
            if operation is not None:
                raise NotOptimizedError(f"the operation {operation} may keep state from call to call")
            return
    raise NotOptimizedError(f"{SAVED_MODEL} has no graph with its tags")


def _tolerance(config: Any) -> float:
    lower = config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 == _ON
    return optimize.BFLOAT16_PRECISION if lower else optimize.SAME_PRECISION


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
