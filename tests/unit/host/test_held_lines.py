"""Lines that a library writes while it is loaded: some are kept off standard error, and no others."""

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOADING = """
import ctypes, os, re
from serving.host.held_lines import without_lines
with without_lines(re.compile(rb"I\\d{4} ")):
    os.write(2, b"first\\nI0000 unwanted\\nsec")
    os.write(2, b"ond\\nI1234 unwanted\\n")
    %s
os.write(2, b"behind\\n")
"""


def run(what: str) -> tuple[int, list[str]]:
    """Status and standard error of a process that loads something."""
    command = [sys.executable, "-c", LOADING % what]
    result = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    return result.returncode, result.stderr.splitlines()


def test_only_what_is_unwanted_is_kept_off() -> None:
    """Other lines come through, in their order, and behind it everything does."""
    assert run("pass") == (0, ["first", "second", "behind"])


TOGETHER = """
import os, re, threading
from contextlib import suppress
from serving.host.held_lines import without_lines
inside = threading.Barrier(2)
def load():
    with without_lines(re.compile(rb"I\\d{4} ")):
        with suppress(threading.BrokenBarrierError):
            inside.wait(0.2)
        os.write(2, b"I0001 unwanted\\nwanted\\n")
threads = [threading.Thread(target=load) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
os.write(2, b"end\\n")
"""


def test_several_at_the_same_time_leave_standard_error_as_it_was() -> None:
    """Versions are loaded on threads of their own, and the first ones may need a library together."""
    command = [sys.executable, "-c", TOGETHER]
    result = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    assert result.stderr.splitlines() == [*["wanted"] * 8, "end"]


def test_error_puts_standard_error_back() -> None:
    """A library that cannot be loaded leaves it as it was."""
    status, lines = run("raise OSError('none')")
    assert status == 1
    assert lines[:2] == ["first", "second"]
    assert lines[-1] == "OSError: none"


def test_last_words_of_a_library_that_aborts() -> None:
    """They get through, also without an end of the line, and the process dies of its signal."""
    status, lines = run("os.write(2, b'F0000 last words'); ctypes.CDLL(None).abort()")
    assert status == -signal.SIGABRT
    assert lines == ["first", "second", "F0000 last words"]


def test_process_without_descriptors_loads_all_the_same() -> None:
    """Then the lines are there."""
    no_more = "; import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))"
    code = LOADING.replace("import ctypes, os, re", f"import ctypes, os, re{no_more}", 1).split("from serving", 1)
    text = f"from serving{code[1]}".split("\n", 1)
    script = f"{text[0]}\n{code[0]}\n{text[1]}" % "pass"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    assert result.stderr.splitlines() == ["first", "I0000 unwanted", "second", "I1234 unwanted", "behind"]
