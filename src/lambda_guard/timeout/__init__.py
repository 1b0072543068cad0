"""Time running out: `watchdog` wakes shortly before the deadline, `snapshot` sees what is stuck."""
