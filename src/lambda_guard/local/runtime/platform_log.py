"""The lines that the platform adds to a function's log, in the text and in the JSON log format.

START, END and REPORT: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html; INIT_REPORT:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html; the platform's events:
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html. Some of these are at level DEBUG, and so
aren't logged, where all went well: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html.
"""

import json
import math
import re
from datetime import UTC, datetime
from typing import Any, Final

from lambda_guard.local.runtime.result import InvocationResult
from lambda_guard.propagation import header
from lambda_guard.shapes.sample import fill

_PLATFORM_ERROR: Final = re.compile(r"(Runtime|Function)\.[A-Z][a-zA-Z]+")


def now_text() -> str:
    """Return the time as the platform writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def init_start(function: str, version: str, runtime: str, *, as_json: bool) -> str:
    """Return the first line of a log stream."""
    if not as_json:
        arn = f"arn:aws:lambda:local::runtime:{runtime}"
        return f"INIT_START Runtime Version: {runtime}\tRuntime Version ARN: {arn}"
    return _event("platform.initStart", runtime=runtime, function=function, version=version)


def init_end(phase: str, status: str, error_type: str | None, took_ms: float, *, as_json: bool) -> list[str]:
    """Return the lines about an initialization that failed; of one that went well there are none.

    Args:
        phase: `init`, or `invoke` for one that was tried again within an invocation.
        status: `error` or `timeout`.
        error_type: None for a timeout; one that isn't the platform's is `Runtime.Unknown` here.
        took_ms: milliseconds.
        as_json: whether in the JSON log format.
    """
    error_type = _of_the_platform(error_type)
    if as_json:
        told = {"phase": phase, "status": status, "error_type": error_type, "took_ms": round(took_ms, 3)}
        return [_event("platform.initRuntimeDone", **told), _event("platform.initReport", **told)]
    parts = [f"INIT_REPORT Init Duration: {took_ms:.2f} ms", f"Phase: {phase}", f"Status: {status}"]
    return ["\t".join([*parts, *[f"Error Type: {error_type}"] * bool(error_type)])]


def start(request_id: str, version: str, trace_header: str | None, *, as_json: bool) -> str:
    """Return the line that begins an invocation."""
    if not as_json:
        return f"START RequestId: {request_id} Version: {version}"
    return _event("platform.start", request_id=request_id, version=version, tracing=_tracing(trace_header))


def end(
    result: InvocationResult, memory_mb: int, message: str | None, *, as_json: bool, init_failed: bool = False
) -> list[str]:
    """Return the lines that end an invocation.

    Args:
        result: of the invocation.
        memory_mb: the function's.
        message: about a timeout or a process that ended.
        as_json: whether in the JSON log format.
        init_failed: whether the function couldn't be loaded.
    """
    process_ended = result.status == "killed" or result.error_type == "Runtime.ExitError"
    status = "failure" if process_ended else result.status
    if as_json:
        return _end_json(result, memory_mb, status)
    lines = [] if message is None else [message]
    return [
        *lines,
        f"END RequestId: {result.request_id}",
        _report_text(result, memory_mb, status, init_failed),
    ]


def _end_json(result: InvocationResult, memory_mb: int, status: str) -> list[str]:
    told = {
        "result": result,
        "duration_ms": round(result.duration_ms, 3),
        "billed_ms": _billed(result),
        "memory_mb": memory_mb,
        "init_ms": None if result.init_ms is None else round(result.init_ms, 3),
        "status": status,
        "error_type": result.error_type,
        "tracing": _tracing(result.trace_header),
    }
    report = _event("platform.report", **told)
    if status not in {"failure", "timeout"}:
        return [report]
    return [_event("platform.runtimeDone", **told), report]


def _report_text(result: InvocationResult, memory_mb: int, status: str, init_failed: bool) -> str:
    parts = [
        f"REPORT RequestId: {result.request_id}",
        f"Duration: {result.duration_ms:.2f} ms",
        f"Billed Duration: {_billed(result)} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {result.max_memory_mb} MB",
    ]
    if result.init_ms is not None:
        parts.append(f"Init Duration: {result.init_ms:.2f} ms")
    if status == "failure" or init_failed:
        parts += ["Status: error", f"Error Type: {_of_the_platform(result.error_type)}"]
    elif status == "timeout":
        parts.append("Status: timeout")
    text = "\t".join(parts) + "\t"
    trace = header.fields(result.trace_header)
    if "Root" in trace:
        sampled = "true" if trace.get("Sampled") == "1" else "false"
        text += f"\nXRAY TraceId: {trace['Root']}\tSegmentId: {trace.get('Parent', '')}\tSampled: {sampled}\t"
    return text


def _of_the_platform(error_type: str | None) -> str | None:
    """Return an error's type as the platform names it, which knows none of a function's own.

    As in AWS's runtime interface emulator, `fatalerror.GetValidRuntimeOrFunctionErrorType`.
    """
    return error_type if error_type is None or _PLATFORM_ERROR.search(error_type) else "Runtime.Unknown"


def _billed(result: InvocationResult) -> int:
    # INIT is billed since August 2025:
    # https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
    return math.ceil(result.duration_ms + (result.init_ms or 0.0))


def _tracing(trace_header: str | None) -> dict[str, str] | None:
    if not trace_header:
        return None
    tracing = {"type": "X-Amzn-Trace-Id", "value": trace_header}
    if parent := header.fields(trace_header).get("Parent"):
        tracing["spanId"] = parent
    return tracing


def _event(kind: str, **told: Any) -> str:
    return json.dumps(fill(kind, told, time=now_text()), separators=(",", ":"))
