"""What is read of a server's processes, and what the tables say of it; nothing is measured here."""

import os
import subprocess
import sys
import time

from tests.bench.payloads import Form
from tests.bench.results import Outcome
from tests.bench.workers import CELLS, Cell, Found, cpu_seconds, outcome, processes_of, pss_mb

_CHILD = "import sys; print(flush=True); sys.stdin.read()"


def test_connections() -> None:
    """So many in all, or as many for each."""
    assert [Cell(form=Form.JSON).connections(count) for count in (1, 2)] == [8, 8]
    assert [Cell(form=Form.JSON, for_each=True).connections(count) for count in (1, 2)] == [8, 16]


def test_processes_and_what_they_use() -> None:
    """A process and its children: time adds up, and so does memory."""
    before = cpu_seconds([os.getpid()])
    began = time.process_time()
    while time.process_time() - began < 0.1:
        pass
    assert cpu_seconds([os.getpid()]) - before >= 0.05
    with subprocess.Popen([sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        processes = processes_of(os.getpid())
        assert {os.getpid(), child.pid} <= set(processes)
        assert pss_mb([os.getpid(), child.pid]) > pss_mb([child.pid]) > 1


def test_tables() -> None:
    """A ratio for each load, with the bar; memory as a difference; who had fewer of the calls."""
    each = Found(micros={1: [100.0, 100.0], 2: [105.0, 115.0]}, memory={1: [90.0], 2: [190.0]}, calls=[(3, 1), (2, 2)])
    made: Outcome = outcome(dict.fromkeys(CELLS, each))
    assert [round(row.value, 2) for row in made.rows] == [1.1] * len(CELLS) + [100.0]
    assert [row.met for row in made.rows] == [True] * len(CELLS) + [None]
    (table,) = made.tables
    assert table.lines[0] == ("REST, 8 connections in all", "38%", "25% 50%")
