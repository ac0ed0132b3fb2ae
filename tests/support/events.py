"""A page that is open: the server-sent events of ``/ui/data/events``, read as a browser does."""

import http.client
import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NamedTuple

from tests.support.server_process import START_SECONDS, ServerProcess


class Event(NamedTuple):
    """One event by its name, and its data, read as JSON."""

    name: str
    data: Any


class EventStream:
    """Events of a server, from the next one on. A context manager; ``status`` and ``headers`` are the answer's."""

    def __init__(self, server: ServerProcess, headers: Mapping[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=START_SECONDS)
        self._connection.request("GET", "/ui/data/events", headers=dict(headers or {}))
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self.headers = self._response.headers

    def event(self) -> Event | None:
        """The next one; None at the end of the stream."""
        fields: dict[str, str] = {}
        for line in iter(lambda: self._response.readline().decode(), ""):
            if line == "\n" and "data" in fields:
                return Event(fields["event"], json.loads(fields["data"]))
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
        return None

    def until(self, holds: Callable[[Any], bool]) -> Any:
        """The data of the first state of which something holds; AssertionError if the stream ends before."""
        while (event := self.event()) is not None:
            if event.name == "state" and holds(event.data):
                return event.data
        raise AssertionError("the stream has ended")

    def close(self) -> None:
        """Leave."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> "EventStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
