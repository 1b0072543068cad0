"""A page of very many invocations: how large it gets, what it keeps, and what it says is missing."""

import json
import re

import pytest

from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.traces.tree import build_traces
from lambda_guard.tools.logs.views.html.page_data import page_data
from lambda_guard.tools.logs.views.html.room import Room

from ..conftest import Logs, invocation_id

LOGS = Logs()


def invocation(number, lines=4, outcome="success"):
    """Make an invocation of a trace of its own with lines of about 300 bytes."""
    trace = f"1-6742a1b5-{number:024x}"
    raw = [LOGS.line(number, at, f"step {at}", trace=trace) for at in range(lines)]
    record = LOGS.record(number, 9, 9.0, outcome=outcome, trace=trace)
    return Invocation(
        invocation_id(number),
        raw=[line.encode() for line in (*raw, record)],
        record=json.loads(record),
        record_line=record.encode(),
    )


def messages(one):
    return [line.message for line in one.lines]


def test_a_failure_keeps_its_lines_longest():
    """Where there is no room, the latest that succeeded lose theirs first; then a failure keeps its ends."""
    first, second, failed = invocation(1), invocation(2), invocation(3, outcome="error")
    line, row = len(first.raw[0]), 300
    room = Room(3 * row + 9 * line + 100)
    for one in (first, second, failed):
        room.take(one)
    assert (len(first.lines), first.left_out) == (4, 0)
    assert (messages(second), second.left_out) == (["step 0"], 3)
    assert (len(failed.lines), failed.left_out) == (4, 0)
    late = invocation(4, outcome="error")
    room.take(late)
    assert (second.left_out, late.left_out, len(late.lines)) == (4, 0, 4)
    assert first.left_out + len(first.lines) == 4
    assert first.left_out >= 3


def test_a_failure_larger_than_the_room_keeps_its_beginning_and_its_end():
    """The middle tells least of how it went."""
    one = invocation(1, lines=100, outcome="error")
    Room(300 + 4 * len(one.raw[99]) + 100).take(one)
    assert (messages(one), one.left_out) == (["step 0", "step 1", "step 98", "step 99"], 96)


@pytest.mark.parametrize("size", [8_000, 20_000, 100_000])
def test_the_rows_of_a_page_have_a_bound(size):
    """Rows and lines together, whatever there is; what is missing is counted."""
    invocations = [invocation(at, outcome="error" if at == 19 else "success") for at in range(1, 41)]
    head, rows = page_data(build_traces(invocations), title="", size=size)
    assert len(b"".join(map(bytes, rows))) < size
    shown = [json.loads(bytes(row)) for row in rows]
    missing = 40 - len(shown)
    without = sum(not row["lines"] for row in shown)
    told = f"{missing} invocations, " if missing else ""
    assert f"{told}lines of {without} invocations" in json.loads(bytes(head["left_out"])) or size == 100_000
    if len(shown) > 18:
        assert len(shown[18]["lines"]) == 4


def test_the_command_and_the_page_say_what_is_missing(lambda_guard, write, tmp_path):
    """More lines than a page holds: the number of those left out is said in both places."""
    lines = [LOGS.line(1, 1, str(at) * 2_000_000) for at in range(6)]
    path = write([*lines, LOGS.line(1, 8, "y" * 2_000_000), LOGS.record(1, 9, 9.0)])
    page = tmp_path / "page.html"
    said = lambda_guard("invocations", path, "--html", str(page)).stderr.decode()
    text = page.read_text(encoding="utf-8")
    assert len(text) < 12_000_000
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', text, re.DOTALL)[1])
    assert data["left_out"] == "left out to keep the page small: lines of 1 invocation"
    assert data["left_out"] in said
    assert data["nodes"][0]["left_out"] > 0


def test_one_trace_is_cut_too():
    """Its last rows, when they are more than a page holds; what they were the example of has another, or none."""
    shared = "1-6742a1b5-0123456789abcdef01234567"
    sent = [
        {"service": "sqs", "operation": "SendMessage", "target": "orders", "message_id": f"m-{at}"}
        for at in range(9)
    ]
    invocations = []
    for number in range(1, 41):
        error = {
            "type": "KeyError" if number < 40 else "Rare",
            "message": "x",
            "fingerprint": str(number == 40),
        }
        record = LOGS.record(number, number, 1.0, outcome="error", trace=shared, sent=sent, error=error)
        invocations.append(Invocation(invocation_id(number), record=json.loads(record)))
    (trace,) = build_traces(invocations)
    head, rows = page_data([trace], title="", size=20_000)
    assert len(b"".join(map(bytes, rows))) < 20_000
    assert 5 < len(rows) < 40
    told = {key: json.loads(bytes(value)) for key, value in head.items()}
    assert told["left_out"] == f"left out to keep the page small: {40 - len(rows)} invocations"
    assert (told["count"], told["traces"][0]["count"]) == (len(rows), len(rows))
    common, rare = (cause["at"] for cause in told["causes"])
    assert 0 <= common < len(rows)
    assert rare == -1
