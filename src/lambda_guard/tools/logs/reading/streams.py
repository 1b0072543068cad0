"""What the grouping holds while it reads: streams, invocations in the making, and a tally."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from lambda_guard.tools.logs.model import Report, TimedLine
from lambda_guard.tools.logs.reading.line_owner import UNNAMED, Identified, Sign, identify, unwrapped
from lambda_guard.tools.logs.reading.prefixes import behind, shape_of

NAMED: Final = "\0"
"""What the name of a stream begins with that is a container's or a function's: several environments may write there."""

STARTING_MOST: Final = 100
"""This many lines about one initialization are held; a dozen is usual, with many extensions."""


_REST_OF_REPORT: Final = re.compile(
    rb"\s*(?:[\d.]+\s+)?(?:ms|MB|(?:Billed |Init |Restore )*Duration:|(?:Max )?Memory |Size:|Used:"
    rb"|Status:|(?:Error )?Type:)"
)


@dataclass(slots=True, eq=False)
class Stream:
    """Where lines come from, one after the other.

    Attributes:
        name: as shown: a file or a log group.
        exact: whether this is one log stream, hence one environment, in which one invocation runs at a time.
        shared: whether several processes of one environment write here at a time, as on Managed Instances: a line
            that names no invocation may be anybody's.
        starting: what was written during an initialization, until the invocation that it was for starts.
        reported: the invocation whose REPORT was the last of this stream, None where that line was there
            already, and the place of the line.
        prefix: the shape of what stands before the lines, if a line of Lambda's has shown it.
        within: of a file that holds several streams, the one that the last prefix named.
    """

    name: str
    exact: bool = False
    shared: bool = False
    running: dict[bytes, "Group"] = field(default_factory=dict)
    ended: list["Group"] = field(default_factory=list)
    starting: list[bytes] = field(default_factory=list)
    reported: tuple["Group | None", int] | None = None
    prefix: re.Pattern[bytes] | None = None
    within: "Stream | None" = None

    def is_initialized_by(self, sign: Sign) -> bool:
        """Return whether a line is about the initialization of an environment, or was written during the only one."""
        if sign is Sign.INIT_START or not self.starting or self.running:
            return sign is Sign.INIT_START
        return sign is Sign.INIT or (sign is Sign.LINE and self._starts_one())

    def _starts_one(self) -> bool:
        return sum(identify(line).sign is Sign.INIT_START for line in self.starting) == 1

    def started_just_now(self) -> "Group | None":
        """Return the invocation of which there is nothing but its START, if it was the last thing here."""
        last = next(reversed(self.running.values()), None) if self.running else None
        return last if last is not None and last.started and len(last.lines) == 1 and not last.done else None

    def share(self) -> None:
        """Note that several processes write here."""
        self.exact, self.shared = False, True

    def belongs_to_report(self, identified: Identified, place: int) -> bool:
        """Return whether the line at `place` goes on with a REPORT: the trace id below, or what a copy has wrapped.

        Where several environments may share the stream, only the line right below it does.
        """
        if self.reported is None:
            return False
        is_below, line = self.reported[1] == place - 1, identified.line
        if identified.sign is Sign.XRAY:
            return self.exact or is_below
        return is_below and not isinstance(line, TimedLine) and _REST_OF_REPORT.match(line) is not None


def named(identified: Identified, line: bytes, file: Stream, numbers: Iterator[int]) -> Identified:
    """Return a line with its owner where that takes more than the line itself.

    One without an id belongs to what runs there. One inside of a collector's JSON counts where nothing else runs: any
    function may log such a text.

    Args:
        identified: what the line itself tells.
        line: the line.
        file: where it stands.
        numbers: for invocations without an id.
    """
    identified = _without_prefix(identified, line, file)
    if identified.invocation_id is None and line[:1] == b"{":
        inner = unwrapped(line)
        if inner is not None and (not file.running or inner.invocation_id in file.running):
            return inner
    if identified.invocation_id != UNNAMED:
        return identified
    if identified.sign is Sign.START:
        return identified._replace(invocation_id=b"%b%d" % (UNNAMED, next(numbers)))
    running = [owner for owner in file.running if owner.startswith(UNNAMED)]
    return identified._replace(
        invocation_id=running[-1] if running else None, sign=Sign.REPORT if running else Sign.LINE
    )


def _without_prefix(identified: Identified, line: bytes, file: Stream) -> Identified:
    """Take the prefix off a line that has the same as one of Lambda's had: of a traceback, each line has it."""
    if isinstance(line, TimedLine):
        return identified
    if identified.sign not in (Sign.LINE, Sign.RECORD) and identified.line is not line:
        file.prefix = file.prefix if file.prefix is not None and file.prefix.match(line) else shape_of(line)
    prefix = behind(line, file.prefix) if file.prefix is not None else None
    if prefix is None:
        return identified
    if identified.invocation_id is None and identified.sign is Sign.LINE:
        rest = prefix.rest if prefix.time_ms is None else TimedLine.at(prefix.rest, prefix.time_ms)
        identified = identify(rest)
    name = f"{NAMED}{prefix.name.decode('utf-8', 'replace')}" if prefix.name else ""
    return identified._replace(stream=identified.stream or prefix.stream.decode() or name)


class Group(msgspec.Struct, eq=False):
    """An invocation in the making: its lines as they were read.

    Attributes:
        done: whether it has ended, as far as its lines show.
        superseded: whether nothing shows that but the next one, which began in its stream: it was killed, unless
            the stream turns out to be shared.
        after: the invocation of which there was nothing but a START in the stream, right before this one.
    """

    invocation_id: bytes
    stream: Stream
    opened: int
    lines: list[bytes] = []
    record: dict[str, object] | None = None
    record_line: bytes | None = None
    report: Report = msgspec.field(default_factory=Report)
    guarded: bool = False
    attempt: int = 1
    late: bool = False
    done: bool = False
    started: bool = False
    superseded: bool = False
    after: "Group | None" = None

    def take_start(self, line: bytes) -> None:
        """Begin with a START line."""
        self.lines.insert(0, line)
        self.started = True


@dataclass(slots=True)
class Tally:
    """What was read, and what was odd about it: nothing is passed over in silence."""

    lines: int = 0
    duplicates: int = 0
    invocations: int = 0
    failed: int = 0
    strays: int = 0
    broken: int = 0
    evicted: int = 0
    clock_jumps: int = 0
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
