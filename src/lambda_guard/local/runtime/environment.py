"""One execution environment: the real runtime client in a process of its own, one invocation at a time.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from lambda_guard import _names
from lambda_guard.local.runtime import bootstrap, platform_log, runtime_client
from lambda_guard.local.runtime.guardian import Guardian
from lambda_guard.local.runtime.log_group import LogEvent, LogGroup
from lambda_guard.local.runtime.output import Output
from lambda_guard.local.runtime.result import InvocationResult, Status
from lambda_guard.local.runtime.runtime_api import Invocation, RuntimeApi, RuntimeReply
from lambda_guard.shapes.sample import fill

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# On AWS the INIT phase may take 10 s; a development machine under load gets more.
INIT_SECONDS_MOST = 30.0
OPT = Path("/opt")
ACCOUNT = "123456789012"  # moto's
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
NOWHERE = "http://127.0.0.1:9"  # the discard port: without a cloud, a call to AWS is refused on the spot


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """A function's configuration, in Lambda's terms.

    Attributes:
        handler: `module.attribute`.
        code: the directory of the code; becomes `LAMBDA_TASK_ROOT` and the working directory.
        timeout: seconds, fractions allowed; the process is killed then.
        memory: MB; reported, not enforced.
        environment: the function's own variables.
        region: for ARNs and `AWS_REGION`.
        account: for ARNs.
        version: `AWS_LAMBDA_FUNCTION_VERSION`.
        endpoint_url: where AWS is for this function; by default nowhere, so that no call leaves the machine.
        daemon_address: the X-Ray daemon's `host:port`; None leaves the variable out.
        initialization_type: `on-demand`, `provisioned-concurrency` or `snap-start`.
        freeze: whether the process is stopped between invocations, as on AWS.
        python: the interpreter.
        layers: directories and zip archives, in their order.
        opt: the directory with the layers' content, which stands for `/opt`; by default `Function` makes it.
        access_key: the id of the key in its credentials, by which the local cloud knows it.
    """

    name: str
    handler: str
    code: Path
    timeout: float = 3.0
    memory: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    log_format: Literal["Text", "JSON"] = "Text"
    region: str = "eu-west-1"
    account: str = ACCOUNT
    version: str = "$LATEST"
    endpoint_url: str = NOWHERE
    daemon_address: str | None = None
    initialization_type: str = "on-demand"
    freeze: bool = True
    python: str = sys.executable
    layers: tuple[Path, ...] = ()
    opt: Path = OPT
    access_key: str = "local"

    @property
    def arn(self) -> str:
        """The function's ARN, without a qualifier."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"

    @property
    def log_group(self) -> str:
        """The name of the function's log group."""
        return f"/aws/lambda/{self.name}"


