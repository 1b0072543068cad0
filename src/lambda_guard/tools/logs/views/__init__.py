"""What is shown of invocations and traces: text, JSON documents, an HTML page."""
