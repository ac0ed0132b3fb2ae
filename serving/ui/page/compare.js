// Compare: one request to two versions or labels, their outputs side by side, how far they differ, and their time.

import { h } from "./dom.js";
import { results } from "./results.js";
import * as server from "./server.js";
import { BodyEditor, fillSelect, targetsOf } from "./targets.js";
import { failure } from "./try.js";
import { parse } from "./tensors.js";
import { number, seconds } from "./words.js";

const captionOf = ({ version }, [text, , asked]) => (asked.version === version ? text : `Version ${version}`);

export class Compare {
  constructor(name) {
    Object.assign(this, { name, model: null, shown: "" });
    this.one = h("select", { onchange: () => this.#chosen() });
    this.other = h("select");
    this.editor = new BodyEditor("compare", () => {});
    this.send = h("button", { class: "main", type: "submit" }, "Compare");
    this.answer = h("div", { "aria-live": "polite", "aria-label": "Comparison" });
    this.element = h("form", { class: "ask", onsubmit: (event) => { event.preventDefault(); this.#ask(); } },
      h("div", { class: "row" }, h("label", {}, "Ask", this.one), h("label", {}, "and", this.other)), this.editor.element, h("div", { class: "row" }, this.send), this.answer);
  }

  draw(model, state) {
    this.model = model;
    this.send.disabled = !state.may.predict;
    const targets = targetsOf(model);
    const key = JSON.stringify(targets.map(([text, , version]) => [text, version.signatures]));
    if (key === this.shown || targets.length < 2) return;
    this.shown = key;
    fillSelect(this.one, targets);
    fillSelect(this.other, targets);
    if (this.one.value === this.other.value) this.other.value = targets.find(([text]) => text !== this.one.value)[0];
    this.#chosen();
  }

  #target(select) {
    return targetsOf(this.model).find(([text]) => text === select.value);
  }

  #chosen() {
    const [, , version] = this.#target(this.one);
    const signature = version.signatures.find((each) => each.name === "serving_default") ?? version.signatures[0];
    const key = JSON.stringify([version.version, signature]);
    if (key === this.edited || !signature) return;
    this.edited = key;
    this.signature = signature;
    this.editor.of(this.name, version.version, signature);
  }

  async #ask() {
    await this.editor.ready;
    const chosen = [this.#target(this.one), this.#target(this.other)];
    // One list of one kind: labels are named by their versions where the other is a version.
    const labels = chosen.every(([, target]) => target.kind === "label");
    const values = chosen.map(([, target, version]) => encodeURIComponent(labels ? target.value : version.version));
    this.answer.replaceChildren(h("p", { class: "note" }, "Asking both…"));
    try {
      const answer = await server.ask(`v1/models/${encodeURIComponent(this.name)}:compare?${labels ? "labels" : "versions"}=${values.join(",")}`, { method: "POST", body: this.editor.text() });
      const text = await answer.text();
      if (!answer.ok) throw new server.Refused(answer.status, server.reason(text, answer.status));
      this.#show(parse(text), chosen);
    } catch (error) {
      this.answer.replaceChildren(failure(error.status ? `Status ${error.status}` : "No answer", error.message));
    }
  }

  #show(told, chosen) {
    const differences = typeof told.largest_difference === "object" && told.largest_difference ? Object.entries(told.largest_difference) : [["", told.largest_difference]];
    const figures = [...differences.map(([output, value]) => [`Largest difference${output ? ` of ${output}` : ""}`, number(value)]),
      ["Same first class", typeof told.top_1_agreement === "number" ? `${number(told.top_1_agreement * 100)} %` : "–"]];
    const skipped = Object.entries(told.not_compared ?? {}).map(([output, why]) => h("p", { class: "note" }, `${output} is not compared: ${why}`));
    this.answer.replaceChildren(...[
      h("dl", { class: "figures-row" }, figures.map(([name, figure]) => h("div", {}, h("dt", {}, name), h("dd", {}, figure)))), skipped,
      h("div", { class: "split even" }, told.answers.map((each, at) => h("section", { class: "answer" },
        h("div", { class: "row between" }, h("h3", {}, captionOf(each, chosen[at])), each.seconds !== undefined && h("b", {}, seconds(each.seconds))),
        each.error ? failure("Error", each.error) : results(each, this.signature)))),
    ].flat());
  }
}
