"""Following log groups by polling: complete and free, while Live Tail samples and costs by the minute.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatchLogs_LiveTail.html

Events arrive late, and not in the order of their times: each round asks again for the last stretch of time,
and what was given out already is known by its event id.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from lambda_guard.tools.aws import CloudError, NoSuchResourceError, NotPermittedError
from lambda_guard.tools.logs.cloudwatch.groups import LogGroup
from lambda_guard.tools.logs.cloudwatch.paging import Event, event_pages
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import warn

OVERLAP_MS: Final = 30_000.0
"""How late an event may arrive and still be seen."""

POLL_SECONDS: Final = 2.0
RETRY_SECONDS_MOST: Final = 60.0
SEEN_MOST: Final = 200_000


class Follower:
    """Polls log groups, and gives each event once.

    Args:
        since_ms: where to begin, ms since 1970.

    Attributes:
        cursor_ms: the time of the newest event so far: where to go on after an interruption.
    """

    def __init__(self, logs: Any, groups: Sequence[LogGroup], since_ms: float) -> None:
        self.cursor_ms = since_ms
        self._since_ms = since_ms
        self._logs = logs
        self._groups = list(groups)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._pause = POLL_SECONDS

    def rounds(self, stop: Stop) -> Iterator[tuple[LogGroup | None, list[Event]]]:
        """Yield new events with their group, until it is stopped; `(None, [])` between the rounds.

        Raises:
            CloudError: no group is left that exists and may be read.
        """
        while not stop.requested:
            yield from self._round()
            yield None, []
            stop.wait(self._pause)

    def _round(self) -> Iterator[tuple[LogGroup, list[Event]]]:
        begin = max(self._since_ms, self.cursor_ms - OVERLAP_MS)
        for group in tuple(self._groups):
            try:
                for page in event_pages(self._logs, group, begin):
                    fresh = self._fresh(page)
                    if fresh:
                        yield group, fresh
                self._pause = POLL_SECONDS
            except (NoSuchResourceError, NotPermittedError) as error:
                if len(self._groups) == 1:
                    raise
                self._groups.remove(group)
                warn(f"{error}; the others are followed")
            except CloudError as error:
                self._pause = min(RETRY_SECONDS_MOST, self._pause * 2)
                warn(f"{error}; trying again in {self._pause:.0f} s")

    def _fresh(self, page: list[Event]) -> list[Event]:
        fresh = [event for event in page if event.get("eventId") not in self._seen]
        for event in fresh:
            self._seen[str(event.get("eventId"))] = None
            self.cursor_ms = max(self.cursor_ms, float(event.get("timestamp", 0)))
        while len(self._seen) > SEEN_MOST:
            self._seen.popitem(last=False)
        return fresh
