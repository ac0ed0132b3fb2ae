// Request bodies and answers of the predict API as values by the names of a signature, and back.

const NUMBERS = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

/** JSON, in which the API writes numbers that are not finite as NaN and Infinity; those become strings. */
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    const mended = text.replace(NUMBERS, (found) => (found.startsWith('"') ? found : `"${found}"`));
    if (mended === text) throw error;
    return JSON.parse(mended);
  }
}

const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
export const isBytes = (value) => isPlain(value) && typeof value.b64 === "string" && Object.keys(value).length === 1;
const isNamed = (value) => isPlain(value) && !isBytes(value);

/** Values by output (or input) name, of `{predictions}`, `{outputs}`, `{instances}` or `{inputs}`. */
export function columns(body, tensors) {
  const alone = tensors.length === 1 ? tensors[0].name : "output";
  const rows = body.predictions ?? body.instances;
  if (rows !== undefined) {
    if (!Array.isArray(rows) || !rows.length || !isNamed(rows[0])) return { [alone]: rows };
    return Object.fromEntries(Object.keys(rows[0]).map((name) => [name, rows.map((row) => row[name])]));
  }
  const whole = body.outputs ?? body.inputs;
  return isNamed(whole) ? whole : { [alone]: whole };
}

/** Whether a tensor has rows, which `instances` needs of all inputs. */
export const hasRows = (tensor) => Boolean(tensor.shape?.length) && Number(tensor.shape[0]) < 0;

/** `body` with `value`, one row, as the input `name`; the other inputs stay. */
export function withInput(body, signature, name, value) {
  const tensor = signature.inputs.find((each) => each.name === name);
  const alone = signature.inputs.length === 1;
  const base = isPlain(body) ? body : { signature_name: signature.name };
  if (Array.isArray(base.instances)) {
    const first = base.instances[0];
    const { instances: _, ...rest } = base;
    return { ...rest, instances: [alone && !isNamed(first) ? value : { ...(isNamed(first) ? first : {}), [name]: value }] };
  }
  const whole = hasRows(tensor) ? [value] : value;
  if (alone && base.inputs !== undefined && !isNamed(base.inputs)) return { ...base, inputs: whole };
  return { ...base, inputs: { ...(isNamed(base.inputs) ? base.inputs : {}), [name]: whole } };
}

/** The sizes of nested lists, by their first elements. */
export function sizes(value) {
  const found = [];
  for (let inner = value; Array.isArray(inner); [inner] = inner) found.push(inner.length);
  return found;
}

const LINE = 90;

/** JSON to read: short lists and those of scalars stay on a line; beyond `most` elements a list is cut, and says how many there are. */
export function pretty(value, most = Infinity, indent = "") {
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    const shown = value.slice(0, most).map((each) => pretty(each, most, deeper));
    const left = value.length - shown.length;
    if (left) shown.push(`… ${left} more`);
    const line = `[${shown.join(", ")}]`;
    if (line.length <= LINE && !line.includes("\n")) return line;
    if (value.every((each) => each === null || typeof each !== "object")) return line;
    return shown.length ? `[\n${shown.map((text) => deeper + text).join(",\n")}\n${indent}]` : "[]";
  }
  if (isPlain(value)) {
    const entries = Object.entries(value).map(([name, each]) => `${deeper}${JSON.stringify(name)}: ${pretty(each, most, deeper)}`);
    return entries.length ? `{\n${entries.join(",\n")}\n${indent}}` : "{}";
  }
  const text = JSON.stringify(value);
  return typeof value === "string" && text.length > most * 40 ? `${text.slice(0, most * 40)}…"` : text;
}

/** All elements of nested lists, in order. */
export const flat = (value) => (Array.isArray(value) ? value.flat(Infinity) : [value]);
