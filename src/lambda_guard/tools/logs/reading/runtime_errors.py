"""What a runtime itself writes of an exception that left the handler: in text, in JSON. Pure; never raises.

An exception that a handler caught and logged looks similar, but names a logger, or has the time before the text.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from lambda_guard import _names as names
from lambda_guard.tools.logs.reading.line_owner import load

_TEXT: Final = b"[ERROR] "
_HEAD: Final = "Traceback (most recent call last):"
_INDENTS: Final = (b" ", "\xa0".encode())
_TRACEBACK: Final = re.compile(rb"[\r\n]Traceback ")
_NODE_ERROR: Final = re.compile(
    rb"\S+\s+\S+\s+ERROR\s+(?:Invoke Error|Uncaught Exception|Unhandled Promise Rejection)\s*\{"
)
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


def tells_of_an_error(raw: bytes, following: bytes = b"") -> bool:
    """Return whether a line is a runtime's own report of an exception that left the handler.

    Args:
        raw: the line.
        following: the next line, where the traceback may stand.
    """
    if raw[:1] == b"{":
        document = (load(raw) if b'"errorType"' in raw else None) or {}
        return is_error_document(document)
    if b"ERROR" not in raw:  # most lines, which need no expression
        return False
    if raw.startswith(_TEXT):
        return (
            raw.startswith(b"[ERROR] Runtime.")
            or _TRACEBACK.search(raw) is not None
            or following.startswith(b"Traceback ")
        )
    return _NODE_ERROR.match(raw) is not None


def told_by_the_runtime(raws: Sequence[bytes]) -> tuple[str, str] | None:
    """Return type and message of the exception that a runtime reports; of the last one, where there are several."""
    for raw, following in zip(reversed(raws), reversed([*raws[1:], b""]), strict=True):
        if not tells_of_an_error(raw, following):
            continue
        document = load(raw[raw.find(b"{") :]) if b'"errorType"' in raw else None
        if document is not None:
            return str(document.get("errorType") or "Error"), str(document.get("errorMessage") or "")
        kind, _, message = _plain(raw[len(_TEXT) :]).partition("\n")[0].partition(": ")
        return kind, message
    return None


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
