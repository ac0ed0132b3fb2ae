"""What came of optimising each version, in words, for people who ask; the log has the same lines."""

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from serving.core.servable import ServableId

_MOST_KEPT = 4096
TRYING = "Other engines are being tried; it is served as it is saved until then"


class Note(NamedTuple):
    """A sentence on the engine of a version; ``trying`` while others are still being tried."""

    said: str
    trying: bool = False


class Notes:
    """The last note of each version, of the versions that were last noted: they come and go for months. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._notes: OrderedDict[ServableId, Note] = OrderedDict()

    def put(self, servable_id: ServableId, note: Note) -> None:
        """Replace what is said of a version."""
        with self._lock:
            self._notes[servable_id] = note
            self._notes.move_to_end(servable_id)
            if len(self._notes) > _MOST_KEPT:
                self._notes.popitem(last=False)

    def of(self, servable_id: ServableId) -> Note:
        """What is said of a version; an empty sentence if nothing is."""
        with self._lock:
            return self._notes.get(servable_id, Note(""))
