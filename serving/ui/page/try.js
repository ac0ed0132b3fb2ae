// Try it: a request to one version or label, its answer as what it is, the time per stage, and the request to copy.

import { copyButton, h, say, tabs } from "./dom.js";
import { results } from "./results.js";
import * as server from "./server.js";
import { snippets } from "./snippets.js";
import { BodyEditor, fillSelect, targetsOf } from "./targets.js";
import { parse } from "./tensors.js";
import { cut, seconds } from "./words.js";

const STAGES = [["queue", "waiting"], ["decode", "reading"], ["run", "model"], ["encode", "writing"]];
const MOST_RAW = 100_000;

export class TryIt {
  constructor(name) {
    Object.assign(this, { name, model: null, state: null, shown: "", turn: 0 });
    this.target = h("select", { onchange: () => this.#chosen() });
    this.signature = h("select", { onchange: () => this.#chosen() });
    this.editor = new BodyEditor("try", (drawn) => { this.#snippets(); if (drawn && !this.send.disabled) this.#ask(); });
    this.send = h("button", { class: "main", type: "submit" }, "Predict");
    this.why = h("span", { class: "note" });
    this.answer = h("div", { class: "answer", "aria-live": "polite", "aria-label": "Answer" }, h("p", { class: "empty" }, "The answer comes here."));
    this.codes = ["curl", "Python", "gRPC", "v2"].map((title) => [title, h("pre", { class: "code", tabindex: 0 })]);
    this.code = 0;
    const form = h("form", { class: "ask", onsubmit: (event) => { event.preventDefault(); this.#ask(); } },
      h("div", { class: "row" }, h("label", {}, "Ask", this.target), h("label", {}, "Signature", this.signature)), this.editor.element,
      h("div", { class: "row" }, this.send, this.why));
    form.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(); });
    this.none = h("p", { class: "note" }, "No version is available to be asked.");
    this.some = h("div", {}, h("div", { class: "split" }, form, this.answer),
      h("section", { class: "snippets", "aria-label": "The same request" }, h("div", { class: "row between" }, h("h3", {}, "The same request"),
        h("span", { class: "row" }, copyButton(() => this.editor.text(), "Copy the body"), copyButton(() => this.codes[this.code][1].textContent))),
      tabs("The same request", "code", this.codes, (index) => { this.code = index; })));
    this.element = h("div", {}, this.none, this.some);
  }

  draw(model, state) {
    Object.assign(this, { model, state });
    const targets = targetsOf(model);
    this.none.hidden = targets.length > 0;
    this.some.hidden = targets.length === 0;
    this.send.disabled = !state.may.predict;
    this.why.textContent = state.may.predict ? "Ctrl+Enter works as well" : "Your key may not predict.";
    const key = JSON.stringify(targets.map(([text, , version]) => [text, version.signatures]));
    if (key === this.shown || !targets.length) return;
    this.shown = key;
    fillSelect(this.target, targets);
    this.#chosen();
  }

  #chosen() {
    const targets = targetsOf(this.model);
    const [, target, version] = targets.find(([text]) => text === this.target.value) ?? targets[0];
    const usable = version.signatures.filter((each) => each.inputs.length);
    fillSelect(this.signature, usable.map((each) => [each.name]));
    const signature = usable.find((each) => each.name === this.signature.value);
    const changed = JSON.stringify([version.version, signature]);
    this.chosen = { target, version: version.version, signature };
    if (changed === this.edited || !signature) { this.#snippets(); return; }
    this.edited = changed;
    this.editor.of(this.name, version.version, signature);
  }

  #snippets() {
    const { target, signature } = this.chosen ?? {};
    let made;
    try {
      const grpc = `${server.root.hostname}:${this.state.server.grpc_port || 8500}`;
      made = snippets({ origin: server.root.href.replace(/\/$/, ""), grpc, keys: this.state.server.keys, model: this.name, target, signature, body: this.editor.value() });
    } catch {
      made = this.codes.map(([title]) => [title, "The body is not JSON yet."]);
    }
    made.forEach(([, text], at) => { this.codes[at][1].textContent = text; });
  }

  async #ask() {
    const { target, signature } = this.chosen;
    const turn = ++this.turn;
    await this.editor.ready;
    const where = target.kind === "version" ? `versions/${target.value}` : `labels/${encodeURIComponent(target.value)}`;
    this.answer.classList.add("working");
    let parts;
    try {
      parts = await this.#answered(`ui/data/timed/v1/models/${encodeURIComponent(this.name)}/${where}:predict`, signature);
    } catch (error) {
      parts = [failure("No answer", `The server could not be reached: ${error.message}`)];
    }
    if (turn !== this.turn) return;
    this.answer.classList.remove("working");
    this.answer.replaceChildren(...parts);
  }

  async #answered(path, signature) {
    const began = performance.now();
    const answer = await server.ask(path, { method: "POST", body: this.editor.text() });
    const text = await answer.text();
    const passed = performance.now() - began;
    if (!answer.ok) {
      const told = server.reason(text, answer.status);
      say(`Error: ${told}`);
      return [failure(`Status ${answer.status}`, told)];
    }
    return [results(parse(text), signature), times(answer.headers.get("Server-Timing") ?? "", passed),
      h("details", { class: "raw" }, h("summary", {}, "Answer as it came"), h("pre", { class: "code", tabindex: 0 }, cut(text, MOST_RAW)))];
  }
}

export const failure = (title, text) => h("div", { class: "callout bad", role: "alert" }, h("strong", {}, title), h("pre", { class: "text", tabindex: 0 }, text));

/** Where the milliseconds went: the server's stages, and what is left for the network and the browser. */
function times(header, passed) {
  const told = Object.fromEntries([...header.matchAll(/([\w-]+)\s*;\s*dur=([\d.]+)/g)].map(([, name, value]) => [name, Number(value)]));
  const stages = STAGES.filter(([name]) => name in told).map(([name, text]) => [name, text, told[name]]);
  const known = stages.reduce((sum, [, , value]) => sum + value, 0);
  if (told.total - known > 0.01) stages.push(["other", "rest of the server", told.total - known]);
  const server = Math.max(known, told.total ?? 0);
  stages.push(["network", stages.length ? "network and browser" : "in all", Math.max(0, passed - server)]);
  const bar = h("div", { class: "stages", "aria-hidden": "true" }, stages.map(([name, , value]) => {
    const part = h("i", { class: name });
    part.style.flexGrow = String(Math.max(value, passed / 200));
    return part;
  }));
  return h("section", { class: "times", "aria-label": "Time" }, h("div", { class: "row between" }, h("h4", {}, "Time"), h("b", {}, seconds(passed / 1000))), bar,
    h("dl", { class: "stage-list" }, stages.map(([name, text, value]) => h("div", {}, h("dt", {}, h("i", { class: name, "aria-hidden": "true" }), text), h("dd", {}, seconds(value / 1000))))));
}
