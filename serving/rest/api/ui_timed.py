"""TensorFlow Serving's REST API once more, for the page: its answers say in a header where their time went.

Requests of others pay nothing for it: these have a path, and a way through the request layer, of their own.
"""

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter

from serving.errors import ServingError
from serving.inference.accounts import Accounts, timing
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.record import RequestRecord
from serving.rest import errors
from serving.rest.answer import Answer
from serving.rest.endpoint import Endpoint, RestApi


class TimedApi:
    """``inner``, whose service keeps records; ``said`` if --server_timing says the same of every answer already."""

    def __init__(self, inner: RestApi, *, said: bool) -> None:
        self._inner = inner
        self._said = said
        self._accounts = Accounts((), ())

    def model_in(self, method: str, path: str) -> str:
        """As ``RestApi``."""
        return self._inner.model_in(method, path)

    def endpoint(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint:
        """As ``RestApi``."""
        inner = self._inner.endpoint(method, path, headers)
        timed = _Timed(inner, self._inner, self._accounts, said=self._said)
        return inner._replace(call=timed.call, answer=timed.answer, failed=timed.failed)


class _Timed:
    """One request."""

    def __init__(self, inner: Endpoint, api: RestApi, accounts: Accounts, *, said: bool) -> None:
        self._inner = inner
        self._api = api
        self._accounts = accounts
        self._said = said
        self._record: RequestRecord | None = None

    def call(self, body: bytes, context: RequestContext) -> Reply:
        """As the endpoint's; where nobody keeps records of requests there is one of this."""
        if context.record is None:
            self._accounts.begin(context, "", len(body))
        self._record = context.record
        return self._inner.call(body, context)

    def answer(self, body: bytes) -> Answer:
        """As the endpoint's, with a header more."""
        return self._with_times(self._inner.answered(body))

    def failed(self, error: ServingError) -> Answer:
        """The API's error, with a header more."""
        if self._inner.failed is not None:
            return self._with_times(self._inner.failed(error))
        return self._with_times(self._api.failure(error) or errors.answer(error))

    def _with_times(self, answer: Answer) -> Answer:
        if self._record is None or self._said:
            return answer
        record = replace(self._record)  # the other is ended by whoever keeps it
        record.end(perf_counter())
        lines = "".join(f"{name.title()}: {value}\r\n" for name, value in timing(record))
        return answer._replace(extra=answer.extra + lines.encode())
