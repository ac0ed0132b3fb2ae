"""What has become of the models that are new in a list, as whoever gave the list is told."""

from collections.abc import Sequence

from serving.core.manager import Manager
from serving.errors import Code, ServingError, first_few


def check_added(manager: Manager, added: Sequence[str], listed: Sequence[str], why_not: Code) -> None:
    """Raise what came of the wait for ``added``, unless all of them serve; ``listed`` are those still in the list.

    ``why_not`` is why the wait has ended if not all has come to an end.
    """
    startup = manager.startup(listed)
    if startup.failed:
        count = len(startup.failed)
        raise ServingError(Code.UNKNOWN, f"{count} model(s) did not become available: {startup.reasons}")
    if startup.waiting:
        raise ServingError(
            why_not,
            f"The configuration is in effect, but {first_few(startup.waiting)} did not become available in time; "
            "the log says what each waits for",
        )
    if len(listed) < len(added):
        dropped = first_few([name for name in added if name not in listed])
        raise ServingError(Code.ABORTED, f"A later configuration dropped {dropped} before it was available")
