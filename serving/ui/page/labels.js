// Labels of a model, the button that moves one, and how a shadowed version does.

import { h, say } from "./dom.js";
import * as server from "./server.js";
import { number, seconds } from "./words.js";

/** The labels of a model, each with its version. */
export const labelsOf = (model) => Object.entries(model.labels).map(([label, version]) => h("span", { class: "tag" }, `${label} → ${version}`));

/** A form that moves a label to a version, or makes a new one. */
export function labelForm(model) {
  const label = h("input", { id: "label-name", list: "label-names", required: true, autocomplete: "off", placeholder: "stable" });
  label.value = Object.keys(model.labels)[0] ?? "";
  const version = h("select", { id: "label-version" }, model.versions.filter((each) => each.state === "AVAILABLE").map((each) => h("option", { value: each.version }, each.version)));
  const told = h("p", { class: "note", role: "status" });
  const move = async (event) => {
    event.preventDefault();
    try {
      await server.json(`v1/models/${encodeURIComponent(model.name)}/labels/${encodeURIComponent(label.value)}`, { method: "POST", body: JSON.stringify({ version: version.value }) });
      told.className = "note";
      told.textContent = `${label.value} is version ${version.value} now.`;
      say(told.textContent);
    } catch (error) {
      told.className = "callout bad";
      told.textContent = error.message;
    }
  };
  return h("details", { class: "move", id: "move-label" }, h("summary", {}, "Move a label"),
    h("form", { class: "row", onsubmit: move }, h("label", {}, "Label", label), h("datalist", { id: "label-names" }, Object.keys(model.labels).map((each) => h("option", { value: each }))),
      h("label", {}, "Version", version), h("button", { class: "main" }, "Move"), told));
}

/** What a share of live requests said about the version in the shadow; nothing where there is none. */
export function shadowOf(model) {
  const { shadow } = model;
  if (!shadow) return null;
  const figures = [
    ["Compared", number(shadow.compared)],
    ["Agreed", shadow.compared ? `${number((100 * shadow.agreed) / shadow.compared)} %` : "–"],
    ["Largest difference", number(shadow.largest_difference)],
    ["Live", seconds(shadow.seconds?.live)],
    ["Shadow", seconds(shadow.seconds?.shadow)],
    ["Failed", number(shadow.failed)],
    ["Dropped", number(shadow.dropped)],
  ];
  return h("section", { class: "shadow" }, h("h2", {}, `Version ${shadow.version} gets ${number(shadow.share * 100)} % of the requests as a shadow`),
    h("dl", { class: "figures-row" }, figures.map(([name, figure]) => h("div", {}, h("dt", {}, name), h("dd", {}, figure)))));
}
