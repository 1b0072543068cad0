"""What tools put before a line of a log: times, streams, names. Pure; never raises.

But for a plain time, only what consists of such tokens alone is a prefix, and only before what a runtime or Lambda
writes, or around a line of Lambda's that has the same: other text in which such a line is quoted stays what it is.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from lambda_guard.tools.logs.model import time_of

STREAM: Final = rb"\d{4}/\d\d/\d\d/\S*\[[^\]\s]+\]\w+"
LEVEL: Final = rb"(?:[A-Z]+|trce|dbug|info|warn|fail|crit)"
"""Those in lower case are .NET's."""

PREFIX_BYTES_MOST: Final = 400

_OWN: Final = rb"(?:START|END|REPORT) RequestId: |(?:INIT|RESTORE)_(?:START|REPORT) |XRAY TraceId: "
_PLATFORM: Final = re.compile(rb"(?<=[\s|\]:)])(?=%b)" % _OWN)
"""Where a line of Lambda's own begins."""

_ANCHOR: Final = re.compile(
    rb"(?<=[\s|\]:)])(?=%b"
    rb"|(?:EXTENSION|TELEMETRY)[\t ]|RequestId: \S+ (?:Error: |Process exited )|\[[A-Z]+\]\t|\[ERROR\] [\w.]+: |\{\""
    rb"|\d{4}-\d\d-\d\dT\S+\s+\S+\s+(?!(?:START|END|REPORT) )(?:%b\s|Task timed out))" % (_OWN, LEVEL)
)
"""Where one of Lambda's or of a runtime's own begins."""

_CLOCK: Final = rb"\d?\d:\d\d:\d\d(?:[.,]\d+)?"
_DATE: Final = (
    rb"(?:\d?\d/\d?\d/\d{4},? |\d\d/[A-Z][a-z]{2}/\d{4}:"
    rb"|(?:[A-Z][a-z]{2},? )?(?:[A-Z][a-z]{2} [ \d]\d |\d?\d [A-Z][a-z]{2} \d{4},? ))"
)
_TOKEN: Final = re.compile(
    rb"(?P<times>\s*\[?(?:"
    rb"(?P<stream>%(stream)b)"
    rb"|(?P<iso>\d{4}[-/]\d\d[-/]\d\d[T ]%(clock)b)\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?(?P<local> [A-Z]{2,5}\b)?"
    rb"|%(date)b?%(clock)b(?: [AP]M)?(?: [A-Z]{2,5}\b| [+-]\d{4})?"
    rb"|(?P<epoch>1\d{9}(?:\d{3}|\.\d+)?)"
    rb"|[X\d]{4}-[X\d]{2}-[X\d]{2}T[X\d:.]+(?:-[X\d:]+)?"  # times made unreadable before they were shown
    rb")\]?(?=[\s|]|$)|<\d{1,3}>(?:1 )?)"
    rb"|(?P<name>\s*(?:"
    rb"\[[^\]\s]{1,200}\](?=\s)"  # [function], [pod/name/container]
    rb"|\(\w{1,64}\)(?=\s)"
    rb"|/[\w./$#-]{1,512}(?=\s)"  # a log group
    rb"|[\w.$/-]{1,128}\s*\|"  # a container of Docker Compose
    rb"|[\w.-]+ [\w./-]+\[\d+\]:"  # host and process, in syslog; in all of its forms behind a time
    rb"|(?<=[\dZ] )[\w.-]+ (?:[\w./-]+:|[\w./-]+ [\w-]+ [\w-]+ (?:-|\[[^\]]*\]))(?=\s)"
    rb"))|\s*[|>]|\s+" % {b"stream": STREAM, b"clock": _CLOCK, b"date": _DATE}
)
_TIMES: Final = "times"
_RUNS: Final = {
    _TIMES: re.compile(rb"(?P<space>\s+)|(?P<letters>[A-Za-z]+)|(?P<digits>\d+)|."),
    "name": re.compile(rb"(?P<space>\s+)|(?P<word>[\w.$/#@-]+)|."),
}
"""What may be another on the next line, in a token of a kind."""

_PLAIN: Final = re.compile(
    rb"(?:(?P<before>%(stream)b)\s+)?(?P<time>\d{4}-\d\d-\d\dT%(clock)b(?:Z|[+-]\d\d:?\d\d)?)\s"
    rb"(?:std(?:out|err) [FP] )?"  # of a container of Kubernetes
    rb"(?:(?P<stream>%(stream)b)\s)?(?P<rest>.*)" % {b"stream": STREAM, b"clock": _CLOCK},
    re.DOTALL,
)
"""One that shows as such by itself; a date with a space after it is the line's own, such as a print begins with."""


