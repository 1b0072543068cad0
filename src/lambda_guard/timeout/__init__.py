"""Timeouts: `watchdog` wakes shortly before the deadline, `snapshot` reads where the invocation is stuck."""
