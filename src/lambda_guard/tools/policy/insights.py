"""Evidence by Logs Insights, which counts the calls of weeks in minutes and costs by the GB: said first, and bounded.

Two queries, for the calls and for the invocations. `jsonParse` reads a record whole, while the fields that Insights
discovers are 200 at most: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final

import click

from lambda_guard import _names as names
from lambda_guard.errors import LambdaGuardError
from lambda_guard.iam.called import Called
from lambda_guard.tools.aws import CloudError
from lambda_guard.tools.logs.cloudwatch.insights import DOLLARS_PER_GB, ROWS_MOST
from lambda_guard.tools.logs.cloudwatch.paging import quoted
from lambda_guard.tools.logs.cloudwatch.reader import CloudWatchReader
from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.policy.entries import OF_DENIAL
from lambda_guard.tools.terminal import say
from lambda_guard.tools.times import span

_QUERIES: Final = 2
_LARGE_BYTES: Final = 1e9
_BYTES_A_SECOND: Final = 5e6
"""FilterLogEvents: five requests a second, with a page of 1 MB each.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""

_RECORD: Final = "@message like " + quoted(f'"{names.RECORD}":"{names.RECORD_INVOCATION}"')
_REPORT: Final = '@type = "REPORT" or @message like ' + quoted('"type":"platform.report"')
_IS_RECORD: Final = f"js.{names.RECORD} = {quoted(names.RECORD_INVOCATION)}"
_IS_REPORT: Final = '@type = "REPORT" or js.type = "platform.report"'
_PARSED: Final = "fields jsonParse(@message) as js"
_KEYS: Final = tuple(one.name for one in fields(Called))
_OF_DENIAL: Final = tuple(name for name in OF_DENIAL if name != names.AUTHORIZATION_ID)
"""Of a denial, what it has in common with others; its id is its own."""

_PER_INVOCATION: Final = (
    names.FUNCTION_NAME,
    names.FUNCTION_ARN,
    names.FUNCTION_VERSION,
    names.OUTCOME,
    f"{names.TRIGGER}.type",
    f"{names.TRIGGER}.{names.SOURCE}",
    f"{names.HTTP}.{names.STATUS}",
)


insights_option = click.option(
    "--insights",
    "dollars",
    type=click.FloatRange(min=0),
    metavar="DOLLARS",
    help="Count by Logs Insights, in minutes instead of hours, if that costs this much at most; what it costs is said "
    "first. Else log groups are read page by page, which is free.",
)


def calls_query(function: str) -> str:
    """Ask how many invocations of a function made each call."""
    keys = (*_KEYS, *(f"{names.DENIED}.{name}" for name in _OF_DENIAL))
    by = ", ".join((f"js.{names.FUNCTION_ARN}", *(f"c.{key}" for key in keys)))
    denied = f"c.{names.DENIED}.{{}}".format
    return (
        f"filter {_RECORD} | {_PARSED} | filter {_IS_RECORD} and js.{names.FUNCTION_NAME} = {quoted(function)} "
        f"| unnest js.{names.CALLS} into c "
        f"| stats count(*) as invocations, sum({denied(names.CALL_COUNT)}) as denied, "
        f"latest({denied(names.AUTHORIZATION_ID)}) as id by {by} | limit {ROWS_MOST}"
    )


def invocations_query() -> str:
    """Ask how many invocations there were of each kind, those included of which only the platform reports."""
    by = ", ".join(f"js.{name}" for name in _PER_INVOCATION)
    told = {
        "more": f"sum(js.{names.CALLS_MORE})",
        "unnamed": f"count(js.{names.CALLS_UNNAMED})",
        "spans": f"count(js.{names.SPAN_ID})",
        "batches": f"count(js.{names.RECORDS}.{names.FAILED})",
        "failed": f"max(js.{names.RECORDS}.{names.FAILED})",
        "execution": f"latest(js.{names.DURABLE}.{names.EXECUTION})",
    }
    counts = ", ".join(f"{one} as {name}" for name, one in told.items())
    return (
        f"filter {_RECORD} or {_REPORT} | {_PARSED} | filter {_IS_RECORD} or {_IS_REPORT} "
        f"| stats count(*) as invocations, {counts} "
        f"by datefloor(@timestamp, 1d) as day, {by} | limit {ROWS_MOST}"
    )


def cost(size: float) -> float:
    """Return the dollars for as many bytes of logs."""
    return _QUERIES * size / 1e9 * DOLLARS_PER_GB


