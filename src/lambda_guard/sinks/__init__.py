"""What is emitted: log lines, the invocation record with its metrics, trace documents. Sinks don't know each other."""
