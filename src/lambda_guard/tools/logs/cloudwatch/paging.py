"""FilterLogEvents: free, ordered and exact, page by page."""

from collections.abc import Iterator, Mapping
from typing import Any

from lambda_guard.tools.aws import explained
from lambda_guard.tools.logs.cloudwatch.groups import LogGroup

Event = Mapping[str, Any]


def event_pages(
    logs: Any,
    group: LogGroup,
    begin_ms: float,
    end_ms: float | None = None,
    *,
    stream: str = "",
    term: str = "",
) -> Iterator[list[Event]]:
    """Yield the events of a log group in their order, page by page.

    An empty page isn't the end: the service has searched a part and found nothing there.
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html

    Args:
        logs: a client of CloudWatch Logs.
        group: where to read.
        begin_ms: from then on, ms since 1970.
        end_ms: up to then, likewise; None for all.
        stream: this log stream only; empty for all.
        term: events that contain this text. A plain term, not a JSON pattern: all servers know terms, and
            what else must hold is looked at here.

    Raises:
        CloudError: the group does not exist, may not be read, or AWS could not be asked.
    """
    told: dict[str, Any] = {
        "endTime": None if end_ms is None else max(0, int(end_ms)),
        "logStreamNames": [stream] if stream else None,
        "filterPattern": quoted(term) if term else None,
    }
    narrowed = {key: value for key, value in told.items() if value is not None}
    with explained(f"read the log group {group.name}"):
        paginate = logs.get_paginator("filter_log_events").paginate
        pages = paginate(**group.parameter, startTime=max(0, int(begin_ms)), **narrowed)
        yield from (page["events"] for page in pages)


def quoted(text: str) -> str:
    """Write a text as filter patterns and queries of CloudWatch Logs take it: nothing in it means anything."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
