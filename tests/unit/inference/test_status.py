"""Status: which versions are told, and what of them."""

import pytest

from serving.core.manager import Manager
from serving.core.servable import ServableState, State
from serving.errors import Code, ServingError
from serving.inference import status
from serving.protos import GetModelStatusResponse
from tests.support import aspire, fails, servable_id, serving, settle, summary


def test_all_versions_highest_first() -> None:
    """Without a version every one ever seen is told, those at END too."""
    manager = serving(1)
    aspire(manager, 2)
    settle(manager)
    assert summary(status.model_status(manager, "m", None)) == [(2, "AVAILABLE"), (1, "END")]


def test_one_version() -> None:
    """With a version it is told alone."""
    manager = serving(1)
    aspire(manager, 2)
    settle(manager)
    assert summary(status.model_status(manager, "m", 1)) == [(1, "END")]


@pytest.mark.parametrize(
    ("name", "version", "text"),
    [
        pytest.param("m", 7, "Could not find version 7 of model m", id="version"),
        pytest.param("m", 0, "Could not find version 0 of model m", id="version 0"),
        pytest.param("other", None, "Could not find any versions of model other", id="model"),
        pytest.param("other", 7, "Could not find version 7 of model other", id="version of an unknown model"),
        pytest.param("", None, "Could not find any versions of model ", id="no name"),
    ],
)
def test_nothing_to_tell(name: str, version: int | None, text: str) -> None:
    """NOT_FOUND with TensorFlow Serving's text."""
    with pytest.raises(ServingError) as raised:
        status.model_status(serving(1), name, version)
    assert (raised.value.code, raised.value.message) == (Code.NOT_FOUND, text)


def test_message_of_a_sound_version() -> None:
    """The status is there, and OK."""
    response = GetModelStatusResponse()
    status.fill(response, serving(1).states("m"))
    (version,) = response.model_version_status
    assert (version.version, version.state) == (1, 30)
    assert version.HasField("status")
    assert (version.status.error_code, version.status.error_message) == (0, "")


def test_message_of_a_failed_version() -> None:
    """A version that could not be loaded is at END with code and text."""
    manager = Manager(max_load_retries=0)
    manager.set_aspired("m", {1: fails(ServingError(Code.DATA_LOSS, "unreadable"))})
    settle(manager)
    response = GetModelStatusResponse()
    status.fill(response, manager.states("m"))
    (version,) = response.model_version_status
    assert (version.state, version.status.error_code, version.status.error_message) == (50, 15, "unreadable")


def test_text_that_is_not_unicode() -> None:
    """Undecodable bytes in a text do not keep the status from being told."""
    error = ServingError(Code.INTERNAL, "bad \udcff")
    response = GetModelStatusResponse()
    status.fill(response, (ServableState(id=servable_id(1), state=State.END, error=error),))
    assert response.model_version_status[0].status.error_message == "bad \ufffd"
