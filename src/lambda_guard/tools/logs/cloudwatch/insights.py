"""Logs Insights searches many log groups at once, by an index where it has one; it costs by the GB, which is shown."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Final

from lambda_guard import _names as names
from lambda_guard.tools.aws import CloudError, explained
from lambda_guard.tools.logs.cloudwatch.groups import LogGroup
from lambda_guard.tools.logs.cloudwatch.paging import quoted

GROUPS_MOST: Final = 50
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html, `logGroupIdentifiers`."""

ROWS_MOST: Final = 10_000
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/logs/CWL_QuerySyntax-Limit.html."""

DOLLARS_PER_GB: Final = 0.005
"""The price of scanning in most regions, July 2025 (https://aws.amazon.com/cloudwatch/pricing/); an estimate."""

FIELDS: Final = "fields @timestamp, @log, @logStream, @message"
_FIRST_PAUSES: Final = (0.2, 0.4, 0.8)
_PAUSE: Final = 1.0  # s
_OVER: Final = {"Complete", "Failed", "Cancelled", "Timeout"}

Statistics = Mapping[str, float]
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_QueryStatistics.html."""

Progress = Callable[[Statistics, bool], object]
"""Called with what a query has scanned and matched so far, and whether that is all."""


@dataclass(slots=True, frozen=True)
class Row:
    """A row of the answer: an event and where it stands."""

    group: str
    stream: str
    time: str
    message: str


def failed_query() -> str:
    """Ask for the records of failures, and for platform lines about one that no process could record."""
    no_failure = " and ".join(f'{names.OUTCOME} != "{outcome}"' for outcome in names.NO_FAILURE)
    return (
        f'{FIELDS} | filter ({names.RECORD} = "{names.RECORD_INVOCATION}" and '
        f"({no_failure} or {names.RECORDS}.{names.FAILED} > 0 "
        f"or {names.HTTP}.{names.STATUS} >= {names.SERVER_ERROR_LEAST})) "
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
    conditions = [f"{key} in [{', '.join(map(quoted, traces))}]" for key in keys]
    conditions += [f"@message like {quoted(one)}" for one in ids]
    return f"{FIELDS} | filter {' or '.join(conditions)} | sort @timestamp asc | limit {ROWS_MOST}"


def totals(scans: Sequence[Statistics]) -> tuple[str, float]:
    """Say how many events were matched, and return how many GB the service looked through, which is what costs."""
    keys = ("recordsMatched", "recordsScanned", "bytesScanned")
    matched, scanned, size = (sum(one.get(key, 0.0) for one in scans) for key in keys)
    return f"{matched:,.0f} of {scanned:,.0f} events matched", size / 1e9


def run_query(
    logs: Any, groups: Sequence[LogGroup], query: str, window_ms: tuple[float, float], progress: Progress
) -> Iterator[Row]:
    """Run a query for `FIELDS` over any number of groups, and give all its rows: see `rows_of_query`."""
    return map(_row, rows_of_query(logs, groups, query, window_ms, progress))


def rows_of_query(
    logs: Any, groups: Sequence[LogGroup], query: str, window_ms: tuple[float, float], progress: Progress
) -> Iterator[dict[str, str]]:
    """Run a query over any number of groups, and give its rows, field by field; those of each fifty by themselves.

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
            yield from _rows(logs, started["queryId"], progress)


def _named(groups: Sequence[LogGroup]) -> dict[str, list[str]]:
    """Groups of this account go by name; as soon as one has an ARN, all are identifiers."""
    if any(group.arn for group in groups):
        return {"logGroupIdentifiers": [group.arn or group.name for group in groups]}
    return {"logGroupNames": [group.name for group in groups]}


def _rows(logs: Any, query_id: str, progress: Progress) -> Iterator[dict[str, str]]:
    try:
        answer = _finished(logs, query_id, progress)
    except BaseException:
        # A query that nobody waits for goes on, and costs.
        logs.stop_query(queryId=query_id)
        raise
    while True:
        for fields in answer.get("results", []):
            yield {entry["field"]: str(entry["value"]) for entry in fields}
        token = answer.get("nextToken")
        if not token:
            return
        answer = logs.get_query_results(queryId=query_id, nextToken=token)


def _finished(logs: Any, query_id: str, progress: Progress) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for pause in chain(_FIRST_PAUSES, repeat(_PAUSE)):
        answer = logs.get_query_results(queryId=query_id)
        if answer["status"] in _OVER:
            break
        progress(answer.get("statistics", {}), False)
        time.sleep(pause)
    if answer["status"] != "Complete":
        raise CloudError(
            f"the Logs Insights query ended as {answer['status']}: narrow it with --since and --until"
        )
    progress(answer.get("statistics", {}), True)
    return answer


def _row(told: Mapping[str, str]) -> Row:
    """Read a row; `@log` is `account:group`."""
    log = told.get("@log", "")
    group = log.partition(":")[2] if log.partition(":")[0].isdigit() else log
    return Row(group, told.get("@logStream", ""), told.get("@timestamp", ""), told.get("@message", ""))
