"""The command line: argument vector to settings, settings to a running server, its end to an exit status."""

import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from serving import arguments
from serving.arguments import Misread
from serving.configuration import flag_values
from serving.configuration.hosting import with_hosting
from serving.errors import ConfigurationError, ServingError
from serving.host.cpus import usable_cpus
from serving.settings import FLAGS, BadFlagError, CommandLine, Settings, Variables, parse, usage
from serving.telemetry import log
from serving.telemetry.log import logger
from serving.telemetry.quoting import quoted

if TYPE_CHECKING:
    from serving.processes.child import Place

_PROGRAM = "tensorflow_model_server"
_FAILED = 255
_FATAL_ALONE = "3"
"""TensorFlow's level for what ends the process."""
_JSON = "json"
_FORMAT = "--log_format="
_TENSORFLOWS_LINES = ("\nSpecified file path: ", "\n\t [[")
"""How the further lines of its errors begin."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop. Exit status 0 after a drain, 255 for settings or models that cannot be served."""
    try:
        given = with_hosting(sys.argv[1:] if argv is None else argv, os.environ)
    except ServingError as error:
        print(f"Failed to start server. Error: {_reason(error)}")
        return _FAILED
    worker, cpus = _worker(), usable_cpus()
    if worker is not None:
        cpus = -(-cpus // worker.of)  # its share, rounded up, for no CPU is to be idle
    if _asks_for_doctor(given, cpus):
        return _doctor(given, cpus)
    try:
        command_line = parse(given, cpus)
    except BadFlagError as error:
        if _last_format(given) == _JSON:
            log.set_up(as_json=True)
        print(usage(_PROGRAM, cpus), end="", flush=True)
        print(quoted(str(error)), file=sys.stderr)  # below the usage, which fills a screen
        return _FAILED
    if command_line.unknown[:1] == ("--help",):
        print(usage(_PROGRAM, cpus), end="")
        return _FAILED
    if command_line.settings.version:
        from serving.server import versions  # loads the library, which takes a moment

        print(versions())
        return 0
    if "--make_api_key" in command_line.unknown:
        print("--make_api_key has no value; expected --make_api_key=name, with an equals sign", file=sys.stderr)
        return _FAILED
    if "make_api_key" in command_line.given:
        return _make_api_key(command_line.settings)
    if worker is not None:
        return _work(command_line, cpus, worker)
    if command_line.unknown:
        print(f"unknown argument: {quoted(command_line.unknown[0])}\n{usage(_PROGRAM, cpus)}", end="")
    return _serve(command_line, cpus)


def _asks_for_doctor(given: Sequence[str], cpus: int) -> bool:
    """Before all flags are parsed: one that cannot be is among what the doctor tells."""
    try:
        asked = parse([each for each in given if each.partition("=")[0] == "--doctor"], cpus)
    except BadFlagError:
        return False
    return asked.settings.doctor and "--help" not in given


def _doctor(given: Sequence[str], cpus: int) -> int:
    """Exit status 1 if something fails, otherwise 0."""
    variables = dict(os.environ)  # as they were given, before the server adds its own
    _set_up_library(as_json=False)
    from serving.doctor.report import report

    return report(given, variables, cpus)


def _make_api_key(settings: Settings) -> int:
    """Standard output has the key, and its entry unless that went into the file; standard error says which is which."""
    from serving.access.making import make_key  # only here: a server makes none

    path = settings.api_keys_file
    try:
        made = make_key(settings.make_api_key, settings.api_key_rights, settings.api_key_models, path)
    except ServingError as error:
        print(f"No key was made. Error: {_reason(error)}", file=sys.stderr)
        return _FAILED
    print(made.key if path else f"{made.key}\n{made.entry}")
    told = f"Its entry is in {path}" if path else "The second line is its entry for the list in --api_keys_file"
    print(f"The key of {settings.make_api_key} is shown this once. {quoted(told)}.", file=sys.stderr)
    return 0


def _set_up_library(as_json: bool) -> None:
    """What the libraries read when they are loaded, as far as whoever starts the server has not said it.

    Between JSON lines there are none of theirs, whatever was said. What they write before they abort is written always.
    """
    # It warns of each run that fails, in the words of whoever sent it: line breaks and escapes, past our own log. Its
    # errors are those that calls and loads end with, once more.
    quiet = {"TF_CPP_MIN_LOG_LEVEL": _FATAL_ALONE}
    if as_json:
        quiet["GRPC_VERBOSITY"] = "NONE"
    for name, value in quiet.items():
        if as_json and os.environ.get(name, value) != value:
            logger.info("%s=%s is passed over, for --log_format=json has no lines of libraries", name, os.environ[name])
            del os.environ[name]
        os.environ.setdefault(name, value)
    # Its own pool never gives the weights of a version back that was unloaded.
    os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
    if not any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        from serving.host import allocator  # here: a mistyped flag is told without

        allocator.set_up_allocator()


def _last_format(given: Sequence[str]) -> str:
    """What a command line that cannot be read says of the format of the log."""
    said = [argument.removeprefix(_FORMAT) for argument in given if argument.startswith(_FORMAT)]
    return said[-1] if said else ""


def _serve(command_line: CommandLine, cpus: int) -> int:
    as_json = command_line.settings.log_format == _JSON
    log.set_up(as_json=as_json)  # in text once more, for those who call ``main`` themselves
    misread = list(arguments.misread(command_line.unknown))
    _tell(logging.WARNING, misread)
    for flag in FLAGS:
        if flag.note and flag.name in command_line.given:
            logger.warning("--%s: %s", flag.name, flag.note)
    try:
        flag_values.check(command_line.settings)  # before anything is loaded, which takes seconds
    except ConfigurationError as error:
        return _failed(error, misread)
    _set_up_library(as_json)
    try:
        if command_line.settings.workers != "1" and not command_line.settings.dry_run:
            from serving.processes import starting  # one process does without

            if (status := starting.serve(command_line.settings, cpus, os.environ)) is not None:
                return status
        from serving.server import run  # after the flags: --help and --version need no server

        return run(command_line.settings, cpus, variables=_variables())
    except ServingError as error:
        from serving.doctor.at_start import explain_failure  # a start that works needs none of it

        explain_failure(command_line.settings, cpus)
        return _failed(error, misread)


def _worker() -> "Place | None":
    """Which worker of a supervisor this process is; programs that it starts are none."""
    if not (text := os.environ.pop("SERVING_WORKER", "")):
        return None
    from serving.processes.child import place  # a server of one process does without

    return place(text)


def _work(command_line: CommandLine, cpus: int, worker: "Place") -> int:
    """Serve as one of several; the supervisor has said what is wrong with the flags, and says why there is no start."""
    from serving.processes.group import Group

    as_json = command_line.settings.log_format == _JSON
    # The first start of a worker is as that of the first worker: it is told of only if something is wrong with it.
    log.set_up(as_json=as_json, worker=worker.worker, hold=worker.worker > 0)
    _set_up_library(as_json)
    group = Group(worker)
    settings = group.settings(command_line.settings)
    try:
        from serving.server import run

        return run(settings, cpus, variables=_variables(), group=group)
    except ServingError as error:
        if not worker.worker:
            from serving.doctor.at_start import explain_failure

            explain_failure(settings, cpus)
        group.failed(_reason(error))
        return _FAILED


def _failed(error: ServingError, misread: Sequence[Misread]) -> int:
    """The reason comes last, where everybody looks for it; behind it only what was probably meant by the flags."""
    print(f"Failed to start server. Error: {_reason(error)}", flush=True)
    if isinstance(error, ConfigurationError) and (advice := flag_values.advice(error)):
        logger.error("%s", advice)
    _tell(logging.ERROR, misread)
    return _FAILED


def _tell(level: int, misread: Sequence[Misread]) -> None:
    for each in misread:
        logger.log(level, "Argument %s is not understood and passed over. %s", each.written, each.advice)


def _variables() -> Variables:
    """Of OpenTelemetry's variables, the one about all signals comes second."""
    names = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
    otlp_protocol = next((value for name in names if (value := os.environ.get(name, ""))), "")
    return Variables(otlp_protocol=otlp_protocol, cpu_note=os.environ.get("SERVING_CPU_NOTE", ""))


def _reason(error: ServingError) -> str:
    """What was wrong, in the lines that TensorFlow writes it in, and no more than these."""
    text = quoted(str(error))
    for beginning in _TENSORFLOWS_LINES:
        text = text.replace(quoted(beginning), beginning)
    return text
