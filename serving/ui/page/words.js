// Numbers, times and states as people read them.

const STATES = {
  START: ["Waiting to load", "waits"],
  LOADING: ["Loading", "busy"],
  AVAILABLE: ["Available", "good"],
  UNLOADING: ["Unloading", "busy"],
  END: ["Unloaded", "idle"],
  UNKNOWN: ["Unknown", "idle"],
};

/** What a version's state is called, and its tone: good, busy, waits, bad or idle. */
export function stateOf(version) {
  if (version.error) return [version.state === "END" ? "Failed" : "Failed, tries again", "bad"];
  return STATES[version.state] ?? [version.state, "idle"];
}

/** The tone of a whole model: the worst of what is being done, or good. */
export function toneOf(model) {
  const tones = model.versions.map((version) => stateOf(version)[1]);
  for (const tone of ["bad", "busy", "waits"]) if (tones.includes(tone)) return tone;
  if (model.waits_for) return "waits";
  return tones.includes("good") ? "good" : "idle";
}

/** A number with about three significant digits. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6) return `${trimmed(value / 1e6, 2)} M`;
  if (size >= 1e4) return `${trimmed(value / 1e3, 1)} k`;
  return trimmed(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

const trimmed = (value, digits) => String(Number(value.toFixed(digits)));

/** Seconds as µs, ms or s. */
export function seconds(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value >= 1) return `${number(value)} s`;
  if (value >= 1e-3) return `${number(value * 1e3)} ms`;
  return value === 0 ? "0 ms" : `${number(value * 1e6)} µs`;
}

/** Bytes in binary steps. */
export function bytes(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const steps = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < steps.length - 1) { value /= 1024; at += 1; }
  return `${number(value)} ${steps[at]}`;
}

/** How long ago, in two units at most. */
export function since(unixSeconds) {
  const passed = Math.max(0, Date.now() / 1000 - unixSeconds);
  const [days, hours, minutes] = [passed / 86400, (passed / 3600) % 24, (passed / 60) % 60].map(Math.floor);
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min` : `${Math.floor(passed)} s`;
}

/** A shape as in [?, 224, 224, 3]. */
export function shape(dims) {
  if (dims === null || dims === undefined) return "any shape";
  return dims.length ? `[${dims.map((size) => (Number(size) < 0 ? "?" : size)).join(", ")}]` : "scalar";
}

/** DT_FLOAT as float. */
export const dtype = (name) => String(name).replace(/^DT_/, "").toLowerCase();

/** `text`, cut where it is longer than `most` characters. */
export const cut = (text, most) => (text.length > most ? `${text.slice(0, most)}…` : text);
