"""The clocks are ours: a test that patches `time` changes nothing of ours and loses nothing to us."""

import json
import time
from datetime import datetime, timedelta
from unittest import mock

import pytest

from lambda_guard import _guard, logger, metrics, production
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context


def work(event, context):
    """Read a clock that the test has patched."""
    print("printed")
    metrics.add_metric("Orders", "Count", 1)
    return [event["clock"]() for _ in range(event["readings"])]


CLOCKS = ["time", "perf_counter", "monotonic", "process_time", "thread_time", "gmtime", "strftime"]


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize(
    "event", [{}, events.sqs("a", trace_header=TRACE_HEADER.replace("bd862e3f", "00000000"))]
)
def test_a_patched_clock_is_left_to_the_users_code(clock, event):
    """Each value that a test has put into it reaches the handler, and what is written is as ever."""
    values = [0.0, None, "not a time"]
    handler = production(work)
    with capture(TRACE_HEADER) as captured, mock.patch(f"time.{clock}", side_effect=[*values]):
        found = handler(
            {**event, "clock": getattr(time, clock), "readings": 3}, make_context(timeout_ms=60_000)
        )
    assert found == values
    record = captured.record
    assert "GuardErrors" not in record
    assert record["duration_ms"] > 0
    assert record["timestamp"] > "2026"
    assert [line["message"] for line in captured.logs] == ["printed"]


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_line_reads_no_clock_of_the_tests(fresh, clock):
    """Outside of pytest, where nobody listens to log records, a line is written by our clock, too."""
    output = fresh(f"""
        from unittest import mock
        from lambda_guard import logger, production

        @production
        def handler(event, context):
            logger.info("at work")

        handler({{}}, None)
        with mock.patch("time.{clock}", side_effect=[]):
            handler({{}}, None)
    """)
    assert output.count('"message":"at work"') == 2
    assert "could not do its part" not in output


@pytest.mark.parametrize("clock", ["time", "perf_counter"])
@pytest.mark.parametrize("nonsense", ["None", "'noon'", "float('nan')", "float('inf')"])
def test_a_clock_that_gives_nonsense(fresh, clock, nonsense):
    """Where a clock is broken before we bind it, the handler is called, and record and complaint are written."""
    output = fresh(f"""
        import json, time
        import lambda_guard.sinks.log.lines  # logging itself can't be imported without a clock
        real = time.{clock}
        time.{clock} = lambda: {nonsense}
        from lambda_guard import production
        time.{clock} = real
        calls = []
        handler = production(lambda event, context: calls.append(event) or "done")
        assert handler({{"id": 1}}, None) == "done"
        assert len(calls) == 1
    """)
    lines = [json.loads(line, parse_constant=pytest.fail) for line in output.splitlines()]
    assert [line["outcome"] for line in lines if line.get("record") == "invocation"] == ["success"]
    assert any("could not do its part" in line["message"] for line in lines)


@pytest.mark.parametrize("clock", ["time", "perf_counter"])
def test_where_the_process_is_stopped_between_two_clocks_no_line_comes_before_the_invocation(
    monkeypatch, clock
):
    """On a busy machine it may be: a reader takes the duration from the record's time to know when it began."""
    read, is_over = getattr(_guard, clock), False

    def stopped():
        if is_over:
            time.sleep(0.05)
        return read()

    @production
    def handler(event, context):
        nonlocal is_over
        logger.info("at work")
        is_over = True

    monkeypatch.setattr(_guard, clock, stopped)
    with capture() as captured:
        handler({}, None)
    record, [line] = captured.record, captured.logs
    ended, written = (datetime.fromisoformat(each["timestamp"]) for each in (record, line))
    began = ended - timedelta(milliseconds=record["duration_ms"])
    assert (written - began) / timedelta(milliseconds=1) > -1  # lines tell whole milliseconds
