"""Which model version and signature a request is for."""

from typing import NamedTuple

from serving.core.signature import DEFAULT_SIGNATURE_NAME


class ModelSpec(NamedTuple):
    """A request's address: ``version`` and ``label`` exclude each other; neither is the latest available version."""

    name: str
    version: int | None = None
    label: str | None = None
    signature_name: str = ""

    @property
    def signature(self) -> str:
        """The name of the signature to use."""
        return self.signature_name or DEFAULT_SIGNATURE_NAME
