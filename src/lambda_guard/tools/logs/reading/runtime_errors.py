"""What a runtime itself writes of an exception that left the handler: in text, in JSON. Pure; never raises.

An exception that a handler caught and logged looks similar, but names a logger, or has the time before the text.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from lambda_guard import _names as names
from lambda_guard.tools.logs.reading.line_owner import Sign, identify, load

_TEXT: Final = b"[ERROR] "
_HEAD: Final = "Traceback (most recent call last):"
_INDENTS: Final = (b" ", "\xa0".encode())
_TRACEBACK: Final = re.compile(rb"[\r\n]Traceback ")
NODE_ERROR: Final = re.compile(
    rb"\d\S*\s+(?:\S+\s+){1,3}ERROR\s+(?:Invoke Error|Uncaught Exception|Unhandled Promise Rejection)\s*\{"
    rb"|[0-9a-f-]{36}\tInvoke Error\t\{"  # of Bref, for PHP
    rb"|\d{4}/\d\d/\d\d [\d:]{8} \{(?=\"errorMessage\":)"  # of Go
)
_JAVA_ERROR: Final = re.compile(r"(.*): ((?:[\w$]+\.)+[\w$]+)\r?\n(?:\2: \1|\2)\r?\n\s+at ", re.DOTALL)
"""Message and class, then class and message: nobody else writes both."""

_PROCESS_ERROR: Final = re.compile(
    rb"^RequestId: \S+ Error: (.*?)\s+((?:Runtime|Extension|Sandbox)\.\w+)\s*$", re.MULTILINE
)
_MESSAGE_LINES_MOST: Final = 100
JSON_KEYS: Final = frozenset(("errorType", "errorMessage", "stackTrace"))
_JSON_KEYS_BESIDE: Final = frozenset(
    (names.TIMESTAMP, names.LEVEL, names.MESSAGE, "log_level", "requestId", "tenantId")
)
_OWN_FRAME: Final = re.compile(
    r'^[ \t]+File "[^"\n]*[/\\]lambda_guard[/\\][^"\n]*", line \d+, in .*\n?(?:^ {4,}(?!File ").*\n?)*',
    re.MULTILINE,
)


def is_error_document(document: Mapping[str, object]) -> bool:
    """Return whether a line of JSON is a runtime's own report of an error: without a message, or keys of others."""
    if "errorType" not in document or document.get(names.MESSAGE) is not None:
        return False
    keys = document.keys()
    return names.LEVEL not in document or (keys >= JSON_KEYS and keys <= JSON_KEYS | _JSON_KEYS_BESIDE)


def tells_of_an_error(raws: Sequence[bytes], at: int = 0) -> bool:
    """Return whether a line is a runtime's own report of an exception that left the handler.

    Args:
        raws: the line, among those of its invocation: a traceback may stand below.
        at: its place.
    """
    raw = raws[at]
    if raw[:1] == b"{":
        document = (load(raw) if b'"errorType"' in raw else None) or {}
        return is_error_document(document)
    if raw.startswith(_TEXT):
        return (
            raw.startswith(b"[ERROR] Runtime.")
            or _TRACEBACK.search(raw) is not None
            or _is_above_traceback(raws, at)
        )
    if b'"errorType"' in raw:
        return NODE_ERROR.match(raw) is not None
    return _told_by_java(raws, at) is not None


def _is_above_traceback(raws: Sequence[bytes], at: int) -> bool:
    """Return whether a traceback follows; a message may have several lines, as pydantic's have."""
    for raw in raws[at + 1 : at + 1 + _MESSAGE_LINES_MOST]:
        if raw.startswith(b"Traceback "):
            return True
        sign, owner, *_ = identify(raw)
        if owner is not None or sign is not Sign.LINE or raw.startswith((_TEXT, b"{")):
            return False
    return False


def _told_by_java(raws: Sequence[bytes], at: int) -> tuple[str, str] | None:
    """Return type and message of an exception as the Java runtime writes it in text: twice, and then its frames."""
    raw = raws[at]
    if b": " not in raw or b"at " not in (raw if b"\n" in raw else b"".join(raws[at + 2 : at + 3])):
        return None
    text = raw if b"\n" in raw else b"\n".join(raws[at : at + 3])
    found = _JAVA_ERROR.match(text.decode("utf-8", "replace"))
    return (found[2], found[1]) if found else None


def told_by_the_runtime(raws: Sequence[bytes]) -> tuple[str, str] | None:
    """Return type and message of the exception that a runtime reports; of the last one, where there are several."""
    for at in reversed(range(len(raws))):
        raw = raws[at]
        if not tells_of_an_error(raws, at):
            continue
        document = load(raw[raw.find(b"{") :]) if b'"errorType"' in raw else None
        if document is not None:
            return str(document.get("errorType") or "Error"), str(document.get("errorMessage") or "")
        if not raw.startswith(_TEXT):
            return _told_by_java(raws, at)
        kind, _, message = _plain(raw[len(_TEXT) :]).partition("\n")[0].partition(": ")
        return kind, message
    return None


def told_by_lambda(raws: Sequence[bytes]) -> tuple[str, str] | None:
    """Return type and message of what Lambda writes of a process that ended, with the type below."""
    found = _PROCESS_ERROR.search(b"\n".join(raws))
    return (found[2].decode(), found[1].decode("utf-8", "replace")) if found else None


def without_error(raws: Sequence[bytes], kind: str, message: str) -> list[bytes]:
    """Leave out the lines in which the runtime reports an error that the invocation record has: it is told once."""
    kept: list[bytes] = []
    at = 0
    while at < len(raws):
        end = _end_of_error(raws, at, kind, message)
        if end == at:
            kept.append(raws[at])
            end += 1
        at = end
    return kept


def _end_of_error(raws: Sequence[bytes], at: int, kind: str, message: str) -> int:
    """Return the place behind the runtime's report of this error that begins at a place; the same where none does.

    In text, the report has several lines where what brought it here cuts at line ends.
    """
    if raws[at][:1] == b"{":
        document = (load(raws[at]) if b'"errorType"' in raws[at] else None) or {}
        told = document.get("errorType"), document.get("errorMessage")
        return at + (told == (kind, message) and is_error_document(document))
    if not raws[at].startswith(_TEXT):
        return at
    head = [*_lines_of(f"{kind}: {message}" if message else kind), _HEAD]
    found, end = _lines_of(_plain(raws[at][len(_TEXT) :])), at + 1
    while len(found) < len(head) and end < len(raws):
        found += _lines_of(_plain(raws[end]))
        end += 1
    if found[: len(head)] != head:
        return at
    while end < len(raws) and raws[end].startswith(_INDENTS):
        end += 1
    return end


def without_own_frames(traceback: str) -> str:
    """Leave lambda_guard's own frames out of a traceback, where it has others."""
    if "lambda_guard" not in traceback:
        return traceback
    left = _OWN_FRAME.sub("", traceback).rstrip()
    return left if 'File "' in left else traceback


def _plain(raw: bytes) -> str:
    """Return a report as it was meant: the runtime joins lines by carriage returns, and indents by no-break spaces."""
    return raw.decode("utf-8", "replace").replace("\r", "\n").replace("\xa0", " ")


def _lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]
