"""Reads the output of a process, line by line, and can wait until all of it was read."""

import os
import select
import threading
from collections.abc import Callable

_CHUNK = 65_536
_PIPE_MOST = 1_048_576


class Output:
    """The reading end of the pipe to which a process writes stdout and stderr.

    Args:
        on_line: called for each line, without its newline, in the order in which they were written.
    """

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._stop_reader, self._stop_writer = os.pipe()
        self._lock = threading.RLock()
        self._rest = b""
        self._open = True
        self._thread = threading.Thread(target=self._read, name="output", daemon=True)

    def start(self) -> None:
        """Begin to read; call it once the process has its copy of `writer`."""
        os.close(self.writer)
        self._thread.start()

    def drain(self) -> None:
        """Read all that was written until now; an unfinished line counts as one."""
        with self._lock:
            # A pipe holds at most this: everything written before the call is read, even while writing goes on.
            remaining = _PIPE_MOST
            while self._open and remaining > 0 and (size := self._read_some()):
                remaining -= size
            if self._rest:
                self._emit(self._rest)
                self._rest = b""

    def close(self) -> None:
        """Read what is left and end the thread."""
        self.drain()
        os.close(self._stop_writer)
        if self._thread is not threading.current_thread():
            self._thread.join(5)
        os.close(self._stop_reader)
        os.close(self._reader)

    def _read(self) -> None:
        while self._open:
            ready, _, _ = select.select([self._reader, self._stop_reader], [], [])
            if self._stop_reader in ready:
                return
            with self._lock:
                self._read_some()

    def _read_some(self) -> int:
        """Read one chunk and return its size; 0 when there is nothing to read now."""
        try:
            chunk = os.read(self._reader, _CHUNK)
        except BlockingIOError:
            return 0
        if not chunk:
            self._open = False
            return 0
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._emit(line)
        return len(chunk)

    def _emit(self, line: bytes) -> None:
        self._on_line(line.decode("utf-8", "replace"))
