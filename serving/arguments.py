"""What was probably meant by arguments that are not understood, in sentences for whoever typed them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from serving.settings import FLAGS

_KINDS = {flag.name: flag.kind for flag in FLAGS}

_ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "config_path": "model_config_file",
        "grpc_port": "port",
        "http_port": "rest_api_port",
        "model_path": "model_base_path",
        "model_repository": "model_config_file",
        "model_store": "model_config_file",
        "rest_port": "rest_api_port",
    }
)
"""What other model servers call the same."""


class Misread(NamedTuple):
    """An argument, with the one behind it if that is its value, and what to write in their place."""

    argument: str
    advice: str
    value: str = ""

    @property
    def written(self) -> str:
        """As it was typed."""
        return f"{self.argument} {self.value}".rstrip()


def misread(unknown: Sequence[str]) -> Iterator[Misread]:
    """One for each argument that is not understood, in their order; what is behind ``--`` is one with it."""
    taken = False
    for argument, following in pairwise((*unknown, "")):
        if taken:
            taken = False
            continue
        if argument == "--":
            yield Misread(argument="--", advice="Take it out: it ends the flags, what comes behind it is passed over.")
            return
        found = _misread(argument, following)
        taken = bool(found.value)
        yield found


def _misread(argument: str, following: str) -> Misread:
    written, equals, value = argument.lstrip("-").partition("=")
    name = written.replace("-", "_")
    negated = name.removeprefix("no").lstrip("_")
    if argument.startswith("-") and name.startswith("no") and _KINDS.get(negated) == "bool":
        return Misread(argument=argument, advice=f"Write --{negated}=false.")
    near = _near(name)
    if near and (equals or argument.startswith("-")):
        if equals:
            return Misread(argument=argument, advice=f"Did you mean --{near}={value}?")
        if _KINDS[near] == "bool":
            return Misread(argument=argument, advice=f"Did you mean --{near}?")
        belongs = bool(following) and not following.startswith("-")
        shown = f"--{near}={following if belongs else 'VALUE'}"
        return Misread(
            argument=argument, value=following if belongs else "", advice=f"Write {shown}, with = and without a blank."
        )
    if argument.startswith("/"):
        return Misread(argument=argument, advice=f"Did you mean --model_base_path={argument}?")
    return Misread(argument=argument, advice="Flags have the form --name=value; --help lists them.")


def _near(name: str) -> str:
    if name in _KINDS:
        return name
    lower = name.lower()
    if lower in _ELSEWHERE or lower in _KINDS:
        return _ELSEWHERE.get(lower, lower)
    from difflib import get_close_matches  # only here: most starts have no such argument

    return next(iter(get_close_matches(lower, _KINDS, n=1)), "")
