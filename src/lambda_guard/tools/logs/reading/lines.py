"""The meaning of a line: from bytes to `Line`, and from platform lines to `Report`. Pure; never raises."""

import json
import re
from collections.abc import Mapping
from typing import Final

from lambda_guard import _names as names
from lambda_guard.propagation.header import parse as header_of
from lambda_guard.tools.logs.model import Line, Report, as_mapping, as_number, time_of
from lambda_guard.tools.logs.reading.line_owner import is_platform_event, load
from lambda_guard.tools.logs.reading.prefixes import LEVEL
from lambda_guard.tools.logs.reading.runtime_errors import JSON_KEYS, is_error_document, without_own_frames

_LEVELS: Final = {
    **{level: level for level in ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")},
    "WARN": "WARNING",
    "FATAL": "CRITICAL",
    "ERR": "ERROR",
    "TRCE": "TRACE", "DBUG": "DEBUG", "INFORMATION": "INFO", "FAIL": "ERROR", "CRIT": "CRITICAL",  # .NET
}  # fmt: skip
_USUAL_KEYS: Final = (names.SERVICE, *(key for key in names.LINE_KEYS if key != names.INVOCATION_ID))
_COMMON_KEYS: Final = frozenset(
    (
        names.INVOCATION_ID,
        *_USUAL_KEYS,
        names.LEVEL,
        names.LOCATION,
        names.LOGGER_NAME,
        names.MESSAGE,
        names.TIMESTAMP,
        names.EXCEPTION,
        names.EXCEPTION_NAME,
        names.STACK_TRACE,
        names.EMF,
    )
)
_KEYS_BESIDE: Final = {
    "function_request_id": frozenset(("function_request_id", "function_arn", "function_memory_size")),
    "requestId": frozenset(("requestId", "tenantId")),
}
"""What Powertools and Lambda's JSON format write into each line, by the key that names the invocation."""

HIDDEN_KEYS: Final = _COMMON_KEYS.union(names.ID_KEYS, JSON_KEYS, *_KEYS_BESIDE.values())
"""Keys that may be no field of a line: all lines of an invocation have them, or they are shown as something else."""

_LOOKED_AT: Final = HIDDEN_KEYS | {names.RECORD}
_RUNTIME_TEXT: Final = re.compile(r"\[([A-Z]+)\]\t(\S+)\t\S*\t(.*)", re.DOTALL)
_NODE_TEXT: Final = re.compile(
    rf"(\d\S+Z|\d\S+ [\d:.]+ \([+-][\d:]+\))\s+(?:[0-9a-fA-F-]{{36}}|\S+(?=\t))\s+({LEVEL.decode()})\s+(.*)",
    re.DOTALL,
)
_BARE_LEVEL: Final = re.compile(r"\[(CRITICAL|FATAL|ERROR|WARN|WARNING|INFO|DEBUG|TRACE)\]\s+(.*)", re.DOTALL)
_TIMED_OUT: Final = re.compile(
    r"(?:(\d{4}-\S+) )?(?:[0-9a-fA-F-]{36} )?(Task timed out after [\d.]+ seconds)"
)
_CRASH: Final = re.compile(
    r"RequestId: \S+ ((?:Error: |Process exited before completing request).*)|(Unknown application error occurred)",
    re.DOTALL,
)
_PLATFORM_TEXT: Final = re.compile(
    r"(?:START|END|REPORT) RequestId: |(?:INIT|RESTORE)_(?:START|REPORT) |EXTENSION\t|TELEMETRY\t|XRAY TraceId: "
)
_REPORT_FIELDS: Final = {
    "Duration": "duration_ms",
    "Billed Duration": "billed_ms",
    "Init Duration": "init_ms",
    "Restore Duration": "restore_ms",
    "Memory Size": "memory_limit_mb",
    "Max Memory Used": "memory_used_mb",
    "Memory Used": "memory_used_mb",
    "init": "init_ms",
}
_REPORT_FIELD: Final = re.compile(
    r"\b((?:Billed\s+|Init\s+|Restore\s+|Billed\s+Restore\s+)?Duration|init|Memory\s+Size|(?:Max\s+)?Memory\s+Used|Status|Error\s+Type"
    r"|XRAY\s+TraceId):\s*(\S+)"
)
# https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#ReportMetrics
_METRICS: Final = {
    "durationMs": "duration_ms",
    "billedDurationMs": "billed_ms",
    "initDurationMs": "init_ms",
    "restoreDurationMs": "restore_ms",
    "memorySizeMB": "memory_limit_mb",
    "maxMemoryUsedMB": "memory_used_mb",
}


# long: the hot path of every line, where a call more is felt
def parse(raw: bytes) -> Line:
    """Understand one line as far as it can be. Never raises: what is not understood is shown as it is."""
    if raw[:1] != b"{":
        return _from_text(raw.decode("utf-8", "replace").strip("\r\n"), raw)
    document = load(raw, trailing=True)
    if document is None:
        text = raw.decode("utf-8", "replace").strip()
        return Line("text", getattr(raw, "time_ms", None), "", text, broken=True)
    # The keys that Powertools and Lambda's JSON format agree on are taken out; what stays in is the user's.
    take = document.pop
    timestamp, level, message = (
        take(names.TIMESTAMP, None),
        take(names.LEVEL, None),
        take(names.MESSAGE, None),
    )
    time_ms = time_of(timestamp)
    if time_ms is None or message.__class__ is not str or level.__class__ is not str or names.EMF in document:
        document |= {names.TIMESTAMP: timestamp, names.LEVEL: level, names.MESSAGE: message}
        return _from_unusual_document(document, raw, time_ms)
    exception = _exception(document) if names.EXCEPTION in document or "stackTrace" in document else ""
    location, logger = take(names.LOCATION, ""), take(names.LOGGER_NAME, "")
    guarded = take(names.INVOCATION_ID, None) is not None
    for key in _USUAL_KEYS:
        take(key, None)
    if not _LOOKED_AT.isdisjoint(document):
        document = _fields(document, _own_keys(document, guarded=guarded))
    return Line(
        "log",
        time_ms,
        _LEVELS.get(level) or _level(level),
        message,
        location if location.__class__ is str else str(location or ""),
        logger if logger.__class__ is str else str(logger or ""),
        document,
        exception,
    )


def _from_unusual_document(document: dict[str, object], raw: bytes, time_ms: float | None) -> Line:
    """Read what others write: platform events, the runtime's own errors, EMF documents, structlog, anything."""
    kind = document.get("type")
    if is_platform_event(kind, document):
        return _platform_event(kind, document)
    emf = as_mapping(document.get(names.EMF))
    elsewhere = (time_of(document.get("time")), time_of(emf.get("Timestamp")))
    times = (getattr(raw, "time_ms", None), *elsewhere)
    level = document.get(names.LEVEL)
    instead = {"time"} if time_ms is None else set[str]()
    instead |= set() if level else {"log_level"}
    line = Line(
        "log",
        time_ms if time_ms is not None else next((at for at in times if at is not None), None),
        _level(str(level or document.get("log_level") or "")),
        _message(document),
        str(document.get(names.LOCATION) or ""),
        str(document.get(names.LOGGER_NAME) or ""),
        _fields(document, _own_keys(document) | instead),
        _exception(document),
    )
    if is_error_document(document):
        line.whole_second = not hasattr(raw, "time_ms") and "." not in str(document.get(names.TIMESTAMP, "."))
        return _error_of_the_runtime(line, raw)
    return line


def _error_of_the_runtime(line: Line, raw: bytes) -> Line:
    """Return a runtime's report of an error without its keys, which message and traceback have told."""
    line.fields = {key: value for key, value in line.fields.items() if key not in JSON_KEYS}
    line.exception, line.level = without_own_frames(line.exception), line.level or "ERROR"
    line.time_ms = getattr(raw, "time_ms", line.time_ms)
    return line


def _own_keys(document: Mapping[str, object], *, guarded: bool = False) -> frozenset[str]:
    """Return the keys that the writer of a line adds; other names for an invocation's id are the user's fields."""
    owner = next(
        (key for key in _KEYS_BESIDE if key in document and not (guarded and key == "requestId")), None
    )
    if owner is not None:
        return _COMMON_KEYS | _KEYS_BESIDE[owner]
    others = () if guarded else [key for key in names.ID_KEYS if key in document]
    return _COMMON_KEYS.union(others[:1])


def _fields(document: Mapping[str, object], own: frozenset[str]) -> dict[str, object]:
    """Return the fields besides the writer's own keys; none of a record that a later one replaced."""
    if document.get(names.RECORD) == names.RECORD_INVOCATION:
        return {}
    return {key: value for key, value in document.items() if key not in own}


def _message(document: Mapping[str, object]) -> str:
    message = document.get(names.MESSAGE)
    if isinstance(message, str):
        return message
    if message is None:
        return _message_of_others(document)
    if isinstance(message, Mapping) and "errorMessage" in message:  # an error as Node.js logs it
        return _message_of_others(message)
    return json.dumps(message, ensure_ascii=False, default=str)


def _message_of_others(document: Mapping[str, object]) -> str:
    """Return what stands for the message in lines without one: a runtime's error, EMF, structlog's `event`."""
    if "errorMessage" in document:
        return f"{document.get('errorType', 'Error')}: {document['errorMessage']}"
    if names.EMF in document:
        return "metrics"
    event = document.get("event") or document.get("msg") or as_mapping(document.get("fields")).get("message")
    return event if isinstance(event, str) else ""


def _exception(document: Mapping[str, object]) -> str:
    text = document.get(names.EXCEPTION)
    if isinstance(text, str):
        return text
    frames = document.get("stackTrace", as_mapping(document.get(names.MESSAGE)).get("stackTrace"))
    return "\n".join(map(_frame, frames)) if isinstance(frames, list) else ""


def _frame(frame: object) -> str:
    """Return a line of a traceback; of a panic in Go, frames are objects."""
    at = as_mapping(frame)
    return f"  {at.get('path')}:{at.get('line')} in {at.get('label')}" if at else str(frame).rstrip()


def _platform_event(kind: str, document: Mapping[str, object]) -> Line:
    record = as_mapping(document.get("record"))
    fields = {key: value for key, value in record.items() if key != "requestId"}
    return Line("platform", time_of(document.get("time")), "", kind, fields=fields)


def _from_text(text: str, raw: bytes) -> Line:
    time_ms: float | None = getattr(raw, "time_ms", None)
    if _PLATFORM_TEXT.match(text):
        return Line("platform", time_ms, "", text.replace("\t", "  ").strip())
    if found := _RUNTIME_TEXT.match(text):
        return Line("text", time_of(found[2]) or time_ms, _level(found[1]), found[3])
    if found := _NODE_TEXT.match(text):
        return Line(
            "text", time_of(re.sub(r" \((.*)\)", r"\1", found[1])) or time_ms, _level(found[2]), found[3]
        )
    if found := _TIMED_OUT.match(text):
        return Line("platform", time_of(found[1]) or time_ms, "ERROR", found[2])
    if found := _CRASH.fullmatch(text):
        return Line("platform", time_ms, "ERROR", found[1] or found[2])
    return _plain(text, time_ms)


def _plain(text: str, time_ms: float | None) -> Line:
    """Read a print, or the runtime's report of an error.

    It joins its lines by carriage returns, and indents them by no-break spaces.
    """
    found = _BARE_LEVEL.match(text)
    if found is None:
        return Line("text", time_ms, "", text.replace("\r", "\n"))
    message, _, traceback = found[2].replace("\r", "\n").replace("\xa0", " ").partition("\n")
    traceback = without_own_frames(traceback.rstrip())
    return Line("text", time_ms, _level(found[1]), message, exception=traceback if "\n" in traceback else "")


def _level(level: str) -> str:
    upper = level.upper()
    return _LEVELS.get(upper, upper)


def add_to_report(report: Report, raw: bytes) -> None:
    """Read a platform line into the report of its invocation; others about an initialization tell nothing of it."""
    if raw[:1] == b"{":
        _add_event(report, load(raw) or {})
        return
    text = raw.decode("utf-8", "replace").strip()
    time_ms: float | None = getattr(raw, "time_ms", None)
    if text.startswith("START "):
        report.version = text.partition("Version: ")[2].split("\n")[0].strip() or report.version
        report.started_at_ms = time_ms
    elif text.startswith("END RequestId: "):
        report.ended, report.ended_at_ms = True, time_ms
    elif text.startswith(("INIT_START ", "RESTORE_START ")):
        report.runtime = text.partition("Runtime Version: ")[2].split("\t")[0].strip() or report.runtime
    elif text.startswith(("REPORT ", "XRAY ", "END Duration: ")):
        _add_report_text(report, text)
    elif text.startswith(("INIT_REPORT ", "RESTORE_REPORT ")) and "Phase: invoke" in text:
        # The environment couldn't be made ready for this invocation, in which it was tried again.
        _add_failed_init(report, text)


def _add_report_text(report: Report, text: str) -> None:
    """Read a REPORT line: its fields by their names, since copies have other white space between them than tabs.

    Only failures have a `Status`.
    """
    report.ended = True
    for found in _REPORT_FIELD.finditer(text):
        key, value = " ".join(found[1].split()), found[2]
        if key in _REPORT_FIELDS:
            setattr(report, _REPORT_FIELDS[key], _leading_number(value))
        elif key == "Status":
            report.status = value.lower()
        elif key == "Error Type":
            report.error_type = value
        elif key == "XRAY TraceId":
            report.trace_id = value


def _add_failed_init(report: Report, text: str) -> None:
    fields = {" ".join(found[1].split()): found[2] for found in _REPORT_FIELD.finditer(text)}
    report.status = report.status or fields.get("Status", "").lower()
    report.error_type = report.error_type or fields.get("Error Type", "")


def _leading_number(text: str) -> float | None:
    try:
        return as_number(float(text.split(maxsplit=1)[0]))
    except (ValueError, IndexError):
        return None


def _add_event(report: Report, document: Mapping[str, object]) -> None:
    record = as_mapping(document.get("record"))
    at = time_of(document.get("time"))
    kind = str(document.get("type"))
    if kind == "platform.start":
        report.version, report.started_at_ms = str(record.get("version") or report.version), at
    elif kind in {"platform.runtimeDone", "platform.report"}:
        report.ended = True
        report.ended_at_ms = at
        report.status = str(record.get("status") or report.status)
        report.error_type = str(record.get("errorType") or report.error_type)
        for key, value in as_mapping(record.get("metrics")).items():
            if key in _METRICS:
                setattr(report, _METRICS[key], as_number(value))
    else:
        report.runtime = str(record.get("runtimeVersion") or "") or report.runtime
        return
    header = header_of(as_mapping(record.get("tracing")).get("value"))
    report.trace_id = header.root if header is not None else report.trace_id
