// Elements made by calls. Text is only ever set as text, so that no name, error or output can become markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

/** An element of HTML: `h("p", {class: "note"}, "text", otherElement)`. Values that are null or false are left out. */
export const h = (tag, properties, ...children) => fill(document.createElement(tag), properties, children);

/** An element of SVG, likewise. */
export const s = (tag, properties, ...children) => fill(document.createElementNS(SVG, tag), properties, children);

/** Fills `place` anew if `what` (any JSON) is another than last time; open details and the focus stay as they were. */
export function swap(place, what, build) {
  const key = JSON.stringify(what);
  if (place.swapped === key) return;
  place.swapped = key;
  const open = new Set([...place.querySelectorAll("details[open][id]")].map((each) => each.id));
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  place.replaceChildren();
  add(place, [build()]);
  for (const each of place.querySelectorAll("details[id]")) each.open ||= open.has(each.id);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/** An id that holds any name. */
export const idOf = (...parts) => parts.map((part) => encodeURIComponent(part)).join("-");

/** Tabs: `panels` are [title, element]. Arrow keys, Home and End move between them. */
export function tabs(label, name, panels, chosen = () => {}) {
  const buttons = panels.map(([title], index) =>
    h("button", { type: "button", role: "tab", id: `${name}-tab-${index}`, "aria-controls": `${name}-panel-${index}`,
      onclick: () => choose(index), onkeydown: (event) => move(event, index) }, title));
  const bodies = panels.map(([, body], index) =>
    h("div", { role: "tabpanel", id: `${name}-panel-${index}`, "aria-labelledby": `${name}-tab-${index}`, tabindex: 0 }, body));
  function choose(index) {
    buttons.forEach((button, at) => {
      button.setAttribute("aria-selected", String(at === index));
      button.tabIndex = at === index ? 0 : -1;
      bodies[at].hidden = at !== index;
    });
    chosen(index);
  }
  function move(event, index) {
    const last = buttons.length - 1;
    const to = { ArrowRight: index === last ? 0 : index + 1, ArrowLeft: index === 0 ? last : index - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(to);
    buttons[to].focus();
  }
  const whole = h("div", { class: "tabbed" }, h("div", { role: "tablist", "aria-label": label, class: "tabs" }, buttons), bodies);
  choose(0);
  return whole;
}

/** A button that copies what `text()` gives. */
export function copyButton(text, label = "Copy") {
  const button = h("button", { type: "button", class: "quiet" }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed here";
    }
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}

/** Says something to who listens to the page rather than looks at it. */
export function say(text) {
  document.getElementById("said").textContent = text;
}
