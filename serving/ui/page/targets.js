// What a panel asks: a version or a label of the model, and a signature. And the request body that both panels share.

import { h, swap } from "./dom.js";
import { drawingPad } from "./drawing.js";
import { RANGES, encoded, pictureInputs, pixels } from "./pictures.js";
import * as server from "./server.js";
import { hasRows, parse, pretty, withInput } from "./tensors.js";
import { shape } from "./words.js";

// A longer body is shown shortened: no text field stays quick with a million characters in it.
const LONG = 60_000;
const MOST_SHOWN = 6;

/** Versions that answer, then labels: [text, {kind, value}, version]. */
export function targetsOf(model) {
  const there = model.versions.filter((version) => version.state === "AVAILABLE");
  const labels = Object.entries(model.labels).map(([label, number]) => [`${label} (version ${number})`, { kind: "label", value: label }, there.find((each) => each.version === number)]);
  return [...there.map((version) => [`Version ${version.version}`, { kind: "version", value: version.version }, version]), ...labels.filter(([, , version]) => version)];
}

/** An editor of a predict body, with a place for pictures. `changed(drawn)` is called when it has another body. */
export class BodyEditor {
  constructor(name, changed) {
    Object.assign(this, { name, changed, body: null, hint: null, asked: 0, signature: null, ready: null });
    this.area = h("textarea", { id: `${name}-body`, spellcheck: "false", rows: 6, autocomplete: "off", oninput: () => this.#typed() });
    this.told = h("p", { class: "note", role: "status" });
    this.pictures = h("div");
    this.element = h("div", { class: "editor" }, this.pictures, h("div", { class: "row between" }, h("label", { for: `${name}-body` }, "Request body (JSON)"),
      h("button", { type: "button", class: "quiet", onclick: () => this.example() }, "Fill in the example")), this.area, this.told);
  }

  /** Edits requests for that version's signature, from its example. */
  async of(model, version, signature) {
    Object.assign(this, { model, version, signature, hint: null });
    this.#showPictures();
    await this.example();
  }

  /** Fills in the example; what is typed meanwhile stays. */
  example() {
    this.ready = this.#example();
    return this.ready;
  }

  #typed() {
    this.asked += 1;
    this.told.textContent = "";
    this.changed(false);
  }

  async #example() {
    const turn = ++this.asked;
    this.told.textContent = "An example is being made…";
    const query = new URLSearchParams({ model: this.model, version: this.version, signature: this.signature.name });
    try {
      const { body, image } = await server.json(`ui/data/example?${query}`);
      if (turn !== this.asked) return;
      this.hint = image;
      this.told.textContent = body ? "" : "Zeros of the signature's shape.";
      this.#show(body ?? zerosFor(this.signature));
    } catch (error) {
      if (turn !== this.asked) return;
      this.told.textContent = `There is no example: ${error.message}`;
      this.#show(zerosFor(this.signature));
    }
    this.#showPictures();
    this.changed(false);
  }

  /** The body as an object; throws what is wrong with its text. */
  value() {
    return this.area.readOnly ? this.body : parse(this.area.value);
  }

  text() {
    return this.area.readOnly ? JSON.stringify(this.body) : this.area.value;
  }

