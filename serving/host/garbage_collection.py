"""Python's garbage collection, which is kept off the road of requests."""

import gc

_COLLECTION_THRESHOLDS = (10_000, 10, 10)
"""Objects more than were freed, before the youngest are walked (docs/adr/0009-garbage-collection-off-the-road.md)."""


def keep_off_the_road() -> None:
    """What has been loaded stays: collections during requests need not walk through it again, and are rare."""
    gc.set_threshold(*_COLLECTION_THRESHOLDS)
    gc.collect()
    gc.freeze()
