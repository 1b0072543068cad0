"""Processes that a test has started, by a marker in their environment."""

import time
from pathlib import Path


def processes_of(marker):
    """Return the ids of processes whose environment has the marker, from /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environ = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if marker.encode() in environ and state != "Z":
                found.append(int(entry.name))
    return found


def wait_until_none(marker, seconds=240):
    """Wait for the end of all processes with the marker, and return those that are left."""
    until = time.monotonic() + seconds
    while (left := processes_of(marker)) and time.monotonic() < until:
        time.sleep(0.05)
    return left
