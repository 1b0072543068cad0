"""FilterLogEvents: free, ordered and exact, page by page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambda_guard.tools.aws import explained
from lambda_guard.tools.logs.cloudwatch.groups import LogGroup
from lambda_guard.tools.logs.model import TimedLine

Event = Mapping[str, Any]


@dataclass(slots=True, frozen=True)
class Extract:
    """A part of a log group.

    Attributes:
        begin_ms: from then on, ms since 1970; None for all.
        end_ms: up to then, likewise.
        streams: these log streams only, 100 at most; empty for all.
        term: events that contain this text. A plain term, not a JSON pattern: all servers know terms, and
            what else must hold is looked at here.
    """

    group: LogGroup
    begin_ms: float | None = None
    end_ms: float | None = None
    streams: Sequence[str] = ()
    term: str = ""

    def parameters(self) -> dict[str, Any]:
        """Return it as parameters of FilterLogEvents."""
        told: dict[str, Any] = dict(self.group.parameter)
        if self.begin_ms is not None:
            told["startTime"] = max(0, int(self.begin_ms))
        if self.end_ms is not None:
            told["endTime"] = max(0, int(self.end_ms))
        if self.streams:
            told["logStreamNames"] = list(self.streams)
        if self.term:
            escaped = self.term.replace("\\", "\\\\").replace('"', '\\"')
            told["filterPattern"] = f'"{escaped}"'
        return told


def event_pages(logs: Any, extract: Extract, progress: Callable[[int], None]) -> Iterator[list[Event]]:
    """Yield the events of an extract in their order, page by page.

    An empty page with a token isn't the end: the service has searched a part and found nothing there.
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html

    Raises:
        CloudError: the group does not exist, may not be read, or AWS could not be asked.
    """
    with explained(f"read the log group {extract.group.name}"):
        for page in logs.get_paginator("filter_log_events").paginate(**extract.parameters()):
            events = page["events"]
            progress(len(events))
            if events:
                yield events


def line_of(event: Event) -> TimedLine:
    """Return an event's message as a line with its time."""
    text = str(event.get("message", "")).rstrip("\r\n")
    return TimedLine.at(text.encode("utf-8", "surrogatepass"), float(event.get("timestamp", 0)))
