"""Whole documents: what they list, under which names, and who may ask."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from serving.codecs.openapi import document, open_inference, operating, tfs
from serving.codecs.openapi.document import Describing, Terms
from serving.codecs.openapi.parts import Answered, Examples, Names, Server, Version
from serving.core.servable import ServableId
from serving.core.signature import CLASSIFY_METHOD_NAME, PREDICT_METHOD_NAME, REGRESS_METHOD_NAME, Signature, TensorInfo
from serving.core.tensor import DataType
from tests.support.models import strings, tensor

OPEN, KEYED = Terms(False, "1.2.3"), Terms(True, "1.2.3")
ALL = (Describing(tfs.of_server, tfs.of_version), Describing(partial(operating.of_server, metrics=True)))
V2 = (Describing(open_inference.of_server, open_inference.of_version),)
METHODS = ("get", "post", "head", "put", "delete")


def signature(
    name: str,
    inputs: dict[str, DataType],
    outputs: dict[str, DataType],
    method: str = PREDICT_METHOD_NAME,
    shape: tuple[int, ...] = (-1,),
) -> Signature:
    def infos(dtypes: dict[str, DataType]) -> dict[str, TensorInfo]:
        return {alias: TensorInfo(name=f"{alias}:0", dtype=dtype, shape=shape) for alias, dtype in dtypes.items()}

    return Signature(name=name, inputs=infos(inputs), outputs=infos(outputs), method_name=method)


F, S = DataType.FLOAT, DataType.STRING
SIGNATURES = (
    signature("a", {"x": F}, {"y": F}),
    signature("A", {"x": F}, {"y": F}, shape=()),
    signature("serving_default", {"x": F, "z": F}, {"y": F}),
    signature("half", {"x": DataType.HALF}, {"y": F}),
    signature("nothing", {}, {"y": F}),
    signature("classify", {"inputs": S}, {"scores": F}, CLASSIFY_METHOD_NAME),
    signature("regress", {"inputs": S}, {"outputs": F}, REGRESS_METHOD_NAME),
    signature("regress_numbers", {"inputs": F}, {"outputs": F}, REGRESS_METHOD_NAME),
    signature("__saved_model_init_op", {}, {"y": F}),
)


def version(
    *signatures: Signature, path: str = "m", by_label: bool = False, examples: Examples | None = None
) -> Version:
    named = {each.name: each for each in signatures or SIGNATURES}
    return Version(
        path=path,
        by_label=by_label,
        id=ServableId(name="m", version=7),
        signatures=named,
        for_predict=named,
        examples=examples or Examples(),
    )


def operations(made: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in made["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def body(made: Any, path: str) -> Any:
    return made["paths"][path]["post"]["requestBody"]["content"]["application/json"]


def test_paths_of_a_version() -> None:
    """They are those of the address that was asked for; Classify and Regress where a signature is for it."""
    made = document.of_version(version(path="m/versions/7"), ALL, OPEN)
    start = "/v1/models/m/versions/7"
    assert set(made["paths"]) == {f"{start}{end}" for end in (":predict", ":classify", ":regress", "", "/metadata")}
    assert (made["info"]["title"], made["info"]["version"]) == ("m", "7")
    assert made["servers"] == [{"url": "../../../.."}]


def test_a_label_has_no_status() -> None:
    """TensorFlow Serving passes over a label there, so that it would not be this version's."""
    paths = document.of_version(version(path="m/labels/stable", by_label=True), ALL, OPEN)["paths"]
    assert "/v1/models/m/labels/stable" not in paths
    assert "/v1/models/m/labels/stable/metadata" in paths


