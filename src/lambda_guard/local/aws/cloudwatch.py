"""Sends log events to CloudWatch Logs, in batches, from one thread.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

import contextlib
import threading
import time
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor, wait

from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.local.runtime.log_group import LogEvent

_EVERY_SECONDS = 0.1
_BATCH_MOST = 1000


class CloudWatchWriter:
    """Takes events at any time and writes them to moto soon after."""

    def __init__(self, moto: MotoProcess) -> None:
        self._moto = moto
        self._streams: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._unwritten: list[tuple[str, LogEvent]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cloudwatch-logs")
        self._last: list[Future[None]] = []

    def write(self, group: str, event: LogEvent) -> None:
        """Take an event: the first of a batch has it sent, together with those that come meanwhile."""
        with self._lock:
            self._unwritten.append((group, event))
            if len(self._unwritten) == 1:
                # Once closed, the lines are in the files and in memory anyway.
                with contextlib.suppress(RuntimeError):
                    self._last = [self._thread.submit(self._send)]

    def flush(self, timeout: float) -> None:
        """Wait until everything is written, for `timeout` seconds at most."""
        wait(self._last, timeout)

    def _send(self) -> None:
        time.sleep(_EVERY_SECONDS)
        with self._lock:
            batch, self._unwritten = self._unwritten, []
        by_stream: dict[tuple[str, str], list[LogEvent]] = defaultdict(list)
        for group, event in batch:
            if event.message:  # CloudWatch Logs takes no empty message
                by_stream[group, event.stream].append(event)
        for (group, stream), events in by_stream.items():
            if (group, stream) not in self._streams:
                self._moto.client("logs").create_log_stream(logGroupName=group, logStreamName=stream)
                self._streams.add((group, stream))
            ordered = sorted(events, key=lambda event: event.timestamp)
            told = [{"timestamp": event.timestamp, "message": event.message} for event in ordered]
            for start in range(0, len(told), _BATCH_MOST):
                self._moto.client("logs").put_log_events(
                    logGroupName=group, logStreamName=stream, logEvents=told[start : start + _BATCH_MOST]
                )

    def close(self) -> None:
        """Write what is left and end the thread."""
        self._thread.shutdown()
