"""Documents that hold log lines: what AWS's commands, consoles, subscriptions and exports write around them.

A source is one of these by its beginning, and is read as a whole, up to a bound; documents may stand one behind the
other. Whatever turns out not to be one comes as the lines that it consists of: nothing is hidden.
"""

import base64
import binascii
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Final

from lambda_guard.tools.logs.model import TimedLine, as_mapping, as_number, time_of
from lambda_guard.tools.logs.reading.envelopes import line_in
from lambda_guard.tools.logs.reading.line_owner import load
from lambda_guard.tools.logs.reading.prefixes import STREAM
from lambda_guard.tools.logs.reading.runtime_errors import NODE_ERROR

DOCUMENT_BYTES_MOST: Final = 256 * 2**20
DEPTH_MOST: Final = 8
"""A batch of Kinesis records of subscription messages of events of lines has a depth of 5."""

SPREAD_LINES_MOST: Final = 2_000
_OPENING: Final = re.compile(
    rb"(?:(?:%b|\d{4}-\d\d-\d\dT[\d:.+Z-]+) ){0,2}(?:%b|\{)\s*" % (STREAM, NODE_ERROR.pattern)
)
"""A brace alone, or behind what `sam logs`, `aws logs tail` and the Node.js runtime put before it."""

_HOLDER: Final = re.compile(
    rb'\{\s*"(?:events|searchedLogStreams|messageType|owner|logGroup|logStream|logEvents|subscriptionFilters'
    rb"|Records|records|awslogs|results|statistics|queryLanguage|StatusCode|LogResult|FunctionError|ExecutedVersion"
    rb'|invocationId|deliveryStreamArn|took|hits|data|sessionMetadata|sessionResults)"\s*:'
    rb'|\{\s*"requestId"\s*:\s*"[^"]*"\s*,\s*"timestamp"\s*:\s*\d+\s*,\s*"records"'  # Firehose, to an HTTP endpoint
)
"""The first key of such a document."""

_CSV_HEADER: Final = re.compile(rb'"?@?[\w. ]+"?(?:,"?@?[\w. ]+"?)*\r?\n')
_COLUMNS: Final = {
    "message": "@message",
    "timestamp": "@timestamp",
    "date": "@timestamp",
    "time": "@timestamp",
    "logstreamname": "@logStream",
}
"""Of what the consoles of CloudWatch Logs and Datadog download, by the names that Logs Insights has for them."""

_CLI_TEXT: Final = re.compile(
    rb"^EVENTS\t(?:\d{20,}\t)?\d{13}\t(?:(?P<stream>%b)\t)?(?P<message>.*?)\t(?P<time>\d{13})\r?$"
    rb"(?=\s*(?:^[A-Z]+\t|\Z))" % STREAM,
    re.DOTALL | re.MULTILINE,
)
"""What `aws logs get-log-events` and `filter-log-events` write with `--output text`."""
_CLI_TEXT_BEGINS: Final = re.compile(rb"(?:[bf]/\S+\t[bf]/\S+\r?\n|\S{40,}\r?\n)?EVENTS\t\d+\t")
_PACKED: Final = re.compile(
    rb'(?:\S+\t(?:\w+\t)?)?"?(?P<data>[A-Za-z0-9+/]{60}[A-Za-z0-9+/=\r\n]*)"?(?:\t\d{3})?\s*'
)
"""The data of a subscription's event by itself, or LogResult, as `aws lambda invoke --output text` writes it, too."""

_ESCAPED: Final = {"\\t": "\t", "\\n": "\n", "\\r": "\r"}
_PLATFORM_ESCAPED: Final = re.compile(r"(?:START|END|REPORT) RequestId: .*\\[tn]|.*\\n\Z", re.DOTALL)
_decode: Final = json.JSONDecoder().raw_decode


def is_container(first: bytes) -> bool:
    """Recognise such a document by its first bytes: a list, one object over several lines, known keys, or CSV."""
    start = first.lstrip()
    if start[:1] == b"[":
        return start[1:].lstrip()[:1] in (b"{", b'"', b"[", b"]") and not start.startswith(b"[{]")
    if start[:1] == b"{":
        return _HOLDER.match(start) is not None or _is_spread(start)
    if _CLI_TEXT_BEGINS.match(start) or _PACKED.fullmatch(start):
        return True
    header = _CSV_HEADER.match(start)
    columns = _columns(header[0].decode()) if header is not None else []
    return "@message" in columns and (b"@message" in start[:200] or "@timestamp" in columns)


def _columns(header: str) -> list[str]:
    names = [name.strip(' "\r\n') for name in header.split(",")]
    return [_COLUMNS.get(name.lower(), name) for name in names]


def _is_spread(start: bytes) -> bool:
    """Return whether an object goes on below its first line."""
    line, end, _ = start.partition(b"\n")
    return (
        bool(end)
        and re.fullmatch(rb'\{\s*(?:"[^"]*"\s*:\s*.*,?\s*)?', line) is not None
        and load(line) is None
    )


