"""OpenTelemetry traces of requests, made of their records once they have ended; who does not ask imports none of it."""
