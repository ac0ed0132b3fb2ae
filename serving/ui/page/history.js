// The last five minutes of samples. Counters come as they are; rates and percentiles are made of their differences.

export const WINDOW_SECONDS = 300;
// Percentiles of so many samples together: of one alone they would jump at a few requests a second.
const TOGETHER = 5;

/** Samples, oldest first, and what can be read from them. */
export class History {
  constructor() {
    this.samples = [];
  }

  push(sample) {
    const last = this.samples.at(-1);
    if (last && sample.time <= last.time) this.samples = [];
    this.samples.push(sample);
    while (this.samples[0].time < sample.time - WINDOW_SECONDS) this.samples.shift();
  }

  /** Everything to draw of one model, one version of it, or all models: lists as long as `times`. */
  series(model, version) {
    const found = this.samples.map((sample) => countersOf(sample, model, version));
    const rate = (field) => found.map((now, at) => this.#rate(now, found[at - 1], at, field));
    const latency = found.map((now, at) => between(found[Math.max(0, at - TOGETHER)].seconds, now.seconds));
    return {
      times: this.samples.map((sample) => sample.time),
      requests: rate("requests"),
      errors: rate("errors"),
      p50: latency.map((each) => percentile(each, 0.5)),
      p90: latency.map((each) => percentile(each, 0.9)),
      p99: latency.map((each) => percentile(each, 0.99)),
      memory: this.samples.map((sample) => sample.memory_bytes ?? null),
      queue: this.samples.map((sample) => sample.queue ?? null),
      in_flight: this.samples.map((sample) => sample.in_flight ?? null),
      // Batches are counted for the server as a whole.
      batches: between(this.samples[0]?.batch_sizes, this.samples.at(-1)?.batch_sizes),
    };
  }

  #rate(now, before, at, field) {
    if (!before || now[field] < before[field]) return null;
    return (now[field] - before[field]) / (this.samples[at].time - this.samples[at - 1].time);
  }
}

// A model that was never asked is left out of a sample.
const NONE = { requests: 0, errors: 0, seconds: null };

function countersOf(sample, model, version) {
  if (model === null) return Object.values(sample.models).reduce(sum, NONE);
  const found = Object.hasOwn(sample.models, model) ? sample.models[model] : NONE;
  return (version ? found.versions?.[version] : found) ?? NONE;
}

const sum = (total, each) => ({
  requests: total.requests + each.requests,
  errors: total.errors + each.errors,
  seconds: together(total.seconds, each.seconds),
});

function together(one, other) {
  if (!one || !other) return one ?? other;
  if (one.counts.length !== other.counts.length) return one;
  return { bounds: one.bounds, counts: one.counts.map((count, at) => count + other.counts[at]) };
}

/** What a histogram has gained from `before` to `now`; null where there is none or the server began anew. */
function between(before, now) {
  if (!now) return null;
  const counts = now.counts.map((count, at) => count - (before?.counts[at] ?? 0));
  return counts.some((count) => count < 0) ? null : { bounds: now.bounds, counts };
}

/** Linear within its bucket; the last bound where it lies above; null without a value. */
export function percentile(histogram, share) {
  const total = histogram ? histogram.counts.reduce((one, other) => one + other, 0) : 0;
  if (!total) return null;
  const { bounds, counts } = histogram;
  let left = share * total;
  for (let at = 0; at < counts.length; at += 1) {
    if (left <= counts[at] && counts[at]) {
      if (at >= bounds.length) return bounds.at(-1);
      const from = at ? bounds[at - 1] : 0;
      return from + (bounds[at] - from) * (left / counts[at]);
    }
    left -= counts[at];
  }
  return bounds.at(-1);
}
