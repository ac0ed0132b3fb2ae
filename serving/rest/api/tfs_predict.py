"""Predict over REST, in JSON and in other forms (docs/rest.md, "REST predict", "Binary predict")."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from serving.codecs.arrays import npy, npz
from serving.codecs.arrays.npy import NpyArray
from serving.codecs.json import request as json_request
from serving.codecs.json import response as json_response
from serving.codecs.json import short as json_short
from serving.codecs.json.request import Layout, PredictDocument
from serving.codecs.predict import response as predict_response
from serving.codecs.predict.request import PredictRequest, Reader
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.model_spec import ModelSpec
from serving.core.plans import Encode, Plan, Plans
from serving.core.servable import ServableId
from serving.core.signature import Signature
from serving.core.tensor import Tensor
from serving.errors import ServingError, invalid_argument
from serving.inference import messages
from serving.inference.operations import PredictForm
from serving.inference.placement import TooLongHereError, check_inline
from serving.rest.api.tfs_paths import Route
from serving.rest.media import Form

_read_longer = json_request.read_longer

_BYTE_SECONDS, _ODD_BYTE_SECONDS = 4e-9, 6e-8
"""To read a byte of a body, and one of JSON that is more than plain numbers: all of it is then read otherwise."""


class Writers:
    """How answers are written in each form; one for all requests."""

    def __init__(self, *, as_content: bool, exact_digits: bool) -> None:
        self._as_content = as_content

        def rows(outputs: Mapping[str, Tensor]) -> bytes:
            return json_response.predictions(outputs, exact_digits=exact_digits)

        def columns(outputs: Mapping[str, Tensor]) -> bytes:
            return json_response.outputs(outputs, exact_digits=exact_digits)

        self._named: Mapping[Hashable, Encode] = {
            Layout.ROW: rows,
            Layout.COLUMNAR: columns,
            Form.JSON: columns,
            Form.NPZ: npz.write,
        }

    def encoder(self, key: Hashable, plan: Plan, servable_id: ServableId, name: str) -> Encode:
        """The writer of a layout or form. INVALID_ARGUMENT for one array if there are several outputs."""
        if key is Form.PROTOBUF:
            return predict_response.encoder(servable_id, name, as_content=self._as_content)
        if key is not Form.NPY:
            return self._named[key]
        if len(plan.outputs) != 1:
            raise invalid_argument(
                f"The answer has {len(plan.outputs)} outputs, {_names(plan.outputs)}, and application/x-npy carries "
                "one; expected Accept: application/x-npz, application/x-protobuf or application/json"
            )
        (alias,) = plan.outputs
        return lambda outputs: npy.write(alias, outputs[alias])


def json_form(writers: Writers, answer: Form = Form.JSON) -> PredictForm:
    """JSON in rows or columns, which the answer follows if it is JSON as well."""
    key = None if answer is Form.JSON else answer

    def bind(
        document: PredictDocument, plans: Plans, name: str, signature: Signature
    ) -> tuple[Hashable, Plan, list[Tensor]]:
        if not signature.inputs:
            raise invalid_argument(f"Failed to get input map for signature: {document.signature_name or 'DEFAULT'}")
        layout, inputs = document.tensors(signature.inputs)
        sent = (*inputs,)
        plan = plans.kept.get((name, sent, ())) or plans.predict(name, sent)
        tensors = [*inputs.values()] if plan.aliases == sent else [inputs[alias] for alias in plan.aliases]
        if plan.defaults:
            tensors += plan.defaults
        return key or layout, plan, tensors

    return _form(writers, read_json, bind, _missing, method_first=False)


def protobuf_form(writers: Writers, answer: Form, reader: Reader, route: Route) -> PredictForm:
    """A PredictRequest, which must name the model that the URL does, or none."""

    def bind(request: PredictRequest, plans: Plans, name: str, _: Signature) -> tuple[Hashable, Plan, list[Tensor]]:
        return answer, *messages.bind(request, plans, name)

    return replace(
        _form(writers, partial(_read_protobuf, messages.reading(reader, _unreadable), route), bind), is_message=True
    )


def arrays_form(writers: Writers, answer: Form | Layout) -> PredictForm:
    """An .npy or .npz file; the first bytes say which. ``answer`` may be the layout of one in JSON."""
    return _form(writers, _read_arrays, partial(_bind_arrays, answer))


def _form(
    writers: Writers,
    read: Callable[[bytes, bool], object],
    bind: Callable[[Any, Plans, str, Signature], tuple[Hashable, Plan, list[Tensor]]],
    missing: Callable[[str], ServingError] = messages.missing,
    *,
    method_first: bool = True,
) -> PredictForm:
    return PredictForm(
        api="predict",
        log_type=LogType.PREDICT,
        read=read,
        bind=bind,
        missing=missing,
        encoder=writers.encoder,
        method_first=method_first,
    )


def _missing(name: str) -> ServingError:
    return invalid_argument(f'Serving signature name: "{name}" not found in signature def')


def read_json(payload: bytes, limited: bool) -> PredictDocument:
    """A request in JSON. TooLongHereError for what takes long, if time is ``limited``."""
    if len(payload) <= json_short.MOST_BYTES:
        return json_short.scan(payload, _read_longer) or _read_longer(payload)
    if limited:
        check_inline(len(payload) * _BYTE_SECONDS, limited=True)
        if not json_short.is_plain(payload):
            check_inline(len(payload) * _ODD_BYTE_SECONDS, limited=True)
    return _read_longer(payload)


def _read_protobuf(
    read: Callable[[bytes, bool], PredictRequest], route: Route, payload: bytes, limited: bool
) -> PredictRequest:
    request = read(payload, limited)
    spec = request.spec or ModelSpec("")
    for what, given, addressed in (
        ("name", spec.name or None, route.name),
        ("version", spec.version, route.version),
        ("version_label", spec.label, route.label),
    ):
        if given is not None and given != addressed:
            wanted = "none" if addressed is None else f'"{addressed}"'
            raise invalid_argument(
                f'The model_spec of the request has the {what} "{given}", the URL {wanted}; expected the same, or none '
                "in the model_spec"
            )
    return request


def _unreadable(payload: bytes) -> ServingError:
    return invalid_argument(
        f"Cannot parse the body of {len(payload)} bytes; expected a tensorflow.serving.PredictRequest message"
    )


class _ArraysDocument(NamedTuple):
    """One array for the only input, or an archive of arrays by the names of the inputs."""

    array: NpyArray | None
    archive: Mapping[str, NpyArray]
    signature_name: str = ""


def _read_arrays(payload: bytes, limited: bool) -> _ArraysDocument:
    if payload.startswith(npz.SIGNATURE):
        if limited:  # its members may be compressed
            raise TooLongHereError
        return _ArraysDocument(None, npz.read(payload))
    check_inline(len(payload) * _BYTE_SECONDS, limited=limited)
    return _ArraysDocument(npy.read(memoryview(payload)), {})


def _bind_arrays(
    answer: Form | Layout, document: _ArraysDocument, plans: Plans, name: str, signature: Signature
) -> tuple[Hashable, Plan, list[Tensor]]:
    arrays = document.archive
    if document.array is not None:
        arrays = {_only_input(signature): document.array}
    plan = plans.predict(name, tuple(arrays))  # names come before dtypes
    tensors = {alias: array.tensor(alias, signature.inputs[alias].dtype) for alias, array in arrays.items()}
    return answer, plan, [*[tensors[alias] for alias in plan.aliases], *plan.defaults]


def _only_input(signature: Signature) -> str:
    needed = [alias for alias in signature.inputs if alias not in signature.defaults] or list(signature.inputs)
    if len(needed) != 1:
        raise invalid_argument(
            f"The body is one array, and signature {signature.name} has the inputs {_names(needed)}; expected an .npz "
            "archive with an array for each, by these names"
        )
    return needed[0]


def _names(aliases: Sequence[str]) -> str:
    return "{" + ",".join(sorted(aliases)) + "}"
