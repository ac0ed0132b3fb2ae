"""The requests that run no model: what a server and its models are, and how they are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from serving.core.handle import Handle
from serving.core.lifecycle import NotLoadedError
from serving.core.manager import Manager
from serving.core.merged_states import Known
from serving.core.model_spec import ModelSpec
from serving.core.servable import ServableId, ServableState
from serving.core.signature import DEFAULT_SIGNATURE_NAME
from serving.inference import infer, metadata, model_description, statistics, status
from serving.inference.call import Reply
from serving.inference.context import NO_MODEL, Admit, RequestContext
from serving.inference.long_call import Gone, LongCall
from serving.inference.model_description import ModelDescription
from serving.inference.principal import Right
from serving.inference.requests import Requests
from serving.inference.statistics import VersionStatistics
from serving.telemetry.series import UNCOUNTED, Series
from serving.telemetry.serving_metrics import ServingMetrics


class UncalledRequests:
    """As much of the service as is asked without a call. ``admit`` is asked for each of them; None admits all.

    ``known`` gives what knows the states of models, by default the manager.
    """

    def __init__(
        self,
        manager: Manager,
        metrics: ServingMetrics,
        requests: Requests,
        admit: Admit | None,
        known: Callable[[], Known] | None = None,
    ) -> None:
        self._known = known or (lambda: manager)
        self._manager = manager
        self._metrics = metrics
        self._when_loaded = requests.when_loaded
        self._admit = admit
        self._version = ""
        self._ready: Callable[[], bool] = lambda: True

    def metadata(
        self,
        address: ModelSpec,
        write: Callable[[ServableId, Any], bytes],
        context: RequestContext,
        size: int = 0,
    ) -> Reply:
        """The version that would answer, and its signatures as a SignatureDefMap message, as ``write`` writes them."""

        def of(handle: Handle) -> bytes:
            return write(handle.id, metadata.signature_def_map(handle.servable))

        return self._of_version(of, address, context, size)

    def describe(
        self,
        address: ModelSpec,
        signature_name: str,
        write: Callable[[ModelDescription], bytes],
        context: RequestContext,
        size: int = 0,
    ) -> Reply:
        """The version that would answer, as one of its signatures shows it; INVALID_ARGUMENT if it has none of it."""
        name = signature_name or DEFAULT_SIGNATURE_NAME

        def of(handle: Handle) -> bytes:
            signature = handle.plans.signatures.get(name)
            if signature is None:
                raise infer.missing(name)
            return write(ModelDescription(handle.id, self._known().answerable(address.name), signature))

        return self._of_version(of, address, context, size)

    def statistics(
        self,
        address: ModelSpec,
        write: Callable[[Sequence[VersionStatistics]], bytes],
        context: RequestContext,
        size: int = 0,
    ) -> Reply:
        """What was counted of the versions that can be asked for: of a model, of one version, of all for NO_MODEL."""

        def do(_: Gone) -> bytes:
            with self._counted(address, context, size):
                names = [address.name] if address.name else self._names(context)
                return write(statistics.of(self._manager, self._metrics, names, address.version))

        # Of all models it may take as long as a page of metrics does.
        return do(lambda: False) if address.name else LongCall(do)

    def model_ready(self, address: ModelSpec, context: RequestContext, size: int = 0) -> bool:
        """Whether requests for this address are answered."""
        with self._counted(address, context, size):
            return status.is_ready(self._known(), address, self._manager.serving.labels)

    def server_ready(self, context: RequestContext, size: int = 0) -> bool:
        """Whether every model is available; anybody may ask."""
        context.right = None
        self.admit(context, NO_MODEL, size)
        return self._ready()

    def server_metadata(self, context: RequestContext, size: int = 0) -> Mapping[str, Any]:
        """What the server is, by the names of the Open Inference Protocol."""
        with self._counted(NO_MODEL, context, size):
            return model_description.server_metadata(self._version)

    def know_server(self, version: str, ready: Callable[[], bool]) -> None:
        """Answer with this version, and ask this whether every model is available."""
        self._version, self._ready = version, ready

    def status(self, address: ModelSpec, context: RequestContext, size: int = 0) -> tuple[ServableState, ...]:
        """Every version ever seen, highest first, or the one asked for; a label is ignored. NOT_FOUND without any."""
        with self._counted(address, context, size):
            return status.model_status(self._known(), address.name, address.version)

    def models(self, context: RequestContext) -> Mapping[str, tuple[ServableState, ...]]:
        """Every model with the states of its versions, of those that the principal may use, if there is one.

        TensorFlow Serving has no such list.
        """
        with self._counted(NO_MODEL, context, 0):
            known = self._known()
            return {name: known.states(name) for name in self._names(context)}

    def admit(self, context: RequestContext, address: ModelSpec, size: int) -> None:
        """Let the policy refuse a request that is for nothing above, such as one for health. Raises ServingError."""
        if self._admit is not None:
            self._admit(context, address, size)

    def _of_version(
        self,
        of: Callable[[Handle], bytes],
        address: ModelSpec,
        context: RequestContext,
        size: int,
        *,
        admitted: bool = False,
    ) -> Reply:
        """What ``of`` gives of the version that would answer; it is loaded for that where --lazy_load has not."""
        try:
            with (
                self._counted(address, context, size, admitted=admitted),
                self._manager.acquire(address.name, address.version, address.label) as handle,
            ):
                return of(handle)
        except NotLoadedError as missing:
            begin = partial(self._of_version, of, address, context, size, admitted=True)
            return self._when_loaded(missing, begin, context, self._uncalled(address, context).failed)

    def _names(self, context: RequestContext) -> list[str]:
        """The models that the principal may use, if there is one; else all."""
        names, principal = sorted(self._known().models()), context.principal
        return names if principal is None else [name for name in names if principal.may_use(name)]

    @contextmanager
    def _counted(
        self, address: ModelSpec, context: RequestContext, size: int, *, admitted: bool = False
    ) -> Iterator[None]:
        """A request that runs no model."""
        context.right = Right.READ
        series = self._uncalled(address, context)
        began, record = series.clock(), context.record
        if record is not None:
            record.model = address.name
        try:
            if not admitted:
                self.admit(context, address, size)
            yield
        except NotLoadedError:  # it has not ended
            raise
        except BaseException as error:
            series.failed(error)
            if record is not None:
                record.failed(error)
            raise
        series.succeeded(began)

    def _uncalled(self, address: ModelSpec, context: RequestContext) -> Series:
        """What a request that runs no model counts into; nothing over gRPC, as in TensorFlow Serving."""
        return self._metrics.series("REST", "", address.name) if context.door == "REST" else UNCOUNTED
