"""Text protos in files, read for a person: what is wrong with one, at which line and column, and what was meant."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from serving.doctor.finding import Finding, fails
from serving.doctor.reading import missing, obstacle
from serving.protos import POOL

_MOST_SHOWN = 100
_NO_FIELD = re.compile(r'Message type "(?P<message>[\w.]+)" has no field named "(?P<field>\w+)"')
_PLACE = re.compile(r"\d+:\d+ : ('.*': )?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """A file that a flag names, and what kind of message it ought to hold."""

    flag: str
    path: Path
    message_class: Any

    @property
    def what(self) -> str:
        """Its name in a row."""
        return f"--{self.flag}={self.path}"

    @property
    def kind(self) -> str:
        """The name of its messages."""
        return str(self.message_class.DESCRIPTOR.name)

    def wrong(self) -> Finding | None:
        """Why it cannot be read as such a message; None if it can."""
        unreadable = self._unreadable()
        if unreadable is not None:
            return unreadable
        text = self.path.read_text("utf-8", "replace")
        if not text:
            return fails(self.what, "is empty", f"Write a text {self.kind} into it, or leave the flag out.")
        try:
            text_format.Parse(text, self.message_class(), descriptor_pool=POOL)
        except text_format.ParseError as error:
            return self._mistake(text, error)
        return None

    def at(self, text: str, line: int, column: int, found: str, advice: str = "") -> Finding:
        """A row about a place in the file, with the line as it is there; lines and columns count from 1."""
        lines = text.split("\n")
        shown = lines[line - 1].strip()[:_MOST_SHOWN] if line <= len(lines) else ""
        return fails(self.what, f"line {line}, column {column}: {found} The line is: {shown or '(empty)'}", advice)

    def _unreadable(self) -> Finding | None:
        stopped = obstacle(self.path)
        if stopped is not None:
            return fails(self.what, stopped, f"chmod a+r {self.path}, or run as its owner.")
        if not self.path.exists():
            return fails(self.what, missing(self.path), f"Give --{self.flag} the path of a text {self.kind}.")
        if self.path.is_dir():
            return fails(self.what, "is a directory", f"Give --{self.flag} the path of a text {self.kind} in it.")
        return None

    def _mistake(self, text: str, error: text_format.ParseError) -> Finding:
        said = _PLACE.sub("", str(error), count=1)
        line, column = error.GetLine() or 1, error.GetColumn() or 1
        unknown = _NO_FIELD.search(said)
        if unknown is None:
            return self.at(text, line, column, said, f"Expected a text {self.kind}; a bracket or quote may be open.")
        fields = _fields(unknown["message"])
        near = get_close_matches(unknown["field"], fields, n=1)
        found = f"{unknown['message'].rpartition('.')[2]} has no field {unknown['field']}."
        return self.at(
            text, line, column, found, f"Did you mean {near[0]}?" if near else f"It has: {', '.join(fields)}."
        )


def line_of(text: str, patterns: Iterable[str], number: int = 0) -> tuple[int, int]:
    """Line and column of a match, the ``number``-th of the first pattern that has so many; the file's begin if none."""
    for pattern in patterns:
        found = list(re.finditer(pattern, text))
        if number < len(found):
            start = found[number].start()
            return text.count("\n", 0, start) + 1, start - (text.rfind("\n", 0, start) + 1) + 1
    return 1, 1


def _fields(message: str) -> list[str]:
    try:
        return sorted(POOL.FindMessageTypeByName(message).fields_by_name)
    except KeyError:
        return []
