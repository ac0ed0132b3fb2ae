// Starts the page: follows the server, shows the page that the address names, asks for a key where one is needed.

import { h, say } from "./dom.js";
import { History } from "./history.js";
import { ModelPage } from "./model.js";
import { Api, Checks, Overview, drawSide, linkTo } from "./overview.js";
import * as server from "./server.js";
import { since, stateOf } from "./words.js";

const place = (id) => document.getElementById(id);
const history = new History();
let state = null;
let shown = null;
let address = "";
let asking = null;

/** The page for the address; kept while the address is the same. */
function pageFor(hash) {
  const model = /^#\/models\/(.+)$/.exec(hash);
  if (model) return new ModelPage(decoded(model[1]));
  return hash === "#/checks" ? new Checks() : hash === "#/api" ? new Api() : new Overview();
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function draw() {
  if (!state) return;
  const hash = location.hash.startsWith("#/") ? location.hash : "#/";
  if (hash !== address) {
    const moved = address !== "";
    address = hash;
    shown = pageFor(hash);
    place("content").replaceChildren(shown.element);
    document.title = `${shown.title} · Model server`;
    if (moved) { shown.element.querySelector("h1").focus({ preventScroll: true }); scrollTo(0, 0); }
  }
  const current = /^#\/models\//.test(hash) ? linkTo(shown.name) : hash;
  drawSide(place("side"), state, current);
  shown.draw(state, history);
}

function facts() {
  const { version, started, ready } = state.server;
  place("facts").replaceChildren(h("span", {}, `version ${version}`), h("span", {}, `up ${since(started)}`), h("span", {}, ready ? "ready" : "not ready yet"));
}

/** Says what has changed of the versions, for who listens. */
function tell(before, now) {
  const known = (given) => new Map(given.models.flatMap((model) => model.versions.map((version) => [`${model.name} version ${version.version}`, stateOf(version)[0]])));
  const [old, fresh] = [known(before), known(now)];
  const changes = [...fresh].filter(([name, text]) => old.get(name) !== text).map(([name, text]) => `${name}: ${text}`);
  if (changes.length) say(changes.join(". "));
}

function connection(status, why = "") {
  const pill = place("connection");
  pill.dataset.state = status;
  pill.textContent = { live: "Live", lost: "Connection lost", connecting: "Connecting", refused: "No key" }[status];
  const banner = place("banner");
  banner.hidden = status !== "lost";
  if (status === "lost") banner.textContent = `The connection to the server is lost; what is shown may be old. It is tried again. (${why})`;
}

/** Asks for a key, with the server's text of why; it stays in this tab. */
function askForKey(refused, again) {
  connection("refused");
  if (asking) asking.remove();
  state = null;
  address = "";
  place("side").replaceChildren();
  place("facts").replaceChildren();
  const input = h("input", { type: "password", id: "key", autocomplete: "off", required: true, "aria-describedby": "key-why" });
  const submit = (event) => { event.preventDefault(); server.key.set(input.value.trim()); asking.remove(); asking = null; connection("connecting"); again(); };
  asking = h("form", { class: "login", onsubmit: submit }, h("h1", { tabindex: -1 }, "This server asks for a key"),
    h("p", { id: "key-why", role: server.key.get() ? "alert" : null }, server.key.get() ? refused.message : "The key stays in this tab and goes with its requests to this server alone."),
    h("label", {}, "API key", input), h("button", { class: "main" }, "Continue"));
  place("content").replaceChildren(asking);
  place("sign-out").hidden = true;
  input.focus();
}

const again = server.follow({
  connection,
  state(now) {
    if (state) tell(state, now);
    state = now;
    place("sign-out").hidden = !server.key.get();
    facts();
    draw();
  },
  sample(sample) {
    history.push(sample);
    if (state) { facts(); draw(); }
  },
  refused: (error) => askForKey(error, () => again()),
});

place("sign-out").addEventListener("click", () => { server.key.set(""); location.reload(); });
addEventListener("hashchange", draw);
