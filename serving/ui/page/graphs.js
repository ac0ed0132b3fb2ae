// The group of live charts of a server, a model or a version, and the table that says the same in figures.

import { h } from "./dom.js";
import { BarChart, LineChart, ceilingOfBytes } from "./charts.js";
import { bytes, number, seconds, toneOf } from "./words.js";

/** Charts of `model` (null: all), of one of its `versions` where the server counts by version. `draw(history)`. */
export class Graphs {
  constructor(model, versions = []) {
    this.model = model;
    this.version = "";
    this.requests = new LineChart("Requests per second", [["requests", "one"]]);
    this.errors = new LineChart("Errors per second", [["errors", "bad"]]);
    this.latency = new LineChart("Latency", [["p50", "one"], ["p90", "two"], ["p99", "three"]], seconds);
    this.batches = new BarChart("Rows in a batch, last 5 min", "No batches were formed.");
    this.work = new LineChart("Waiting and running", [["waiting", "two"], ["running", "one"]]);
    this.memory = new LineChart("Memory of the server", [["memory", "one"]], bytes, ceilingOfBytes);
    this.all = [this.requests, this.latency, this.errors, this.work, this.memory];
    this.table = h("tbody");
    this.element = h("div", {}, versions.length > 0 && this.#chooser(versions),
      h("div", { class: "charts" }, [this.requests, this.latency, this.errors, this.batches, this.work, this.memory].map((each) => each.element)),
      h("details", { class: "figures" }, h("summary", {}, "The same as a table"),
        h("table", {}, h("thead", {}, h("tr", {}, ["Figure", "Now", "Highest in 5 min"].map((text) => h("th", { scope: "col" }, text)))), this.table)));
  }

  #chooser(versions) {
    const options = [["", "All versions"], ...versions.map((version) => [version, `Version ${version}`])];
    return h("label", { class: "inline" }, "Show",
      h("select", { onchange: (event) => { this.version = event.target.value; this.draw(this.history); } },
        options.map(([value, text]) => h("option", { value }, text))));
  }

  draw(history) {
    this.history = history;
    const found = history.series(this.model, this.version);
    this.requests.draw(found.times, [found.requests]);
    this.errors.draw(found.times, [found.errors]);
    this.latency.draw(found.times, [found.p50, found.p90, found.p99]);
    this.work.draw(found.times, [found.queue, found.in_flight]);
    this.memory.draw(found.times, [found.memory]);
    this.batches.draw(found.batches);
    const row = ([name, ...figures]) => h("tr", {}, h("th", { scope: "row" }, name), figures.map((text) => h("td", { class: "num" }, text)));
    this.table.replaceChildren(...this.all.flatMap((chart) => chart.rows().map(row)));
  }
}

function trouble(state) {
  const count = (tone) => state.models.filter((model) => toneOf(model) === tone).length;
  const told = [["bad", "failed"], ["busy", "changing"], ["waits", "waiting"]].filter(([tone]) => count(tone)).map(([tone, text]) => `${count(tone)} ${text}`);
  return told.join(", ") || "all well";
}

/** Four figures with what they were: the first line of the overview. `draw(history, state)`. */
export class Tiles {
  constructor() {
    this.names = ["Models available", "Requests per second", "p99 latency", "Memory"];
    this.figures = this.names.map(() => h("b", {}, "–"));
    this.notes = this.names.map(() => h("small"));
    this.element = h("dl", { class: "tiles" }, this.names.map((name, at) => h("div", {}, h("dt", {}, name), h("dd", {}, this.figures[at], this.notes[at]))));
  }

  draw(history, state) {
    const found = history.series(null, "");
    const there = state.models.filter((model) => model.versions.some((version) => version.state === "AVAILABLE")).length;
    const sample = history.samples.at(-1);
    const errors = found.errors.at(-1);
    this.#set(0, `${there} of ${state.models.length}`, trouble(state));
    this.#set(1, number(found.requests.at(-1)), errors ? `${number(errors)} errors per second` : "no errors");
    this.#set(2, seconds(found.p99.at(-1)), found.p50.at(-1) === null || !found.times.length ? "no requests lately" : `median ${seconds(found.p50.at(-1))}`);
    this.#set(3, bytes(sample?.memory_bytes), sample ? `${number(sample.in_flight)} running, ${number(sample.queue)} waiting` : "");
  }

  #set(at, figure, note) {
    this.figures[at].textContent = figure;
    this.notes[at].textContent = note;
  }
}
