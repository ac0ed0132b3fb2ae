"""The command line: argument vector to settings, settings to a running server, its end to an exit status."""

import os
import sys
from collections.abc import Sequence

from serving.errors import ServingError
from serving.host import allocator
from serving.host.cpus import usable_cpus
from serving.settings import FLAGS, BadFlagError, CommandLine, parse, usage
from serving.telemetry import log
from serving.telemetry.log import logger
from serving.telemetry.quoting import quoted

_PROGRAM = "tensorflow_model_server"
_FAILED = 255
_TENSORFLOWS_LINES = ("\nSpecified file path: ", "\n\t [[")
"""How the further lines of its errors begin."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop. Exit status 0 after a drain, 255 for settings or models that cannot be served."""
    given = sys.argv[1:] if arguments is None else arguments
    cpus = usable_cpus()
    try:
        command_line = parse(given, cpus)
    except BadFlagError as error:
        print(quoted(str(error)), file=sys.stderr)
        print(usage(_PROGRAM, cpus), end="")
        return _FAILED
    if command_line.unknown[:1] == ("--help",):
        print(usage(_PROGRAM, cpus), end="")
        return _FAILED
    if command_line.settings.version:
        from serving.server import versions  # loads the library, which takes a moment

        print(versions())
        return 0
    if command_line.unknown:
        print(f"unknown argument: {quoted(command_line.unknown[0])}\n{usage(_PROGRAM, cpus)}", end="")
    return _serve(command_line, cpus)


def _set_up_library() -> None:
    """What TensorFlow's library reads when it is loaded, as far as whoever starts the server has not said it."""
    # It warns of each run that fails, in the words of whoever sent it: line breaks and escapes, past our own log.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Its own pool never gives the weights of a version back that was unloaded.
    os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
    if not any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        allocator.set_up_allocator()


def _serve(command_line: CommandLine, cpus: int) -> int:
    _set_up_library()
    log.set_up()  # once more, for those who call ``main`` themselves
    for argument in command_line.unknown:
        logger.warning(
            "Argument %s is not understood and passed over; flags have the form --name=value, --help lists them",
            argument,
        )
    for flag in FLAGS:
        if flag.note and flag.name in command_line.given:
            logger.warning("--%s: %s", flag.name, flag.note)
    from serving.server import run  # after the flags: --help and --version need no server

    try:
        return run(command_line.settings, cpus)
    except ServingError as error:
        print(f"Failed to start server. Error: {_reason(error)}")
        return _FAILED


def _reason(error: ServingError) -> str:
    """What was wrong, in the lines that TensorFlow writes it in, and no more than these."""
    text = quoted(str(error))
    for beginning in _TENSORFLOWS_LINES:
        text = text.replace(quoted(beginning), beginning)
    return text
