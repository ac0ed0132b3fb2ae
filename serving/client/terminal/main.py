"""The entry of the command: arguments in, an exit code out."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
from types import MappingProxyType
from typing import NoReturn

from serving.client.errors import ServingError
from serving.client.terminal import arguments, bench, listing, planning, predicting, show
from serving.client.terminal.errors import ProblemError, UsageError, sentence

_COMMANDS: Mapping[str, Callable[..., int]] = MappingProxyType(
    {
        "ls": listing.ls,
        "status": listing.status,
        "signatures": listing.signatures,
        "predict": predicting.predict,
        "bench": bench.bench,
        "plan": planning.plan,
    }
)

_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130


def command() -> NoReturn:
    """The program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if "GRPC_VERBOSITY" not in os.environ:
        _silence_grpc()
    sys.exit(main(sys.argv[1:], os.environ))


def _silence_grpc() -> None:
    """Leave the standard error to Python: gRPC's library writes lines of its own there, and its errors say the same."""
    kept = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    os.close(silent)
    sys.stderr = os.fdopen(kept, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)


def main(given: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command; gives the exit code: 0, 1 for what failed. SystemExit with 2 for most wrong arguments."""
    parsed = arguments.parser(environment).parse_args(given)
    parsed.colour = show.coloured(sys.stdout, environment)
    try:
        code = _COMMANDS[parsed.command](parsed)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has enough; nothing is left to be flushed at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (ProblemError, ServingError, ValueError, TypeError) as error:
        print(show.wrapped(f"serving-client: {sentence(error)}"), file=sys.stderr)
        return _USAGE if isinstance(error, UsageError) else _FAILED
    return code
