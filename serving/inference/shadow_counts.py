"""What came of the shadow requests of one model: its state, its points on the metrics page, its lines in the log."""

from dataclasses import replace
from threading import Lock
from typing import NamedTuple

from serving.core.differences import TopOne
from serving.core.shadow import ShadowSpec, ShadowState, Share
from serving.errors import ServingError
from serving.telemetry.log import logger
from serving.telemetry.metrics import Counter, Family, Histogram, Registry

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Points(NamedTuple):
    """The metrics that all shadows share."""

    requests: Family[Counter]
    seconds: Family[Histogram]


class ShadowCounts:
    """Thread-safe."""

    def __init__(self, spec: ShadowSpec, points: Points) -> None:
        self.spec = spec
        self._labels = spec.model, str(spec.version)
        self._points = points
        self._share = Share(spec.share)
        self._lock = Lock()
        self._state = ShadowState(version=spec.version, share=spec.share)
        self._said = ""

    @staticmethod
    def points(registry: Registry) -> Points:
        """Register the metrics; once."""
        return Points(
            registry.counter("/serving/shadow_requests", "model_name", "version", "outcome"),
            registry.histogram("/serving/shadow_seconds", _SECONDS, "model_name", "version", "run", exact=True),
        )

    def draws(self) -> bool:
        """Whether the next request is one of the share."""
        with self._lock:
            return self._share.draws()

    def state(self) -> ShadowState:
        """All so far."""
        return self._state

    def compared(
        self, *, agrees: bool, live_seconds: float, shadow_seconds: float, largest: float | None, top: TopOne
    ) -> None:
        """Both versions have answered."""
        self._add(
            "agreed" if agrees else "differed",
            ShadowState(
                version=self.spec.version,
                share=self.spec.share,
                live_seconds=live_seconds,
                shadow_seconds=shadow_seconds,
                largest_difference=largest,
                top_1_agreed=top.agreed,
                top_1_rows=top.rows,
            ),
        )
        self._points.seconds.child(*self._labels, "live").observe(live_seconds)
        self._points.seconds.child(*self._labels, "shadow").observe(shadow_seconds)
        self._said = ""

    def dropped(self) -> None:
        """There was no room, or no quiet moment in time."""
        self._add("dropped", ShadowState(version=self.spec.version, share=self.spec.share))

    def failed(self, error: Exception) -> None:
        """The shadow has not answered."""
        self._add("failed", ShadowState(version=self.spec.version, share=self.spec.share))
        self._say("does not answer what another version has answered", error)

    def not_served(self, error: ServingError) -> None:
        """There is no such version at present: the request is dropped."""
        self.dropped()
        self._say("is not served, and gets no requests", error)

    def _add(self, outcome: str, more: ShadowState) -> None:
        with self._lock:
            self._state = self._state.plus(replace(more, **{outcome: 1}))
        self._points.requests.child(*self._labels, outcome).add()

    def _say(self, what: str, error: Exception) -> None:
        """Once, until it answers again."""
        if what != self._said:
            self._said = what
            text = error.text if isinstance(error, ServingError) else repr(error)
            logger.warning(
                "Version %d of model %s, a shadow (--shadow), %s: %s", self.spec.version, self.spec.model, what, text
            )