def lines_of_container(first: bytes, rest: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield the messages as lines with their times and streams.

    A document that is cut off or over 256 MB comes as the lines that it consists of.
    """
    whole = bytearray(first)
    for chunk in rest:
        whole += chunk
        if len(whole) > DOCUMENT_BYTES_MOST:
            break
    content = bytes(whole)
    if content.lstrip()[:1] in (b"[", b"{"):
        yield from _lines_of_documents(content)
    elif _CLI_TEXT_BEGINS.match(content):
        yield _lines_of_cli_text(content)
    elif packed := _PACKED.fullmatch(content):
        yield _lines_of_packed(packed["data"]) or content.split(b"\n")
    else:
        yield _lines_of_csv(content)
    for chunk in rest:
        yield chunk.split(b"\n")


def _lines_of_documents(content: bytes) -> Iterator[list[bytes]]:
    """Read documents that follow each other, with or without line ends between them."""
    text, at = content.decode("utf-8", "replace"), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = _document_at(text, at)
        if found is None:  # what isn't JSON, up to the end of its line
            end = text.find("\n", at) + 1 or len(text)
            yield [text[at:end].rstrip("\r\n").encode()]
        else:
            document, end = found
            yield in_order(list(lines_in(document)))
        at = end


def _document_at(text: str, at: int) -> tuple[object, int] | None:
    """Return the document that begins there, and its end; a number is none, but the time of a line."""
    try:
        return _decode(text, at) if text[at] in '{["' else None
    except (ValueError, RecursionError):
        return None


class Spread:
    """Joins what is spread over lines: from a brace, alone or behind a prefix, to its counterpart at a line's begin."""

    def __init__(self) -> None:
        self._open: list[bytes] = []

    def joined(self, lines: list[bytes]) -> list[bytes]:
        """Return the lines, each whole object in one; what isn't JSON after all as it was."""
        if not self._open and not any(line.endswith((b"{", b"{\r")) for line in lines):
            return lines
        found: list[bytes] = []
        for line in lines:
            if self._open or _OPENING.fullmatch(line):
                self._open.append(line)
                if line.rstrip() in (b"}", b"},"):
                    found += self._closed()
                elif len(self._open) > SPREAD_LINES_MOST:
                    found += self.left()
            else:
                found.append(line)
        return found

    def left(self) -> list[bytes]:
        """Return what has no end."""
        lines, self._open = self._open, []
        return lines

    def _closed(self) -> list[bytes]:
        lines = self.left()
        before, whole = lines[0].rstrip()[:-1], b"\n".join([b"{", *lines[1:]])
        document = load(whole.rstrip(b", \r"))
        if document is None:
            return lines
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        return [before + text.encode("utf-8", "replace")]


def lines_in(document: object, depth: int = 0) -> Iterator[bytes]:
    """Yield the log lines in a document: those of what it holds, or itself where it is one."""
    if isinstance(document, str):
        yield from (line.encode("utf-8", "replace") for line in document.strip("\r\n").split("\n"))
        return
    if isinstance(document, list) and depth < DEPTH_MOST:
        for one in document:
            yield from lines_in(one, depth + 1)
        return
    held = _held(document) if isinstance(document, dict) and depth < DEPTH_MOST else None
    if held is None:
        yield json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    else:
        for one in held:
            yield from (
                one
                if isinstance(one, list)
                else [one]
                if isinstance(one, bytes)
                else lines_in(one, depth + 1)
            )


def _held(document: Mapping[str, object]) -> list[object] | None:
    """Return what a document holds: lines, or further documents; None where it is a line itself."""
    if "@message" in document:
        return [_row(document)]
    if (lines := line_in(document)) is not None:
        return list(lines)
    for key, read in _READERS.items():
        if key in document and (found := read(document)) is not None:
            return found
    return None


def line_of(event: object, stream: str = "") -> bytes:
    """Return the message of an event as a line with its time and stream; anything else is shown as it is."""
    if not isinstance(event, dict) or not isinstance(event.get("message"), str):
        return json.dumps(event).encode()
    at = as_number(event.get("timestamp"))
    message = _message(event["message"])
    return message if at is None else TimedLine.at(message, at, str(event.get("logStreamName") or stream))


def _message(text: str) -> bytes:
    """Return a message without its line end; one that was escaped twice on its way as it was."""
    if "\\" in text and not {"\t", "\n"} & set(text) and _PLATFORM_ESCAPED.match(text):
        for escape, character in _ESCAPED.items():
            text = text.replace(escape, character)
    return text.strip("\r\n").encode("utf-8", "replace")


def _row(row: Mapping[str, object]) -> bytes:
    """Return a row of Logs Insights as a line; its times have a space, and are UTC."""
    message, at = row["@message"], row.get("@timestamp")
    line = _message(message if isinstance(message, str) else json.dumps(message, separators=(",", ":")))
    at = time_of(int(at) if isinstance(at, str) and at.isdigit() else at)
    return line if at is None else TimedLine.at(line, at, str(row.get("@logStream") or ""))


def _events(document: Mapping[str, object], key: str) -> list[object] | None:
    events = document[key]
    if not isinstance(events, list):
        return None
    stream = str(document.get("logStream") or "")
    return [line_of(event, stream) if "message" in as_mapping(event) else event for event in events]


def _hits(document: Mapping[str, object]) -> list[object] | None:
    """Read what Elasticsearch, OpenSearch and Datadog answer to a search."""
    found = as_mapping(document["hits"]).get("hits") if "hits" in document else document["data"]
    events = [line_in(as_mapping(one)) for one in found] if isinstance(found, list) else []
    whole = [event for event in events if event]
    return list(_in_order_of_events(whole)) if whole and len(whole) == len(events) else None


def _records(document: Mapping[str, object], key: str) -> list[object] | None:
    """Read a batch of Kinesis, or of Firehose, whose records are subscription messages."""
    records = document[key]
    if not isinstance(records, list) or not records:
        return None
    found: list[object] = []
    for record in records:
        one = as_mapping(as_mapping(record).get("kinesis") or record)
        data = one.get("data", one.get("Data"))
        unpacked = _unpacked(data)
        if unpacked is None:
            return None
        found += unpacked
    return found


def _results(document: Mapping[str, object]) -> list[object] | None:
    """Read what GetQueryResults answers: a list of fields for each row."""
    rows = document["results"]
    if not isinstance(rows, list):
        return None
    return [
        {str(as_mapping(one).get("field")): as_mapping(one).get("value") for one in row}
        if isinstance(row, list)
        else row
        for row in rows
    ]


def _answer(document: Mapping[str, object]) -> list[object] | None:
    """Read what `aws lambda invoke --log-type Tail` answers: the log's last 4 KB."""
    try:
        text = base64.b64decode(str(document["LogResult"]), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None
    others = {key: value for key, value in document.items() if key != "LogResult"}
    return [text, json.dumps(others).encode()]


def _lines_of_packed(data: bytes) -> list[bytes]:
    """Return the lines in base64 that holds a log; none in any other."""
    lines = [line for line in _unpacked(b"".join(data.split()).decode()) or [] if isinstance(line, bytes)]
    return lines if any(isinstance(line, TimedLine) or b"RequestId: " in line for line in lines) else []


def _unpacked(data: object) -> list[object] | None:
    """Return the documents in base64, compressed or not."""
    if not isinstance(data, str):
        return None
    try:
        content = base64.b64decode(data, validate=True)
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (ValueError, OSError, EOFError, zlib.error):
        return None
    return [line for lines in _lines_of_documents(content) for line in lines]


# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
_READERS: Final[Mapping[str, Callable[[Mapping[str, object]], list[object] | None]]] = {
    "logEvents": lambda document: _events(document, "logEvents"),
    "events": lambda document: _events(document, "events"),
    "sessionResults": lambda document: _events(document, "sessionResults"),
    "awslogs": lambda document: _unpacked(as_mapping(document["awslogs"]).get("data")),
    "Records": lambda document: _records(document, "Records"),
    "records": lambda document: _records(document, "records"),
    "results": _results,
    "hits": _hits,
    "data": _hits,
    "LogResult": _answer,
}


def in_order(lines: list[bytes]) -> list[bytes]:
    """Turn around lines that come newest first, as Logs Insights gives them."""
    times = [line.time_ms for line in lines if isinstance(line, TimedLine)]
    if len(times) == len(lines) > 1 and times[0] >= times[-1]:
        falling = sum(one > other for one, other in pairwise(times))
        rising = sum(one < other for one, other in pairwise(times))
        if falling > rising or (falling == rising == 0 and _begins_with_an_end(lines)):
            return lines[::-1]
    return lines


def _in_order_of_events(events: list[list[bytes]]) -> list[bytes]:
    """Do the same with events of several lines each; returns all lines."""
    heads = [event[0] for event in events]
    turned = in_order(heads) is not heads
    return [line for event in (reversed(events) if turned else events) for line in event]


def _begins_with_an_end(lines: list[bytes]) -> bool:
    return lines[0].startswith((b"END RequestId: ", b"REPORT RequestId: "))


def _lines_of_csv(content: bytes) -> list[bytes]:
    """Read what the console of Logs Insights downloads."""
    try:
        text = io.StringIO(content.decode("utf-8", "replace"), newline="")
        names = _columns(text.readline())
        rows = [_row(row) for row in csv.DictReader(text, names)]
        return _in_order_of_events([list(_cut(row)) for row in rows])
    except (csv.Error, KeyError, TypeError):
        return content.split(b"\n")


def _cut(row: bytes) -> Iterator[bytes]:
    """Cut an event into its lines, which all have its time."""
    for line in row.split(b"\n"):
        yield TimedLine.at(line, row.time_ms, row.stream) if isinstance(row, TimedLine) else line


def _lines_of_cli_text(content: bytes) -> list[bytes]:
    """Read a table of tabs in which a message has line ends; what stands beside the events isn't log."""
    events = list(_CLI_TEXT.finditer(content))
    if len(events) != len(re.findall(rb"^EVENTS\t", content, re.MULTILINE)):
        return content.split(b"\n")
    return [
        TimedLine.at(line, float(event["time"]), (event["stream"] or b"").decode("utf-8", "replace"))
        for event in events
        for line in event["message"].strip(b"\r\n").split(b"\n")
    ]
