"""Which invocation a line belongs to: the quick look that grouping takes, before anything is parsed for display.

A line names its invocation in one of many ways: lambda_guard's `invocation_id`, Powertools'
`function_request_id`, the `requestId` of Lambda's own JSON format, a platform event, the text forms of
START, END and REPORT, or the prefix that the runtimes put before text. Where it names none, it belongs to
whatever runs in its stream.
"""

import json
import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, NamedTuple, TypeGuard

import msgspec

from lambda_guard import _names as names
from lambda_guard.tools.logs.model import TimedLine, as_mapping, time_of
from lambda_guard.tools.logs.reading.prefixes import LEVEL, prefix_of

_UUID: Final = rb"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_TIME: Final = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_PLATFORM: Final = re.compile(
    rb"(START|REPORT) RequestId: (\S+)\s|(END) RequestId: (\S+)|(REPORT) RequestId: (%b)\Z" % _UUID
)
_AROUND: Final = re.compile(
    rb"((?:INIT|RESTORE)_(?:START|REPORT)|EXTENSION|TELEMETRY|XRAY)(?: Runtime| Init| Restore| TraceId: |\t)"
)
_CRASH: Final = rb"RequestId: (%b) (?:Error: |Process exited before completing request)" % _UUID
_TIMED_OUT: Final = rb"%b (%b) Task timed out after " % (_TIME, _UUID)
_RUNTIME_TEXT: Final = rb"\[[A-Z]+\]\t%b\t(%b)\t" % (_TIME, _UUID)
_NODE_TEXT: Final = rb"%b(?: \([+-]\d\d:\d\d\))?\s+(%b)\s+%b\s" % (_TIME, _UUID, LEVEL)
"""The zone in brackets is one that `sls logs` has put there."""

_BREF_TEXT: Final = rb"(%b)\tInvoke Error\t\{" % _UUID
_RUBY_TEXT: Final = rb"[A-Z], \[%b #\d+\]\s+[A-Z]+ (%b) -- " % (_TIME, _UUID)
_RUST_TEXT: Final = rb'%b\s+[A-Z]+ Lambda runtime invoke\{requestId="(%b)"' % (_TIME, _UUID)
_NODE_TEXT_WITHOUT_ID: Final = re.compile(rb"%b\t\S*\t(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\t" % _TIME)
"""What the id was taken out of, or never in: while the function is loaded, it is `undefined`."""

_OWNED: Final = re.compile(
    b"|".join((_RUNTIME_TEXT, _NODE_TEXT, _TIMED_OUT, _CRASH, _BREF_TEXT, _RUBY_TEXT, _RUST_TEXT))
)
"""One expression takes less time than each by itself."""

_UNNAMED: Final = re.compile(rb"START\s*|(END) Duration: [\d.]+ ms\b.*")
"""Without ids, as version 3 of the Serverless Framework shortens them."""

_WRAPPED: Final = re.compile(
    rb'"message"\s*:\s*"(?:\\[nrt]|\s)*(?:START |END |REPORT |RequestId: |\[|\d{4}-)'
)
"""A look that spares parsing nearly all lines of JSON a second time."""

UNNAMED: Final = b"unnamed-"
"""What the id of an invocation begins with that has none; its number follows."""

_decode_quickly: Final = msgspec.json.Decoder().decode
"""In a third of the time of `json.loads`, but strict: NaN, lone surrogates and broken UTF-8 are refused."""

_decode_patiently: Final = json.JSONDecoder().raw_decode


class Sign(Enum):
    """What a line does to its invocation."""

    START = auto()
    END = auto()
    REPORT = auto()
    INIT_START = auto()
    INIT = auto()
    XRAY = auto()
    RECORD = auto()
    LINE = auto()


_AROUND_SIGNS: Final = {
    b"INIT_START": Sign.INIT_START,
    b"RESTORE_START": Sign.INIT_START,
    b"XRAY": Sign.XRAY,
}


class Identified(NamedTuple):
    """A line and whose it is.

    Attributes:
        sign: what it does.
        invocation_id: None where the line names no invocation.
        line: the line, without the prefix that an export put before it.
        stream: the log stream that such a prefix named; empty where there was none.
    """

    sign: Sign
    invocation_id: bytes | None
    line: bytes
    stream: str = ""


def identify(line: bytes) -> Identified:
    """Find out which invocation a line belongs to. Never raises, whatever the bytes are."""
    stripped = line.strip()
    if stripped[:1] == b"{":
        sign, owner = _from_json(stripped)
        return Identified(sign, owner, line)
    sign, owner = _from_text(stripped)
    if isinstance(line, TimedLine):
        return Identified(sign, owner, line)
    if owner is not None or sign is not Sign.LINE:
        return Identified(sign, owner, line.lstrip())
    if unnamed := _UNNAMED.fullmatch(stripped):
        return Identified(Sign.REPORT if unnamed[1] else Sign.START, UNNAMED, line)
    return _without_prefix(line, stripped)


def load(line: bytes, *, trailing: bool = False) -> dict[str, object] | None:
    """Parse a line of JSON; None where it is not an object, or broken.

    Args:
        line: what writers of JSON differ about (NaN, lone surrogates, bytes that are no UTF-8) is taken, too.
        trailing: let other text follow the object.
    """
    try:
        value = _decode_quickly(line)
    except (ValueError, RecursionError):
        return _load_patiently(line, trailing)
    return value if value.__class__ is dict else None


