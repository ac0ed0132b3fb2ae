// A square to draw in, with the mouse, a finger or the keyboard.

import { h } from "./dom.js";

const SIDE = 280;

/** `changed(canvas)` is called when a stroke has ended. White ink on black, as in most sets of digits. */
export function drawingPad(input, changed) {
  const canvas = h("canvas", { class: "pad", width: SIDE, height: SIDE, tabindex: 0, role: "application", "aria-label": `Draw ${input.name}: arrow keys move, Space draws, Delete clears` });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const step = SIDE / Math.max(input.width, input.height);
  let last = null;
  let key = { x: SIDE / 2, y: SIDE / 2, down: false };

  function clear() {
    context.fillStyle = "#000";
    context.fillRect(0, 0, SIDE, SIDE);
    context.strokeStyle = "#fff";
    context.lineWidth = SIDE / 10;
    context.lineCap = context.lineJoin = "round";
  }
  function stroke(from, to) {
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x + 0.01, to.y);
    context.stroke();
  }
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * SIDE, y: ((event.clientY - box.top) / box.height) * SIDE };
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = at(event);
    stroke(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    stroke(last, at(event));
    last = at(event);
  });
  const end = () => { if (last) { last = null; changed(canvas); } };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (by) {
      const to = { ...key, x: Math.min(SIDE, Math.max(0, key.x + by[0] * step)), y: Math.min(SIDE, Math.max(0, key.y + by[1] * step)) };
      if (key.down) { stroke(key, to); changed(canvas); }
      key = to;
    } else if (event.key === " ") {
      key.down = !key.down;
      if (key.down) { stroke(key, key); changed(canvas); }
    } else if (event.key === "Delete" || event.key === "Backspace") clear();
    else return;
    event.preventDefault();
  });
  clear();
  return h("div", { class: "drawing" }, canvas, h("div", { class: "row" }, h("span", { class: "note" }, "Draw here"), h("button", { type: "button", class: "quiet", onclick: clear }, "Clear")));
}
