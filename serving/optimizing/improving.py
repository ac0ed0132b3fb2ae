"""One version improved: what qualifies is tried, what is better is opened and adopted, and what came of it is told.

The stage comes here with a version that is large enough; a server of small models never does.
"""

import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.core.servable import ServableId
from serving.core.signature import LOADER_SIGNATURES
from serving.core.version_files import SAVED_MODEL
from serving.optimizing import qualifying
from serving.optimizing.cache import Cache, key_of
from serving.optimizing.candidates import Group, NotOptimizedError
from serving.optimizing.engine_servable import EngineServable
from serving.optimizing.freezing import MAX_FILES, Model
from serving.optimizing.opening import opened
from serving.optimizing.policy import Policy
from serving.optimizing.process import Children
from serving.optimizing.step_engine import EngineObserver
from serving.optimizing.trying import Terms, Trier
from serving.optimizing.verdict import StepVerdict, Verdict
from serving.protos import ConfigProto
from serving.servables import saved_model_config
from serving.servables.saved_model import SavedModelServable
from serving.telemetry.log import logger

if TYPE_CHECKING:
    from serving.optimizing.shared_verdicts import SharedVerdicts

_OPEN_FILES = Path("/proc/self/fd")
_ON = 1  # RewriterConfig.Toggle
_SHARE_OF_FILES = 4
"""A model's weights are at most this part of the files that the process may still open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Improving:
    """How versions are improved; ``cache`` is None if nothing is kept, ``shared`` in a server of one process.

    ``check`` raises NotOptimizedError if there is no memory for a trial, where ``shared`` tells who makes one.
    """

    policy: Policy
    children: Children
    cache: Cache | None
    observer: EngineObserver
    return_free_pages: Callable[[], None]
    shared: "SharedVerdicts | None" = None
    check: Callable[[], None] = lambda: None
    cpu: str = ""

    def improve(
        self, changing: EngineServable, plain: SavedModelServable, servable_id: ServableId, path: Path
    ) -> str | None:
        """What is better, in words, once it is in effect; None if the version has been unloaded meanwhile.

        Blocks for as long as it takes. Raises NotOptimizedError if nothing is better.
        """
        tags = self.policy.options.tags
        qualified = qualifying.qualified(path / SAVED_MODEL, tags, plain.signatures)
        terms = self._terms(path)
        model = Model(path=path, tags=tags, config=_of_one_run(terms.config), libraries=self.policy.libraries)
        trier = Trier(
            children=self.children,
            model=model,
            groups=qualified.groups,
            terms=terms,
            every_signature=not _unanswered(plain, qualified.groups),
            given_up=lambda: changing.closed,
        )
        verdict = self._verdict(servable_id, model, trier)
        try:
            verdict.check()
        except NotOptimizedError:
            verdict.close()
            raise
        said = _said(qualified.groups, verdict)
        with changing.kept_open() as there:  # for its runs are opened on the graph as saved
            if not there:
                verdict.close()
                return None
            engines = opened(verdict, plain, qualified.groups, terms, servable_id, self.observer)
        if not changing.adopt(engines):
            return None
        self.return_free_pages()
        self._tell(servable_id, qualified.groups, verdict)
        return said

    def _verdict(self, servable_id: ServableId, model: Model, trier: Trier) -> Verdict:
        """What was found before, in another process of the server or by a trial. Raises NotOptimizedError."""

        def made() -> Verdict:
            if self.shared is not None:
                self.check()
            logger.info("Servable %s: trying faster ways to run it; --optimize=off leaves this out", servable_id)
            if self.cache is None:
                return trier.verdict()
            return self.cache.verdict(model, trier.groups, trier.terms, trier.verdict)

        if self.shared is None:
            return made()
        try:
            key = key_of(model, trier.groups, trier.terms, self.cpu)
        except OSError as error:
            raise NotOptimizedError(f"its files cannot be read: {error}") from error
        return self.shared.verdict(servable_id, key, made)

    def _tell(self, servable_id: ServableId, groups: Sequence[Group], verdict: Verdict) -> None:
        """What was chosen, by the first signature of each step."""
        for group, step in zip(groups, verdict.steps, strict=True):
            for cell in step.openvino.table.cells if step.openvino is not None else ():
                self.observer.engine_chosen(
                    servable_id.name,
                    servable_id.version,
                    group.answered[0],
                    cell.rows,
                    cell.calls,
                    cell.engine,
                    int(cell.milliseconds * 1000),
                )

    def _terms(self, path: Path) -> Terms:
        policy = self.policy
        config = ConfigProto.FromString(saved_model_config.merged(path, policy.options.session_config))
        if config.graph_options.rewrite_options.disable_meta_optimizer:
            raise NotOptimizedError("its configuration turns TensorFlow's graph optimiser off")
        if policy.bfloat16:
            config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = _ON
        return Terms(
            config=bytes(config.SerializeToString()),
            threads=policy.threads,
            rows=policy.rows,
            numbers=policy.openvino,
            tensorflow=policy.tensorflow,
            tolerance=policy.tolerance,
            max_files=_files_to_spare(),
        )


def _said(groups: tuple[Group, ...], verdict: Verdict) -> str:
    """One phrase for each step; its signatures are named where there are several."""
    several = len(groups) > 1
    return "; ".join(
        (f"{', '.join(group.answered)}: " if several else "") + _step_said(step)
        for group, step in zip(groups, verdict.steps, strict=True)
    )


def _step_said(step: StepVerdict) -> str:
    said = []
    if step.tensorflow is not None and step.tensorflow.optimized:
        said.append(
            f"TensorFlow's optimised graph, {step.tensorflow.seconds * 1000:.1f} ms per call instead of "
            f"{step.plain_seconds * 1000:.1f}; its answers differ by {step.tensorflow.difference:.1e} at most"
        )
    if step.openvino is not None:
        said.append(f"{step.openvino.table}; OpenVINO's answers differ by {step.openvino.difference:.1e} at most")
    return "; ".join([*(said or ["as it is saved"]), *step.reasons])


def _unanswered(plain: SavedModelServable, groups: Sequence[Group]) -> set[str]:
    """The signatures that no group answers."""
    named = {name for name in plain.signatures if not name.startswith(LOADER_SIGNATURES)}
    return named - {name for group in groups for name in group.answered}


def _files_to_spare() -> int:
    """How many files one model may keep open: a part of what is left, for clients need some as well."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return MAX_FILES
    return min(MAX_FILES, max(limit - sum(1 for _ in _OPEN_FILES.iterdir()), 0) // _SHARE_OF_FILES)


def _of_one_run(config: bytes) -> bytes:
    """The same for the child, which makes one run at a time and needs no threads for more."""
    alone: Any = ConfigProto.FromString(config)
    del alone.session_inter_op_thread_pool[:]
    return bytes(alone.SerializeToString())
