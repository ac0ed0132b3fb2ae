"""What a request is told that a limit keeps out: which limit it is, what uses it up, the flag or file that sets it."""

from serving.core.concurrency import ADAPTIVE, ALL, MODEL, Refused
from serving.errors import LimitError
from serving.inference.principal import Principal

FLAGS = {ALL: "max_in_flight", MODEL: "max_in_flight_per_model", ADAPTIVE: "adaptive_in_flight"}
KEY, RATE, WAIT = "max_in_flight of a key", "requests_per_second of a key", "max_wait_seconds"
WAITING = "max_waiting_requests"


def too_often(principal: Principal, seconds: float) -> LimitError:
    """A request of a key that has used up its rate; there is another one in so many seconds."""
    return LimitError(
        RATE,
        f"The key {principal.name!r} has used up its {principal.requests_per_second:g} requests per second; "
        f"expected the next one in {seconds:.3g} s, as --api_keys_file says",
        seconds,
    )


def waited(seconds: float) -> LimitError:
    """A request that has waited as long as it may."""
    return LimitError(
        WAIT, f"The request has waited {seconds:g} s, the limit that --{WAIT} sets, for others to end: try again"
    )


def refused(refused: Refused, principal: Principal | None) -> LimitError:
    """A request that finds no place, of ``principal`` if it has one."""
    waiting = f"{refused.waiting} wait already, as many as --{WAITING} allows" if refused.waiting else "none may wait"
    if refused.limit not in FLAGS:
        name = principal.name if principal else ""
        text = f"{refused.most} requests of the key {name!r} are in flight, the max_in_flight that --api_keys_file sets"
        return LimitError(KEY, f"{text}, and {waiting}: try again")
    flag = FLAGS[refused.limit]
    of_model = "" if refused.limit == ALL else " for this model"
    measured = " measured by" if refused.limit == ADAPTIVE else " that"
    sets = "" if refused.limit == ADAPTIVE else " sets"
    text = f"{refused.most} requests{of_model} are in flight, the limit{measured} --{flag}{sets}, and {waiting}"
    return LimitError(flag, f"{text}: try again")


def overtaken() -> LimitError:
    """A request that waits no more, for others come first."""
    return LimitError(
        WAITING, f"Requests of a higher priority wait in place of this one, as many as --{WAITING} allows: try again"
    )
