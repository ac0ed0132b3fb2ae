// The page of one model: its versions, labels and signatures, and the tabs to try, compare and watch it.

import { h, idOf, swap, tabs } from "./dom.js";
import { Compare } from "./compare.js";
import { Graphs } from "./graphs.js";
import { labelForm, labelsOf, shadowOf } from "./labels.js";
import { badge } from "./overview.js";
import { TryIt } from "./try.js";
import { dtype, shape, stateOf } from "./words.js";

/** Everything about the model called `name`. */
export class ModelPage {
  constructor(name) {
    Object.assign(this, { name, title: name });
    this.head = h("div", { class: "row" });
    this.versions = h("div");
    this.labels = h("div");
    this.signatures = h("div");
    this.gone = h("p", { class: "callout waits", hidden: true }, "The server has no model of this name now.");
    this.tryIt = new TryIt(name);
    this.compare = new Compare(name);
    this.load = h("div");
    this.tabs = h("div");
    this.element = h("div", {}, h("h1", { tabindex: -1, class: "model-name" }, name), this.head, this.gone,
      h("section", { "aria-label": "Versions" }, this.versions), this.labels, this.tabs);
  }

  draw(state, history) {
    const model = state.models.find((each) => each.name === this.name);
    this.gone.hidden = Boolean(model);
    this.tabs.hidden = !model;
    if (!model) return;
    swap(this.head, [model.labels, model.base_path], () => [labelsOf(model), model.base_path && h("code", { class: "path" }, model.base_path)]);
    swap(this.versions, [model.versions, model.waits_for, model.store], () => versionsOf(model));
    const move = state.server.model_control && state.may.admin && model.versions.some((each) => each.state === "AVAILABLE");
    swap(this.labels, [move, model.labels, model.shadow, model.versions.map((each) => [each.version, each.state])], () => [shadowOf(model), move && labelForm(model)]);
    swap(this.signatures, model.versions.map((each) => [each.version, each.signatures]), () => signaturesOf(model));
    const perVersion = state.server.metrics_per_version ? model.versions.map((version) => version.version) : [];
    swap(this.load, perVersion, () => { this.graphs = new Graphs(this.name, perVersion); return this.graphs.element; });
    const compared = model.versions.filter((each) => each.state === "AVAILABLE").length > 1;
    swap(this.tabs, compared, () => this.#tabs(compared));
    this.tryIt.draw(model, state);
    this.drawCompare = () => this.compare.draw(model, state);
    if (this.comparing) this.drawCompare();
    this.graphs.draw(history);
  }

  #tabs(compared) {
    const panels = [["Try it", this.tryIt.element], compared && ["Compare", this.compare.element], ["Signatures", this.signatures], ["Load", this.load]];
    // Only who opens it needs an example made for it.
    const chosen = (index) => {
      this.comparing = compared && index === 1;
      if (this.comparing) this.drawCompare();
    };
    return tabs(`Of ${this.name}`, "model", panels.filter(Boolean), chosen);
  }
}

function versionsOf(model) {
  if (!model.versions.length) return h("p", { class: "callout waits" }, model.waits_for || "No version was found yet.");
  const waits = model.waits_for || model.store;
  return [waits && h("p", { class: "callout waits" }, waits), h("ul", { class: "versions" }, model.versions.map((version) => versionOf(model, version)))];
}

function versionOf(model, version) {
  const [text, tone] = stateOf(version);
  const labels = Object.keys(model.labels).filter((label) => model.labels[label] === version.version);
  return h("li", { class: tone },
    h("div", { class: "row" }, h("span", { class: "version" }, `Version ${version.version}`), badge(text, tone),
      labels.map((label) => h("span", { class: "tag" }, label)), version.engine && h("span", { class: "tag engine" }, version.engine),
      version.trying && badge("Trying engines", "busy")),
    version.engine_said && h("p", { class: "muted" }, version.engine_said),
    version.note && h("p", { class: "muted" }, version.note),
    version.error && h("details", { class: "error", id: idOf("error", model.name, version.version), open: version.error.length < 1500 },
      h("summary", {}, `Error${version.code ? ` (code ${version.code})` : ""}`), h("pre", { tabindex: 0 }, version.error)));
}

function signaturesOf(model) {
  const rows = (version) => version.signatures.flatMap((signature) => [["Input", signature.inputs], ["Output", signature.outputs]].flatMap(([kind, tensors]) =>
    tensors.map((tensor) => h("tr", {}, h("th", { scope: "row" }, signature.name), h("td", {}, kind), h("td", {}, h("code", {}, tensor.name)), h("td", {}, dtype(tensor.dtype)), h("td", {}, h("code", {}, shape(tensor.shape)))))));
  const shown = model.versions.filter((version) => version.signatures.length);
  if (!shown.length) return h("p", { class: "note" }, "Signatures are shown of versions that are available.");
  return shown.map((version) => [h("h3", {}, `Version ${version.version}`),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Signatures of version ${version.version}` }, h("table", { class: "wide" },
      h("thead", {}, h("tr", {}, ["Signature", "", "Name", "Type", "Shape"].map((text) => (text ? h("th", { scope: "col" }, text) : h("td"))))), h("tbody", {}, rows(version))))]);
}