class Environment:
    """Starts the process at once; `run` waits for it."""

    def __init__(self, settings: FunctionSettings, guardian: Guardian, log: LogGroup) -> None:
        self._settings = settings
        self._guardian = guardian
        self._log = log
        self._json = settings.log_format == "JSON"
        self.stream = f"{datetime.now(UTC):%Y/%m/%d}/[{settings.version}]{uuid.uuid4().hex}"
        self._lines: list[str] = []
        self._used = False
        self._init_ms: float | None = None
        self._home = tempfile.TemporaryDirectory(prefix="lambda-")
        self._api = RuntimeApi()
        self._output = Output(self._write)
        self._write(
            platform_log.init_start(settings.name, settings.version, f"python:{_PYTHON}", as_json=self._json)
        )
        self._started = time.monotonic()
        try:
            self._process = self._start()
        except OSError:
            self._api.close()
            self._home.cleanup()
            raise
        self._output.start()
        self._waiter = threading.Thread(target=self._watch, name=f"wait-{settings.name}", daemon=True)
        self._waiter.start()

    def _start(self) -> subprocess.Popen[bytes]:
        # Not from our package: its frames would be ours, and they are the runtime's.
        start = shutil.copy(bootstrap.__file__, self._home.name)
        shutil.copy(runtime_client.__file__, self._home.name)
        return self._guardian.start(
            ["/bin/sh", "-c", _START, self._settings.python, start, str(self._settings.opt)],
            env=_variables(self._settings, self.stream, self._api.address, self._home.name),
            cwd=str(self._settings.code),
            output=self._output.writer,
        )

    def _watch(self) -> None:
        self._guardian.reap(self._process)
        self._api.abandon()

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        return self._api.gone

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def run(self, invocation: Invocation) -> InvocationResult:
        """Run one invocation to its end; its deadline is set here, when the environment is ready.

        After a timeout or a crash the environment is gone and has to be closed.
        """
        cold, self._used = not self._used, True
        self._guardian.signal(self._process, signal.SIGCONT)
        ready = self._api.wait_until_ready((self._started if cold else time.monotonic()) + INIT_SECONDS_MOST)
        if cold:
            self._init_ms = (time.monotonic() - self._started) * 1000
        trace = invocation.trace_header
        self._write(
            platform_log.start(invocation.request_id, self._settings.version, trace, as_json=self._json)
        )
        began = time.monotonic()
        reply = self._exchange(invocation, began) if ready else None
        return self._conclude(invocation, reply, began, cold=cold)

    def _exchange(self, invocation: Invocation, began: float) -> RuntimeReply | None:
        deadline_ms = int((time.time() + self._settings.timeout) * 1000)
        self._api.deliver(replace(invocation, deadline_ms=deadline_ms))
        reply = self._api.wait_for_reply(began + self._settings.timeout)
        if self._settings.freeze and not self._api.gone:
            self._guardian.signal(self._process, signal.SIGSTOP)
        return reply

    def _conclude(
        self, invocation: Invocation, reply: RuntimeReply | None, began: float, *, cold: bool
    ) -> InvocationResult:
        memory = _peak_memory_mb(self._process.pid)
        ended = time.monotonic() if reply is None else reply.received
        timed_out = self._read_all(reply)
        status, error_type, body, message = self._judge(invocation.request_id, reply, timed_out=timed_out)
        result = InvocationResult.of(
            body,
            error_type,
            request_id=invocation.request_id,
            status=status,
            cold_start=cold,
            duration_ms=(ended - began) * 1000,
            init_ms=self._init_ms if cold else None,
            max_memory_mb=memory,
            log_stream=self.stream,
            trace_header=invocation.trace_header,
        )
        init_failed = self._api.init_error is not None
        for line in platform_log.end(
            result, self._settings.memory, message, as_json=self._json, init_failed=init_failed
        ):
            self._write(line)
        lines, self._lines = tuple(self._lines), []
        return replace(result, lines=lines)

    def _read_all(self, reply: RuntimeReply | None) -> bool:
        """Read the rest of the output; return whether the time ran out, and the process was killed for it."""
        timed_out = reply is None and not self._api.gone
        if timed_out:
            self.kill()
        elif reply is None:
            self._waiter.join()
        self._output.drain()
        return timed_out

    def _judge(
        self, request_id: str, reply: RuntimeReply | None, *, timed_out: bool
    ) -> tuple[Status, str | None, bytes, str | None]:
        """Return status, error type, document, and the platform's line, in AWS's words."""
        if reply is None and self._api.init_error is not None:
            reply = self._api.init_error
        if reply is not None:
            return ("error" if reply.error_type else "success"), reply.error_type, reply.body, None
        if timed_out:
            said = f"Task timed out after {self._settings.timeout:.2f} seconds"
            line = f"{platform_log.now_text()} {request_id} {said}"
            return "timeout", "Sandbox.Timedout", _error("Sandbox.Timedout", request_id, said), line
        code = self._process.returncode
        said = _exit_text(code)
        error = "Runtime.ExitError"
        line = f"RequestId: {request_id} Error: {said}\n{error}"
        return ("killed" if code < 0 else "error"), error, _error(error, request_id, said), line

    def _write(self, line: str) -> None:
        self._lines.append(line)
        self._log.write(LogEvent(time.time_ns() // 1_000_000, self.stream, line))

    def kill(self) -> None:
        """Kill the process with SIGKILL: no `finally`, no `atexit`."""
        self._guardian.signal(self._process, signal.SIGKILL)
        self._waiter.join()

    def close(self) -> None:
        """Kill the process and free everything."""
        self.kill()
        self._api.close()
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
        python=_PYTHON,
        path=os.environ.get("PATH", os.defpath),
        bin=f":{settings.opt}/bin" if settings.layers else "",
        lib=f":{settings.opt}/lib" if settings.layers else "",
        log_level="INFO" if settings.log_format == "JSON" else None,
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


def _error(error_type: str, request_id: str, message: str) -> bytes:
    return json.dumps(
        {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {message}"}
    ).encode()


def _exit_text(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    if code > 0:
        return f"Runtime exited with error: exit status {code}"
    # AWS's words are those of the system: killed, segmentation fault; macOS adds the number
    text = (signal.strsignal(-code) or str(-code)).partition(":")[0].lower()
    return f"Runtime exited with error: signal: {text}"


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
