"""Sends log events to CloudWatch Logs, in batches, from one thread.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

import threading
import time
from collections import defaultdict

from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.local.runtime.log_group import LogEvent

_EVERY_SECONDS = 0.1
_BATCH_MOST = 1000


class CloudWatchWriter:
    """Takes events at any time and writes them to moto soon after."""

    def __init__(self, moto: MotoProcess) -> None:
        self._moto = moto
        self._streams: set[tuple[str, str]] = set()
        self._changed = threading.Condition()
        self._unwritten: list[tuple[str, LogEvent]] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="cloudwatch-logs", daemon=True)
        self._thread.start()

    def write(self, group: str, event: LogEvent) -> None:
        """Take an event."""
        with self._changed:
            self._unwritten.append((group, event))
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until everything is written; False where it took longer than `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._unwritten, timeout)

    def _run(self) -> None:
        while self._wait():
            time.sleep(_EVERY_SECONDS)
            batch = self._unwritten[:_BATCH_MOST]
            try:
                self._send(batch)
            except Exception:
                # The service is closing: the lines are in the files and in memory anyway.
                batch = list(self._unwritten)
            with self._changed:
                del self._unwritten[: len(batch)]
                self._changed.notify_all()

    def _wait(self) -> bool:
        """Wait for an event; False where there is none, and the end has come."""
        with self._changed:
            self._changed.wait_for(lambda: self._unwritten or self._closed)
            return bool(self._unwritten)

    def _send(self, batch: list[tuple[str, LogEvent]]) -> None:
        by_stream: dict[tuple[str, str], list[LogEvent]] = defaultdict(list)
        for group, event in batch:
            if event.message:  # CloudWatch Logs takes no empty message
                by_stream[group, event.stream].append(event)
        for (group, stream), events in by_stream.items():
            if (group, stream) not in self._streams:
                self._moto.client("logs").create_log_stream(logGroupName=group, logStreamName=stream)
                self._streams.add((group, stream))
            ordered = sorted(events, key=lambda event: event.timestamp)
            self._moto.client("logs").put_log_events(
                logGroupName=group,
                logStreamName=stream,
                logEvents=[{"timestamp": event.timestamp, "message": event.message} for event in ordered],
            )

    def close(self) -> None:
        """Write what is left and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(10)
