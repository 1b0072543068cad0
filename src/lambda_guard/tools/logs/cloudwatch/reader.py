"""Reading CloudWatch Logs: asking the service where an index helps, paging through where it does not."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import Any, Final

from lambda_guard.tools.aws import Clients, CloudError, NoSuchResourceError, NotPermittedError, new_clients
from lambda_guard.tools.logs.cloudwatch.extents import Place, places_of
from lambda_guard.tools.logs.cloudwatch.following import Follower
from lambda_guard.tools.logs.cloudwatch.groups import LogGroup, log_groups
from lambda_guard.tools.logs.cloudwatch.insights import (
    DOLLARS_PER_GB,
    Row,
    Statistics,
    failed_query,
    naming_query,
    rows_of_query,
    run_query,
    totals,
)
from lambda_guard.tools.logs.cloudwatch.paging import Event, event_pages
from lambda_guard.tools.logs.cloudwatch.volume import ingested
from lambda_guard.tools.logs.invocation import Block, Invocation
from lambda_guard.tools.logs.reading.attempts import number_attempts, numbered_if_few
from lambda_guard.tools.logs.reading.containers import line_of
from lambda_guard.tools.logs.reading.grouping import Grouper
from lambda_guard.tools.logs.reading.streams import Stream, Tally
from lambda_guard.tools.logs.selection import Selection, Target
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import progress
from lambda_guard.tools.times import date_and_clock

DEFAULT_WINDOW_MS: Final = 3_600_000.0
_DAY_MS: Final = 86_400_000.0


class CloudWatchReader(AbstractContextManager["CloudWatchReader"]):
    """Reads log groups.

    Args:
        target: which groups.
        selection: what is wanted: its times bound what is read, its ids and failures are asked of Logs
            Insights.
        clients: gives clients of AWS; None makes them with the usual credentials and AWS_ENDPOINT_URL.
    """

    def __init__(self, target: Target, selection: Selection, clients: Clients | None = None) -> None:
        self.tally = Tally()
        self._scans = list[Statistics]()
        self._target = target
        self._selection = selection
        self._clients = clients or new_clients()
        self._streams: dict[str, Stream] = {}
        self._events = 0

    def __exit__(self, *exc_info: object) -> None:
        progress("")
        if self._scans:
            matched, size = totals(self._scans)
            self.tally.notes.append(f"{matched}, {size:.3f} GB scanned, about ${size * DOLLARS_PER_GB:.4f}")

    def read(self, *, follow: Stop | None = None) -> Iterator[Block]:
        """Yield what is wanted, as it comes; it may give more, which the selection then leaves out."""
        if follow is not None:
            return self._follow(follow)
        if self._selection.ids:
            return iter(self.read_naming(self._selection.ids))
        return self._failed() if self._selection.failed else numbered_if_few(self._everything())

    @property
    def in_order(self) -> bool:
        """Whether it yields blocks in order of time by itself: nearly so, as one group's pages come."""
        asks = self._selection.failed or self._selection.ids
        return not asks and len(self._groups) == 1

    def read_with_pauses(self) -> Iterator[Block | None]:
        """Yield what is wanted, as it comes: there are no pauses."""
        return self.read()

    def read_naming(self, ids: frozenset[str]) -> Iterable[Block]:
        """Return the invocations that name one of the ids."""
        try:
            rows = self._ask(naming_query(sorted(ids)))
        except NotPermittedError as error:
            self._fall_back(error)
            rows = list(self._search(ids))
        return self._at(places_of(row for row in rows if any(one in row.message for one in ids)))

    def volume(self) -> float:
        """Return how many bytes of logs there are to read.

        Raises:
            CloudError: that can't be known.
        """
        return ingested(self._clients("cloudwatch"), self._groups, self._window())

    def days(self) -> float:
        """Return how long the time is that is read."""
        begin, end = self._window()
        return (end - begin) / _DAY_MS

    def asked(self, query: str) -> list[dict[str, str]]:
        """Return the rows of a Logs Insights query, field by field; what it scanned is noted.

        Raises:
            CloudError: it can't be run.
        """
        return list(rows_of_query(self._logs, self._groups, query, self._window(), self._note_scan))

    def _failed(self) -> Iterator[Block]:
        try:
            rows = self._ask(failed_query())
        except NotPermittedError as error:
            self._fall_back(error)
            return numbered_if_few(self._everything())
        return self._at(places_of(rows))

    def _fall_back(self, error: CloudError) -> None:
        note = f"{error}; reading page by page instead, which takes longer"
        if note not in self.tally.notes:
            self.tally.notes.append(note)

    def _window(self) -> tuple[float, float]:
        now = time.time() * 1_000.0
        until = self._selection.until_ms or now
        since = self._selection.since_ms
        return (until - DEFAULT_WINDOW_MS if since is None else since), until

    @cached_property
    def _groups(self) -> list[LogGroup]:
        return log_groups(self._target, self._clients, self._warn)

    def _warn(self, text: str) -> None:
        self.tally.warnings.append(text)

    def _ask(self, query: str) -> list[Row]:
        """Ask all groups at once; where one of them does not exist, one by one, and say which."""
        try:
            return self._asked(self._groups, query)
        except NoSuchResourceError:
            if len(self._groups) == 1:
                raise
        found = list[Row]()
        for group in tuple(self._groups):
            try:
                found += self._asked([group], query)
            except NoSuchResourceError as error:
                self._groups.remove(group)  # that's said once
                self._warn(str(error))
        return found

    def _asked(self, groups: Sequence[LogGroup], query: str) -> list[Row]:
        return list(run_query(self._logs, groups, query, self._window(), self._note_scan))

    @property
    def _logs(self) -> Any:
        return self._clients("logs")

    def _search(self, ids: Iterable[str]) -> Iterator[Row]:
        """Search by paging: one term at a time, for every server understands that."""
        for group in self._groups:
            for one in sorted(ids):
                for event in chain.from_iterable(self._pages(group, *self._window(), term=one)):
                    stream = str(event.get("logStreamName", ""))
                    yield Row(group.name, stream, str(event["timestamp"]), str(event["message"]))

    def _everything(self) -> Iterator[Block]:
        """Page through all groups; invocations that the window cuts show as unfinished."""
        grouper = self._new_grouper()
        for group in self._groups:
            yield from self._grouped(grouper, self._pages(group, *self._window()), group)
        grouper.finish()
        yield from grouper.take()

    def _at(self, places: list[Place]) -> Iterator[Block]:
        """Read the places, and give out the invocations that were found there, whole, and no others.

        Attempts in several log streams wait for each other: only all of them tell the first.
        """
        known = {group.name: group for group in self._groups}
        grouper = self._new_grouper()
        to_come = Counter(one for place in places for one in place.ids)
        held = list[Invocation]()
        for place in places:
            group = known.get(place.group, LogGroup(place.group))
            pages = self._pages(group, place.begin_ms, place.end_ms, place.stream)
            held += _only(place.ids, self._grouped(grouper, pages, group))
            grouper.finish()
            held += _only(place.ids, grouper.take())
            to_come -= Counter(place.ids)
            ready = [one for one in held if one.invocation_id not in to_come]
            held = [one for one in held if one.invocation_id in to_come]
            number_attempts(ready)
            yield from ready

    def _follow(self, stop: Stop) -> Iterator[Block]:
        grouper = self._new_grouper()
        since = self._selection.since_ms
        follower = Follower(self._logs, self._groups, time.time() * 1_000.0 if since is None else since)
        begun = False
        try:
            for group, events in follower.rounds(stop):
                if group is None:
                    begun = True
                    grouper.settle()
                    yield from grouper.take()
                else:
                    yield from self._grouped(grouper, iter([events]), group)
        except CloudError as error:  # the last group is gone: what is held is still shown
            if not begun:
                raise
            self._warn(str(error))
        grouper.finish()
        yield from grouper.take()
        cursor = datetime.fromtimestamp(follower.cursor_ms / 1_000.0, UTC).isoformat(timespec="milliseconds")
        self.tally.notes.append(f"to go on from here: --follow --since {cursor}")

    def _new_grouper(self) -> Grouper:
        grouper = Grouper()
        grouper.tally.notes, grouper.tally.warnings = self.tally.notes, self.tally.warnings
        self.tally = grouper.tally
        return grouper

    def _grouped(self, grouper: Grouper, pages: Iterator[list[Event]], group: LogGroup) -> Iterator[Block]:
        for page in pages:
            grouper.feed(list(map(line_of, page)), self._streams.setdefault(group.name, Stream(group.name)))
            yield from grouper.take()

    def _pages(
        self, group: LogGroup, begin_ms: float, end_ms: float, stream: str = "", term: str = ""
    ) -> Iterator[list[Event]]:
        """Page through; a group that can't be read is said, and the others are read."""
        try:
            for page in event_pages(self._logs, group, begin_ms, end_ms, stream=stream, term=term):
                self._events += len(page)
                reached = f", up to {date_and_clock(page[-1]['timestamp'])}" if page else ""
                progress(f"{self._events:,} events read{reached}")
                yield page
        except CloudError as error:
            if len(self._groups) == 1:
                raise
            self._warn(str(error))

    def _note_scan(self, statistics: Statistics, finished: bool) -> None:
        if finished:
            self._scans.append(statistics)
        else:
            progress("{} so far, {:.3f} GB scanned".format(*totals([statistics])))


def _only(ids: set[str], blocks: Iterable[Block]) -> Iterator[Invocation]:
    return (block for block in blocks if isinstance(block, Invocation) and block.invocation_id in ids)
