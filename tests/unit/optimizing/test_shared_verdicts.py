"""Verdicts that one process has found and another takes over, with the files."""

import os
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from serving.optimizing.candidates import NotOptimizedError
from serving.optimizing.shared_verdicts import Lent, LentFile, SharedVerdicts
from serving.optimizing.verdict import StepVerdict, Verdict
from tests.support import servable_id

KEY = "key"


class Several:
    """Processes, here in one: each asks the others."""

    def __init__(self) -> None:
        self.all: list[SharedVerdicts] = []
        self.tried = 0

    def add(self) -> SharedVerdicts:
        """One more."""

        def ask(key: str) -> Iterator[Lent]:
            yield from (lent for each in self.all if each is not made and (lent := each.lent(key)) is not None)

        made = SharedVerdicts(ask, nullcontext)
        self.all.append(made)
        return made

    def verdict(self) -> Verdict:
        """What a trial finds."""
        self.tried += 1
        file = os.memfd_create("example")
        os.write(file, b"tried")
        return Verdict(steps=(StepVerdict(plain_seconds=0.5, example=file, tensorflow=None, openvino=None),))


def test_one_tries() -> None:
    """The other has the same file under a number of its own, also when the first has closed it."""
    several = Several()
    first, second = several.add(), several.add()
    one = first.verdict(servable_id(1), KEY, several.verdict)
    inode = os.fstat(one.files[0]).st_ino
    one.close()
    other = second.verdict(servable_id(1), KEY, several.verdict)
    assert several.tried == 1
    assert other.facts() == one.facts()
    assert os.fstat(other.files[0]).st_ino == inode
    assert os.pread(other.files[0], 10, 0) == b"tried"
    other.close()
    for each in several.all:
        each.forget(servable_id(1))


def test_nothing_is_lent_of_what_is_unloaded() -> None:
    """Its files are closed, and the next one tries again."""
    several = Several()
    first, second = several.add(), several.add()
    first.verdict(servable_id(1), KEY, several.verdict).close()
    lent = first.lent(KEY)
    first.forget(servable_id(1))
    assert lent is not None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(lent.files[0].number)
    second.verdict(servable_id(1), KEY, several.verdict).close()
    assert several.tried == 2
    second.forget(servable_id(1))


def test_a_number_that_is_of_another_file() -> None:
    """It is not taken for the file that was lent; a trial is made instead."""
    several = Several()
    second = several.add()
    found = several.verdict()
    status = os.fstat(found.files[0])
    lent = Lent(
        pid=os.getpid(),
        facts=found.facts(),
        files=(LentFile(number=found.files[0], device=status.st_dev, inode=status.st_ino + 1),),
    )
    made = SharedVerdicts(lambda _: [lent], nullcontext).verdict(servable_id(1), KEY, several.verdict)
    assert several.tried == 2
    for each in (made, found):
        each.close()
    second.forget(servable_id(1))


def test_reason_is_shared() -> None:
    """What one has found not to pay is not tried again."""
    several = Several()
    first, second = several.add(), several.add()

    def refuse() -> Verdict:
        several.tried += 1
        raise NotOptimizedError("it does not pay")

    for each in (first, second):
        with pytest.raises(NotOptimizedError, match="it does not pay"):
            each.verdict(servable_id(1), KEY, refuse)
    assert several.tried == 1


def test_what_was_given_up_is_no_reason_for_others() -> None:
    """It was unloaded, or its process ends: the other one tries."""
    several = Several()
    first, second = several.add(), several.add()

    def give_up() -> Verdict:
        raise NotOptimizedError("it is unloaded", expected=True)

    with pytest.raises(NotOptimizedError):
        first.verdict(servable_id(1), KEY, give_up)
    second.verdict(servable_id(1), KEY, several.verdict).close()
    assert several.tried == 1
    second.forget(servable_id(1))
