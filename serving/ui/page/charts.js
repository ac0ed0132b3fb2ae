// Small charts as SVG, drawn anew with each sample: lines over the last five minutes, and bars of a histogram.

import { h, s } from "./dom.js";
import { WINDOW_SECONDS } from "./history.js";
import { number } from "./words.js";

const HEIGHT = 132;
const TOP = 10;
const BOTTOM = 20;
const STEPS = [1, 2, 2.5, 5, 10];

/** Lines over time. `lines` are [name, tone]; `draw(times, values)` takes a list of numbers or nulls for each. */
export class LineChart {
  constructor(title, lines, format = number, round = ceiling) {
    Object.assign(this, { title, lines, format, round, hovered: null, times: [], values: lines.map(() => []) });
    this.figures = lines.map(() => h("b", {}, "–"));
    this.svg = s("svg", { role: "img", class: "plot", height: HEIGHT });
    this.svg.addEventListener("pointermove", (event) => this.#hover(event));
    this.svg.addEventListener("pointerleave", () => { this.hovered = null; this.#paint(); });
    this.note = h("span", { class: "when" });
    const legend = lines.map(([name, tone], at) =>
      h("span", { class: `key ${tone}` }, lines.length > 1 && h("i"), lines.length > 1 && name, this.figures[at]));
    this.element = h("figure", { class: "chart" },
      h("figcaption", {}, h("span", { class: "title" }, title), this.note, h("span", { class: "legend" }, legend)), this.svg);
    new ResizeObserver(() => this.#paint()).observe(this.svg);
  }

  draw(times, values) {
    this.times = times;
    this.values = values;
    this.#paint();
  }

  /** Rows for the table that says the same: [name, now, highest]. */
  rows() {
    return this.lines.map(([name], at) => {
      const there = this.values[at].filter((value) => value !== null);
      const last = this.values[at].at(-1) ?? null;
      const label = this.lines.length > 1 ? `${this.title}, ${name}` : this.title;
      return [label, this.format(last), there.length ? this.format(Math.max(...there)) : "–"];
    });
  }

  #hover(event) {
    const box = this.svg.getBoundingClientRect();
    const time = this.#end() - WINDOW_SECONDS * (1 - (event.clientX - box.left) / box.width);
    let best = null;
    this.times.forEach((each, at) => {
      if (best === null || Math.abs(each - time) < Math.abs(this.times[best] - time)) best = at;
    });
    this.hovered = best;
    this.#paint();
  }

  #end() {
    return this.times.at(-1) ?? 0;
  }

  #paint() {
    const width = this.svg.clientWidth;
    if (!width) return;
    const highest = this.round(Math.max(0, ...this.values.flat().filter((value) => value !== null)));
    const x = (time) => width - ((this.#end() - time) / WINDOW_SECONDS) * width;
    const y = (value) => HEIGHT - BOTTOM - (value / highest) * (HEIGHT - TOP - BOTTOM);
    const empty = !this.values.flat().some((value) => value !== null);
    const parts = [0, 0.5, 1].map((share) => [
      s("line", { class: "grid", x1: 0, x2: width, y1: y(highest * share), y2: y(highest * share) }),
      share > 0 && !empty && s("text", { class: "tick", x: 0, y: y(highest * share) - 4 }, this.format(highest * share)),
    ]);
    if (empty) parts.push(s("text", { class: "nothing", x: width / 2, y: y(highest * 0.25) + 4, "text-anchor": "middle" }, "Nothing to show yet"));
    parts.push(s("text", { class: "tick", x: 0, y: HEIGHT - 5 }, "5 min ago"));
    parts.push(s("text", { class: "tick", x: width, y: HEIGHT - 5, "text-anchor": "end" }, "now"));
    this.lines.forEach(([, tone], at) => parts.push(this.#line(this.values[at], tone, x, y, this.lines.length === 1)));
    if (this.hovered !== null && this.hovered < this.times.length) {
      const here = x(this.times[this.hovered]);
      parts.push(s("line", { class: "cursor", x1: here, x2: here, y1: TOP, y2: HEIGHT - BOTTOM }));
    }
    this.svg.replaceChildren(...parts.flat().filter(Boolean));
    this.#tell();
  }

  #line(values, tone, x, y, filled) {
    const runs = [];
    values.forEach((value, at) => {
      if (value === null) return;
      if (at === 0 || values[at - 1] === null) runs.push([]);
      runs.at(-1).push([x(this.times[at]), y(value)]);
    });
    const group = s("g", { class: `line ${tone}` });
    for (const run of runs) {
      const path = run.map(([left, top]) => `${left.toFixed(1)} ${top.toFixed(1)}`).join("L");
      const floor = HEIGHT - BOTTOM;
      if (filled) group.append(s("path", { class: "area", d: `M${run[0][0].toFixed(1)} ${floor}L${path}V${floor}Z` }));
      group.append(s("path", { class: "stroke", d: `M${path}${run.length === 1 ? "h.1" : ""}` }));
    }
    return group;
  }

  #tell() {
    const at = this.hovered ?? this.times.length - 1;
    this.figures.forEach((figure, line) => { figure.textContent = this.format(this.values[line][at] ?? null); });
    this.note.textContent = this.hovered === null ? "" : `${Math.round(this.#end() - this.times[at])} s ago`;
    const said = this.rows().map(([name, now, highest]) => `${name}: now ${now}, highest ${highest}`).join("; ");
    this.svg.setAttribute("aria-label", `${said}. The last five minutes.`);
  }
}

/** How often each batch size was seen; `draw(histogram)`. */
export class BarChart {
  constructor(title, empty) {
    Object.assign(this, { title, empty, histogram: null });
    this.body = h("div", { class: "columns" });
    this.element = h("figure", { class: "chart" }, h("figcaption", {}, h("span", { class: "title" }, title)), this.body);
  }

  draw(histogram) {
    this.histogram = histogram;
    const { counts, bounds } = histogram ?? { counts: [], bounds: [] };
    const last = counts.findLastIndex((count) => count > 0);
    if (last < 0) {
      this.body.replaceChildren(h("p", { class: "note" }, this.empty));
      return;
    }
    const most = Math.max(...counts);
    this.body.replaceChildren(...counts.slice(0, last + 1).map((count, at) => {
      const label = at < bounds.length ? `≤ ${number(bounds[at])}` : "more";
      const bar = h("i");
      bar.style.height = `${(count / most) * 100}%`;
      return h("div", { role: "img", "aria-label": `${label} rows: ${count} batches` }, h("span", {}, number(count)), h("div", {}, bar), h("small", {}, label));
    }));
  }
}

/** The next round number, so that the scale moves seldom. */
export function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * STEPS.find((step) => step * power >= value * 0.999);
}

/** The same for bytes: a power of two. */
export function ceilingOfBytes(value) {
  const unit = 1024 ** Math.floor(Math.log(Math.max(1, value)) / Math.log(1024));
  return unit * 2 ** Math.ceil(Math.log2(Math.max(1, value / unit)));
}
