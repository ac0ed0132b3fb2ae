"""What follows files while a server serves: the certificates of both doors, the list of models."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from serving import tls
from serving.composition.parts import Composition
from serving.loading.config_loop import ConfigLoop
from serving.rest.server import RestDoor

if TYPE_CHECKING:
    from serving.processes.group import Group


def follow_certificates(
    composition: Composition,
    event_loop: asyncio.AbstractEventLoop,
    door: RestDoor | None,
    stop: AsyncExitStack,
    died: Callable[[BaseException], None],
) -> None:
    """Let both doors use other certificates when their files change, until ``stop``."""
    files = [file for file in (composition.grpc_tls, composition.rest_tls) if file is not None]
    if not files:
        return
    if composition.rest_tls is not None and door is not None:
        composition.rest_tls.changed = lambda credentials: asyncio.run_coroutine_threadsafe(
            door.renew(tls.server_context(credentials)), event_loop
        ).result()
    loop = tls.CertificateLoop(files, died)
    loop.start()
    stop.callback(loop.stop)


def follow_config_file(
    composition: Composition, died: Callable[[BaseException], None], group: "Group | None" = None
) -> ConfigLoop | None:
    """Read --model_config_file again and again, if the flags say so; of a ``group`` the one who leads does."""
    settings = composition.settings
    if not settings.model_config_file or settings.model_config_file_poll_wait_seconds <= 0:
        return None
    loop = ConfigLoop(
        Path(settings.model_config_file),
        composition.models,
        wait_seconds=settings.model_config_file_poll_wait_seconds,
        on_death=died,
        on_list=composition.on_list,
        reads=None if group is None else lambda: group.leads,
    )
    loop.start()
    return loop
