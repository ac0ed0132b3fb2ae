"""The state of the server and its samples as JSON, each as somebody with some rights, and some models, may see it."""

import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass, replace
from threading import Lock
from typing import Any

import orjson

from serving.inference.principal import Principal, Right
from serving.ui.values import Sample, StateView


class Written:
    """The state and the samples as bytes, for whoever may see what; each is written once. Thread-safe, and blocking."""

    def __init__(self, state: Callable[[], StateView], sample: Callable[[], Sample]) -> None:
        self._state, self._sample = state, sample
        self._lock = Lock()
        self._states: tuple[StateView | None, dict[object, bytes]] = None, {}
        self._samples: tuple[Sample | None, dict[object, bytes]] = None, {}

    def state(self, principal: Principal | None) -> tuple[StateView, bytes]:
        """What there is, and the same as somebody may see it; the very state of before if nothing has changed."""
        seen = self._state()
        with self._lock:
            if self._states[0] is not seen:
                self._states = seen, {}
            kept = self._states[1]
            who = _kind(principal)
            if who not in kept:
                kept[who] = _state_json(seen, principal)
            return seen, kept[who]

    def sample(self, principal: Principal | None) -> bytes:
        """Numbers of the models that somebody may see."""
        seen = self._sample()
        with self._lock:
            if self._samples[0] is not seen:
                self._samples = seen, {}
            kept = self._samples[1]
            who = _kind(principal)
            if who not in kept:
                shown = {name: each for name, each in seen.models.items() if _may_use(principal, name)}
                all_models = principal is None or principal.models is None
                workers = seen.workers if all_models else ()  # how many requests there were of models of others
                kept[who] = as_json(replace(seen, models=shown, workers=workers))
            return kept[who]


def _kind(principal: Principal | None) -> object:
    """What is the same for all who see the same."""
    return None if principal is None else (principal.models, principal.rights)


def _may_use(principal: Principal | None, model: str) -> bool:
    return principal is None or principal.may_use(model)


def _state_json(state: StateView, principal: Principal | None) -> bytes:
    shown = tuple(model for model in state.models if _may_use(principal, model.name))
    server, findings = state.server, state.findings
    if principal is not None and principal.models is not None:  # both name models of others
        waits = "; for ".join(model.waits_for for model in shown if model.waits_for)
        server, findings = replace(server, waits_for=f"Waiting for {waits}" if waits else ""), ()
    rights = (Right.PREDICT, Right.READ, Right.ADMIN)
    may = {right.value: principal is None or right in principal.rights for right in rights}
    seen = {"server": server, "may": may, "models": shown, "findings": findings, "examined": state.examined}
    return as_json(seen)


def as_json(value: Any) -> bytes:
    """Without what HTML would take for a tag; what is no Unicode in a name is escaped."""
    try:
        written = orjson.dumps(value)
    except TypeError:
        written = json.dumps(value, default=_plain).encode()
    return written.replace(b"<", b"\\u003c")


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
