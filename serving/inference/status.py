"""Status: the states of a model's versions (docs/grpc.md, "Status")."""

from collections.abc import Mapping
from typing import Any

from serving.core.merged_states import Known
from serving.core.model_spec import ModelSpec
from serving.core.servable import ServableState
from serving.errors import Code, ServingError


def model_status(known: Known, name: str, version: int | None) -> tuple[ServableState, ...]:
    """Every version ever seen, highest first, or the one asked for. NOT_FOUND if there is nothing to tell."""
    states = known.states(name)
    if version is not None:
        states = tuple(state for state in states if state.id.version == version)
        if not states:
            raise ServingError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")
    if not states:
        raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
    return states


def is_ready(known: Known, address: ModelSpec, labels: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether a request for this address finds a version that answers it."""
    versions, wanted = known.answerable(address.name), address.version
    if address.label is not None:
        wanted = labels.get(address.name, {}).get(address.label)
        return wanted in versions
    return bool(versions) if wanted is None else wanted in versions


def fill(response: Any, states: tuple[ServableState, ...]) -> None:
    """Write the states into a GetModelStatusResponse message."""
    for state in states:
        version = response.model_version_status.add(version=state.id.version, state=int(state.state))
        version.status.SetInParent()
        if state.error is not None:
            version.status.error_code = int(state.error.code)
            version.status.error_message = state.error.text
        elif state.note:
            version.status.error_message = state.note
