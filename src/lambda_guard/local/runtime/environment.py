"""One execution environment: the real runtime client in a process of its own, one invocation at a time.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import json
import signal
import threading
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from lambda_guard.local.runtime import platform_log
from lambda_guard.local.runtime.guardian import Guardian
from lambda_guard.local.runtime.log_group import LogEvent, LogGroup
from lambda_guard.local.runtime.process import PYTHON, RuntimeProcess
from lambda_guard.local.runtime.result import InvocationResult, Status
from lambda_guard.local.runtime.runtime_api import Invocation, RuntimeReply
from lambda_guard.local.runtime.settings import FunctionSettings

# "The Init phase is limited to 10 seconds", says the page above; a development machine under load gets more.
INIT_SECONDS = (10.0, 30.0)


class Environment:
    """Starts the process at once; `run` waits for it.

    An initialization that fails is tried again within the invocation, as on AWS.

    Args:
        settings: the function's.
        guardian: starts the process.
        log: where its lines go.
        init_seconds: when an initialization is reported as one that took too long, and when it is ended.
    """

    def __init__(
        self,
        settings: FunctionSettings,
        guardian: Guardian,
        log: LogGroup,
        init_seconds: tuple[float, float] = INIT_SECONDS,
    ) -> None:
        self._settings = settings
        self._log = log
        self._json = settings.log_format == "JSON"
        self.stream = f"{datetime.now(UTC):%Y/%m/%d}/[{settings.version}]{uuid.uuid4().hex}"
        self._lines: list[str] = []
        self._used = False
        self._init_ms: float | None = None
        self._init_seconds = init_seconds
        self._init_reported = False
        self._lock = threading.Lock()
        self._killed = False
        self._write(
            platform_log.init_start(settings.name, settings.version, f"python:{PYTHON}", as_json=self._json)
        )
        self._started = time.monotonic()
        self._new_process = partial(RuntimeProcess, settings, guardian, self.stream, self._write)
        self._process = self._new_process()

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        return self._process.api.gone

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def run(self, invocation: Invocation) -> InvocationResult:
        """Run one invocation to its end; its deadline is set here, when the environment is ready.

        After a timeout or a crash the environment is gone and has to be closed.
        """
        cold, self._used = not self._used, True
        self._process.thaw()
        began, ready = self._initialize() if cold else (time.monotonic(), not self.gone)
        trace = invocation.trace_header
        self._write(
            platform_log.start(invocation.request_id, self._settings.version, trace, as_json=self._json)
        )
        reply = self._exchange(invocation, began) if ready else None
        return self._conclude(invocation, reply, began, cold=cold)

    def _initialize(self) -> tuple[float, bool]:
        """Wait for the end of INIT; return when the invocation began, and whether the runtime is ready for it.

        "If the function crashes or times out during the Init phase, Lambda emits error information in the INIT_REPORT
        log"; it "retries the Init phase at the time of the first function invocation with the configured function
        timeout".
        """
        api, until, at_last = self._process.api, *(self._started + seconds for seconds in self._init_seconds)
        ready = api.wait_until_ready(until)
        if not ready and not api.gone:
            self._report_init("init", "timeout", self._started)
            ready = api.wait_until_ready(at_last)
        began = time.monotonic()
        self._init_ms = (began - self._started) * 1000
        if api.gone:
            self._report_init("init", "error", self._started)
            if not self._start_again():
                return began, False
            ready = self._process.api.wait_until_ready(began + self._settings.timeout)
        if not ready:
            self._report_init("invoke", "error" if self.gone else "timeout", began if api.gone else until)
        return began, ready

    def _start_again(self) -> bool:
        failed = self._process
        with self._lock:
            if self._killed:
                return False
            self._process = self._new_process()
        failed.close()
        return True

    def _report_init(self, phase: str, status: str, began: float) -> None:
        took_ms = (time.monotonic() - began) * 1000
        if self.gone:
            self._process.wait()
            self._process.drain()
        error_type = None
        if status == "error":
            error = self._process.api.init_error
            error_type = "Runtime.ExitError" if error is None else error.error_type
        for line in platform_log.init_end(phase, status, error_type, took_ms, as_json=self._json):
            self._write(line)
        self._init_reported = True

    def _exchange(self, invocation: Invocation, began: float) -> RuntimeReply | None:
        left = began + self._settings.timeout - time.monotonic()
        self._process.api.deliver(replace(invocation, deadline_ms=int((time.time() + left) * 1000)))
        reply = self._process.api.wait_for_reply(began + self._settings.timeout)
        if self._settings.freeze and not self.gone:
            self._process.freeze()
        return reply

    def _conclude(
        self, invocation: Invocation, reply: RuntimeReply | None, began: float, *, cold: bool
    ) -> InvocationResult:
        memory = self._process.peak_memory_mb
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
        init_failed = self._process.api.init_error is not None
        told = replace(result, init_ms=None) if self._init_reported else result
        for line in platform_log.end(
            told, self._settings.memory, message, as_json=self._json, init_failed=init_failed
        ):
            self._write(line)
        lines, self._lines = tuple(self._lines), []
        return replace(result, lines=lines)

    def _read_all(self, reply: RuntimeReply | None) -> bool:
        """Read the rest of the output; return whether the time ran out, and the process was killed for it."""
        timed_out = reply is None and not self.gone
        if timed_out:
            self.kill()
        elif reply is None:
            self._process.wait()
        self._process.drain()
        return timed_out

    def _judge(
        self, request_id: str, reply: RuntimeReply | None, *, timed_out: bool
    ) -> tuple[Status, str | None, bytes, str | None]:
        """Return status, error type, document, and the platform's line, in AWS's words."""
        if reply is None and self._process.api.init_error is not None:
            reply = self._process.api.init_error
        if reply is not None:
            return ("error" if reply.error_type else "success"), reply.error_type, reply.body, None
        if timed_out:
            said = f"Task timed out after {self._settings.timeout:.2f} seconds"
            line = f"{platform_log.now_text()} {request_id} {said}"
            return "timeout", "Sandbox.Timedout", _error("Sandbox.Timedout", request_id, said), line
        code = self._process.exit_code
        said = _exit_text(code)
        error = "Runtime.ExitError"
        line = f"RequestId: {request_id} Error: {said}\n{error}"
        return ("killed" if code < 0 else "error"), error, _error(error, request_id, said), line

    def _write(self, line: str) -> None:
        self._lines.append(line)
        self._log.write(LogEvent(time.time_ns() // 1_000_000, self.stream, line))

    def kill(self) -> None:
        """Kill the process with SIGKILL: no `finally`, no `atexit`."""
        with self._lock:
            self._killed = True
        self._process.kill()

    def close(self) -> None:
        """Kill the process and free everything."""
        self.kill()
        self._process.close()


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
