// The server as this page knows it: requests with the key of this tab, and the stream of states and samples.

const KEY = "api-key";
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
// Samples come every two seconds, and a comment at the latest every 15.
const SILENCE = 25_000;

/** An answer that is none: `status` and the server's own text. */
export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY)),
};

export const root = new URL("..", location.href.split("#")[0].split("?")[0]);

/** A request to `path` ("v1/models/…") with the key, if there is one. */
export function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (key.get()) headers.set("Authorization", `Bearer ${key.get()}`);
  return fetch(new URL(path, root), { cache: "no-store", credentials: "omit", ...options, headers });
}

/** What an answer's text says went wrong. */
export function reason(text, status) {
  try {
    const told = JSON.parse(text).error;
    if (told) return typeof told === "string" ? told : told.message ?? JSON.stringify(told);
  } catch {
    // Not JSON: said as it is.
  }
  return text || `The server answered with status ${status} and no text.`;
}

/** The JSON at `path`; Refused where the status is not 200. */
export async function json(path, options) {
  const answer = await ask(path, options);
  const text = await answer.text();
  if (!answer.ok) throw new Refused(answer.status, reason(text, answer.status));
  return JSON.parse(text);
}

/** Calls `on.state`, `on.sample`, `on.connection` and `on.refused` for as long as the page is open; returns "again now". */
export function follow(on) {
  let pause = FIRST_PAUSE;
  let controller = new AbortController();
  let wake = () => {};

  async function once() {
    controller = new AbortController();
    const { signal } = controller;
    const answer = await ask("ui/data/events", { signal, headers: { Accept: "text/event-stream" } });
    if (!answer.ok) throw new Refused(answer.status, reason(await answer.text(), answer.status));
    on.connection("live");
    pause = FIRST_PAUSE;
    await read(answer.body.getReader());
    throw new Error("The server ended the stream.");
  }

  async function read(reader) {
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const timer = setTimeout(() => controller.abort(), SILENCE);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) tell(block);
    }
  }

  function tell(block) {
    let name = "message";
    const data = [];
    for (const line of block.split(/\r?\n/)) {
      if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
    }
    if (data.length && on[name]) on[name](JSON.parse(data.join("\n")));
  }

  async function forever() {
    for (;;) {
      try {
        await once();
      } catch (error) {
        if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
          on.refused(error);
          await new Promise((resolve) => { wake = resolve; });
          continue;
        }
        on.connection("lost", error.message);
      }
      await new Promise((resolve) => { wake = resolve; setTimeout(resolve, pause); });
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  }

  addEventListener("online", () => wake());
  forever();
  return () => { controller.abort(); wake(); };
}
