"""A function's log group: every line with its time, kept, written to a file, and told to whoever listens."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True)
class LogEvent:
    """What CloudWatch Logs calls a log event.

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
            with the slashes of the stream's name as dashes; None writes no files.
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
                self._file(event.stream).write(event.message + "\n")
            for listener in self._listeners:
                listener(event)

    def events(self) -> list[LogEvent]:
        """Return the events so far."""
        with self._lock:
            return list(self._events)

    def path(self, stream: str) -> Path | None:
        """Return the file of a log stream; None where no files are written."""
        return None if self._directory is None else self._directory / f"{stream.replace('/', '-')}.log"

    def _file(self, stream: str) -> IO[str]:
        path = self.path(stream)
        if stream not in self._files and path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
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