def test_requests_of_signatures() -> None:
    """The default one comes first and may be unnamed; scalars have no rows; what JSON cannot send is not there."""
    made = document.of_version(version(), ALL, OPEN)
    schemas = made["components"]["schemas"]
    names = [each["$ref"].rpartition("/")[2] for each in body(made, "/v1/models/m:predict")["schema"]["oneOf"]]
    assert names[:5] == [
        "ServingDefaultRowsRequest",
        "ServingDefaultColumnsRequest",
        "AColumnsRequest",
        "A2RowsRequest",
        "A2ColumnsRequest",
    ]
    assert not [name for name in names if name.startswith(("Half", "Nothing", "SavedModel"))]
    assert schemas["ServingDefaultRowsRequest"]["required"] == ["instances"]
    assert schemas["A2ColumnsRequest"]["required"] == ["signature_name", "inputs"]
    assert schemas["A2ColumnsRequest"]["properties"]["signature_name"] == {"type": "string", "const": "a"}


def test_requests_with_examples() -> None:
    """Only signatures of that method that take strings."""
    made = document.of_version(version(), ALL, OPEN)
    assert body(made, "/v1/models/m:regress")["schema"] == {"$ref": "#/components/schemas/RegressExamplesRequest"}


@pytest.mark.parametrize("predict", [SIGNATURES[3], SIGNATURES[4]], ids=["half", "no inputs"])
def test_nothing_to_predict(predict: Signature) -> None:
    """A version that JSON cannot call has no such path."""
    paths = document.of_version(version(predict), ALL, OPEN)["paths"]
    assert set(paths) == {"/v1/models/m", "/v1/models/m/metadata"}


def test_examples_are_shown_in_both_forms() -> None:
    """In rows only if the version has answered these."""
    made = tensor(F, [[0.5]])
    found = {"a": Answered({"x": made}, True), "serving_default": Answered({"x": made, "z": made}, False)}
    shown = body(document.of_version(version(examples=Examples(predict=found)), ALL, OPEN), "/v1/models/m:predict")
    assert {name: each["value"] for name, each in shown["examples"].items()} == {
        "ServingDefaultColumns": {"inputs": {"x": [[0.5]], "z": [[0.5]]}},
        "A2Rows": {"signature_name": "a", "instances": [[0.5]]},
        "A2Columns": {"signature_name": "a", "inputs": [[0.5]]},
    }


def test_binary_examples_say_that_bytes_are_needed() -> None:
    """A model of pictures takes no text."""
    found = {"s": Answered({"x": strings(b"\xff\xd8")}, True)}
    made = document.of_version(version(signature("s", {"x": S}, {"y": F}), examples=Examples(predict=found)), ALL, OPEN)
    columns = made["components"]["schemas"]["SColumnsRequest"]["properties"]["inputs"]
    assert columns["items"] == {"$ref": "#/components/schemas/Base64"}


@pytest.mark.parametrize("terms", [OPEN, KEYED], ids=["open", "keys"])
def test_operation_ids_are_names_of_functions(terms: Terms) -> None:
    """Each is there once, and can be one in any language."""
    every = (*ALL, *V2)
    for made in (document.of_version(version(), every, terms), document.of_server(Server(models=("m",)), every, terms)):
        ids = [each["operationId"] for _, _, each in operations(made)]
        assert len(ids) == len(set(ids))
        assert all(each.isidentifier() and each == each.lower() for each in ids)


def test_rights() -> None:
    """With keys every operation says what it needs, and that it may be refused; probes are for everybody."""
    made = document.of_server(Server(models=("m",)), ALL, KEYED)
    needed = {each["operationId"]: each["security"] for _, _, each in operations(made)}
    assert needed["predict_model"] == [{"bearer": ["predict"]}, {"api_key": ["predict"]}]
    assert needed["list_models"] == [{"bearer": ["read"]}, {"api_key": ["read"]}]
    assert needed["get_metrics"] == [{"bearer": ["metrics"]}, {"api_key": ["metrics"]}]
    assert needed["get_live"] == []
    assert set(made["components"]["securitySchemes"]) == {"bearer", "api_key"}
    assert {"401", "403"} <= set(made["paths"]["/v1/models"]["get"]["responses"])


