"""The lines that the platform adds to a function's log, in the text and in the JSON log format.

Sources: "Working with Lambda function logs" (START, END, REPORT) and "Lambda Telemetry API Event schema
reference" (`platform.initStart`, `platform.start`, `platform.runtimeDone`, `platform.report`).
"""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Report:
    """How an invocation went, as the platform reports it.

    Attributes:
        request_id: the invocation.
        status: `success`, `error` (the handler raised), `failure` (the process ended) or `timeout`.
        error_type: None for success.
        duration_ms: milliseconds.
        memory_mb: what is configured.
        max_memory_mb: the most that the process had, in MB.
        init_ms: milliseconds; None for a warm start.
        trace_header: what the invocation was given.
    """

    request_id: str
    status: str
    error_type: str | None
    duration_ms: float
    memory_mb: int
    max_memory_mb: int
    init_ms: float | None
    trace_header: str | None


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


def end(report: Report, message: str | None, *, as_json: bool) -> list[str]:
    """Return the lines that end an invocation.

    Args:
        report: how it went.
        message: what the platform says of a timeout or of a process that ended; None for nothing.
        as_json: the JSON log format.
    """
    if as_json:
        return _end_json(report)
    lines = [] if message is None else [message]
    return [*lines, f"END RequestId: {report.request_id}", _report_text(report)]


def _end_json(report: Report) -> list[str]:
    metrics: dict[str, Any] = {
        "durationMs": round(report.duration_ms, 3),
        "billedDurationMs": _billed(report),
        "memorySizeMB": report.memory_mb,
        "maxMemoryUsedMB": report.max_memory_mb,
    }
    if report.init_ms is not None:
        metrics["initDurationMs"] = round(report.init_ms, 3)
    record = {"requestId": report.request_id, "metrics": metrics, "status": report.status}
    if report.error_type is not None:
        record["errorType"] = report.error_type
    lines = [_event("platform.report", {**record, **_tracing(report.trace_header)})]
    if report.status in {"failure", "timeout"}:
        # Written at INFO only where it didn't go well ("System log level event mapping").
        done = {name: value for name, value in record.items() if name != "metrics"}
        done["metrics"] = {"durationMs": metrics["durationMs"]}
        lines.insert(0, _event("platform.runtimeDone", {**done, **_tracing(report.trace_header)}))
    return lines


def _report_text(report: Report) -> str:
    parts = [
        f"REPORT RequestId: {report.request_id}",
        f"Duration: {report.duration_ms:.2f} ms",
        f"Billed Duration: {_billed(report)} ms",
        f"Memory Size: {report.memory_mb} MB",
        f"Max Memory Used: {report.max_memory_mb} MB",
    ]
    if report.init_ms is not None:
        parts.append(f"Init Duration: {report.init_ms:.2f} ms")
    if report.status in {"failure", "timeout"}:
        parts.append(f"Status: {'error' if report.status == 'failure' else report.status}")
    if report.status == "failure":
        parts.append(f"Error Type: {report.error_type}")
    text = "\t".join(parts) + "\t"
    fields = _trace_fields(report.trace_header)
    if "Root" in fields:
        sampled = "true" if fields.get("Sampled") == "1" else "false"
        text += (
            f"\nXRAY TraceId: {fields['Root']}\tSegmentId: {fields.get('Parent', '')}\tSampled: {sampled}\t"
        )
    return text


def _billed(report: Report) -> int:
    # "The INIT phase is billed", since August 2025.
    return math.ceil(report.duration_ms + (report.init_ms or 0.0))


def _tracing(trace_header: str | None) -> dict[str, Any]:
    if not trace_header:
        return {}
    tracing = {"type": "X-Amzn-Trace-Id", "value": trace_header}
    if parent := _trace_fields(trace_header).get("Parent"):
        tracing["spanId"] = parent
    return {"tracing": tracing}


def _trace_fields(trace_header: str | None) -> dict[str, str]:
    pairs = (field.split("=", 1) for field in (trace_header or "").split(";") if "=" in field)
    return {name.strip(): value.strip() for name, value in pairs}


def _event(kind: str, record: dict[str, Any]) -> str:
    return json.dumps({"time": now_text(), "type": kind, "record": record}, separators=(",", ":"))
