"""What the flags say of memory: how much there is, whether models are loaded when asked for, and which stay."""

from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING, cast

from serving.core.manager import Manager
from serving.errors import first_few
from serving.host import memory
from serving.settings import Settings
from serving.telemetry.log import logger

if TYPE_CHECKING:
    from serving.core.lazy_manager import LazyManager
    from serving.inference.first_calls import FirstCalls


def budget_bytes(settings: Settings) -> int | None:
    """What the process may hold, in bytes; None if nothing says so."""
    if settings.memory_budget_mb > 0:
        return settings.memory_budget_mb * 2**20
    return memory.limit_bytes() if settings.memory_budget_mb == 0 else None


def manager(settings: Settings, budget: int | None) -> Manager:
    """Who has the versions: all of them at once, or with --lazy_load those that are asked for."""
    retries, interval = settings.max_num_load_retries, settings.load_retry_interval_micros
    if not settings.lazy_load:
        return Manager(max_load_retries=retries, load_retry_interval_micros=interval, budget_bytes=budget)
    from serving.core.lazy_manager import LazyManager  # who loads all at once does without

    return LazyManager(
        pinned=_pinned(settings),
        max_load_retries=retries,
        load_retry_interval_micros=interval,
        budget_bytes=budget,
    )


def first_calls(settings: Settings, of: Manager, interpreter: Lock) -> "FirstCalls | None":
    """What waits for models that ``of`` has not loaded; None without --lazy_load."""
    if not settings.lazy_load:
        return None
    from serving.inference.first_calls import FirstCalls

    return FirstCalls(cast("LazyManager", of), interpreter, timeout_seconds=settings.lazy_load_timeout_seconds)


def check_pins(settings: Settings, names: Iterable[str]) -> None:
    """Warn of pins that pin none of the models ``names``; a later configuration may have such a model."""
    pinned = _pinned(settings)
    unknown = sorted(pinned.difference(names))
    if unknown:
        logger.warning("--pin_models names %s, and there is no such model", first_few(unknown))
    if pinned and not settings.lazy_load:
        logger.warning("--pin_models is without effect: without --lazy_load every model stays")


def _pinned(settings: Settings) -> frozenset[str]:
    return frozenset(filter(None, map(str.strip, settings.pin_models.split(","))))
