"""What a line says, in each of the forms that lines have."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.model import Line, Report, TimedLine
from lambda_guard.tools.logs.reading.lines import add_to_report, parse
from lambda_guard.tools.logs.selection import identities
from lambda_guard.tools.logs.views.text import TextView
from lambda_guard.tools.terminal import Palette

from ..conftest import BEGAN, TRACE, Logs, encode, invocation_id, stamp

LOGS = Logs()
ID = invocation_id(1)
WITHOUT_METRICS = json.dumps(
    {
        key: value
        for key, value in json.loads(LOGS.record(1, 5, 5.0, outcome="timeout")).items()
        if key != "_aws"
    }
)
BUSINESS = {
    "tenantId": "acme",
    "requestId": "ddb-77",
    "time": "noon",
    "log_level": "high",
    "function_arn": "a",
}
POWERTOOLS = encode(
    {
        "level": "INFO",
        "location": "handler:12",
        "message": "hello",
        "timestamp": stamp(BEGAN),
        "service": "orders",
        "cold_start": True,
        "function_name": "orders",
        "function_memory_size": "128",
        "function_request_id": ID,
        **BUSINESS,
    }
)
LAMBDAS_OWN = encode(
    {
        "timestamp": stamp(BEGAN),
        "level": "INFO",
        "message": "hello",
        "logger": "root",
        "requestId": ID,
        "tenantId": "acme",
        "time": "noon",
        "aws_request_id": "sdk-1",
    }
)


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (
            LOGS.line(1, 5, "hello", order_id="o-1"),
            Line("log", BEGAN + 5, "INFO", "hello", "handler:12", "lambda_guard", {"order_id": "o-1"}),
        ),
        (
            f'{{"level":"WARN","message":{{"a":[1]}},"timestamp":"{stamp(BEGAN)}","requestId":"{ID}"}}',
            Line("log", BEGAN, "WARNING", '{"a": [1]}'),
        ),
        (
            f'{{"timestamp":"{stamp(BEGAN)}","log_level":"ERROR","errorMessage":"boom","errorType":"ValueError","requestId":"{ID}","stackTrace":["  File a","    x()"]}}',
            Line("log", BEGAN, "ERROR", "ValueError: boom", exception="  File a\n    x()"),
        ),
        (
            f'{{"timestamp":"{stamp(BEGAN)[:19]}Z","level":"ERROR","errorMessage":"boom","errorType":"ValueError","requestId":"{ID}","stackTrace":[]}}',
            Line("log", BEGAN, "ERROR", "ValueError: boom", whole_second=True),
        ),
        (
            f'{{"timestamp":"{stamp(BEGAN)}","level":"ERROR","errorMessage":"boom","errorType":"ValueError","requestId":"{ID}","stackTrace":[],"order":1}}',
            Line("log", BEGAN, "ERROR", "ValueError: boom", fields={"errorMessage": "boom", "errorType": "ValueError", "stackTrace": [], "order": 1}),
        ),
        (
            f'{{"timestamp":"{stamp(BEGAN)}","level":"ERROR","requestId":"{ID}","message":{{"errorType":"Error","errorMessage":"boom","stackTrace":["Error: boom","    at f"]}}}}',
            Line("log", BEGAN, "ERROR", "Error: boom", exception="Error: boom\n    at f"),
        ),
        (
            f'{{"_aws":{{"Timestamp":{BEGAN:.0f},"CloudWatchMetrics":[]}},"service":"s","Orders":1.0}}',
            Line("log", BEGAN, "", "metrics", fields={"Orders": 1.0}),
        ),
        (LOGS.record(1, 5, 5.0, outcome="timeout"), Line("log", BEGAN + 5, "ERROR", "orders ended: timeout after 5.0 ms")),
        (WITHOUT_METRICS, Line("log", BEGAN + 5, "ERROR", "orders ended: timeout after 5.0 ms")),
        (LOGS.line(1, 5, "hello", record=7, **BUSINESS), Line("log", BEGAN + 5, "INFO", "hello", "handler:12", "lambda_guard", {"record": 7, **BUSINESS})),
        (LOGS.line(1, 5, "hello", function_request_id=ID, **BUSINESS), Line("log", BEGAN + 5, "INFO", "hello", "handler:12", "lambda_guard", {key: BUSINESS[key] for key in ("tenantId", "requestId", "time", "log_level")})),
        (POWERTOOLS, Line("log", BEGAN, "INFO", "hello", "handler:12", fields={"tenantId": "acme", "requestId": "ddb-77", "time": "noon", "log_level": "high"})),
        (LAMBDAS_OWN, Line("log", BEGAN, "INFO", "hello", logger="root", fields={"time": "noon", "aws_request_id": "sdk-1"})),
        (f"[ERROR]\t2026-11-23T15:04:05.000Z\t{ID}\tno luck", Line("text", BEGAN, "ERROR", "no luck")),
        (f"2026-11-23T15:04:05.000Z\t{ID}\tWARN\tnode", Line("text", BEGAN, "WARNING", "node")),
        ("[ERROR] KeyError: 'x'\rTraceback (most recent call last):\r  File b", Line("text", None, "ERROR", "KeyError: 'x'", exception="Traceback (most recent call last):\n  File b")),
        ("just a print", Line("text", None, "", "just a print")),
        (f"RequestId: {ID} Error: Runtime exited with error: signal: killed", Line("platform", None, "ERROR", "Error: Runtime exited with error: signal: killed")),
        ("INIT_START Runtime Version: python:3.13.v1\tRuntime Version ARN: arn:x", Line("platform", None, "", "INIT_START Runtime Version: python:3.13.v1  Runtime Version ARN: arn:x")),
        (f'{{"time":"{stamp(BEGAN)}","type":"platform.initStart","record":{{"phase":"init"}}}}', Line("platform", BEGAN, "", "platform.initStart", fields={"phase": "init"})),
        ('{"level":"INFO","mess', Line("text", None, "", '{"level":"INFO","mess', broken=True)),
    ],
)  # fmt: skip
def test_each_form_is_understood(raw, line):
    """The whole of what is made of a line."""
    assert parse(raw.encode()) == line


def test_a_line_takes_the_time_of_its_source_where_it_has_none():
    """CloudWatch Logs knows when a print was written."""
    assert parse(TimedLine.at(b"just a print", 5.0)).time_ms == 5.0


def test_a_report_is_read_with_all_its_fields():
    """Lambda's REPORT, as it is after a cold start that failed with X-Ray on."""
    report = Report()
    text = (
        f"REPORT RequestId: {ID}\tDuration: 12.34 ms\tBilled Duration: 200 ms\tMemory Size: 128 MB\tMax Memory Used: 72 MB"
        f"\tInit Duration: 180.5 ms\t\nXRAY TraceId: {TRACE}\tSegmentId: 53995c3f42cd8ad8\tSampled: true\t"
        "Status: error\tError Type: Runtime.ExitError"
    )
    add_to_report(report, text.encode())
    assert report == Report(
        ended=True,
        status="error",
        error_type="Runtime.ExitError",
        duration_ms=12.34,
        billed_ms=200.0,
        init_ms=180.5,
        memory_limit_mb=128.0,
        memory_used_mb=72.0,
        trace_id=TRACE,
    )