def check_cost(reader: CloudWatchReader, dollars: float) -> None:
    """Say what Logs Insights costs.

    Raises:
        LambdaGuardError: it costs more, or that can't be known.
    """
    try:
        size = reader.volume()
    except CloudError as error:
        raise LambdaGuardError(
            f"what Logs Insights would cost isn't known: {error}. Without --insights, logs are read page by page"
        ) from error
    dear = cost(size)
    say(f"Logs Insights scans {size / 1e9:,.2f} GB {_QUERIES} times, for about ${dear:,.2f}")
    if dear > dollars:
        raise LambdaGuardError(
            f"that is more than --insights {dollars:g}: nothing was asked. Write --insights {_rounded(dear)} to allow "
            f"it; without it, logs are read page by page, which is free and takes {_paging(size)} or more"
        )


def say_alternative(reader: CloudWatchReader) -> None:
    """Say how long it takes to read page by page, and what Logs Insights costs, where there is much to read."""
    try:
        size = reader.volume() if reader.days() > 1 else 0.0
    except CloudError:  # what isn't known isn't said: nothing depends on it
        return
    if size >= _LARGE_BYTES:
        say(
            f"{size / 1e9:,.1f} GB of logs are read page by page, which is free and takes {_paging(size)} or more; "
            f"--insights {_rounded(cost(size))} counts in minutes, for about ${cost(size):,.2f}"
        )


def _rounded(dollars: float) -> str:
    return f"{math.ceil(dollars * 100) / 100:.2f}"


def _paging(size: float) -> str:
    return span(size / _BYTES_A_SECOND * 1_000)


def counted_by_insights(reader: CloudWatchReader, function: str) -> Iterator[tuple[Invocation | None, int]]:
    """Yield invocations that stand for many, each with how many; calls come in late ones, which count as none.

    None stands for those of which the platform alone tells.

    Raises:
        LambdaGuardError: a query can't be run, or its answer has more rows than Logs Insights gives.
    """
    records = reports = 0
    for row in _whole(reader.asked(invocations_query())):
        number = _number(row.get("invocations"))
        name = row.get(f"js.{names.FUNCTION_NAME}")
        if not name:
            reports += number
            continue
        records += number
        yield Invocation("unknown", record=_record(row)), number
    if reports > records:
        yield None, reports - records
    for row in _whole(reader.asked(calls_query(function))):
        if called := _call(row):  # empty for a record without calls
            record: dict[str, Any] = {names.FUNCTION_NAME: function, names.CALLS: [called]}
            if arn := row.get(f"js.{names.FUNCTION_ARN}"):
                record[names.FUNCTION_ARN] = arn
            yield Invocation("unknown", record=record, late=True), _number(row.get("invocations"))


def _call(row: Mapping[str, str]) -> dict[str, Any]:
    """Return the entry of `calls` that a row of `calls_query` stands for."""
    called: dict[str, Any] = {name: row[f"c.{name}"] for name in _KEYS if row.get(f"c.{name}")}
    if names.CALL_PRESIGNED in called:
        called[names.CALL_PRESIGNED] = called[names.CALL_PRESIGNED] in _TRUE
    if count := _number(row.get("denied")):
        told = {name: row[key] for name in _OF_DENIAL if (key := f"c.{names.DENIED}.{name}") in row}
        latest = {names.AUTHORIZATION_ID: row["id"]} if row.get("id") else {}
        called[names.DENIED] = {names.CALL_COUNT: count, **told, **latest}
    return called


_TRUE: Final = ("1", "true")


def _whole(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(rows) >= ROWS_MOST:
        raise LambdaGuardError(
            f"Logs Insights gives {ROWS_MOST:,} rows, and there are more: take less time with --since and --until, or "
            "leave --insights out"
        )
    return rows


def _record(row: Mapping[str, str]) -> dict[str, Any]:
    """Return the record that a row of `invocations_query` stands for."""
    found: dict[str, Any] = {}
    for path in _PER_INVOCATION:
        outer, _, inner = path.rpartition(".")
        if value := row.get(f"js.{path}"):
            (found.setdefault(outer, {}) if outer else found)[inner] = value
    if status := _number(row.get(f"js.{names.HTTP}.{names.STATUS}")):
        found[names.HTTP] = {names.STATUS: status}
    if _number(row.get("batches")):
        found[names.RECORDS] = {names.FAILED: _number(row.get("failed"))}
    if execution := row.get("execution"):
        found[names.DURABLE] = {names.EXECUTION: execution}
    if _number(row.get("unnamed")):
        found[names.CALLS_UNNAMED] = True
    if _number(row.get("spans")):
        found[names.SPAN_ID] = "some"
    return found | {names.TIMESTAMP: row.get("day", ""), names.CALLS_MORE: _number(row.get("more"))}


def _number(text: str | None) -> int:
    """Read a number of the answer, which may be written `5.0`; 0 where there is none."""
    try:
        return int(float(text or 0))
    except (ValueError, OverflowError):
        return 0
