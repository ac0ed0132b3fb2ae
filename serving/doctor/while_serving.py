"""The checks of --doctor that may be made beside a server that runs with the same flags: a program of its own.

Ports are left out, for the server has them, and so are the environment and TensorFlow's library. Graphs are not parsed:
the server has done that.
"""

import json
import logging
import os
import sys

from serving.doctor.examination import of_running_server
from serving.settings import Settings
from serving.telemetry.log import logger

_LEAST_URGENT = 19


def main() -> None:
    """Settings as JSON on standard input, findings as JSON on standard output."""
    os.nice(_LEAST_URGENT)
    logger.setLevel(logging.CRITICAL)
    request = json.load(sys.stdin)
    findings = of_running_server(Settings(**request["settings"]), request["cpus"])
    rows = [
        {"level": each.level.value, "what": each.what, "found": each.found, "advice": each.advice} for each in findings
    ]
    json.dump(rows, sys.stdout)
