"""A function's log group: keeps every line with its time, writes it to a file, and passes it to listeners."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_log: Final = logging.getLogger(__name__)


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
        self._files: dict[Path, IO[str]] = {}
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
                self._keep(self._directory, event)
            for listener in self._listeners:
                listener(event)

    def events(self) -> list[LogEvent]:
        """Return the events so far."""
        with self._lock:
            return list(self._events)

    def _keep(self, directory: Path, event: LogEvent) -> None:
        """Write an event to its file; where that fails, as on a full disk, the functions go on."""
        path = directory / f"{event.stream.replace('/', '-')}.log"
        try:
            self._file(path).write(event.message + "\n")
        except OSError as error:
            _log.warning("%s: %s; later lines are in no file", path, error.strerror or error)
            self._close_files()

    def _file(self, path: Path) -> IO[str]:
        """Return the open file, which its owner alone can read: lines may hold anybody's data."""
        if path not in self._files:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            # newline="" keeps the carriage returns with which the runtime joins the lines of a traceback.
            self._files[path] = os.fdopen(file, "a", buffering=1, encoding="utf-8", newline="")
        return self._files[path]

    def close(self) -> None:
        """Close the files; events that come later are kept in memory only."""
        with self._lock:
            self._close_files()

    def _close_files(self) -> None:
        self._directory = None
        for file in self._files.values():
            with contextlib.suppress(OSError):  # what a full disk didn't take, it doesn't take now
                file.close()
        self._files.clear()
