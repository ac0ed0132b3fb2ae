"""The frame of a fault: a server under light load of a healthy model, and what must be so afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.held import MORE_MEBI, MORE_THREADS, held, wait_until_given_back
from tests.faults.light_load import Load, healthy
from tests.support.server_process import ServerProcess

FLAGS = ("--grpc_max_threads=4", "--rest_api_num_threads=4", "--max_num_load_retries=0")
"""Small pools, so that a thread too many shows."""


@contextmanager
def fault(
    server: ServerProcess, *, mebi: int = MORE_MEBI, threads: int = MORE_THREADS, y: float = 4.0
) -> Iterator[Load]:
    """Whatever happens within the block, ``healthy`` answers: meanwhile, afterwards, and holding no more than before.

    What clients may be told within the block they take out of ``trouble``.
    """
    with healthy(server, y=y).running():
        pass  # what is started by the first calls is there
    before = held(server)
    with healthy(server, y=y).running() as load:
        yield load
        load.is_answered()
    assert load.trouble == []
    after = wait_until_given_back(server, before, mebi=mebi, threads=threads)
    print(f"{before} -> {after}; {load.answered}")  # shown by pytest -rP
    assert "Traceback" not in "".join(server.output)
