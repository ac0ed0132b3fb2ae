"""Shadow requests as values: which version has a share of a model's requests, which of them, and what came of it."""

from dataclasses import dataclass
from typing import Any

_EXACT = 1e-9
"""Shares are not exact: ten times 0.1 is a little less than 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowSpec:
    """A ``share``, above 0 and up to 1, of the requests for ``model`` goes to ``version`` as well."""

    model: str
    version: int
    share: float


class Share:
    """Says of each request whether it is one of a share, evenly: the first one is. Not thread-safe."""

    __slots__ = ("_share", "_sum")

    def __init__(self, share: float) -> None:
        self._share = share
        self._sum = 1.0 - share

    def draws(self) -> bool:
        """Whether the next one is."""
        self._sum += self._share
        if self._sum < 1.0 - _EXACT:
            return False
        self._sum -= 1.0
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowState:
    """What came of the requests that one version has had as a shadow; those of several processes can be added.

    ``live_seconds`` and ``shadow_seconds`` are sums over the requests that were compared, of the time in the model;
    ``largest_difference`` is the largest of an element, None while nothing has been compared; ``top_1_rows`` are the
    rows of scores that were, ``top_1_agreed`` those of them with the same best column.
    """

    version: int
    share: float
    agreed: int = 0
    differed: int = 0
    failed: int = 0
    dropped: int = 0
    live_seconds: float = 0.0
    shadow_seconds: float = 0.0
    largest_difference: float | None = None
    top_1_agreed: int = 0
    top_1_rows: int = 0

    @property
    def compared(self) -> int:
        """Requests that both have answered."""
        return self.agreed + self.differed

    def plus(self, other: "ShadowState") -> "ShadowState":
        """Both together; ``other`` is of the same shadow."""
        known = [each for each in (self.largest_difference, other.largest_difference) if each is not None]
        return ShadowState(
            version=self.version,
            share=self.share,
            agreed=self.agreed + other.agreed,
            differed=self.differed + other.differed,
            failed=self.failed + other.failed,
            dropped=self.dropped + other.dropped,
            live_seconds=self.live_seconds + other.live_seconds,
            shadow_seconds=self.shadow_seconds + other.shadow_seconds,
            largest_difference=max(known, default=None),
            top_1_agreed=self.top_1_agreed + other.top_1_agreed,
            top_1_rows=self.top_1_rows + other.top_1_rows,
        )

    def shown(self) -> dict[str, Any]:
        """The same as JSON has it, with means in place of sums; null where there is nothing to tell of."""
        compared = self.compared
        seconds = {"live": self.live_seconds, "shadow": self.shadow_seconds}
        return {
            "version": str(self.version),
            "share": self.share,
            "compared": compared,
            "agreed": self.agreed,
            "dropped": self.dropped,
            "failed": self.failed,
            "seconds": {name: total / compared if compared else None for name, total in seconds.items()},
            "largest_difference": self.largest_difference,
            "top_1_agreement": self.top_1_agreed / self.top_1_rows if self.top_1_rows else None,
        }
