"""What the flags say of records of requests and of limits on them: values for the request layer, None where off."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from serving.core.concurrency import Limits
from serving.core.model_spec import ModelSpec
from serving.inference.accounts import Accounts, Observer, Say, echoed, timing
from serving.inference.answered_by import AnsweredBy
from serving.inference.context import Admit, RequestContext
from serving.inference.limits import Elsewhere, Limiter
from serving.inference.requests import Requests
from serving.settings import Settings
from serving.telemetry.serving_metrics import ServingMetrics
from serving.tls import CredentialsFile

if TYPE_CHECKING:
    from serving.telemetry.version_metrics import VersionMetrics
    from serving.tracing.tracer import Tracing

_ADAPTIVE_WAITING = 4
"""More would wait for long while few are in flight, to be measured."""


def limiter(settings: Settings, elsewhere: Elsewhere | None = None) -> Limiter | None:
    """Who may be in flight, here and ``elsewhere``; None if nothing limits that. ``--api_keys_file`` has quotas."""
    limits = _limits(settings)
    limited = limits.in_flight or limits.in_flight_per_model or limits.adaptive or settings.api_keys_file
    return Limiter(limits, elsewhere=elsewhere) if limited else None


def _limits(settings: Settings) -> Limits:
    in_flight, of_model = max(settings.max_in_flight, 0), max(settings.max_in_flight_per_model, 0)
    waiting = settings.max_waiting_requests
    if waiting < 0:
        waiting = max(in_flight, of_model) or _ADAPTIVE_WAITING
    return Limits(
        in_flight=in_flight,
        in_flight_per_model=of_model,
        adaptive=settings.adaptive_in_flight,
        most_waiting=waiting,
        wait_seconds=settings.max_wait_seconds,
    )


def requests(
    parts: tuple[Any, ...],
    accounts: Accounts | None,
    limiter: Limiter | None,
    engines: AnsweredBy | None,
    *,
    recorded: bool,
) -> Requests:
    """What every request for a model goes through, made of ``parts``; ``recorded`` ones have records in any case."""
    if not recorded and accounts is None and limiter is None:
        return Requests(*parts)
    from serving.inference.entrance import Entrance  # who limits nothing and keeps no records does without

    return Entrance(*parts, limiter=limiter, engines=engines)


def accounts(
    settings: Settings, observers: Sequence[Observer], write: Callable[[int, str], None], worker: int | None
) -> Accounts | None:
    """Who keeps records, and tells ``observers`` and the access log; None if nobody wants any."""
    told = [*observers, *_access_log(settings, write, worker)]
    say: list[Say] = []
    if settings.access_log or settings.request_ids or settings.server_timing or settings.tracing:
        say.append(echoed)
    if settings.server_timing:
        say.append(timing)
    return Accounts(told, say, traces=bool(settings.tracing)) if told or say else None


def _access_log(settings: Settings, write: Callable[[int, str], None], worker: int | None) -> list[Observer]:
    form = settings.access_log
    if not form:
        return []
    from serving.telemetry.access_log import AccessLog, Sampling  # who has none does without

    sampling = Sampling(rate=settings.access_log_sampling_rate, slow_seconds=max(settings.access_log_slow_ms, 0) / 1000)
    return [AccessLog(write, as_json=form == "json", sampling=sampling, worker=worker)]


def together(*policies: Admit | None) -> Admit | None:
    """One policy of several, in this order, of which each may refuse; None for none."""
    given = [each for each in policies if each is not None]
    if len(given) < 2:
        return given[0] if given else None

    def admit(context: RequestContext, address: ModelSpec, size: int) -> None:
        for each in given:
            each(context, address, size)

    return admit


def tracing(
    settings: Settings,
    otlp_protocol: str,
    metrics: ServingMetrics,
    version_metrics: "VersionMetrics | None",
    tls: CredentialsFile | None,
) -> "Tracing | None":
    """Who sends traces; None without --tracing."""
    if not settings.tracing:
        return None
    from serving.telemetry.exemplars import Exemplars  # who traces nothing does without these
    from serving.tracing.opening import open_tracing

    return open_tracing(
        otlp_protocol, metrics.registry, rest_tls=tls is not None, traced=Exemplars(metrics, version_metrics)
    )
