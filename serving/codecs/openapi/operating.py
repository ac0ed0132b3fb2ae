"""What is for those who operate the server, in documents: probes, metrics, and these documents themselves."""

from serving.codecs.openapi.parts import Json, Part, Server, answered, errors, operation

_TAG = "Operation"
_TEXT: Json = {"type": "string"}
_DOCUMENT: Json = {"type": "object", "required": ["openapi", "info", "paths"]}
_ERRORS = (400, 404, 429, 500, 503, 504)


def of_server(server: Server, *, metrics: bool) -> Part:
    """The paths; that of the metrics if there is a page of them."""
    live = {"200": answered("The process answers.", _TEXT, "text/plain")}
    ready = {
        "200": answered("Every model has an available version.", _TEXT, "text/plain"),
        "503": answered("Some model has none yet, or any more.", _TEXT, "text/plain"),
    }
    paths: Json = {
        "/healthz/live": {"get": operation("get_live", _TAG, "Whether the process answers", live, **_right(None))},
        "/healthz/ready": {"get": operation("get_ready", _TAG, "Whether models are ready", ready, **_right(None))},
        "/openapi.json": {"get": _document("get_openapi", "This document")},
    }
    if metrics:
        page = {"200": answered("In Prometheus' text format.", _TEXT, "text/plain"), **errors((429, 503))}
        page["200"]["content"]["application/openmetrics-text"] = {"schema": _TEXT}
        found = operation("get_metrics", _TAG, "Metrics", page, **_right("metrics"))
        paths["/metrics"] = {"get": found}
    model = {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    for suffix, what, schema in (
        ("", "", None),
        ("/versions/{version}", "version", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}),
        ("/labels/{label}", "label", {"type": "string", "minLength": 1}),
    ):
        own = [] if schema is None else [{"name": what, "in": "path", "required": True, "schema": schema}]
        found = _document("_".join(filter(None, ("get", what or "model", "openapi"))), "The document of one version")
        paths[f"/openapi/models/{{model}}{suffix}.json"] = {"parameters": [model, *own], "get": found}
    return Part(paths, {}, {_TAG: "Probes, metrics and documents."})


def _document(operation_id: str, summary: str) -> Json:
    responses = {"200": answered("An OpenAPI 3.1 document.", _DOCUMENT), **errors(_ERRORS)}
    return operation(operation_id, _TAG, summary, responses, **_right("read"))


def _right(word: str | None) -> Json:
    return {"x-right": word}
