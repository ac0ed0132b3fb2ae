"""Trials of engines by one worker at a time, of which the others take over what was found."""

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from serving.core.manager import Manager
from serving.core.servable import ServableState, State
from serving.errors import ServingError
from serving.optimizing.optimize_stage import OptimizeStage
from serving.optimizing.shared_verdicts import Lent, SharedVerdicts
from serving.processes.group import Group

_ASKED = "optimizing.verdict"
_LOOK_SECONDS = 0.1
_ANSWER_SECONDS = 10.0
"""A worker that does not answer in this time is none to take anything over from."""


def connect(group: Group, stage: OptimizeStage, manager: Manager) -> None:
    """Let this worker's trials be those of all."""

    def ask(key: str) -> Iterator[Lent]:
        try:
            answers = group.ask(_ASKED, key, _ANSWER_SECONDS)
        except ServingError:
            return
        for answer in answers:
            if answer.worker != group.index and isinstance(answer.value, Lent):
                yield answer.value

    shared = SharedVerdicts(ask, turn)

    def changed(state: ServableState) -> None:
        if state.state is State.END:
            shared.forget(state.id)

    group.on(_ASKED, shared.lent)
    manager.monitor.subscribe(changed)
    stage.shared = shared


@contextmanager
def turn() -> Iterator[None]:
    """No other worker of this supervisor is in such a block; whoever ends in one leaves it.

    Two servers in one network namespace whose supervisors have the same number only wait for each other.
    """
    pause = threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as place:
        while True:
            try:
                place.bind(f"\0serving/optimizing/{os.getppid()}")
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    break  # a sandbox has no such names: trials disturb each other, and nothing else is wrong
                pause.wait(_LOOK_SECONDS)
        yield