def test_nobody_needs_keys() -> None:
    """Then nothing is said of them."""
    made = document.of_server(Server(models=("m",)), ALL, OPEN)
    assert "securitySchemes" not in made["components"]
    assert not [each for _, _, each in operations(made) if "security" in each or "401" in each["responses"]]
    assert "x-right" not in str(made)


def test_models_and_metrics_of_the_server() -> None:
    """Models are values to try; without a page of metrics there is no path of one."""
    without = (ALL[0], Describing(partial(operating.of_server, metrics=False)))
    made = document.of_server(Server(models=("one", "two")), without, OPEN)
    (model,) = made["paths"]["/v1/models/{model}"]["parameters"]
    assert [each["value"] for each in model["examples"].values()] == ["one", "two"]
    assert "/metrics" not in made["paths"]
    assert "/healthz/ready" in made["paths"]


def test_only_what_is_used_is_there() -> None:
    """Clients are made of all components."""
    assert "ClassifyAnswer" not in document.of_version(version(SIGNATURES[0]), ALL, OPEN)["components"]["schemas"]


def infer(made: Any, path: str = "/v2/models/m/infer") -> Any:
    return made["paths"][path]["post"]["requestBody"]["content"]["application/json"]


def test_the_open_inference_protocol() -> None:
    """For each signature whose types it has in JSON; a label stands where a number does."""
    made = document.of_version(version(path="m/labels/stable", by_label=True), V2, OPEN)
    paths = {f"/v2/models/m/versions/stable{end}" for end in ("", "/infer", "/ready", "/config", "/stats")}
    assert set(made["paths"]) == paths
    asked = infer(made, "/v2/models/m/versions/stable/infer")["schema"]["oneOf"]
    names = [each["$ref"].rpartition("/")[2] for each in asked]
    assert names[:3] == ["ServingDefaultInferRequest", "AInferRequest", "A2InferRequest"]
    assert not [name for name in names if name.startswith(("Half", "Saved"))]
    tensor = made["components"]["schemas"]["A2InferRequest"]["properties"]["inputs"]["items"]["properties"]
    assert (tensor["name"]["const"], tensor["datatype"]["const"]) == ("x", "FP32")
    assert (tensor["shape"]["minItems"], tensor["shape"]["maxItems"]) == (1, 1)


def test_nothing_to_infer() -> None:
    """Without a signature that JSON can call, there is no such path."""
    assert "/v2/models/m/infer" not in document.of_version(version(SIGNATURES[3]), V2, OPEN)["paths"]


def test_examples_of_the_open_inference_protocol() -> None:
    """Its own bodies, of the same tensors; bytes that are no text have none."""
    body = open_inference.body("a", {"x": tensor(F, [[0.5, 1.5]]), "s": strings(b"text")})
    assert body == {
        "parameters": {"signature_name": "a"},
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 1.5]},
            {"name": "s", "datatype": "BYTES", "shape": [1], "data": ["text"]},
        ],
    }
    assert "parameters" not in (open_inference.body("serving_default", {"x": tensor(F, [1.0])}) or {})
    assert open_inference.body("a", {"x": strings(b"\xff")}) is None
    assert open_inference.body("a", {"x": tensor(DataType.HALF, [1.0])}) is None
    shown = version(SIGNATURES[0], examples=Examples(infer={"a": {"inputs": []}}))
    assert infer(document.of_version(shown, V2, OPEN))["examples"] == {"A": {"summary": "a", "value": {"inputs": []}}}


def test_names() -> None:
    """Words of letters and digits, each once."""
    names = Names()
    assert [names.of(each) for each in ("serving_default", "servingDefault", "x/y:z", "\u00e9", "2d", "\u00e0")] == [
        "ServingDefault",
        "ServingDefault2",
        "XYZ",
        "Signature",
        "2d",
        "Signature2",
    ]
