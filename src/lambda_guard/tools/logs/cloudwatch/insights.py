"""Logs Insights: searches many log groups at once, with an index where it has one.

It costs by the gigabyte, so the size is shown.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lambda_guard import _names as names
from lambda_guard.tools.aws import CloudError, explained
from lambda_guard.tools.logs.cloudwatch.groups import LogGroup

GROUPS_MOST: Final = 50
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html, `logGroupIdentifiers`."""

ROWS_MOST: Final = 10_000
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/logs/CWL_QuerySyntax-Limit.html."""

DOLLARS_PER_GB: Final = 0.005
"""The price of scanning in most regions, July 2025 (https://aws.amazon.com/cloudwatch/pricing/); an estimate."""

FIELDS: Final = "fields @timestamp, @log, @logStream, @message"
_POLL_SECONDS: Final = (0.2, 0.4, 0.8, 1.0)
_OVER: Final = {"Complete", "Failed", "Cancelled", "Timeout"}


Progress = Callable[[dict[str, float]], None]
"""Called while a query runs, with what it has scanned and matched so far."""


@dataclass(slots=True)
class Scan:
    """What a search took.

    Attributes:
        size: bytes that the service looked through, and that cost.
    """

    size: float = 0.0
    scanned: float = 0.0
    matched: float = 0.0
    queries: int = 0

    def add(self, statistics: dict[str, float]) -> None:
        """Add the statistics of a finished query."""
        self.queries += 1
        self.size += statistics.get("bytesScanned", 0.0)
        self.scanned += statistics.get("recordsScanned", 0.0)
        self.matched += statistics.get("recordsMatched", 0.0)


@dataclass(slots=True, frozen=True)
class Row:
    """A row of the answer: an event and where it stands."""

    group: str
    stream: str
    time: str
    message: str


def failed_query() -> str:
    """Ask for the records of failures, and for platform lines about one that no process could record."""
    return (
        f'{FIELDS} | filter ({names.RECORD} = "{names.RECORD_INVOCATION}" and '
        f'({names.OUTCOME} != "{names.SUCCESS}" or {names.RECORDS}.{names.FAILED} > 0)) '
        'or (@type = "REPORT" and @message like "Status: ") '
        'or (type = "platform.report" and record.status != "success")'
        f" | sort @timestamp asc | limit {ROWS_MOST}"
    )


def naming_query(ids: Sequence[str]) -> str:
    """Ask for events that name one of the ids.

    Trace ids also by the indexed field; all by what the message contains, for a batch names the traces that
    its messages came from inside its record, and a function without lambda_guard names its own in REPORT.
    """
    traces = [one for one in ids if one.startswith("1-")]
    keys = (names.TRACE_ID, names.XRAY_TRACE_ID) if traces else ()
    conditions = [f"{key} in [{', '.join(map(_quoted, traces))}]" for key in keys]
    conditions += [f"@message like {_quoted(one)}" for one in ids]
    return f"{FIELDS} | filter {' or '.join(conditions)} | sort @timestamp asc | limit {ROWS_MOST}"


def run_query(
    logs: Any,
    groups: Sequence[LogGroup],
    query: str,
    window_ms: tuple[float, float],
    *,
    scan: Scan,
    progress: Progress,
) -> Iterator[Row]:
    """Run a query over any number of groups, and give all its rows.

    Raises:
        CloudError: it could not be run; among them `NotPermittedError`, for the caller to fall back on
            paging.
    """
    for first in range(0, len(groups), GROUPS_MOST):
        some = groups[first : first + GROUPS_MOST]
        which = f"log group {some[0].name}" if len(some) == 1 else f"{len(some)} log groups"
        with explained(f"query the {which} with Logs Insights"):
            begin, end = (int(ms // 1000) for ms in window_ms)
            started = logs.start_query(**_named(some), startTime=begin, endTime=end + 1, queryString=query)
            yield from _rows(logs, started["queryId"], scan, progress)


def _named(groups: Sequence[LogGroup]) -> dict[str, list[str]]:
    """Groups of this account go by name; as soon as one has an ARN, all are identifiers."""
    if any(group.arn for group in groups):
        return {"logGroupIdentifiers": [group.arn or group.name for group in groups]}
    return {"logGroupNames": [group.name for group in groups]}


def _rows(logs: Any, query_id: str, scan: Scan, progress: Progress) -> Iterator[Row]:
    try:
        answer = _finished(logs, query_id, scan, progress)
    except BaseException:
        # A query that nobody waits for goes on, and costs.
        logs.stop_query(queryId=query_id)
        raise
    while True:
        yield from map(_row, answer.get("results", []))
        token = answer.get("nextToken")
        if not token:
            return
        answer = logs.get_query_results(queryId=query_id, nextToken=token)


def _finished(logs: Any, query_id: str, scan: Scan, progress: Progress) -> dict[str, Any]:
    tries = 0
    while True:
        answer: dict[str, Any] = logs.get_query_results(queryId=query_id)
        if answer["status"] in _OVER:
            break
        progress(answer.get("statistics", {}))
        time.sleep(_POLL_SECONDS[min(tries, len(_POLL_SECONDS) - 1)])
        tries += 1
    if answer["status"] != "Complete":
        raise CloudError(
            f"the Logs Insights query ended as {answer['status']}: narrow it with --since and --until"
        )
    scan.add(answer.get("statistics", {}))
    return answer


def _row(fields: Sequence[dict[str, str]]) -> Row:
    """Read a row; `@log` is `account:group`."""
    told = {entry["field"]: str(entry["value"]) for entry in fields}
    log = told.get("@log", "")
    group = log.partition(":")[2] if log.partition(":")[0].isdigit() else log
    return Row(group, told.get("@logStream", ""), told.get("@timestamp", ""), told.get("@message", ""))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
