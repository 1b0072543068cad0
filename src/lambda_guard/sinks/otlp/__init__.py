"""OpenTelemetry: `tracer` is told what happens and makes spans of it, `daemon` or `collector` sends them."""
