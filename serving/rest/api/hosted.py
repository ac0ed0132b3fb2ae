"""What the APIs of hosting platforms share: a question for readiness, requests that name no model, statuses."""

from collections.abc import Callable, Sequence

from serving.core.model_spec import ModelSpec
from serving.errors import Code, ServingError, invalid_argument
from serving.inference.call import Reply
from serving.inference.context import NO_MODEL, RequestContext
from serving.inference.operations import ExamplesForm, PredictForm
from serving.inference.service import Service
from serving.rest import errors
from serving.rest.answer import JSON, Answer
from serving.rest.endpoint import Endpoint

_Call = Callable[[bytes, RequestContext], Reply]


class StatusError(ServingError):
    """An error whose status is not that of its code."""

    def __init__(self, status: int, code: Code, message: str) -> None:
        super().__init__(code, message)
        self.status = status


def failure(error: Exception) -> Answer | None:
    """``{"error": …}``, which both platforms hand on to their callers; None for what is no error of a request."""
    if not isinstance(error, ServingError):
        return None
    answer = errors.answer(error)
    return answer._replace(status=error.status) if isinstance(error, StatusError) else answer


def method_not_allowed(method: str, path: str, expected: str) -> StatusError:
    """The path is there, for other methods."""
    return StatusError(405, Code.UNIMPLEMENTED, f"{path} was asked with {method}; expected {expected}")


def health(service: Service, ready: Callable[[], bool]) -> Endpoint:
    """An empty 200 while every model serves; UNAVAILABLE otherwise."""

    def look(body: bytes, context: RequestContext) -> bytes:
        context.right = None  # everybody may: probes have no credentials
        service.admit(context, NO_MODEL, 0)
        if not ready():
            raise ServingError(Code.UNAVAILABLE, "Not every model is available, or the server is about to end")
        return b""

    return Endpoint("", look, JSON, takes_body=False)


class Models:
    """Which model is meant: that of the request, ``default`` (--default_model), or the only one of ``names``."""

    def __init__(self, service: Service, names: Callable[[], Sequence[str]], default: str, how: str) -> None:
        self._service = service
        self._names = names
        self._default = default
        self._how = how

    def predicting(self, spec: ModelSpec, form: PredictForm) -> _Call:
        """What answers Predict."""
        if spec.name or self._default:
            return self._service.predicting(self._named(spec), form)
        return lambda body, context: self._service.predicting(self._named(spec), form)(body, context)

    def examining(self, spec: ModelSpec, ask: Callable[..., Reply], form: ExamplesForm) -> _Call:
        """What answers by ``ask``, the service's classify or regress."""
        return lambda body, context: ask(self._named(spec), form, body, context)

    def _named(self, spec: ModelSpec) -> ModelSpec:
        name = spec.name or self._default
        if not name:
            names = self._names()
            name = names[0] if len(names) == 1 else ""
        if not name:
            raise invalid_argument(
                f"The request names no model, and there is not exactly one; expected {self._how}, or a server with "
                "--default_model"
            )
        return ModelSpec(name, spec.version, spec.label)
