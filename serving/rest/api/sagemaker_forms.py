"""The bodies of SageMaker's requests by content type, and answers by Accept (docs/dialects.md, "SageMaker")."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

from serving.codecs import comma_separated
from serving.codecs.comma_separated import CsvDocument
from serving.codecs.json import instances
from serving.codecs.json.request import Layout, PredictDocument, read_longer
from serving.core.plans import Encode, Plan, Plans
from serving.core.servable import ServableId
from serving.core.signature import Signature
from serving.core.tensor import Tensor
from serving.errors import Code
from serving.inference.operations import PredictForm
from serving.inference.placement import check_inline
from serving.rest import media
from serving.rest.api.hosted import StatusError
from serving.rest.api.tfs_predict import Writers, arrays_form, json_form, read_json
from serving.rest.media import Form


class Body(Enum):
    """How a request's body is written."""

    JSON = "application/json"
    JSON_LINES = "application/jsonlines"
    CSV = "text/csv"
    ARRAYS = "application/x-npy"


_BODIES: Mapping[str, Body] = MappingProxyType(
    {body.value: body for body in Body} | {"application/jsons": Body.JSON_LINES, "application/x-npz": Body.ARRAYS}
)

_NUMBER_BYTE_SECONDS, _BYTE_SECONDS = 2e-8, 1e-7
"""To read a byte of rows that are numbers, and one of others."""

_HEAD_BYTES = 1 << 14
"""In which a request of TensorFlow Serving's usually says that it is one; all of a body is not searched at once."""

_ONE_LINE = "one line"
"""What such answers are kept by, beside how they are written."""

_LINE_SECONDS = 2e-6


class Wanted(NamedTuple):
    """The form of an answer; ``one_line`` is the content type of one in JSON that has no line breaks."""

    form: Form
    one_line: bytes = b""

    @property
    def content_type(self) -> bytes:
        """As the answer has it."""
        return self.one_line or self.form.value


_JSON = Wanted(Form.JSON)
_WANTED: Mapping[str, Wanted] = MappingProxyType(
    {
        "application/json": _JSON,
        "application/jsonlines": Wanted(Form.JSON, b"application/jsonlines"),
        "application/jsons": Wanted(Form.JSON, b"application/jsons"),
        "application/x-npy": Wanted(Form.NPY),
        "application/x-npz": Wanted(Form.NPZ),
    }
)


def wanted(accept: str) -> Wanted:
    """What Accept asks for; JSON if it has nothing that we write, as in the container that others come from."""
    return media.preferred(accept, _WANTED, _JSON) if accept else _JSON


def body_of(content_type: str) -> Body:
    """How a body of this type is read; one without a type is JSON. Status 415 for others."""
    name = content_type.partition(";")[0].strip().lower()
    found = _BODIES.get(name) if name else Body.JSON
    if found is None:
        raise StatusError(
            415, Code.INVALID_ARGUMENT, f"Unsupported Media Type: {name}; expected one of {', '.join(sorted(_BODIES))}"
        )
    return found


def predict_form(writers: Writers, body: Body, answer: Wanted) -> PredictForm:
    """Predict with such a body; an answer in JSON has the layout of the request, that of rows for arrays."""
    if body is Body.ARRAYS:
        form = arrays_form(writers, Layout.ROW if answer.form is Form.JSON else answer.form)
    else:
        form = replace(json_form(writers, answer.form), read=_READS[body])
    return _on_one_line(form) if answer.one_line else form


def _on_one_line(form: PredictForm) -> PredictForm:
    """The same with answers in JSON that have no line breaks, which in strings are escaped."""

    def bind(document: Any, plans: Plans, name: str, signature: Signature) -> tuple[Hashable, Plan, list[Tensor]]:
        key, plan, tensors = form.bind(document, plans, name, signature)
        return (_ONE_LINE, key), plan, tensors

    def encoder(key: Any, plan: Plan, servable_id: ServableId, name: str) -> Encode:
        write = form.encoder(key[1], plan, servable_id, name)
        return lambda outputs: write(outputs).replace(b"\n", b"")

    return replace(form, bind=bind, encoder=encoder)


def _read_json(payload: bytes, limited: bool) -> PredictDocument:
    if instances.is_request(payload[:_HEAD_BYTES]):
        return read_json(payload, limited)
    check_inline(len(payload) * _NUMBER_BYTE_SECONDS, limited=limited)  # before all of it is searched
    if instances.is_request(payload):
        return read_json(payload, limited)
    return _read_rows(instances.rows, payload, limited)


def _read_lines(payload: bytes, limited: bool) -> PredictDocument:
    check_inline(len(payload) * _NUMBER_BYTE_SECONDS, limited=limited)
    if b"\n" not in payload.strip() and instances.is_request(payload):
        return read_json(payload, limited)
    return _read_rows(instances.rows_of_lines, payload, limited)


def _read_rows(rows: Callable[[bytes], bytes], payload: bytes, limited: bool) -> PredictDocument:
    if limited and not comma_separated.is_plain(payload.translate(None, b"[]")):
        check_inline(len(payload) * _BYTE_SECONDS, limited=True)
    check_inline(payload.count(b"\n") * _LINE_SECONDS, limited=limited)
    return read_longer(rows(payload))


def _read_csv(payload: bytes, limited: bool) -> CsvDocument:
    check_inline(len(payload) * _NUMBER_BYTE_SECONDS, limited=limited)
    if limited and not comma_separated.is_plain(payload):
        check_inline(len(payload) * _BYTE_SECONDS, limited=True)
    return CsvDocument(payload)


_READS: Mapping[Body, Callable[[bytes, bool], PredictDocument | CsvDocument]] = MappingProxyType(
    {Body.JSON: _read_json, Body.JSON_LINES: _read_lines, Body.CSV: _read_csv}
)
