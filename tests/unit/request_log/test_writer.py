"""The writing thread: it loses nothing in good times, and in bad ones only records, never a request's time."""

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.request_log.files import Create, RecordFile
from serving.request_log.writer import RecordWriter
from tests.support import TIMEOUT_SECONDS, ManualClock
from tests.support.server_process import wait_until
from tests.unit.request_log.disk import MOMENT, Disk

THREADS, EACH = 4, 50


@contextmanager
def writing(create: Create, *, max_queued_bytes: int = 1000) -> Iterator[RecordWriter]:
    """A writer that runs, and has ended afterwards."""
    writer = RecordWriter(
        Path("/logs"),
        max_file_bytes=1 << 20,
        max_queued_bytes=max_queued_bytes,
        create=create,
        clock=ManualClock(MOMENT),
    )
    writer.start()
    yield writer
    assert writer.close(TIMEOUT_SECONDS)


def test_what_is_offered_is_written_by_the_end() -> None:
    """Records go to the files of their prefixes, in order."""
    disk = Disk()
    with writing(disk.create) as writer:
        assert [writer.offer(*each) for each in [("a", b"1"), ("b", b"2"), ("a", b"3")]] == [True] * 3
    assert {name[0]: records for name, records in disk.records.items()} == {"a": [b"1", b"3"], "b": [b"2"]}
    assert sorted(disk.closed) == sorted(disk.files)


def test_many_threads_offer() -> None:
    """Nothing is lost or doubled when requests come on several threads; each one's records keep their order."""
    disk = Disk()

    def offer(thread: int) -> None:
        for number in range(EACH):
            assert writer.offer("m", b"%d %03d" % (thread, number))

    with writing(disk.create, max_queued_bytes=1 << 20) as writer:
        threads = [threading.Thread(target=offer, args=(thread,)) for thread in range(THREADS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(TIMEOUT_SECONDS)
    (written,) = disk.records.values()
    assert sorted(written) == [b"%d %03d" % (thread, number) for thread in range(THREADS) for number in range(EACH)]
    assert [each for each in written if each[:1] == b"0"] == sorted(each for each in written if each[:1] == b"0")


def test_starting_twice_is_starting_once() -> None:
    """Each list of models starts the writer anew; there is one thread all the same."""
    disk = Disk()
    with writing(disk.create) as writer:
        before = threading.active_count()
        writer.start()
        assert threading.active_count() == before


def test_slow_disk_drops_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    """While the disk hangs, offers return at once; what does not fit into the queue is dropped and told in one line."""
    disk = Disk(held=True)
    with writing(disk.create, max_queued_bytes=10) as writer:
        assert writer.offer("m", b"123456")
        assert disk.entered.wait(TIMEOUT_SECONDS)
        assert [writer.offer("m", b"123456"), writer.offer("m", b"1234"), writer.offer("m", b"1")] == [
            False,
            True,
            False,
        ]
        disk.release()
    assert list(disk.records.values()) == [[b"123456", b"1234"]]
    assert caplog.messages == ["The request log is too slow for its requests: 2 of them were not logged so far"]


def test_queue_has_room_again_once_it_is_written() -> None:
    """A writer that was too slow for a while logs again later."""
    disk = Disk()
    with writing(disk.create, max_queued_bytes=1) as writer:
        assert writer.offer("m", b"1")
        wait_until("the first record is written", lambda: writer.offer("m", b"2"), TIMEOUT_SECONDS)
    assert list(disk.records.values()) == [[b"1", b"2"]]


def test_full_disk_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """The first failure ends the log: one line says so, and what was written before is whole."""
    disk = Disk(room=40, held=True)
    with writing(disk.create) as writer:
        for record in (b"a", b"b", b"c", b"d"):
            assert writer.offer("m", record)
        disk.release()
    assert list(disk.records.values()) == [[b"a", b"b"]]
    assert caplog.messages == [
        "Request logging stops, 2 records are lost, serving goes on: cannot write below /logs: "
        "No space left on device. Put it right and restart the server to log again"
    ]
    assert disk.closed == list(disk.files)


def no_file(path: Path) -> RecordFile:
    raise PermissionError(errno.EACCES, "Permission denied")


def defect(path: Path) -> RecordFile:
    raise ValueError("a defect")


@pytest.mark.parametrize(
    ("create", "expected"),
    [
        pytest.param(no_file, "Permission denied", id="file"),
        pytest.param(defect, "ValueError('a defect')", id="defect"),
    ],
)
def test_other_failures(create: Create, expected: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever keeps the thread from writing is told once."""
    with writing(create) as writer:
        assert writer.offer("m", b"a")
    assert writer.failed
    assert [f"below /logs: {expected}. " in each for each in caplog.messages] == [True]


def test_nothing_is_taken_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    """A log that has stopped refuses records, and says nothing more."""
    with writing(no_file) as writer:
        assert writer.offer("m", b"a")
        assert writer.close(TIMEOUT_SECONDS)
        caplog.clear()
        assert not writer.offer("m", b"b")
    assert caplog.messages == []


def test_nothing_is_taken_after_the_end() -> None:
    """Records that come after ``close`` are refused."""
    disk = Disk()
    with writing(disk.create) as writer:
        pass
    assert not writer.offer("m", b"a")
    assert disk.files == {}


def test_end_does_not_wait_for_a_hanging_disk(caplog: pytest.LogCaptureFixture) -> None:
    """``close`` gives up after its time and says that records are lost."""
    disk = Disk(held=True)
    with writing(disk.create) as writer:
        assert writer.offer("m", b"a")
        assert disk.entered.wait(TIMEOUT_SECONDS)
        assert not writer.close(0)
        disk.release()
    assert "did not finish writing in time" in caplog.messages[0]


def test_writer_that_never_ran_ends() -> None:
    """A server without logged models has no thread to wait for."""
    assert RecordWriter(Path("/logs"), max_file_bytes=1).close(0)
