"""moto, imported once and forked for each cloud: for a session of tests, which starts many.

A fork has a state and a port of its own: nothing is left of the cloud before, and several run side by side. That takes
Linux, which tells the end of a process that isn't one's own child; elsewhere each cloud's moto is started from nothing.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

from lambda_guard.local.runtime.guardian import Guardian, signal_group

assert sys.platform == "linux"  # which is known to type checkers, too
_MESSAGE_BYTES: Final = 65_536


class Forks:
    """A process that has imported moto and forks; one for all clouds of this process.

    Attributes:
        one: it, once there is one.
        owner: the process whose it is: one that pytest forks needs another.
    """

    one: ClassVar[Self | None] = None
    _making: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._guardian = Guardian()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = self._guardian.start(
                [sys.executable, "-m", "lambda_guard.local.aws.moto_forks"],
                env=dict(environment),
                cwd=os.path.dirname(os.path.abspath(__file__)),  # noqa: PTH100, PTH120 - just some directory
                output=subprocess.DEVNULL,
                stdin=theirs.fileno(),
            )
        atexit.register(self.close)

    @classmethod
    def of_this_process(cls, environment: Mapping[str, str]) -> Self:
        """Return the one of this process, made with these variables if there is none yet."""
        with cls._making:
            if cls.one is None or cls.one.owner != os.getpid():
                cls.one = cls(environment)
            return cls.one

    def ask(self, output: int | None = None, **request: Any) -> int | None:
        """Have a process forked that writes to `output`, or one reaped; return its id, None where that fails."""
        with self._lock:
            try:
                files = [] if output is None else [output]
                socket.send_fds(self._channel, [json.dumps(request).encode()], files)
                return int(self._channel.recv(_MESSAGE_BYTES))
            except (OSError, ValueError):
                return None

    def close(self) -> None:
        """End it, and with it the forks that are left."""
        self._channel.close()
        self._guardian.signal(self._process, signal.SIGKILL)
        self._guardian.reap(self._process)
        self._guardian.close()


class Fork:
    """One process, which serves one cloud.

    Args:
        pid: its id, which is its own until it is reaped.
        forks: whose child it is.
        guardian: ends it, if we can't.
    """

    def __init__(self, pid: int, forks: Forks, guardian: Guardian) -> None:
        self._forks = forks
        self._guardian = guardian
        self._lock = threading.Lock()
        self.pid = pid
        self._is_there = True
        self._end = os.pidfd_open(pid)
        guardian.adopt(pid)

    def wait(self) -> None:
        """Wait for its end, in one thread only, then end what it has started."""
        select.select([self._end], [], [])
        os.close(self._end)
        with self._lock:
            self._is_there = False
            signal_group(self.pid, signal.SIGKILL)
            self._guardian.forget(self.pid)
            self._forks.ask(reap=self.pid)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        with self._lock:
            if self._is_there:
                signal_group(self.pid, signal.SIGKILL)


def fork(environment: Mapping[str, str], guardian: Guardian, output: int, **request: Any) -> Fork | None:
    """Return a process that serves a cloud; None where the kernel hasn't what it takes (Linux 5.3), or it fails.

    Args:
        environment: variables of the process that forks, if it's the first time.
        guardian: the cloud's.
        output: to which the process writes.
        request: the region, and the arguments of `moto_server.main`.
    """
    if not hasattr(os, "pidfd_open"):
        return None
    forks = Forks.of_this_process(environment)
    pid = forks.ask(output, **request)
    return None if pid is None else Fork(pid, forks, guardian)


def serve(channel: socket.socket) -> None:
    """Fork and reap as asked, until nobody can ask any more."""
    from moto.moto_api._internal import mock_random

    from lambda_guard.local.aws import moto_server

    while True:
        message, files, _, _ = socket.recv_fds(channel, _MESSAGE_BYTES, 1)
        if not message:
            return
        request = json.loads(message)
        if "reap" in request:
            pid, _ = os.waitpid(request["reap"], 0)
        elif not (pid := os.fork()):
            os.setsid()
            for number in (1, 2):
                os.dup2(files[0], number)
            channel.close()
            os.environ["AWS_DEFAULT_REGION"] = request.pop("region")
            mock_random.seed()  # or all forks would give the same ids
            moto_server.main(**request)
        for file in files:
            os.close(file)
        channel.send(str(pid).encode())


if __name__ == "__main__":
    serve(socket.socket(fileno=0))
