"""Makes sure that no process outlives the one that started it, even if that one is killed.

A guardian is a tiny process that reads from a pipe whose other end only this process holds. It is told of
every process group that is started and ended. When the pipe ends, because we closed it or because we died, it
kills the remaining groups. `PR_SET_PDEATHSIG` would not do: it fires when the *thread* that forked ends, and exists
on Linux only.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import IO

_WATCH = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class Guardian:
    """Starts processes in groups of their own and kills those that are left at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-I", "-S", "-c", _WATCH],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            encoding="ascii",
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin

    def start(
        self,
        command: list[str],
        *,
        env: dict[str, str],
        cwd: str,
        output: int | IO[bytes],
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start `command` in a session of its own, its stdout and stderr both going to `output`."""
        process = subprocess.Popen(  # noqa: S603 - the command is our own interpreter's
            command,
            env=env,
            cwd=cwd,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.adopt(process.pid)
        return process

    def adopt(self, group: int) -> None:
        """See to the end of a process group that somebody else has started, until `forget`."""
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        """Take a group as ended: its id may be anybody's now."""
        self._tell(f"-{group}")

    def signal(self, process: subprocess.Popen[bytes], number: int) -> None:
        """Send a signal to the process and everything that it started, unless it has been reaped."""
        with self._lock:
            if process.returncode is None:
                signal_group(process.pid, number)

    def reap(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the end of the process, then kill what it started.

        To be called by one thread only. The process is a zombie while its group is killed, so that its id
        can't belong to anybody else yet.
        """
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        else:  # macOS before Python 3.13
            process.wait()
        with self._lock:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
        self.forget(process.pid)

    def _tell(self, line: str) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._pipe.write(line + "\n")
            self._pipe.flush()

    def close(self) -> None:
        """End the guardian, which kills every process group that is still there."""
        with self._lock, contextlib.suppress(OSError):
            self._pipe.close()
        self._process.wait()


def signal_group(group: int, number: int) -> None:
    """Send a signal to all processes of a group, if there is one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
