"""The command line: its subcommands, and the options that all of them take."""

import argparse
import math
import re
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn

from serving.client.terminal.show import wrapped

ADDRESS, API_KEY = "SERVING_ADDRESS", "SERVING_API_KEY"
"""Variables of the environment that stand for --server and --api-key."""

_EPILOG = (
    f"In the environment {ADDRESS} stands for --server and {API_KEY} for --api-key; NO_COLOR turns colours off. "
    "Exit codes: 0 done, 1 failed, 2 wrong arguments."
)


_UNITS: Mapping[str, float] = MappingProxyType({"us": 1e-6, "ms": 1e-3, "s": 1.0})
_DURATION = re.compile(rf"(\d+(?:\.\d+)?|\.\d+) ?({'|'.join(_UNITS)})")


class _Parser(argparse.ArgumentParser):
    """One whose errors fit the terminal, as its help does."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(2, wrapped(f"{self.prog}: {message}") + "\n")


def parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """The parser of the whole command; ``environment`` has the defaults."""
    made = _Parser(
        prog="serving-client",
        description="Talk to a server of TensorFlow Serving's gRPC API or of the Open Inference Protocol (v2).",
        epilog=_EPILOG,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = _common(environment)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=[common])
        added.add_argument("--json", action="store_true", help="print JSON")
        return added

    ls = command("ls", "list the models and their states")
    ls.add_argument("--rest", metavar="HOST[:PORT]", help="take the list from this REST API (8501); https:// for TLS")
    _model(command("status", "show the states of a model's versions"))
    _model(command("signatures", "show what a model takes and gives"))
    predict = _model(command("predict", "ask a model for a prediction"))
    _inputs(predict, required=True)
    predict.add_argument("--output", metavar="FILE", help="write the outputs to this .npy (one of them) or .npz")
    bench = _model(command("bench", "measure how fast a model answers"))
    _inputs(bench, required=False)
    _load(bench)
    _plan(command("plan", "say how many servers a rate needs, from a measurement of one"))
    return made


def _common(environment: Mapping[str, str]) -> _Parser:
    common = _Parser(add_help=False)
    group = common.add_argument_group("server")
    group.add_argument(
        "--server",
        metavar="HOST[:PORT][,...]",
        default=environment.get(ADDRESS) or "localhost:8500",
        help="gRPC address, or several that take turns (%(default)s)",
    )
    group.add_argument("--protocol", choices=["auto", "tfs", "v2"], default="auto", help="auto asks the server")
    group.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=60.0, help="of each call (60)")
    group.add_argument("--api-key", metavar="KEY", default=environment.get(API_KEY, ""), help=f"better as {API_KEY}")
    group.add_argument("--tls", action="store_true", help="encrypt, and check the server's certificate")
    group.add_argument("--ca", metavar="FILE", help="PEM of who vouches for the server, in place of the system's")
    group.add_argument("--cert", metavar="FILE", help="PEM of a certificate of one's own, with --key-file")
    group.add_argument("--key-file", metavar="FILE", help="PEM of its private key")
    return common


def _model(command: argparse.ArgumentParser, *, required: bool = True) -> argparse.ArgumentParser:
    help_ = "the name that it is served under" if required else "its name; without it the server's only one"
    command.add_argument("model", nargs=None if required else "?", metavar="MODEL", help=help_)
    which = command.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, metavar="NUMBER", help="a version of it, in place of the newest")
    which.add_argument("--label", help="the version that has this label")
    return command


def _inputs(command: argparse.ArgumentParser, *, required: bool) -> None:
    command.add_argument(
        "--input",
        action="append",
        required=required,
        default=None if required else [],
        metavar="[NAME=]FILE",
        help="npy, npz, JSON or an image; - reads it from the standard input; several times for several inputs",
    )
    command.add_argument("--signature", default="", help="in place of serving_default")
    command.add_argument("--cast", action="store_true", help="convert arrays to the types that the model takes")
    command.add_argument(
        "--pixels", metavar="LOW:HIGH", type=_range, help="the range of pixels (0:1 for floats, 0:255 for ints)"
    )


def _load(bench: argparse.ArgumentParser) -> None:
    until = bench.add_mutually_exclusive_group()
    until.add_argument("--seconds", type=_seconds, default=None, help="measure for so long (10)")
    until.add_argument("--requests", type=_count, help="measure so many")
    bench.add_argument("--concurrency", type=_count, default=1, metavar="N", help="requests on their way at once (1)")
    bench.add_argument("--batch", type=_count, default=1, metavar="N", help="rows of the inputs that are made up (1)")


def _plan(plan: argparse.ArgumentParser) -> None:
    _model(plan, required=False)
    plan.add_argument("--model", dest="named", metavar="MODEL", help="the same as MODEL")
    _inputs(plan, required=False)
    plan.add_argument("--data", dest="input", action="append", metavar="FILE", help="the same as --input")
    plan.add_argument("--url", dest="server", default=argparse.SUPPRESS, metavar="HOST[:PORT]", help="as --server")
    plan.add_argument("--batch", type=_count, default=1, metavar="N", help="rows of the inputs that are made up (1)")
    wish = plan.add_argument_group("plan")
    wish.add_argument("--rate", type=_number, required=True, metavar="N", help="requests per second, of all clients")
    wish.add_argument("--p99", type=_duration, required=True, metavar="TIME", help="99%% are faster: 50ms, 0.2s")
    wish.add_argument("--cores", type=_count, metavar="N", help="CPUs of a machine (those of this one)")
    wish.add_argument("--network", type=_number, default=10.0, metavar="GBITS", help="link of a machine, Gbit/s (10)")
    wish.add_argument("--utilisation", type=_share, default=0.8, metavar="SHARE", help="of a server, at most (0.8)")
    wish.add_argument("--spare", type=_none_or_more, default=1, metavar="N", help="machines that may be lost (1)")
    wish.add_argument("--seconds", type=_seconds, default=10.0, help="measure for so long at most (10)")
    wish.add_argument("--rest", metavar="HOST[:PORT]", help="the server's REST API, which tells its CPU time (8501)")
    wish.add_argument("--measured", metavar="FILE", help="what --json printed: measure nothing")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds over 0, got {text}")
    return seconds


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text}")
    return number


def _none_or_more(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a number from 0, got {text}")
    return number


def _number(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number over 0, got {text}")
    return number


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"expected a share between 0 and 1, as in 0.8, got {text}")
    return share


def _duration(text: str) -> float:
    """Seconds of 50ms, 0.05s or 500us."""
    found = _DURATION.fullmatch(text)
    if found is None or not float(found[1]):
        raise argparse.ArgumentTypeError(f"expected a time with its unit, as in 50ms, 0.2s or 500us, got {text}")
    return float(found[1]) * _UNITS[found[2]]


def _range(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        found = float(low), float(high)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected LOW:HIGH, as in -1:1, got {text}") from None
    if not found[0] < found[1]:
        raise argparse.ArgumentTypeError(f"expected LOW under HIGH, got {text}")
    return found