def _load_patiently(line: bytes, trailing: bool) -> dict[str, object] | None:
    try:
        text = line.decode("utf-8", "replace").strip()
        value, end = _decode_patiently(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and (trailing or end == len(text)) else None


def _without_prefix(line: bytes, stripped: bytes) -> Identified:
    """Take off what `aws logs tail`, `sam logs`, exports and others put before a line: time, stream, name."""
    if stripped.startswith(b"[ERROR] "):  # messages that a query has joined by tabs
        return Identified(Sign.LINE, None, line.lstrip())
    prefix = None if _NODE_TEXT_WITHOUT_ID.match(stripped) else prefix_of(stripped)
    if prefix is None:
        return Identified(Sign.LINE, None, line)
    rest = prefix.rest if prefix.time_ms is None else TimedLine.at(prefix.rest, prefix.time_ms)
    sign, owner = _from_json(rest) if rest[:1] == b"{" else _from_text(rest)
    if owner is None and sign is Sign.LINE and prefix.time_ms is None and stripped[:1] in b"([":
        return Identified(Sign.LINE, None, line)  # a word in brackets may be the line's own
    return Identified(sign, owner, rest, prefix.stream.decode("utf-8", "replace"))


def unwrapped(line: bytes) -> Identified | None:
    """Return a line of Lambda's that a collector has put into a JSON line, as its message; None for any other."""
    document = (load(line) if _WRAPPED.search(line) else None) or {}
    message = document.get(names.MESSAGE)
    if not isinstance(message, str):
        return None
    times = (time_of(document.get(key)) for key in (names.TIMESTAMP, "@timestamp", "time"))
    text, at = message.strip().encode("utf-8", "replace"), next((at for at in times if at is not None), None)
    sign, owner = _from_text(text)
    return Identified(sign, owner, text if at is None else TimedLine.at(text, at)) if owner else None


def _from_text(line: bytes) -> tuple[Sign, bytes | None]:
    platform = _PLATFORM.match(line)
    if platform:
        sign, owner = filter(None, platform.groups())
        return Sign[sign.decode()], owner
    if found := _OWNED.match(line):
        return Sign.LINE, next(filter(None, found.groups()))
    around = _AROUND.match(line)
    return (_AROUND_SIGNS.get(around[1], Sign.INIT) if around else Sign.LINE), None


def _from_json(line: bytes) -> tuple[Sign, bytes | None]:
    document = load(line)
    if document is None:
        return Sign.LINE, _salvaged(line)
    kind = document.get("type")
    if is_platform_event(kind, document):
        owner = _as_id(as_mapping(document.get("record")).get("requestId"))
        return (_EVENTS_OF_INVOCATIONS if owner else _EVENTS_OF_INIT).get(kind, Sign.LINE), owner
    owner = next((found for key in names.ID_KEYS if (found := _as_id(document.get(key)))), None)
    owner = owner or _as_id(as_mapping(document.get("span")).get("requestId"))  # of the Rust runtime
    is_record = document.get(names.RECORD) == names.RECORD_INVOCATION
    return (Sign.RECORD if is_record and owner else Sign.LINE), owner


def is_platform_event(kind: object, document: Mapping[str, object]) -> TypeGuard[str]:
    """Return whether a line of this `type` is Lambda's own; what has a level is somebody's line, with such a field."""
    return isinstance(kind, str) and kind.startswith("platform.") and document.get(names.LEVEL) is None


# https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
_EVENTS_OF_INVOCATIONS: Final = {
    "platform.start": Sign.START,
    "platform.runtimeDone": Sign.END,
    "platform.report": Sign.REPORT,
}
_EVENTS_OF_INIT: Final = {
    "platform.initStart": Sign.INIT_START,
    "platform.initRuntimeDone": Sign.INIT,
    "platform.initReport": Sign.INIT,
    "platform.restoreStart": Sign.INIT_START,
    "platform.restoreRuntimeDone": Sign.INIT,
    "platform.restoreReport": Sign.INIT,
    "platform.extension": Sign.INIT,
    "platform.telemetrySubscription": Sign.INIT,
}


def _as_id(value: object) -> bytes | None:
    return value.encode("utf-8", "replace") if isinstance(value, str) and value else None


def _salvaged(line: bytes) -> bytes | None:
    """Return the id in a line that was cut in the middle: what is left of it still belongs somewhere.

    Only a key of the outermost object counts. What is deeper, or in a text, is data.
    """
    if _SALVAGE.search(line) is None:  # nearly all: a cut line is long
        return None
    depth = 0
    for part in _PARTS.finditer(line):
        if part[1] is not None:
            depth += 1 if part[1] in b"{[" else -1
        elif depth == 1 and (found := _SALVAGE.match(line, part.start())):
            return found[1]
    return None


_SALVAGE: Final = re.compile(rb'"(?:%b)": ?"(%b)"' % ("|".join(names.ID_KEYS[:3]).encode(), _UUID))
_PARTS: Final = re.compile(rb'([{}\[\]])|"(?:[^"\\]|\\.)*"?', re.DOTALL)
