// Outputs as what they are: probabilities as bars, planes and encoded images as pictures, numbers as tables, text as text.

import { h } from "./dom.js";
import { pictureType } from "./pictures.js";
import { columns, flat, hasRows, isBytes, sizes } from "./tensors.js";
import { cut, dtype, number, shape } from "./words.js";

const MOST_ROWS = 50;
const MOST_COLUMNS = 16;
const MOST_CLASSES = 10;
const MOST_PICTURES = 6;
const LEAST_SIDE = 8;
const LARGEST_SIDE = 280;
const MOST_TEXT = 5000;
const PALETTE = [[23, 27, 36], [92, 111, 255], [38, 190, 140], [247, 178, 60], [232, 86, 104], [160, 98, 230], [60, 180, 226], [226, 120, 190], [148, 190, 74], [250, 134, 74]];

/** An element with everything an answer holds; `signature` says what its outputs are. */
export function results(answer, signature) {
  const values = columns(answer, signature.outputs);
  const names = Object.keys(values);
  const said = names.map((name) => values[name]).find((value) => flat(value).every((each) => typeof each === "string"));
  return h("div", { class: "outputs" }, names.map((name) => {
    const tensor = signature.outputs.find((each) => each.name === name) ?? { name, dtype: "", shape: null };
    return h("section", { class: "output" }, h("h4", {}, name, h("small", {}, `${dtype(tensor.dtype)} ${shape(sizes(values[name]))}`)), view(values[name], tensor, said));
  }));
}

function view(value, tensor, classes) {
  const rows = Array.isArray(value) && (hasRows(tensor) || !tensor.shape) ? value : [value];
  const of = (draw, most) => [rows.slice(0, most).map((row, at) => draw(row, rows.length > 1 ? at : null)), left(rows.length, most)];
  if (rows.length && rows.every(isProbabilities)) return of((row, at) => bars(row, at, names(classes, at, row.length)), MOST_PICTURES);
  if (rows.length && rows.every(isPicture)) return h("div", { class: "pictures" }, of((row) => picture(row, tensor), MOST_PICTURES));
  if (flat(value).some((each) => typeof each === "string" || isBytes(each))) return texts(flat(value));
  return table(rows);
}

const left = (count, most) => count > most && h("p", { class: "note" }, `and ${count - most} more`);

const names = (classes, at, count) => {
  const own = Array.isArray(classes?.[at ?? 0]) ? classes[at ?? 0] : classes;
  return Array.isArray(own) && own.length === count && own.every((each) => typeof each === "string") ? own : null;
};

/** At least two numbers from 0 to 1 that sum to about 1. */
export function isProbabilities(row) {
  if (!Array.isArray(row) || row.length < 2 || !row.every((each) => typeof each === "number" && each >= 0 && each <= 1)) return false;
  return Math.abs(row.reduce((one, other) => one + other, 0) - 1) < 0.02;
}

function bars(row, at, classes) {
  const best = Math.max(...row);
  let order = row.map((_, index) => index);
  if (row.length > MOST_CLASSES) order = order.sort((one, other) => row[other] - row[one]).slice(0, MOST_CLASSES);
  return h("ol", { class: "bars", "aria-label": at === null ? null : `Row ${at}` }, order.map((index) => {
    const fill = h("i");
    fill.style.width = `${row[index] * 100}%`;
    return h("li", { class: row[index] === best ? "best" : null }, h("span", { class: "class" }, classes ? cut(classes[index], 80) : index), h("span", { class: "track", "aria-hidden": "true" }, fill), h("span", { class: "share" }, `${(row[index] * 100).toFixed(1)} %`));
  }), row.length > MOST_CLASSES && h("li", { class: "more" }, `and ${row.length - MOST_CLASSES} smaller ones`));
}

function isPicture(row) {
  const dims = sizes(row);
  const isNumber = typeof flat(row)[0] === "number";
  return isNumber && (dims.length === 2 || (dims.length === 3 && [1, 3, 4].includes(dims[2]))) && dims[0] >= LEAST_SIDE && dims[1] >= LEAST_SIDE;
}

function picture(rows, tensor) {
  const [height, width, channels = 1] = sizes(rows);
  const all = flat(rows);
  const lowest = all.reduce((one, other) => Math.min(one, other));
  const highest = all.reduce((one, other) => Math.max(one, other));
  const marks = /INT/.test(tensor.dtype) && channels === 1 && new Set(all).size <= 64;
  const [from, to] = lowest >= 0 && highest <= 255 && highest > 1.5 ? [0, channels === 1 ? highest : 255] : lowest >= 0 && highest <= 1 ? [0, 1] : [lowest, highest];
  const canvas = h("canvas", { width, height, role: "img", class: "picture", "aria-label": `${tensor.name}: ${width} × ${height}, from ${number(lowest)} to ${number(highest)}` });
  canvas.style.width = `${Math.min(LARGEST_SIDE, width * Math.max(1, Math.floor(LARGEST_SIDE / Math.max(width, height))))}px`;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const scaled = (value) => ((value - from) / (to - from || 1)) * 255;
  for (let at = 0; at < width * height; at += 1) {
    const colour = marks ? PALETTE[Math.abs(all[at]) % PALETTE.length] : channels === 1 ? [all[at], all[at], all[at]].map(scaled) : [0, 1, 2].map((each) => scaled(all[at * channels + each]));
    image.data.set([...colour, channels === 4 ? scaled(all[at * 4 + 3]) : 255], at * 4);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function texts(values) {
  return [values.slice(0, MOST_ROWS).map((value) => {
    const type = isBytes(value) ? pictureType(value.b64) : typeof value === "string" ? pictureType(value) : null;
    if (type) return h("img", { class: "picture", alt: "An encoded image that the model answered", src: `data:${type};base64,${(value.b64 ?? value).replace(/[^A-Za-z0-9+/=_-]/g, "").replaceAll("-", "+").replaceAll("_", "/")}` });
    return h("pre", { class: "text", tabindex: 0 }, cut(isBytes(value) ? `${value.b64} (base64)` : String(value), MOST_TEXT));
  }), left(values.length, MOST_ROWS)];
}

function table(rows) {
  if (rows.length === 1 && flat(rows).length === 1) return h("p", { class: "single" }, String(flat(rows)[0]));
  const cells = rows.slice(0, MOST_ROWS).map((row) => flat(row));
  const width = Math.max(0, ...cells.map((row) => row.length));
  const cell = (value) => h("td", { class: "num" }, typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : String(value ?? ""));
  const heads = Array.from({ length: Math.min(width, MOST_COLUMNS) }, (_, at) => h("th", { scope: "col", class: "num" }, width === 1 ? "value" : at));
  return [h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Numbers" }, h("table", { class: "numbers" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "row"), heads, width > MOST_COLUMNS && h("th", { scope: "col" }, "…"))),
    h("tbody", {}, cells.map((row, at) => h("tr", {}, h("th", { scope: "row" }, at), row.slice(0, MOST_COLUMNS).map(cell), width > MOST_COLUMNS && h("td", {}, `${width - MOST_COLUMNS} more`)))))),
  left(rows.length, MOST_ROWS)];
}
