"""A verdict opened in the server: sessions and compiled models that have made their first call before they serve."""

import base64
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from serving.codecs.protobuf import tensor_proto
from serving.core.servable import ServableId
from serving.core.signature import LOADER_SIGNATURES
from serving.core.tensor import Tensor
from serving.errors import ServingError
from serving.openvino import library as openvino
from serving.openvino.body import Body, BodyPlan
from serving.openvino.compiled import CompiledModel
from serving.openvino.compiling import EngineSettings, Numbers
from serving.openvino.library import OpenVinoError
from serving.optimizing.candidates import Group, NotOptimizedError, Step
from serving.optimizing.choice import Engine
from serving.optimizing.comparing import check_answers
from serving.optimizing.engine_servable import Engines, StepEngines
from serving.optimizing.freezing import FrozenGraph
from serving.optimizing.session import WholeStep, open_filled, open_frozen
from serving.optimizing.step_engine import EngineObserver, Models, StepEngine
from serving.optimizing.trying import Terms
from serving.optimizing.verdict import OpenVinoPart, StepVerdict, Verdict, read_example
from serving.protos import TensorProto
from serving.servables import libtensorflow
from serving.servables.run_limits import NO_LIMITS
from serving.servables.saved_model import SavedModelServable
from serving.servables.session import SessionRun
from serving.servables.threads import ModelThreads

_NO_LIMIT = 0


def opened(
    verdict: Verdict,
    plain: SavedModelServable,
    groups: Sequence[Group],
    terms: Terms,
    servable_id: ServableId,
    observer: EngineObserver,
) -> Engines:
    """The engines that the verdict says are best; they own its files. Raises NotOptimizedError, all being closed."""
    opening = _Opening(plain, terms, servable_id, observer)
    opening.stack.callback(verdict.close)
    try:
        steps = [opening.step(group, step) for group, step in zip(groups, verdict.steps, strict=True)]
    except (OpenVinoError, ServingError) as error:
        opening.stack.close()
        raise NotOptimizedError(f"what was made of it cannot be opened: {error}") from error
    except BaseException:
        opening.stack.close()
        raise
    answered = {name for each in steps if each.tensorflow is not None for name in each.group.answered}
    needed = {name for name in plain.signatures if not name.startswith(LOADER_SIGNATURES)}
    return Engines(plain if needed - answered else None, steps, opening.stack.close)


class _Opening:
    """Opens the steps of one version; what is opened is closed by ``stack``, in the reverse order."""

    def __init__(
        self, plain: SavedModelServable, terms: Terms, servable_id: ServableId, observer: EngineObserver
    ) -> None:
        self._plain = plain
        self._terms = terms
        self._id = servable_id
        self._observer = observer
        self.stack = ExitStack()

    def step(self, group: Group, verdict: StepVerdict) -> StepEngines:
        """One step, after its first calls."""
        tensorflow = None if verdict.tensorflow is None else self._tensorflow(group.step, verdict.tensorflow.graph)
        engine = None if verdict.openvino is None else self._openvino(group.step, verdict.openvino)
        if verdict.example is not None:
            tried = read_example(verdict.example)
            example, answers = _decoded(tried.inputs), _decoded(tried.answers)
            if verdict.tensorflow is not None and verdict.tensorflow.optimized and tensorflow is not None:
                check_answers(answers, tensorflow.whole(example, _NO_LIMIT), self._terms.tolerance)
            if engine is not None:
                engine.warm_up(example, answers, self._terms.tolerance)
        return StepEngines(group=group, tensorflow=tensorflow, openvino=engine)

    def _tensorflow(self, step: Step, graph: FrozenGraph) -> WholeStep:
        session = open_frozen(libtensorflow.load(), graph, self._terms.config)
        session.may_loop, session.ranks = self._plain.may_loop, self._plain.ranks
        self.stack.callback(session.close)
        return WholeStep(session, step, self._plain.executor)

    def _openvino(self, step: Step, part: OpenVinoPart) -> StepEngine | None:
        if part.table.engines == {Engine.TENSORFLOW}:
            return None
        head = None
        if part.head is not None:
            graph = FrozenGraph(graph=part.head).read()
            session = open_filled(libtensorflow.load(), graph, self._terms.config)
            session.may_loop, session.ranks = self._plain.may_loop, self._plain.ranks
            self.stack.callback(session.close)
            head = SessionRun(session, step.feeds, part.plan.head, self._plain.executor)
        executor = self._plain.executor
        engine = StepEngine(
            self._id,
            Body(part.plan, step.feeds, step.fetches, head),
            part.table,
            self._models(part),
            executor.limits if isinstance(executor, ModelThreads) else NO_LIMITS,
            {each: self._observer.engine_calls(self._id.name, self._id.version, each) for each in part.table.engines},
            may_loop=self._plain.may_loop,
        )
        self.stack.callback(engine.close)
        return engine

    def _models(self, part: OpenVinoPart) -> Callable[[], Models]:
        def models() -> Models:
            numbers = self._terms.numbers or Numbers.FLOAT32
            threads = self._terms.threads
            streams = {Engine.OPENVINO: 1, Engine.OPENVINO_STREAMS: threads}
            return {
                engine: _model(
                    part.plan, part.blob, EngineSettings(threads=threads, streams=streams[engine], numbers=numbers)
                )
                for engine in part.table.engines
                if engine in streams
            }

        return models


def _model(plan: BodyPlan, blob: int, settings: EngineSettings) -> CompiledModel:
    inputs, outputs = [each.port for each in plan.inputs], [each.port for each in plan.outputs]
    return CompiledModel(openvino.load(), settings, blob, inputs, outputs)


def _decoded(texts: Sequence[str]) -> list[Tensor]:
    tensors = [tensor_proto.decode(TensorProto.FromString(base64.b64decode(text))) for text in texts]
    return [tensor for tensor in tensors if tensor is not None]
