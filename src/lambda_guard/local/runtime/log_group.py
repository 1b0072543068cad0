"""A function's log group: keeps every line with its time, writes it to a file, and passes it to listeners."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A log event of CloudWatch Logs.

    Attributes:
        timestamp: milliseconds since the epoch, when the line was read.
        stream: the log stream: one execution environment.
        message: the text as printed, without the final newline.
    """

    timestamp: int
    stream: str
    message: str


class LogGroup:
    """Keeps log events in the order in which they were read.

    Args:
        name: for example `/aws/lambda/orders`.
        directory: where to write `<directory>/aws/lambda/orders/<stream>.log`, raw lines exactly as printed,
            with dashes for the slashes of the stream's name; None writes no files.
    """

    def __init__(self, name: str, directory: Path | None = None) -> None:
        self.name = name
        self._directory = None if directory is None else directory / name.strip("/")
        self._lock = threading.Lock()
        self._events: list[LogEvent] = []
        self._files: dict[str, IO[str]] = {}
        self._listeners: list[Callable[[LogEvent], None]] = []

    def listen(self, listener: Callable[[LogEvent], None]) -> None:
        """Call `listener` for every event from now on, in the thread that reads it."""
        with self._lock:
            self._listeners.append(listener)

    def write(self, event: LogEvent) -> None:
        """Take an event."""
        with self._lock:
            self._events.append(event)
            if self._directory is not None:
                self._file(self._directory, event.stream).write(event.message + "\n")
            for listener in self._listeners:
                listener(event)

    def events(self) -> list[LogEvent]:
        """Return the events so far."""
        with self._lock:
            return list(self._events)

    def _file(self, directory: Path, stream: str) -> IO[str]:
        if stream not in self._files:
            directory.mkdir(parents=True, exist_ok=True)
            path = directory / f"{stream.replace('/', '-')}.log"
            # newline="" keeps the carriage returns with which the runtime joins the lines of a traceback.
            self._files[stream] = path.open("a", buffering=1, encoding="utf-8", newline="")
        return self._files[stream]

    def close(self) -> None:
        """Close the files; events that come later are kept in memory only."""
        with self._lock:
            self._directory = None
            for file in self._files.values():
                file.close()
            self._files.clear()
