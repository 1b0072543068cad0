"""The real runtime client in a process of its own, with its runtime API and all that it prints.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from lambda_guard import _names
from lambda_guard.local.runtime import bootstrap, runtime_client
from lambda_guard.local.runtime.guardian import Guardian
from lambda_guard.local.runtime.output import Output
from lambda_guard.local.runtime.runtime_api import RuntimeApi
from lambda_guard.local.runtime.settings import FunctionSettings
from lambda_guard.shapes.sample import fill

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_WRAPPERS = ("AWS_LAMBDA_EXEC_WRAPPER", _names.ENV_EXEC_WRAPPER)
# As Lambda starts a runtime: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html#runtime-wrapper
# The lines that the local cloud adds say what to do.
_START = """
wrapper=$AWS_LAMBDA_EXEC_WRAPPER
[ -z "$wrapper" ] && exec "$0" "$@"
case $wrapper in "$2"/*) path=/opt${wrapper#"$2"} ;; *) path=$wrapper ;; esac
if [ ! -f "$wrapper" ]; then
  echo "$path: does not exist"
  echo "local cloud: none of the function's layers has it: add the layer, or remove AWS_LAMBDA_EXEC_WRAPPER"
  exit 127
fi
if [ ! -x "$wrapper" ]; then
  echo "$path: is not an executable"
  echo "local cloud: make it one (chmod +x) where the layer is made, and zip it with its mode"
  exit 126
fi
exec "$wrapper" "$0" "$@"
"""


class RuntimeProcess:
    """Starts at once; `api` is where it is given its invocations.

    Args:
        settings: the function's.
        guardian: starts the process, and ends it if we can't.
        stream: the name of its log stream.
        on_line: called for each line that it prints.
    """

    def __init__(
        self, settings: FunctionSettings, guardian: Guardian, stream: str, on_line: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._guardian = guardian
        self._home = tempfile.TemporaryDirectory(prefix="lambda-")
        self.api = RuntimeApi()
        self._output = Output(on_line)
        try:
            self._process = self._start(stream)
        except OSError:
            self.api.close()
            self._home.cleanup()
            raise
        self._output.start()
        self._waiter = threading.Thread(target=self._watch, name=f"wait-{settings.name}", daemon=True)
        self._waiter.start()

    def _start(self, stream: str) -> subprocess.Popen[bytes]:
        # Not from our package: its frames would be ours, and they are the runtime's.
        start = shutil.copy(bootstrap.__file__, self._home.name)
        shutil.copy(runtime_client.__file__, self._home.name)
        return self._guardian.start(
            ["/bin/sh", "-c", _START, self._settings.python, start, str(self._settings.opt)],
            env=_variables(self._settings, stream, self.api.address, self._home.name),
            cwd=str(self._settings.code),
            output=self._output.writer,
        )

    def _watch(self) -> None:
        self._guardian.reap(self._process)
        self.api.abandon()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int:
        """What it ended with, once it has: a signal's number is negative."""
        return self._process.returncode

    @property
    def peak_memory_mb(self) -> int:
        """The peak of its resident memory, in MB; 0 once it has ended."""
        return _peak_memory_mb(self._process.pid)

    def freeze(self) -> None:
        """Stop it until `thaw`."""
        self._guardian.signal(self._process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._guardian.signal(self._process, signal.SIGCONT)

    def wait(self) -> None:
        """Wait until it has ended."""
        self._waiter.join()

    def drain(self) -> None:
        """Read all that it has printed."""
        self._output.drain()

    def kill(self) -> None:
        """Kill it with SIGKILL: no `finally`, no `atexit`."""
        self._guardian.signal(self._process, signal.SIGKILL)
        self._waiter.join()

    def close(self) -> None:
        """Kill it and free everything."""
        self.kill()
        self.api.close()
        self._output.close()
        self._home.cleanup()


def _variables(settings: FunctionSettings, stream: str, runtime_api: str, home: str) -> dict[str, str]:
    """Return the process's environment variables: AWS's, the function's own, and the host's PATH alone.

    With a `home` of its own, or botocore would read the developer's own ~/.aws.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    host, _, port = (settings.daemon_address or "").rpartition(":")
    known = fill(
        "lambda-environment",
        locals(),
        memory=str(settings.memory),
        code=str(settings.code),
        python=PYTHON,
        path=os.environ.get("PATH", os.defpath),
        bin=f":{settings.opt}/bin" if settings.layers else "",
        lib=f":{settings.opt}/lib" if settings.layers else "",
        log_level=settings.log_level if settings.log_format == "JSON" else None,
        daemon=settings.daemon_address or None,
        daemon_host=host or None,
        daemon_port=port or None,
    )
    return {**known, **_in_opt(settings)}


def _in_opt(settings: FunctionSettings) -> dict[str, str]:
    """Return the function's own variables; a wrapper in `/opt` is one in the directory that stands for it."""
    own = dict(settings.environment)
    for name in _WRAPPERS:
        if own.get(name, "").startswith("/opt/"):
            own[name] = str(settings.opt / own[name].removeprefix("/opt/"))
    return own


def _peak_memory_mb(pid: int) -> int:
    """Return the peak resident memory, from /proc; without one, on macOS, what it is now; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0 if Path("/proc/self").exists() else _resident_mb(pid)
    peak = re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE)
    return int(peak[1]) // 1024 if peak else 0


def _resident_mb(pid: int) -> int:
    asked = ["/bin/ps", "-o", "rss=", "-p", str(pid)]
    said = subprocess.run(asked, capture_output=True, check=False).stdout  # noqa: S603 - the system's own program
    return int(said) // 1024 if said.strip().isdigit() else 0
