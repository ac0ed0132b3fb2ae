-- wrk sends the file named by the first argument, with the second as its content type, and prints one line of figures.

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*a")
  wrk.headers["Content-Type"] = arguments[2]
  file:close()
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format("FIGURES requests=%d micros=%d failed=%d mean=%.0f p50=%.0f p99=%.0f max=%.0f",
    summary.requests, summary.duration, failed,
    latency.mean, latency:percentile(50), latency:percentile(99), latency.max))
end
