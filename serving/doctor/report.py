"""``--doctor``: the table on standard output, and the exit status for scripts."""

import logging
import shutil
from collections.abc import Mapping, Sequence

from serving.doctor import examination, table
from serving.host import stop_signals
from serving.telemetry.log import logger


def report(arguments: Sequence[str], environment: Mapping[str, str], cpus: int) -> int:
    """Print all rows; 1 if something fails, otherwise 0. The parts that are asked write no lines of their own."""
    stop_signals.leave_to_system()
    logger.setLevel(logging.CRITICAL)
    findings = examination.everything(arguments, environment, cpus)
    columns = shutil.get_terminal_size((table.USUAL, 0)).columns
    print(table.text(findings, columns), end="")
    return int(table.failed(findings))
