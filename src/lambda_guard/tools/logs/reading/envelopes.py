"""Log lines in the JSON that collectors and stores put around each: CloudWatch's, the Telemetry API, Docker and others.

Only a line whose shape is theirs is one: what a function logs may have a key of the same name. Pure; never raises.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from lambda_guard.tools.logs.model import TimedLine, as_mapping, time_of
from lambda_guard.tools.logs.reading.line_owner import load

_WRITTEN_BY_LAMBDA: Final = re.compile(
    r"\s*(?:(?:START|END|REPORT) RequestId: |INIT_START |RequestId: \S+ (?:Error: |Process exited )|\[[A-Z]+\]\t\d{4}-)"
)

_TIME_ALONE: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d\d:\d\d)")


def line_in(document: Mapping[str, object]) -> list[bytes] | None:
    """Return the log line in an envelope, or its lines, with their time and stream; None where it isn't one."""
    for read in _SHAPES:
        if (told := read(document)) is not None:
            text, at, stream = told
            if not isinstance(text, str):
                return None
            lines = [line.encode("utf-8", "replace") for line in text.strip("\r\n").split("\n")]
            time_ms = time_of(at)
            return lines if time_ms is None else [TimedLine.at(line, time_ms, stream) for line in lines]
    return None


def opener_for(first: bytes) -> Callable[[list[bytes]], list[bytes]] | None:
    """Return what takes the lines of a source out of their envelopes; None where its first line isn't in one."""
    line = first.partition(b"\n")[0].rstrip(b"\r")
    if _TIME_ALONE.fullmatch(line):
        return TimesAbove().opened
    document = load(line) if first[:1] == b"{" else None
    if document is None:
        return None
    if line_in(document) is not None or document.keys() == _TELEMETRY_KEYS:
        return lambda lines: [one for line in lines for one in _opened(line)]
    text = document.get("message")
    if isinstance(text, str) and _WRITTEN_BY_LAMBDA.match(text):
        keys = frozenset(document)
        return lambda lines: [one for line in lines for one in _messages(line, keys)]
    return None


def _opened(line: bytes) -> list[bytes]:
    found = line_in(load(line) or {}) if line[:1] == b"{" else None
    return [line] if found is None else found


def _messages(line: bytes, keys: frozenset[str]) -> Iterator[bytes]:
    """Yield the message of a line that has the keys of the first one, which held a line of Lambda's."""
    document = (load(line) if line[:1] == b"{" else None) or {}
    text = document.get("message")
    if not isinstance(text, str) or document.keys() != keys:
        yield line
        return
    times = (time_of(document.get(key)) for key in ("timestamp", "@timestamp", "time"))
    at = next((one for one in times if one is not None), None)
    raws = [one.encode("utf-8", "replace") for one in text.strip("\r\n").split("\n")]
    yield from raws if at is None else [TimedLine.at(raw, at) for raw in raws]


class TimesAbove:
    """Lines below their times, which stand alone: a copy of the console of CloudWatch Logs."""

    def __init__(self) -> None:
        self._time_ms: float | None = None

    def opened(self, lines: list[bytes]) -> list[bytes]:
        """Return the lines with the times above them."""
        return list(self._timed(lines))

    def _timed(self, lines: list[bytes]) -> Iterator[bytes]:
        for line in lines:
            if _TIME_ALONE.fullmatch(line.rstrip(b"\r")):
                self._time_ms = time_of(line.decode().strip())
            else:
                yield line if self._time_ms is None else TimedLine.at(line, self._time_ms)


_Told = tuple[object, object, str]


def _docker(document: Mapping[str, object]) -> _Told | None:
    """https://docs.docker.com/engine/logging/drivers/json-file/."""
    if document.get("stream") not in {"stdout", "stderr"} or "log" not in document:
        return None
    return document["log"], document.get("time"), ""


def _journald(document: Mapping[str, object]) -> _Told | None:
    at = document.get("__REALTIME_TIMESTAMP")  # µs
    if "MESSAGE" not in document or not isinstance(at, str) or not at.isdigit():
        return None
    return document["MESSAGE"], int(at) / 1_000.0, ""


def _loki(document: Mapping[str, object]) -> _Told | None:
    """`logcli query -o jsonl`."""
    return (document["line"], document.get("timestamp"), "") if document.keys() == _LOKI_KEYS else None


def _splunk(document: Mapping[str, object]) -> _Told | None:
    result = as_mapping(document.get("result"))
    return (result["_raw"], result.get("_time"), "") if "_raw" in result else None


def _elastic(document: Mapping[str, object]) -> _Told | None:
    source = as_mapping(document.get("_source"))
    text = source.get("message", source.get("@message"))
    if text is None or "_index" not in document:
        return None
    return text, source.get("@timestamp"), str(source.get("@log_stream") or "")


def _datadog(document: Mapping[str, object]) -> _Told | None:
    attributes = as_mapping(document.get("attributes"))
    return (
        (attributes.get("message"), attributes.get("timestamp"), "")
        if document.get("type") == "log"
        else None
    )


def _cloudwatch(document: Mapping[str, object]) -> _Told | None:
    """`aws logs filter-log-events --query events`, or `jq '.events[]'`."""
    at = document.get("timestamp")
    if not isinstance(at, int) or not {"timestamp", "message"} <= document.keys() <= _EVENT_KEYS:
        return None
    return document["message"], at, str(document.get("logStreamName") or "")


def _telemetry(document: Mapping[str, object]) -> _Told | None:
    """What a function or an extension printed, as the Telemetry API has it, and faults as the Logs API had them."""
    record = document.get("record")
    if document.keys() != _TELEMETRY_KEYS or document["type"] not in _PRINTED:
        return None
    return record if isinstance(record, str) else json.dumps(record), document["time"], ""


_LOKI_KEYS: Final = {"labels", "line", "timestamp"}
_EVENT_KEYS: Final = {
    "timestamp",
    "message",
    "logStreamName",
    "ingestionTime",
    "eventId",
    "logGroupIdentifier",
}
_TELEMETRY_KEYS: Final = {"time", "type", "record"}
_PRINTED: Final = ("function", "extension", "platform.fault")
_SHAPES: Final = (_cloudwatch, _telemetry, _docker, _journald, _loki, _splunk, _elastic, _datadog)
