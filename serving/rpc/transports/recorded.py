"""Records of the native front's calls, which are known by numbers: begun here, and ended with their answers."""

from pygrpc_native import NativeGrpcFront

from serving.errors import Code, ServingError
from serving.inference.accounts import Accounts, Metadata
from serving.inference.context import RequestContext
from serving.inference.long_call import client_gone


class RecordedAnswers:
    """In place of ``front`` for answers, which say what ``accounts`` has to say. Thread-safe."""

    def __init__(self, front: NativeGrpcFront, accounts: Accounts) -> None:
        self._front = front
        self._accounts = accounts
        self._contexts: dict[int, RequestContext] = {}

    def begin(self, call: int, path: str, context: RequestContext, size: int) -> None:
        """A call of ``size`` bytes has come."""
        self._accounts.begin(context, path, size)
        self._contexts[call] = context

    def respond(self, call: int, payload: bytes) -> bool:
        """As the front's."""
        context = self._contexts.pop(call, None)
        said = () if context is None else self._accounts.end(context, 0, len(payload))
        return bool(self._front.respond(call, payload, said, said))

    def fail(self, call: int, code: int, message: str, trailing_metadata: Metadata | None = None) -> None:
        """As the front's."""
        context = self._contexts.pop(call, None)
        said = () if context is None else self._accounts.end(context, code, 0, ServingError(Code(code), message))
        self._front.fail(call, code, message, (*(trailing_metadata or ()), *said))

    def context_of(self, call: int) -> RequestContext | None:
        """The surroundings of a call that is still to be answered."""
        return self._contexts.get(call)

    def gone(self, call: int) -> None:
        """The client of a call waits for no answer any more."""
        context = self._contexts.pop(call, None)
        if context is not None:
            self._accounts.end(context, int(Code.CANCELLED), 0, client_gone())
