"""Grouping: lines go in as they come, invocations come out as they finish. One pass, bounded memory.

What keeps it fast: a line that lambda_guard wrote is recognised by a search for its `invocation_id`, and
parsed only when its invocation is looked at. What keeps it small: an invocation is finished and let go soon after its
record or its REPORT line; those that never end are finished once too many of them are held.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final

from msgspec.structs import replace

from lambda_guard import _names as names
from lambda_guard.tools.logs.invocation import Block
from lambda_guard.tools.logs.model import Report
from lambda_guard.tools.logs.reading.line_owner import Identified, Sign, identify, load
from lambda_guard.tools.logs.reading.lines import add_to_report
from lambda_guard.tools.logs.reading.outbox import Outbox
from lambda_guard.tools.logs.reading.retries import (
    count_of_earlier_attempt,
    is_retry,
    late_for,
    tells_time,
)
from lambda_guard.tools.logs.reading.streams import NAMED, STARTING_MOST, Group, Stream, Tally, named

GRACE_LINES: Final = 2_000
"""This many more lines are read before an ended invocation is finished.

END, REPORT and stragglers come after its record.
"""

GRACE_SECONDS: Final = 2.0
"""The same in time, for sources that fall silent."""

OPEN_MOST: Final = 20_000
HELD_BYTES_MOST: Final = 64 * 2**20

_ID_KEY: Final = f'"{names.INVOCATION_ID}":"'.encode()
_WORKER_KEY: Final = f'"{names.WORKER_PID}":'.encode()
_MANAGED: Final = f'"{names.MANAGED_INSTANCES}"'.encode()
_UUID_LENGTH: Final = 36
_RECORD_KEY: Final = f'"{names.RECORD}":"{names.RECORD_INVOCATION}"'.encode()


class Grouper:
    """Takes lines in, returns `Invocation`s and `Stray` lines.

    Args:
        open_most: how many invocations may be open before the oldest are finished as they are.
        held_bytes_most: how many bytes of lines may be held, likewise.
        grace_lines: how many lines to wait for stragglers of an ended invocation.
    """

    def __init__(
        self,
        *,
        open_most: int = OPEN_MOST,
        held_bytes_most: int = HELD_BYTES_MOST,
        grace_lines: int = GRACE_LINES,
    ) -> None:
        self.tally = Tally()
        self._open_most = open_most
        self._held_bytes_most = held_bytes_most
        self._grace_lines = grace_lines
        self._open: dict[bytes, Group] = {}
        self._ended: deque[tuple[int, float, Group]] = deque()
        self._outbox = Outbox(self.tally)
        self._starting: dict[Stream, None] = {}
        self._events = 0
        self._streams: dict[str, Stream] = {}
        self._numbers = count(1)

    def feed(self, lines: Sequence[bytes], stream: Stream) -> None:
        """Take lines of one stream in, in their order.

        The body of the loop runs for every line of what may be gigabytes. The key is trusted where no `{`
        comes before it but the first: then it is a key of the outermost object. Every other line is looked at
        closely. Nearly every id is a UUID, so its end is where one would end, or else is searched for.
        """
        find_group = self._open.get
        begin, end = len(_ID_KEY), len(_ID_KEY) + _UUID_LENGTH
        for place, line in enumerate(lines, self.tally.lines + 1):
            at = line.find(_ID_KEY)
            if at > 0 and line.rfind(b"{", 0, at) == 0:
                is_uuid = line[at + end : at + end + 1] == b'"'
                group = find_group(line[at + begin : at + end]) if is_uuid else None
                if group is None:
                    group = self._group_of(line, at + begin, stream)
                if group is not None and not group.done:
                    if not group.guarded:
                        _take_guarded(group, line)
                    group.lines.append(line)
                    if line.rfind(_RECORD_KEY) > 0:  # `find` takes twice as long, `in` three times
                        self._take_record(group)
                    continue
            self._feed_closely(line, stream, place)
        size = sum(map(len, lines))
        self.tally.lines += len(lines)
        self._outbox.held += size
        self._let_go()

    def _group_of(self, line: bytes, at: int, stream: Stream) -> Group | None:
        """Find or open the group of a line whose id begins there; None where the id is cut, or was seen before."""
        end = line.find(b'"', at)
        owner = line[at:end]
        group = self._open.get(owner)
        if group is None and owner not in self._outbox.remembered and end > at:
            named: str = getattr(line, "stream", "")
            group = self._opened(owner, self._stream_of(stream, named) if named else stream)
        return group

    def take(self) -> Iterator[Block]:
        """Yield what is ready."""
        yield from self._outbox.take()

    def settle(self) -> None:
        """Make ready what ended a while ago: to be called when a source falls silent."""
        now = time.monotonic()
        while self._ended and (self._ended[0][2].done is False or now - self._ended[0][1] > GRACE_SECONDS):
            self._emit_ended(self._ended.popleft()[2])
        self._outbox.end_strays()

    def finish(self) -> None:
        """Make everything ready, in the order in which it was read: the sources are at their end."""
        self._ended.clear()
        for group in tuple(self._open.values()):
            self._emit(group)
        self._outbox.end_strays()
        self._emit_oldest_starting(0)

    def _feed_closely(self, line: bytes, file: Stream, place: int) -> None:
        """Find the owner of a line; `file` holds one stream, or several that prefixes tell apart."""
        if not line.strip():
            if file.reported is not None and file.reported[1] == place - 1:
                file.reported = (file.reported[0], place)
            return
        identified = named(identify(line), line, file, self._numbers)
        stream = self._stream_for(identified, line, file)
        if identified.invocation_id is None:
            self._feed_nameless(identified, stream, place)
            return
        group = self._group_for(identified, identified.invocation_id, stream)
        if group is not None:
            self._add(group, identified)
        if identified.sign is Sign.REPORT:
            file.reported = stream.reported = (group, place)

    def _stream_for(self, identified: Identified, line: bytes, file: Stream) -> Stream:
        """Take the stream that source or prefix name; without, a nameless line goes on where the last one stood.

        An event of several lines, such as a traceback, has a prefix before its first alone.
        """
        named = identified.stream or getattr(line, "stream", "")
        if named:
            file.within = self._stream_of(file, named)
        elif identified.invocation_id is not None or identified.line is not line:
            return file
        return file.within or file

    def _stream_of(self, parent: Stream, name: str) -> Stream:
        """Return the stream of this name in a file that holds several."""
        key = f"{parent.name}\0{name}"
        if key not in self._streams:
            self._streams[key] = Stream(parent.name, exact=not name.startswith(NAMED))
        return self._streams[key]

    def _feed_nameless(self, identified: Identified, stream: Stream, place: int) -> None:
        """Add a line without an id to the one invocation that runs in its stream; if several may, it belongs to none.

        Lines about an initialization go with the invocation that starts next, those of a REPORT with the one reported.
        """
        if stream.belongs_to_report(identified, place):
            self._feed_report(identified, stream, place)
            return
        if identified.sign is Sign.INIT_START and _MANAGED in identified.line:
            stream.share()
        if stream.is_initialized_by(identified.sign):
            self._hold_starting(identified.line, stream)
            return
        group = self._running_in(stream)
        if group is not None:
            group.lines.append(identified.line)
            if identified.sign is Sign.INIT:
                add_to_report(group.report, identified.line)
            return
        self._events += 1
        self._outbox.add_stray(identified.line, stream, self._events)

    def _running_in(self, stream: Stream) -> Group | None:
        """Return the one invocation that runs in a stream; None where several may, or none does.

        One that was given out goes on in a late block, but where its id is a retry's by now.
        """
        if len(stream.running) != 1 or stream.shared:
            return None
        group = next(iter(stream.running.values()))
        now = self._open.get(group.invocation_id)
        if now is not None:
            return group if now is group else None
        late = self._opened(group.invocation_id, stream, group.attempt, late=True)
        if group.done:
            self._mark_ended(late)
        return late

    def _feed_report(self, identified: Identified, stream: Stream, place: int) -> None:
        group, line = stream.reported[0] if stream.reported is not None else None, identified.line
        stream.reported = group, place
        if group is None or line in group.lines:
            self.tally.duplicates += 1
            return
        group.lines.append(line if identified.sign is Sign.XRAY else b"%b %b" % (group.lines.pop(), line))
        add_to_report(group.report, group.lines[-1])

    def _hold_starting(self, line: bytes, stream: Stream) -> None:
        self._starting[stream] = None
        stream.starting.append(line)
        if len(stream.starting) >= STARTING_MOST:
            self._emit_starting(stream)

    def _group_for(self, identified: Identified, owner: bytes, stream: Stream) -> Group | None:
        """Find or open the group; None for a line that was there already."""
        group = self._open.get(owner)
        if group is None:
            return (
                self._reopened(identified, owner, stream)
                if owner in self._outbox.remembered
                else self._opened(owner, stream)
            )
        if not is_retry(group, identified):
            return group
        self._emit(group)
        return self._reopened(identified, owner, stream)

    def _reopened(self, identified: Identified, owner: bytes, stream: Stream) -> Group | None:
        spans, seen = self._outbox.remembered[owner]
        starts_again = identified.sign is Sign.START and not tells_time(identified.line)
        if hash(identified.line) in seen and not starts_again:
            self.tally.duplicates += 1 + len(self._taken_starting(stream))
            return None
        attempt = None if identified.sign is Sign.START else late_for(identified, spans)
        if attempt is None:
            return self._opened(owner, stream, 1 + max(span.attempt for span in spans))
        group = self._opened(owner, stream, attempt, late=True)
        self._mark_ended(group)
        return group

    def _opened(self, owner: bytes, stream: Stream, attempt: int = 1, *, late: bool = False) -> Group:
        self._events += 1
        group = Group(owner, stream, self._events, attempt=attempt, late=late)
        self._open[owner] = group
        if late:
            stream.running.pop(owner, None)  # what was given out has not ended by this
        group.after = stream.started_just_now()
        if stream.exact:
            self._end_running(stream)
        for other in stream.ended:
            stream.running.pop(other.invocation_id, None)
        stream.ended.clear()
        stream.running[owner] = group
        if stream.starting and not late:
            group.lines = self._taken_starting(stream)
            for line in group.lines:
                add_to_report(group.report, line)
        return group

    def _take_start(self, group: Group) -> None:
        """Take the START that has another id than everything else: `sam local` wrote such."""
        other = group.after
        if group.started or other is None or len(other.lines) != 1:
            return
        if self._open.get(other.invocation_id) is not other:
            return
        del self._open[other.invocation_id]
        other.stream.running.pop(other.invocation_id, None)
        group.take_start(other.lines[0])
        add_to_report(group.report, other.lines[0])

    def _taken_starting(self, stream: Stream) -> list[bytes]:
        """Take what was written while the environment was made ready: its first invocation begins with it."""
        lines, stream.starting = stream.starting, []
        self._starting.pop(stream, None)
        return lines

    def _end_running(self, stream: Stream) -> None:
        """An environment runs one invocation at a time: where the next one starts, the last one is over."""
        for other in stream.running.values():
            other.report.ended, other.superseded = other.done or other.report.ended, not other.done
            self._mark_ended(other)

    def _add(self, group: Group, identified: Identified) -> None:
        sign, line = identified.sign, identified.line
        if not group.guarded and line[:1] == b"{" and _ID_KEY[:-2] in line:
            _take_guarded(group, line)
        if sign in (Sign.START, Sign.END, Sign.REPORT) and line in group.lines:
            self.tally.duplicates += 1 + (
                len(self._taken_starting(group.stream)) if sign is Sign.START else 0
            )
            return
        if group.superseded and sign in (Sign.LINE, Sign.RECORD):
            _go_on(group)
        before = self._outbox.take_strays(group.stream) if sign is Sign.END and not group.lines else ()
        group.lines += (*before, line)  # those after a START that these logs don't have
        group.started = group.started or sign is Sign.START
        if sign is Sign.RECORD:
            self._take_record(group)
        elif sign in (Sign.START, Sign.END, Sign.REPORT):
            add_to_report(group.report, line)
        if sign is Sign.REPORT:
            self._take_start(group)
            self._mark_ended(group)
            group.stream.running.pop(group.invocation_id, None)

    def _take_record(self, group: Group) -> None:
        """The last line of the group may be its record; of two, the later one is true (it made it after all)."""
        document = load(group.lines[-1])
        if document is None or document.get(names.RECORD) != names.RECORD_INVOCATION:
            return
        if group.record is not None and group.lines[-1] in group.lines[:-1]:
            self.tally.duplicates += 1
        if group.record is None:
            self._split_off_attempt(group, document)
        group.record, group.record_line = document, group.lines[-1]
        self._mark_ended(group)

    def _split_off_attempt(self, group: Group, record: dict[str, object]) -> None:
        """Finish an earlier attempt that left no record: it was killed, and no START stands between the two."""
        count = 0 if group.started or group.late else count_of_earlier_attempt(group.lines, record)
        if not count:
            return
        earlier = replace(group, lines=group.lines[:count], report=Report(ended=True))
        group.lines, group.attempt = group.lines[count:], group.attempt + 1
        self._outbox.put(earlier)

    def _mark_ended(self, group: Group) -> None:
        if not group.done:
            group.done = True
            group.stream.ended.append(group)
            self._ended.append((self.tally.lines, time.monotonic(), group))

    def _let_go(self) -> None:
        """Make ready what ended long enough ago, and the oldest where too much is held."""
        limit = self.tally.lines - self._grace_lines
        while self._ended and self._ended[0][0] <= limit:
            self._emit_ended(self._ended.popleft()[2])
        if len(self._starting) > self._open_most or self._outbox.held > self._held_bytes_most:
            self._emit_oldest_starting(self._open_most // 2)
        if len(self._open) > self._open_most or self._outbox.held > self._held_bytes_most:
            self._evict()

    def _evict(self) -> None:
        self._outbox.held = sum(len(line) for group in self._open.values() for line in group.lines)
        for group in list(self._open.values()):
            if len(self._open) <= self._open_most // 2 and self._outbox.held <= self._held_bytes_most // 2:
                return
            self.tally.evicted += not (group.done or group.late)
            self._emit(group)

    def _emit_ended(self, group: Group) -> None:
        goes_on = not group.done or (group.superseded and group.stream.shared)
        if self._open.get(group.invocation_id) is group and not goes_on:
            self._emit(group)

    def _emit(self, group: Group) -> None:
        self._outbox.end_strays(before=group.opened)
        del self._open[group.invocation_id]
        stream = group.stream
        if group.superseded and not stream.shared:
            group.report.ended = True
        if stream.reported is not None and stream.reported[0] is group:
            stream.reported = None
        if stream.running.get(group.invocation_id) is group and group.report.ended:
            del stream.running[group.invocation_id]
        self._outbox.put(group)

    def _emit_oldest_starting(self, most: int) -> None:
        """Finish initializations that no invocation followed, until only this many are held."""
        while len(self._starting) > most:
            self._emit_starting(next(iter(self._starting)))

    def _emit_starting(self, stream: Stream) -> None:
        self._outbox.put_strays(stream, self._taken_starting(stream))


def _take_guarded(group: Group, line: bytes) -> None:
    """Note that lambda_guard wrote a line of an invocation; on Managed Instances, it names the process."""
    group.guarded = True
    if _WORKER_KEY in line:
        group.stream.share()


def _go_on(group: Group) -> None:
    """Take an invocation as running, although the next one has begun: several processes write to its stream."""
    group.superseded = group.done = False
    group.stream.share()
    group.stream.running[group.invocation_id] = group
