"""What workers ask each other, kept until everybody has answered; one of them at a time may change something."""

import pickle
from collections import deque
from collections.abc import Iterable

from serving.processes.child import Child
from serving.processes.wire import Kind, Message

GONE = -1
"""The status of an answer that does not come: its worker has ended."""


class _Question:
    def __init__(self, asker: Child, number: int) -> None:
        self.asker = asker
        self.number = number
        self.waits_for: set[int] = set()
        self.answers: list[tuple[int, int, bytes]] = []


class Questions:
    """Questions, answers, and who may change something now. ``kept`` is what later workers are to know."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self._last = 0
        self._open: dict[int, _Question] = {}
        self._locks: deque[tuple[Child, int]] = deque()

    @property
    def locked(self) -> bool:
        """Whether somebody is changing something: who joins now has to wait for the result."""
        return bool(self._locks)

    def ask(self, asker: Child, message: Message, workers: Iterable[Child]) -> None:
        """Put the question to all ``workers``, the asker among them."""
        self._last += 1
        question = self._open[self._last] = _Question(asker, message.number)
        for child in workers:
            question.waits_for.add(child.number)
            child.send(Kind.DO, self._last, asker.number, operation=message.operation, body=message.body)
        self._answer_if_complete(self._last)

    def reply(self, child: Child, message: Message) -> None:
        """One answer has come."""
        question = self._open.get(message.number)
        if question is not None and child.number in question.waits_for:
            question.waits_for.discard(child.number)
            question.answers.append((child.number, message.status, message.body))
            self._answer_if_complete(message.number)

    def lock(self, child: Child, number: int) -> None:
        """Let it change something, now or when those before it are done."""
        self._locks.append((child, number))
        if len(self._locks) == 1:
            self._grant()

    def unlock(self, child: Child) -> None:
        """It is done."""
        if self._locks and self._locks[0][0] is child:
            self._locks.popleft()
            self._grant()

    def gone(self, child: Child) -> None:
        """A worker has ended: it asks and changes nothing any more, and its answers do not come."""
        holds = bool(self._locks) and self._locks[0][0] is child
        self._locks = deque(each for each in self._locks if each[0] is not child)
        if holds:
            self._grant()
        for number, question in list(self._open.items()):
            if question.asker is child:
                del self._open[number]
            elif child.number in question.waits_for:
                question.waits_for.discard(child.number)
                question.answers.append((child.number, GONE, b""))
                self._answer_if_complete(number)

    def _grant(self) -> None:
        if self._locks:
            child, number = self._locks[0]
            child.send(Kind.LOCKED, number)

    def _answer_if_complete(self, number: int) -> None:
        question = self._open[number]
        if not question.waits_for:
            del self._open[number]
            question.asker.send(Kind.ANSWERS, question.number, body=pickle.dumps(sorted(question.answers)))
