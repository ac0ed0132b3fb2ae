"""ModelInferResponses: what is written by hand is what the message class reads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.open_inference import raw, response
from serving.codecs.open_inference.datatypes import DATATYPES, DTYPES
from serving.core.servable import ServableId
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError
from serving.protos import message
from tests.support.properties import examples
from tests.unit.codecs.test_v2_request import tensors
from tests.unit.codecs.v2_messages import bits, numbers, raw_of, strings

ModelInferResponse = message("inference.ModelInferResponse")
ModelStreamInferResponse = message("inference.ModelStreamInferResponse")
ID = ServableId(name="m", version=12)


@examples(200)
@given(st.dictionaries(st.text("xyü", max_size=3), tensors(), max_size=3), st.text("1aü", max_size=5))
def test_answers(outputs: dict[str, Tensor], request_id: str) -> None:
    """The model, its version, the request's id; each output with its raw contents, in their order."""
    data = response.encoder(ID)(outputs, response.id_field(request_id))
    made = ModelInferResponse.FromString(data)
    assert (made.model_name, made.model_version, made.id) == ("m", "12", request_id)
    assert [each.name for each in made.outputs] == list(outputs)
    assert list(made.raw_output_contents) == [raw_of(tensor) for tensor in outputs.values()]
    for each, contents in zip(made.outputs, made.raw_output_contents, strict=True):
        back = raw.read(each.name, DTYPES[each.datatype], tuple(each.shape), contents)
        assert bits(back) == bits(outputs[each.name])
        assert not each.HasField("contents")


@pytest.mark.parametrize("dtype", [pytest.param(each, id=DATATYPES[each]) for each in DATATYPES])
def test_large_answers(dtype: DataType) -> None:
    """Of more bytes than are copied in one go; also of arrays that do not lie in order."""
    if dtype is DataType.STRING:
        tensor = strings(*[b"text"] * 1000, b"long" * 500_000)
    else:
        tensor = Tensor(dtype, numbers(dtype, *range(100)).array.reshape(10, 10).repeat(4000, axis=0).T)
    made = ModelInferResponse.FromString(response.encoder(ID)({"y": tensor, "z": numbers(dtype=DataType.INT8)}))
    assert list(made.raw_output_contents) == [raw_of(tensor), b""]


def test_type_without_a_datatype() -> None:
    """It says which output that is."""
    outputs = {"y": Tensor(DataType.COMPLEX64, np.ones(1, np.complex64))}
    with pytest.raises(ServingError, match='Output "y" is complex64'):
        response.encoder(ID)(outputs)


def test_answers_in_a_stream() -> None:
    """Each is the last one to its request; an error has the request's id, if that is known."""
    answer = response.encoder(ID)({"y": numbers(DataType.FLOAT, 1)}, response.id_field("7"))
    made = ModelStreamInferResponse.FromString(response.streamed(answer))
    assert made.error_message == ""
    assert made.infer_response.parameters["triton_final_response"].bool_param is True
    made.infer_response.ClearField("parameters")
    assert made.infer_response == ModelInferResponse.FromString(answer)
    failed = ModelStreamInferResponse.FromString(response.streamed_error("no", response.id_field("7")))
    assert (failed.error_message, failed.infer_response.id) == ("no", "7")
    assert not ModelStreamInferResponse.FromString(response.streamed_error("no", b"")).HasField("infer_response")
