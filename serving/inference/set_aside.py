"""Versions that end the process: their requests are refused, and they are not loaded, so that the others serve."""

import re
from collections.abc import Callable, Mapping

from serving.core.handle import ServingMap
from serving.core.lifecycle import ReservationError
from serving.core.model_spec import ModelSpec
from serving.core.servable import ServableId
from serving.errors import Code, ServingError
from serving.inference.context import RequestContext
from serving.inference.principal import Right

_TEXT = re.compile(r"\{name: (.*) version: -?\d+\}", re.DOTALL)


class SetAside:
    """``sentences`` says why, by the texts of the versions; it is replaced whole. ``serving`` has what is served."""

    def __init__(self) -> None:
        self.sentences: Mapping[str, str] = {}
        self.serving: Callable[[], ServingMap] = ServingMap

    @property
    def models(self) -> frozenset[str]:
        """The names of their models."""
        return frozenset(it[1] for text in self.sentences if (it := _TEXT.fullmatch(text)))

    def admit(self, context: RequestContext, address: ModelSpec, size: int) -> None:
        """A policy of the request layer. UNAVAILABLE for the run of a version that is set aside."""
        if not self.sentences or context.right is not Right.PREDICT or not address.name:
            return
        try:
            lease = self.serving().find(address.name, address.version, address.label)
            text = str(lease.id)
        except ServingError:  # it is not loaded, as it is in a worker that was started since
            text = self._text_of(address)
        if (sentence := self.sentences.get(text)) is not None:
            raise ServingError(Code.UNAVAILABLE, sentence)

    def _text_of(self, address: ModelSpec) -> str:
        """A version that is set aside and may be meant, or nothing."""
        if address.version is not None:
            return str(ServableId(name=address.name, version=address.version))
        return next((text for text in self.sentences if (it := _TEXT.fullmatch(text)) and it[1] == address.name), "")

    def check_load(self, servable_id: ServableId) -> None:
        """Raise the error of a version that is not to be loaded; a retry would not help."""
        if (sentence := self.sentences.get(str(servable_id))) is not None:
            raise ReservationError(Code.FAILED_PRECONDITION, sentence)
