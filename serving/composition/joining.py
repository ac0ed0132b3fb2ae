"""Becoming one of several workers: what is served then is what the others serve, not what the flags say."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from serving.composition.parts import Composition
from serving.configuration.model_config import Configured
from serving.configuration.named_models import named_by_flags
from serving.errors import ServingError
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.processes.group import Group


def named(settings: Settings, group: "Group | None") -> tuple[Configured, ServingError | None]:
    """The models of the flags, or the error in these: no matter to a worker that others tell what they serve."""
    try:
        return named_by_flags(settings), None
    except ServingError as error:
        if group is None:
            raise
        return None, error


async def join(
    composition: Composition,
    group: "Group",
    configured: Configured,
    unread: ServingError | None,
    end: Callable[[], object],
) -> Configured:
    """The models to begin with; ``end`` is called when the server is to end. Raises ``unread`` if nobody tells them."""
    from serving.composition import worker  # one process does without

    group.stop = end
    begin = await asyncio.to_thread(group.join)
    configured = await asyncio.to_thread(worker.begin, composition, begin, configured)
    if unread is not None and configured is None:
        raise unread
    return configured