class Prefix(NamedTuple):
    """What stands before a line.

    Attributes:
        time_ms: when the line was written, if it is told with its date; ms since 1970, UTC.
        stream: the log stream; empty where none is named.
        rest: the line itself.
        name: of a container, a host, a function and the like; empty where there is none.
    """

    time_ms: float | None
    stream: bytes
    rest: bytes
    name: bytes = b""


def prefix_of(line: bytes) -> Prefix | None:
    """Return the prefix of a line; None where it has none.

    A time as ISO 8601 has it is one whatever follows; other tokens are before a line of Lambda's or of a runtime's.
    """
    plain = _plain(line) if line[:1].isdigit() else None
    if plain is not None and b" RequestId: " not in plain.rest[1:PREFIX_BYTES_MOST]:
        return plain
    anchor = _ANCHOR.search(line, 1, PREFIX_BYTES_MOST)
    return (_read(line, anchor.start()) if anchor is not None else None) or plain


def shape_of(line: bytes) -> re.Pattern[bytes] | None:
    """Return what matches the prefix of one of Lambda's lines, and those of the lines around it.

    None without one, and where it is a plain time, which is known by itself.
    """
    if line[10:11] == b"T" and _PLATFORM.match(line, line.find(b" ") + 1):  # nearly all, which need no more
        return None
    anchor = _PLATFORM.search(line, 1, PREFIX_BYTES_MOST)
    plain = _plain(line) if line[:1].isdigit() else None
    tokens = list(_tokens(line, anchor.start())) if anchor is not None else []
    if anchor is None or not tokens or (plain is not None and len(plain.rest) == len(line) - anchor.start()):
        return None
    end = tokens.pop()[0] if tokens[-1][0].isspace() else b""
    mark = b"(?P<%b>)" % _TIMES.encode() if any(token[_TIMES] for token in tokens) else b""
    return re.compile(b"%b%b(?:%b|$)" % (mark, b"".join(map(_shape_of_token, tokens)), re.escape(end)))


def behind(line: bytes, shape: re.Pattern[bytes]) -> Prefix | None:
    """Return the prefix of this shape; None where the line has another, or none."""
    found = shape.match(line)
    if found is None or _TIMES in shape.groupindex:
        return None if found is None else _read(line, found.end())
    return Prefix(None, b"", line[found.end() :], b" ".join(found.groups()))


def _plain(line: bytes) -> Prefix | None:
    found = _PLAIN.match(line)
    time_ms = time_of(found["time"].decode().replace(",", ".")) if found else None
    if found is None or time_ms is None:
        return None
    return Prefix(time_ms, found["before"] or found["stream"] or b"", found["rest"])


def _tokens(line: bytes, end: int) -> Iterator[re.Match[bytes]]:
    """Yield the tokens that stand before a place; all of them only where there is nothing else."""
    at = 0
    while at < end and (token := _TOKEN.match(line, at, end)) is not None:
        yield token
        at = token.end()


def _read(line: bytes, end: int) -> Prefix | None:
    time_ms, stream, name, at = None, b"", list[bytes](), 0
    for token in _tokens(line, end):
        time_ms, stream, at = _time_of(token) or time_ms, token["stream"] or stream, token.end()
        name += [token["name"].strip()] if token["name"] else []
    if at < end:
        return None
    rest = line[end:]
    return Prefix(time_ms, stream, rest.rstrip(b"| \t") if line[:1] == b"|" else rest, b" ".join(name))


def _shape_of_token(token: re.Match[bytes]) -> bytes:
    if token.lastgroup is None:
        return re.escape(token[0])
    shape = rb"\s*" + STREAM if token["stream"] else _RUNS[token.lastgroup].sub(_shape_of_run, token[0])
    return b"(%b)" % shape if token["name"] else shape


def _shape_of_run(run: re.Match[bytes]) -> bytes:
    shapes = {"space": rb"\s+", "letters": rb"[A-Za-z]+", "digits": rb"\d+", "word": rb"[\w.$/#@-]+"}
    return shapes[run.lastgroup] if run.lastgroup else re.escape(run[0])


def _time_of(token: re.Match[bytes]) -> float | None:
    if token["epoch"]:
        return time_of(float(token["epoch"]))
    if not token["iso"] or token["local"]:  # a zone's letters are of several zones
        return None
    zone = {b"UTC": "Z", b"GMT": "Z"}.get(token["zone"], (token["zone"] or b"").decode())
    return time_of(token["iso"].decode().replace("/", "-").replace(",", ".") + zone)
