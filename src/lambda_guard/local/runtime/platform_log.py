"""The lines that the platform adds to a function's log, in the text and in the JSON log format.

START, END and REPORT: https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html, `platform.initStart`,
`platform.start`, `platform.runtimeDone` and `platform.report`:
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html.
"""

import json
import math
from datetime import UTC, datetime
from typing import Any

from lambda_guard.local.runtime.result import InvocationResult
from lambda_guard.propagation import header


def now_text() -> str:
    """Return the time as the platform writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def init_start(function: str, version: str, runtime: str, *, as_json: bool) -> str:
    """Return the first line of a log stream."""
    if not as_json:
        arn = f"arn:aws:lambda:local::runtime:{runtime}"
        return f"INIT_START Runtime Version: {runtime}\tRuntime Version ARN: {arn}"
    record = {
        "initializationType": "on-demand",
        "phase": "init",
        "runtimeVersion": runtime,
        "functionName": function,
        "functionVersion": version,
    }
    return _event("platform.initStart", record)


def start(request_id: str, version: str, trace_header: str | None, *, as_json: bool) -> str:
    """Return the line that begins an invocation."""
    if not as_json:
        return f"START RequestId: {request_id} Version: {version}"
    return _event("platform.start", {"requestId": request_id, "version": version, **_tracing(trace_header)})


def end(result: InvocationResult, memory_mb: int, message: str | None, *, as_json: bool) -> list[str]:
    """Return the lines that end an invocation; `message` is the one about a timeout or a process that ended."""
    process_ended = result.status == "killed" or result.error_type == "Runtime.ExitError"
    status = "failure" if process_ended else result.status
    if as_json:
        return _end_json(result, memory_mb, status)
    lines = [] if message is None else [message]
    return [*lines, f"END RequestId: {result.request_id}", _report_text(result, memory_mb, status)]


def _end_json(result: InvocationResult, memory_mb: int, status: str) -> list[str]:
    duration = {"durationMs": round(result.duration_ms, 3)}
    metrics: dict[str, Any] = {
        **duration,
        "billedDurationMs": _billed(result),
        "memorySizeMB": memory_mb,
        "maxMemoryUsedMB": result.max_memory_mb,
    }
    if result.init_ms is not None:
        metrics["initDurationMs"] = round(result.init_ms, 3)
    error = {} if result.error_type is None else {"errorType": result.error_type}
    rest = {"status": status, **error, **_tracing(result.trace_header)}
    report = _event("platform.report", {"requestId": result.request_id, "metrics": metrics, **rest})
    if status not in {"failure", "timeout"}:
        # platform.runtimeDone is at level DEBUG where all went well:
        # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
        return [report]
    done = {"requestId": result.request_id, **rest, "metrics": duration}
    return [_event("platform.runtimeDone", done), report]


def _report_text(result: InvocationResult, memory_mb: int, status: str) -> str:
    parts = [
        f"REPORT RequestId: {result.request_id}",
        f"Duration: {result.duration_ms:.2f} ms",
        f"Billed Duration: {_billed(result)} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {result.max_memory_mb} MB",
    ]
    if result.init_ms is not None:
        parts.append(f"Init Duration: {result.init_ms:.2f} ms")
    if status == "failure":
        parts += ["Status: error", f"Error Type: {result.error_type}"]
    elif status == "timeout":
        parts.append("Status: timeout")
    text = "\t".join(parts) + "\t"
    trace = header.fields(result.trace_header)
    if "Root" in trace:
        sampled = "true" if trace.get("Sampled") == "1" else "false"
        text += f"\nXRAY TraceId: {trace['Root']}\tSegmentId: {trace.get('Parent', '')}\tSampled: {sampled}\t"
    return text


def _billed(result: InvocationResult) -> int:
    # INIT is billed since August 2025:
    # https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
    return math.ceil(result.duration_ms + (result.init_ms or 0.0))


def _tracing(trace_header: str | None) -> dict[str, Any]:
    if not trace_header:
        return {}
    tracing = {"type": "X-Amzn-Trace-Id", "value": trace_header}
    if parent := header.fields(trace_header).get("Parent"):
        tracing["spanId"] = parent
    return {"tracing": tracing}


def _event(kind: str, record: dict[str, Any]) -> str:
    return json.dumps({"time": now_text(), "type": kind, "record": record}, separators=(",", ":"))
