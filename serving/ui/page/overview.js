// The navigation, the overview of all models, what the checks found, and the list of the API.

import { h, idOf, swap } from "./dom.js";
import { Graphs, Tiles } from "./graphs.js";
import * as server from "./server.js";
import { bytes, cut, number, stateOf, toneOf } from "./words.js";

const LEVELS = { fails: ["Fails", "bad"], warning: ["Warning", "waits"], ok: ["Fine", "good"] };

export const linkTo = (model) => `#/models/${encodeURIComponent(model)}`;

/** The state of a version, or any state, as a badge that does not rest on its colour alone. */
export const badge = (text, tone) => h("span", { class: `badge ${tone}` }, h("i", { "aria-hidden": "true" }), text);

/** Models with a dot each, and the other pages. */
export function drawSide(place, state, page) {
  const open = (state.findings ?? []).filter((finding) => finding.level !== "ok").length;
  const entry = (href, text, ...more) => h("li", {}, h("a", { href, id: idOf("to", href), "aria-current": href === page ? "page" : null }, h("span", {}, text), more));
  const models = state.models.map((model) => {
    const tone = toneOf(model);
    return entry(linkTo(model.name), model.name, h("i", { class: `dot ${tone}`, "aria-hidden": "true" }), h("span", { class: "unseen" }, SAID[tone]));
  });
  swap(place, [state.models.map((model) => [model.name, toneOf(model)]), open, page], () => [
    h("ul", {}, entry("#/", "Overview"), entry("#/checks", "Checks", open > 0 && h("span", { class: "count" }, open)), entry("#/api", "API")),
    h("h2", {}, "Models"),
    models.length ? h("ul", {}, models) : h("p", { class: "note" }, "None yet."),
  ]);
}

const SAID = { bad: "has failed", busy: "is changing", waits: "waits", good: "is available", idle: "is not served" };

/** The first page: figures, models as cards, charts of the whole server. */
export class Overview {
  constructor() {
    this.title = "Overview";
    this.tiles = new Tiles();
    this.graphs = new Graphs(null);
    this.waits = h("div");
    this.cards = h("div", { class: "cards" });
    this.workers = h("div");
    this.element = h("div", {}, h("h1", { tabindex: -1 }, "Overview"), this.waits, this.tiles.element,
      h("section", { "aria-labelledby": "models-title" }, h("h2", { id: "models-title" }, "Models"), this.cards),
      h("section", { "aria-labelledby": "load-title" }, h("h2", { id: "load-title" }, "Load"), this.graphs.element), this.workers);
  }

  draw(state, history) {
    this.tiles.draw(history, state);
    this.graphs.draw(history);
    const workers = history.samples.at(-1)?.workers ?? [];
    swap(this.workers, workers, () => workers.length > 0 && workersOf(workers));
    swap(this.waits, state.server.waits_for, () => state.server.waits_for && h("p", { class: "callout waits" }, state.server.waits_for));
    swap(this.cards, state.models, () => (state.models.length ? state.models.map(card) : h("p", { class: "note" }, "No model is configured. A server takes them by --model_name and --model_base_path, or --model_config_file.")));
  }
}

const TONES = { serving: "good", away: "bad", late: "bad" };
const AWAY = { away: "ended, starts again", late: "does not answer" };

/** A row for each of several workers. */
function workersOf(workers) {
  const heads = ["Worker", "Process", "State", "Requests", "Memory", "Started again", "Its last end"];
  const rows = workers.map((worker) => [worker.worker, worker.pid || "–", badge(AWAY[worker.state] ?? worker.state, TONES[worker.state] ?? "busy"),
    number(worker.requests), bytes(worker.memory_bytes), worker.restarts, worker.last_end || "–"]);
  return h("section", { "aria-labelledby": "workers-title" }, h("h2", { id: "workers-title" }, "Workers"),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Workers" }, h("table", { class: "wide" },
      h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell))))))));
}

function card(model) {
  const labels = Object.entries(model.labels);
  const failed = model.versions.find((version) => version.error);
  const engines = [...new Set(model.versions.map((version) => version.engine).filter(Boolean))];
  return h("a", { class: "card", href: linkTo(model.name), id: idOf("card", model.name) },
    h("span", { class: "name" }, model.name),
    h("span", { class: "row" }, model.versions.map((version) => {
      const [text, tone] = stateOf(version);
      return badge(`${version.version} ${text.toLowerCase()}`, tone);
    }), model.versions.length === 0 && badge("no version", "waits")),
    failed && h("span", { class: "error-line" }, cut(failed.error, 160)),
    !failed && (model.waits_for || model.store) && h("span", { class: "muted" }, model.waits_for || model.store),
    h("span", { class: "foot" }, engines.join(", "), labels.map(([label, version]) => h("span", { class: "tag" }, `${label} → ${version}`))));
}

/** What the checks of the server and its machine found. */
export class Checks {
  constructor() {
    this.title = "Checks";
    this.list = h("div");
    this.element = h("div", {}, h("h1", { tabindex: -1 }, "Checks"),
      h("p", { class: "lead" }, "What the server noticed about its settings, its models and its machine."), this.list);
  }

  draw(state) {
    swap(this.list, state.findings, () => {
      if (state.findings === null) return h("p", { class: "note" }, "The checks are running.");
      if (!state.findings.length) return h("p", { class: "note" }, "There is nothing to show.");
      const order = Object.keys(LEVELS);
      const sorted = state.findings.toSorted((one, other) => order.indexOf(one.level) - order.indexOf(other.level));
      return h("ul", { class: "findings" }, sorted.map((finding) => {
        const [text, tone] = LEVELS[finding.level] ?? [finding.level, "idle"];
        return h("li", { class: tone }, badge(text, tone), h("div", {}, h("h2", {}, finding.what), h("p", {}, finding.found),
          finding.advice && h("p", { class: "muted" }, finding.advice)));
      }));
    });
  }
}

/** The API as /openapi.json lists it. */
export class Api {
  constructor() {
    this.title = "API";
    this.list = h("div", {}, h("p", { class: "note" }, "Reading openapi.json…"));
    this.links = h("p", { class: "lead" });
    this.element = h("div", {}, h("h1", { tabindex: -1 }, "API"), this.links, this.list);
    this.#read();
  }

  draw(state) {
    swap(this.links, [state.server.metrics_path, state.server.grpc_port], () => ["Everything this server answers over REST, as its own description lists it: ",
      h("a", { href: new URL("openapi.json", server.root).href }, "openapi.json"),
      state.server.grpc_port ? ` · gRPC is on port ${state.server.grpc_port}` : "",
      state.server.metrics_path ? [" · ", h("a", { href: new URL(state.server.metrics_path.replace(/^\//, ""), server.root).href }, "metrics")] : ""]);
  }

  async #read() {
    try {
      const { paths } = await server.json("openapi.json");
      const rows = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).filter(([, told]) => told && told.responses).map(([method, told]) => [path, method.toUpperCase(), told.summary ?? told.description ?? ""]));
      this.list.replaceChildren(h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Operations" }, h("table", { class: "wide" },
        h("thead", {}, h("tr", {}, ["Method", "Path", "What it does"].map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", {}, rows.map(([path, method, text]) => h("tr", {}, h("td", {}, h("span", { class: `verb ${method.toLowerCase()}` }, method)), h("td", {}, h("code", {}, path)), h("td", {}, text)))))));
    } catch (error) {
      this.list.replaceChildren(h("p", { class: "callout bad" }, `openapi.json cannot be read: ${error.message}`));
    }
  }
}
