"""The command line, argument by argument: values that cannot be read, unknown flags, flags that do nothing."""

from collections.abc import Iterator, Sequence

from serving.arguments import misread
from serving.doctor.finding import Finding, fails, ok, warning
from serving.settings import FLAGS, BadFlagError, CommandLine, parse


def read(arguments: Sequence[str], cpus: int) -> tuple[CommandLine, list[Finding]]:
    """The command line without what cannot be read of it, and a row for each of those; the others are looked at too."""
    good: list[str] = []
    findings: list[Finding] = []
    for position, argument in enumerate(arguments):
        if argument == "--":
            good.extend(arguments[position:])
            break
        try:
            parse([argument], cpus)
        except BadFlagError as error:
            findings.append(fails(argument.partition("=")[0], str(error)))
        else:
            good.append(argument)
    command_line = parse(good, cpus)
    return command_line, [*findings, *_unknown(command_line.unknown), *_without_effect(command_line)]


def understood(command_line: CommandLine, findings: Sequence[Finding]) -> list[Finding]:
    """The rows, or one that says that all is well."""
    return list(findings) or [ok("flags", f"{len(command_line.given)} given, all of them understood")]


def _unknown(arguments: Sequence[str]) -> Iterator[Finding]:
    for each in misread(arguments):
        over = f", and over {each.value}" if each.value else ""
        yield warning(
            f"argument {each.argument}", f"is not understood, and the server passes over it{over}", each.advice
        )


def _without_effect(command_line: CommandLine) -> Iterator[Finding]:
    for flag in FLAGS:
        if flag.note and flag.name in command_line.given:
            yield warning(f"--{flag.name}", flag.note, "Leave it out, if you counted on it.")
