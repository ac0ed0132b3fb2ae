// The request of the panel as others send it: curl, the Python client, gRPC by grpcurl, the Open Inference Protocol.

import { columns, flat, isBytes, sizes } from "./tensors.js";

const LONG = 4000;
const V2 = { DT_FLOAT: "FP32", DT_DOUBLE: "FP64", DT_STRING: "BYTES", DT_BOOL: "BOOL", DT_INT8: "INT8", DT_INT16: "INT16", DT_INT32: "INT32", DT_INT64: "INT64", DT_UINT8: "UINT8", DT_UINT16: "UINT16", DT_UINT32: "UINT32", DT_UINT64: "UINT64" };
const FIELDS = { DT_FLOAT: "float_val", DT_DOUBLE: "double_val", DT_STRING: "string_val", DT_BOOL: "bool_val", DT_INT64: "int64_val", DT_UINT32: "uint32_val", DT_UINT64: "uint64_val", DT_INT8: "int_val", DT_INT16: "int_val", DT_INT32: "int_val", DT_UINT8: "int_val", DT_UINT16: "int_val" };

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const python = (text) => JSON.stringify(text).replaceAll("\u007f", "\\u007f");

/** [title, text] for each; `request` is {origin, grpc, keys, model, target: {kind, value}, signature, body}. */
export function snippets(request) {
  const tensors = tensorsOf(request);
  return [["curl", curl(request)], ["Python", pythonClient(request, tensors)], ["gRPC", grpcurl(request, tensors)], ["v2", v2(request, tensors)]];
}

function tensorsOf({ body, signature }) {
  const values = columns(body, signature.inputs);
  return signature.inputs.filter((tensor) => values[tensor.name] !== undefined).map((tensor) => ({ ...tensor, value: values[tensor.name], shape: sizes(values[tensor.name]) }));
}

const path = (version, { kind, value }) => (kind === "version" ? `/${version}/${value}` : `/labels/${encodeURIComponent(value)}`);

function post(url, keys, text, file = "request.json") {
  const key = keys ? ` \\\n  -H "Authorization: Bearer $KEY"` : "";
  if (text.length > LONG) return `# ${file}: the body of ${text.length} characters, from "Copy the body"\ncurl ${quoted(url)}${key} \\\n  -d @${file}`;
  return `curl ${quoted(url)}${key} \\\n  -d ${quoted(text)}`;
}

function curl({ origin, keys, model, target, body }) {
  return post(`${origin}/v1/models/${encodeURIComponent(model)}${path("versions", target)}:predict`, keys, JSON.stringify(body));
}

function pythonClient({ grpc, keys, model, target, signature }, tensors) {
  const literal = (value) => {
    if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
    if (isBytes(value)) return `base64.b64decode(${python(value.b64)})`;
    if (typeof value === "boolean") return value ? "True" : "False";
    return typeof value === "string" ? python(value) : String(value);
  };
  let inputs = `{${tensors.map(({ name, value }) => `${python(name)}: ${literal(value)}`).join(", ")}}`;
  const lines = ["from serving.client import Client", ""];
  if (inputs.includes("base64.b64decode")) lines.unshift("import base64", "");
  if (inputs.length > LONG) {
    inputs = `{${tensors.map(({ name }) => `${python(name)}: array`).join(", ")}}`;
    lines.push(`array = ...  # ${tensors.map(({ name, shape }) => `${name}: ${shape.join(" × ")}`).join(", ").replaceAll("\n", " ")}`);
  }
  if (keys) {
    lines.unshift("import os", "");
    lines.push('metadata = [("authorization", f"Bearer {os.environ[\'KEY\']}")]');
  }
  const choice = target.kind === "version" ? `version=${target.value}` : `label=${python(target.value)}`;
  lines.push(`with Client(${python(grpc)}${keys ? ", metadata=metadata" : ""}) as client:`,
    `    answer = client.predict(${python(model)}, ${inputs}, ${choice}, signature=${python(signature.name)})`);
  lines.push(...signature.outputs.map(({ name }) => `    print(answer[${python(name)}])`));
  return lines.join("\n");
}

function grpcurl({ grpc, keys, model, target, signature }, tensors) {
  const missing = tensors.find(({ dtype }) => !FIELDS[dtype]);
  if (missing) return `# ${missing.dtype} is sent as bytes, which no command line writes well; see Python.`;
  const element = (value, dtype) => {
    if (dtype === "DT_STRING") return isBytes(value) ? value.b64 : btoa(String.fromCharCode(...new TextEncoder().encode(String(value)).slice(0, LONG)));
    return dtype.endsWith("INT64") ? String(value) : value;
  };
  const inputs = Object.fromEntries(tensors.map(({ name, dtype, shape, value }) => [name, {
    dtype, tensor_shape: { dim: shape.map((size) => ({ size: String(size) })) }, [FIELDS[dtype]]: flat(value).map((each) => element(each, dtype)),
  }]));
  const chosen = target.kind === "version" ? { version: target.value } : { version_label: target.value };
  const text = JSON.stringify({ model_spec: { name: model, ...chosen, signature_name: signature.name }, inputs });
  const key = keys ? ` \\\n  -H "authorization: Bearer $KEY"` : "";
  const call = "tensorflow.serving.PredictionService/Predict";
  if (text.length > LONG) return `# request.json: the message of ${text.length} characters as JSON\ngrpcurl -plaintext${key} \\\n  -d @ ${grpc} ${call} < request.json`;
  return `grpcurl -plaintext${key} \\\n  -d ${quoted(text)} \\\n  ${grpc} ${call}`;
}

function v2({ origin, keys, model, target, signature }, tensors) {
  if (tensors.some(({ value }) => flat(value).some(isBytes))) return "# In JSON, BYTES are strings of UTF-8: bytes like these go in the protocol's binary form.";
  const missing = tensors.find(({ dtype }) => !V2[dtype]);
  if (missing) return `# ${missing.dtype} has no form in this protocol's JSON.`;
  const body = { inputs: tensors.map(({ name, dtype, shape, value }) => ({ name, shape, datatype: V2[dtype], data: flat(value) })) };
  if (signature.name !== "serving_default") body.parameters = { signature_name: signature.name };
  const version = target.kind === "version" ? target.value : encodeURIComponent(target.value);
  return post(`${origin}/v2/models/${encodeURIComponent(model)}/versions/${version}/infer`, keys, JSON.stringify(body));
}
