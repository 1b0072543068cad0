"""OpenTelemetry's spans as data: `span` is one, `conventions` what it says, `protobuf` and `json_form` how it travels.

The tracer, the local cloud and the command-line tools share it; none of OpenTelemetry's own packages is used.
"""
