"""A program for a test: the server with a policy, which says on standard output what it is asked.

usage: python -m tests.server.doors.refusing --flags of the server
"""

import json
import os
import sys
import threading

from serving.core.model_spec import ModelSpec
from serving.errors import Code, ServingError
from serving.host.cpus import usable_cpus
from serving.inference.context import RequestContext
from serving.inference.principal import Right
from serving.server import run
from serving.settings import parse
from serving.telemetry import log

ASKED = "The policy is asked: "
GUARDED = ("half_plus_two", "classifier", "")
TEXT = "Expected the team of the model in x-team"


def admit(context: RequestContext, address: ModelSpec, size: int) -> None:
    """Half plus two, the classifier and what is for no model are for team ``a``; anybody may ask for the others.

    Everybody may see the metrics.
    """
    if context.right is Right.METRICS:
        return
    team = context.headers.get("x-team")
    tell(context, address, size)
    if address.name in GUARDED and team != "a":
        raise ServingError(Code.UNAUTHENTICATED if team is None else Code.PERMISSION_DENIED, TEXT)


def tell(context: RequestContext, address: ModelSpec, size: int) -> None:
    """Print what the policy sees, in one piece: the library writes to the same pipe, and not always whole lines."""
    seen = {
        "request_id": context.request_id,
        "door": context.door,
        "protocol": context.protocol,
        "peer": context.peer,
        "team": context.headers.get("x-team"),
        "names": [*context.headers],
        "timeout_ms": context.timeout_ms,
        "address": address,
        "size": size,
        "certificate": context.certificate_names,
        "thread": threading.current_thread().name,
    }
    os.write(sys.stdout.fileno(), f"\n{ASKED}{json.dumps(seen)}\n".encode())


if __name__ == "__main__":
    log.set_up()
    cpus = usable_cpus()
    sys.exit(run(parse(sys.argv[1:], cpus).settings, cpus, admit))
