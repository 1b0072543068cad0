"""What tools put before a line of a log: times, streams, names. Pure; never raises.

But for a plain time, only what consists of such tokens alone is a prefix, and only before something that a runtime or
Lambda writes: other text in which a line of Lambda's is quoted stays what it is.
"""

import re
from typing import Final, NamedTuple

from lambda_guard.tools.logs.model import time_of

STREAM: Final = rb"\d{4}/\d\d/\d\d/\S*\[[^\]\s]+\]\w+"
LEVEL: Final = rb"(?:[A-Z]+|trce|dbug|info|warn|fail|crit)"
"""Those in lower case are .NET's."""

PREFIX_BYTES_MOST: Final = 400

_ANCHOR: Final = re.compile(
    rb"(?<=[\s|\]:)])(?=(?:START|END|REPORT) RequestId: |(?:INIT|RESTORE)_(?:START|REPORT) |XRAY TraceId: "
    rb"|(?:EXTENSION|TELEMETRY)[\t ]|RequestId: \S+ (?:Error: |Process exited )|\[[A-Z]+\]\t|\[ERROR\] [\w.]+: |\{\""
    rb"|\d{4}-\d\d-\d\dT\S+\s+\S+\s+(?:%b\s|Task timed out))" % LEVEL
)
"""Where a line of Lambda's or of a runtime's own begins."""

_CLOCK: Final = rb"\d?\d:\d\d:\d\d(?:[.,]\d+)?"
_TOKEN: Final = re.compile(
    rb"\s*\[?(?:"
    rb"(?P<stream>%(stream)b)"
    rb"|(?P<iso>\d{4}[-/]\d\d[-/]\d\d[T ]%(clock)b)\s?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?"
    rb"|(?:\d\d/\d\d/\d{4} |[A-Z][a-z]{2} [ \d]\d )?%(clock)b(?: [AP]M)?(?: [A-Z]{2,5}\b)?"
    rb"|(?P<epoch>1\d{12})"
    rb"|[X\d]{4}-[X\d]{2}-[X\d]{2}T[X\d:.]+(?:-[X\d:]+)?"  # times made unreadable before they were shown
    rb")\]?(?=[\s|]|$)"
    rb"|\s*\[[^\]\s]{1,200}\](?=\s)"  # [function], [pod/name/container]
    rb"|\s*\(\w{1,64}\)(?=\s)"
    rb"|\s*/[\w./$#-]{1,512}(?=\s)"  # a log group
    rb"|\s*[\w.$/-]{1,128}\s*\|"  # a container of Docker Compose
    rb"|\s*[\w.-]+ [\w./-]+\[\d+\]:"  # host and process, in syslog
    rb"|\s*\|"
    rb"|\s+" % {b"stream": STREAM, b"clock": _CLOCK}
)


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
    """

    time_ms: float | None
    stream: bytes
    rest: bytes


def prefix_of(line: bytes) -> Prefix | None:
    """Return the prefix of a line; None where it has none.

    A time as ISO 8601 has it is one whatever follows; other tokens are before a line of Lambda's or of a runtime's.
    """
    return (_plain(line) if line[:1].isdigit() else None) or _of_tokens(line)


def _plain(line: bytes) -> Prefix | None:
    found = _PLAIN.match(line)
    time_ms = time_of(found["time"].decode().replace(",", ".")) if found else None
    if found is None or time_ms is None:
        return None
    return Prefix(time_ms, found["before"] or found["stream"] or b"", found["rest"])


def _of_tokens(line: bytes) -> Prefix | None:
    anchor = _ANCHOR.search(line, 1, PREFIX_BYTES_MOST)
    if anchor is None:
        return None
    at, time_ms, stream = 0, None, b""
    while at < anchor.start():
        token = _TOKEN.match(line, at, anchor.start())
        if token is None:
            return None
        at = token.end()
        time_ms, stream = _time_of(token) or time_ms, token["stream"] or stream
    rest = line[at:]
    return Prefix(time_ms, stream, rest.rstrip(b"| \t") if line[:1] == b"|" else rest)


def _time_of(token: re.Match[bytes]) -> float | None:
    if token["epoch"]:
        return float(token["epoch"])
    if not token["iso"]:
        return None
    zone = {b"UTC": "Z", b"GMT": "Z"}.get(token["zone"], (token["zone"] or b"").decode())
    return time_of(token["iso"].decode().replace("/", "-").replace(",", ".") + zone)
