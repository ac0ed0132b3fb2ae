"""What the flags say of records of requests and of limits on them: values for the request layer, None where off."""

from collections.abc import Callable, Sequence
from typing import Any

from serving.core.concurrency import Limits
from serving.core.model_spec import ModelSpec
from serving.inference.accounts import Accounts, Observer, Say, echoed, timing
from serving.inference.answered_by import AnsweredBy
from serving.inference.context import Admit, RequestContext
from serving.inference.limits import Limiter
from serving.inference.requests import Requests
from serving.settings import Settings

_ADAPTIVE_WAITING = 4
"""More would wait for long while few are in flight, to be measured."""


def limiter(settings: Settings) -> Limiter | None:
    """Who may be in flight; None if nothing limits that. ``--api_keys_file`` may, for it has quotas."""
    limits = _limits(settings)
    limited = limits.in_flight or limits.in_flight_per_model or limits.adaptive or settings.api_keys_file
    return Limiter(limits) if limited else None


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


def both(first: Admit, second: Admit | None) -> Admit:
    """Two policies, of which each may refuse."""
    if second is None:
        return first

    def admit(context: RequestContext, address: ModelSpec, size: int) -> None:
        first(context, address, size)
        second(context, address, size)

    return admit
