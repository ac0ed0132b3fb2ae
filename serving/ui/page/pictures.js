// Pictures as inputs: which inputs take one, and a file or a drawing as the numbers or bytes that the input wants.

const SIDES = { 64: 8, 784: 28, 1024: 32, 4096: 64 };
const FLOATS = ["DT_FLOAT", "DT_DOUBLE", "DT_HALF", "DT_BFLOAT16"];
const WHOLE = ["DT_UINT8", "DT_INT32", "DT_INT64", "DT_INT16", "DT_UINT16"];
const OPEN_SIDE = 224;
const LARGEST_DRAWN = 64;

/** What numbers a pixel becomes, from black to white. */
export const RANGES = { "0 to 1": [0, 1], "0 to 255": [0, 255], "−1 to 1": [-1, 1], "0 to 16": [0, 16] };

/** The inputs of a signature that may be pictures, as {name, kind, height, width, channels, flat, ranks, range, drawn}. */
export function pictureInputs(signature, hint) {
  return signature.inputs.map((tensor) => pictureInput(tensor, hint)).filter(Boolean);
}

function pictureInput({ name, dtype, shape }, hint) {
  const hinted = hint?.input === name;
  if (dtype === "DT_STRING") return { name, kind: "bytes" };
  if (!shape || !(FLOATS.includes(dtype) || WHOLE.includes(dtype))) return null;
  const dims = shape.map(Number);
  const inner = dims[0] < 0 ? dims.slice(1) : dims;
  const found = layout(inner, hinted ? hint : null);
  if (!found) return null;
  const range = WHOLE.includes(dtype) ? "0 to 255" : found.height === 8 ? "0 to 16" : "0 to 1";
  const drawn = found.channels === 1 && Math.max(found.height, found.width) <= LARGEST_DRAWN;
  return { name, kind: "pixels", whole: WHOLE.includes(dtype), range, drawn, ...found };
}

function layout(inner, hint) {
  const size = (dim) => (dim > 0 ? dim : null);
  if (inner.length === 1) {
    const side = SIDES[inner[0]];
    return side ? { height: side, width: side, channels: 1, form: "flat" } : null;
  }
  if (inner.length === 2) {
    return inner[0] === inner[1] && inner[0] >= 8 ? { height: inner[0], width: inner[1], channels: 1, form: "plane" } : null;
  }
  if (inner.length !== 3) return null;
  const [height, width, channels] = inner;
  if (![1, 3, 4].includes(channels) && !hint) return null;
  if (size(height) !== null && height < 4) return null;
  return { height: size(height) ?? hint?.height ?? OPEN_SIDE, width: size(width) ?? hint?.width ?? OPEN_SIDE, channels: size(channels) ?? hint?.channels ?? 3, form: "channels" };
}

/** `source` (a canvas, an image) drawn to the input's size, as nested lists of numbers, one row. */
export function pixels(source, input, range) {
  const canvas = document.createElement("canvas");
  canvas.width = input.width;
  canvas.height = input.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, input.width, input.height);
  const { data } = context.getImageData(0, 0, input.width, input.height);
  return nested(data, input, RANGES[range]);
}

function nested(data, { height, width, channels, form, whole }, [from, to]) {
  const scaled = (byte) => {
    const value = from + (byte / 255) * (to - from);
    return whole ? Math.round(value) : Number(value.toFixed(4));
  };
  const pixel = (at) => {
    if (channels === 1) return [scaled(0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2])];
    return Array.from({ length: channels }, (_, channel) => scaled(data[at + channel]));
  };
  const rows = Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => pixel((y * width + x) * 4)));
  if (form === "channels") return rows;
  const plane = rows.map((row) => row.map(([value]) => value));
  return form === "plane" ? plane : plane.flat();
}

/** A file's bytes as the API takes them: {"b64": …}. */
export async function encoded(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return { b64: btoa(text) };
}

const SIGNS = [["/9j/", "image/jpeg"], ["iVBORw0KGgo", "image/png"], ["R0lGOD", "image/gif"], ["UklGR", "image/webp"], ["Qk", "image/bmp"]];

/** The type of the picture that base64 text holds, by its first bytes; null if it is none. SVG is none: it is markup. */
export const pictureType = (b64) => (b64.length > 60 && /^[\w+/-]+=*$/.test(b64) ? SIGNS.find(([sign]) => b64.startsWith(sign))?.[1] ?? null : null);