@given(
    st.one_of(
        st.binary(),
        st.text().map(lambda text: text.encode("utf-8", "replace")),
        st.binary().map(lambda rest: b"REPORT RequestId: " + rest),
    )
)
def test_no_line_is_too_odd(raw):
    """Bytes are what they are: they come out as a line, and can be drawn."""
    line = parse(raw)
    assert line.kind in ("log", "platform", "text")
    add_to_report(Report(), raw)
    assert "\x1b" not in TextView(Palette(on=False)).block(Invocation("i", raw=[raw]))


def test_on_a_narrow_terminal_the_ids_have_a_line_of_their_own():
    """What matters stays on the first line; ids stay whole, to be copied."""
    view = TextView(Palette(on=False), 80)
    assert (
        view.block(Invocation(ID, record={"outcome": "success", "function_name": "orders"}))
        == f"✓ success  orders  {ID}\n\n"
    )
    record = {
        "outcome": "success",
        "function_name": "orders",
        "duration_ms": 5.0,
        "timestamp": stamp(BEGAN),
        "xray_trace_id": TRACE,
    }
    assert view.block(Invocation(ID, record=record)) == (
        f"✓ success  orders  5 ms\n    2026-11-23 15:04:04.995  {ID}  trace {TRACE}\n\n"
    )


def test_an_invocation_goes_by_all_its_ids():
    """Its own, its traces', those of messages received, failed and sent."""
    record = {
        "xray_trace_id": "t-1",
        "lambda_trace_id": "t-2",
        "upstreams": [
            {"trace_id": "t-3", "message_ids": ["m-1"]},
            {"trace_id": None, "message_ids": ["m-2"]},
        ],
        "sent": [{"message_id": "m-3"}],
        "records": {"failures": [{"message_id": "m-4"}]},
    }
    assert identities(Invocation("i", record=record)) == {
        "i",
        "t-1",
        "t-2",
        "t-3",
        "m-1",
        "m-2",
        "m-3",
        "m-4",
    }
