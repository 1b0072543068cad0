"""Logs by invocation, and traces across functions."""