  #show(body) {
    this.body = body;
    const long = JSON.stringify(body).length > LONG;
    this.area.readOnly = long;
    this.area.value = pretty(body, long ? MOST_SHOWN : Infinity);
    if (long) this.told.textContent = "The body is long: it is shown shortened, and sent whole.";
  }

  #put(name, value, drawn) {
    this.asked += 1;
    this.told.textContent = "";
    let base = this.body;
    try {
      base = this.value();
    } catch {
      // What was typed is no JSON: the picture goes into the body before it.
    }
    this.#show(withInput(base, this.signature, name, value));
    this.changed(drawn);
  }

  /** Anew only if the example said more about the pictures: somebody may be drawing. */
  #showPictures() {
    const inputs = pictureInputs(this.signature, this.hint);
    swap(this.pictures, [this.model, this.version, this.signature.name, inputs], () => this.#pictures(inputs));
  }

  #pictures(inputs) {
    return inputs.map((input) => h("fieldset", { class: "image" }, h("legend", {}, `Input ${input.name}`), this.#range(input),
      h("div", { class: "sources" }, input.drawn && drawingPad(input, (canvas) => this.#put(input.name, pixels(canvas, input, input.range), true)), this.#drop(input))));
  }

  #range(input) {
    if (input.kind !== "pixels") return null;
    return h("label", { class: "inline" }, "Black to white is", h("select", { onchange: (event) => { input.range = event.target.value; } },
      Object.keys(RANGES).map((range) => h("option", { selected: range === input.range }, range))));
  }

  #drop(input) {
    const wanted = input.kind === "bytes" ? "a file; its bytes are sent" : `an image; it becomes ${shape([input.height, input.width, input.channels])}`;
    const chooser = h("input", { type: "file", accept: input.kind === "bytes" ? null : "image/*", "aria-label": `File for ${input.name}`, onchange: () => this.#file(input, chooser.files[0], preview, told) });
    const preview = h("div", { class: "preview" });
    const told = h("span", { class: "note", role: "status" }, `Drop ${wanted}`);
    const area = h("label", { class: "drop" }, preview, told, chooser);
    const over = (event) => { event.preventDefault(); area.classList.toggle("over", event.type === "dragover"); };
    area.addEventListener("dragover", over);
    area.addEventListener("dragleave", over);
    area.addEventListener("drop", (event) => { over(event); this.#file(input, event.dataTransfer.files[0], preview, told); });
    return area;
  }

  async #file(input, file, preview, told) {
    if (!file) return;
    try {
      if (input.kind === "bytes") {
        this.#put(input.name, await encoded(file), true);
        if (file.type.startsWith("image/") && file.type !== "image/svg+xml") this.#preview(preview, await createImageBitmap(file), 160);
      } else {
        const image = await createImageBitmap(file);
        this.#preview(preview, image, 160);
        this.#put(input.name, pixels(image, input, input.range), true);
      }
      told.textContent = file.name;
    } catch (error) {
      told.textContent = `${file.name} is no image that this browser reads (${error.message}).`;
    }
  }

  #preview(place, image, side) {
    const scale = side / Math.max(image.width, image.height);
    const canvas = h("canvas", { width: Math.max(1, Math.round(image.width * scale)), height: Math.max(1, Math.round(image.height * scale)), role: "img", "aria-label": "The image that was given" });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    place.replaceChildren(canvas);
  }
}

/** Zeros (or empty texts) of the signature's shapes; a size that is open is 1. */
function zerosFor(signature) {
  const zero = ({ dtype }) => (dtype === "DT_STRING" ? "" : dtype === "DT_BOOL" ? false : 0);
  const nest = (dims, value) => (dims.length ? Array.from({ length: Math.max(1, dims[0]) }, () => nest(dims.slice(1), value)) : value);
  const filled = (tensor) => nest((tensor.shape ?? []).map(Number), zero(tensor));
  const inputs = Object.fromEntries(signature.inputs.map((tensor) => [tensor.name, filled(tensor)]));
  const named = signature.name === "serving_default" ? {} : { signature_name: signature.name };
  if (!signature.inputs.every(hasRows)) return { ...named, inputs };
  const row = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, value[0]]));
  return { ...named, instances: [signature.inputs.length === 1 ? Object.values(row)[0] : row] };
}

/** A choice between targets that keeps what was chosen while there is such a target. `options` are [text, anything]. */
export function fillSelect(select, options) {
  const before = select.value;
  select.replaceChildren(...options.map(([text]) => h("option", { value: text }, text)));
  if (options.some(([text]) => text === before)) select.value = before;
}
