// A square to draw in, with the mouse, a finger or the keyboard.

import { h } from "./dom.js";

const SIDE = 280;
/** How large what was drawn is in the square that is sent; sets of digits are cut like this. */
const FILLED = 0.9;

/** `changed(canvas)` is called when a stroke has ended, with what was drawn in the middle. White ink on black. */
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
  const end = () => { if (last) { last = null; changed(centred(canvas)); } };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (by) {
      const to = { ...key, x: Math.min(SIDE, Math.max(0, key.x + by[0] * step)), y: Math.min(SIDE, Math.max(0, key.y + by[1] * step)) };
      if (key.down) { stroke(key, to); changed(centred(canvas)); }
      key = to;
    } else if (event.key === " ") {
      key.down = !key.down;
      if (key.down) { stroke(key, key); changed(centred(canvas)); }
    } else if (event.key === "Delete" || event.key === "Backspace") clear();
    else return;
    event.preventDefault();
  });
  clear();
  return h("div", { class: "drawing" }, canvas, h("div", { class: "row" }, h("span", { class: "note" }, "Draw here"), h("button", { type: "button", class: "quiet", onclick: clear }, "Clear")));
}

/** The same ink, cut to a square around it; the canvas itself where there is none. */
function centred(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, SIDE, SIDE);
  let [left, top, right, bottom] = [SIDE, SIDE, -1, -1];
  for (let at = 0; at < SIDE * SIDE; at += 1) {
    if (!data[4 * at]) continue;
    const [x, y] = [at % SIDE, Math.floor(at / SIDE)];
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
  }
  if (right < 0) return canvas;
  const cut = h("canvas", { width: SIDE, height: SIDE });
  const context = cut.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, SIDE, SIDE);
  const side = (Math.max(right - left, bottom - top) + 1) / FILLED;
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, (left + right + 1 - side) / 2, (top + bottom + 1 - side) / 2, side, side, 0, 0, SIDE, SIDE);
  return cut;
}
