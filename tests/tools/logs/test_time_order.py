"""In order of time: invocations of all sources, and the lines of each."""

import json
from itertools import permutations
from pathlib import Path

import pytest

from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.model import Stray, TimedLine
from lambda_guard.tools.logs.reading.lines import parse
from lambda_guard.tools.logs.time_order import BY_STREAM, PAUSED, SORTED_BYTES_MOST, in_order_of_time

from ..conftest import BEGAN, Logs, encode, invocation_id, stamp

LOGS = Logs()


def run(number, at, function="orders", outcome="success"):
    """Write an invocation that begins then, ms after `BEGAN`, and takes 50."""
    return [
        LOGS.line(number, at + 1, f"{function} {number}", function=function),
        LOGS.record(number, at + 50, 50.0, function=function, outcome=outcome),
    ]


def first_messages(result):
    """Return the first line of each block of `--json`, in the order shown."""
    return [json.loads(line)["lines"][0]["message"] for line in result.stdout.decode().splitlines()]


ORDERS = [*run(1, 0), *run(3, 300), *run(5, 600)]
BILLING = [*run(2, 200, "billing"), *run(4, 400, "billing")]
MERGED = ["orders 1", "billing 2", "orders 3", "billing 4", "orders 5"]


def test_files_are_merged(lambda_guard, write, tmp_path):
    """Whatever their names and their order on the command line; of a directory, and of text as well as of JSON."""
    paths = [write(ORDERS, "logs-b.log"), write(BILLING, "logs-a.log")]
    for some in permutations(paths):
        assert first_messages(lambda_guard("invocations", *some, "--json")) == MERGED
    assert first_messages(lambda_guard("invocations", str(tmp_path), "--json")) == MERGED
    text = lambda_guard("invocations", *paths).stdout.decode()
    assert [line.split("INFO     ")[1] for line in text.splitlines() if "INFO" in line] == MERGED


def test_the_streams_of_standard_input_are_merged(lambda_guard):
    """Also those of a document, in which each event names its own."""
    result = lambda_guard("invocations", "-", "--json", stdin="\n".join([*BILLING, *ORDERS]))
    assert first_messages(result) == MERGED
    events = [
        {"timestamp": int(BEGAN + at), "message": text, "logStreamName": stream}
        for stream, start, number in (("b", 300, 2), ("a", 0, 1))
        for at, text in ((start, LOGS.start(number)), (start + 5, f"print {number}"), (start + 9, LOGS.report(number)))
    ]  # fmt: skip
    result = lambda_guard("invocations", "-", "--json", stdin=encode({"events": events}))
    assert first_messages(result) == ["print 1", "print 2"]


def test_options_hold_in_that_order(lambda_guard, write):
    """The first ones are the earliest; filters change nothing."""
    paths = [write([*run(3, 300, outcome="error"), *run(5, 600)], "a.log"), write([*run(1, 0, outcome="error"), *run(2, 200)], "b.log")]  # fmt: skip
    told = [first_messages(lambda_guard("invocations", *paths, "--json", *options)) for options in (("--limit", "2"), ("--failed",))]  # fmt: skip
    assert told == [["orders 1", "orders 2"], ["orders 1", "orders 3"]]


def test_equal_times_keep_the_order_of_the_source(lambda_guard, write):
    """Of invocations and of lines: there is no other."""
    lines = [LOGS.line(number, 1, f"{word} {number}") for word in ("z", "a") for number in (2, 1)]
    path = write([*lines, LOGS.record(2, 5, 5.0), LOGS.record(1, 5, 5.0)])
    documents = map(json.loads, lambda_guard("invocations", path, "--json").stdout.splitlines())
    assert [[line["message"] for line in one["lines"]] for one in documents] == [
        ["z 2", "a 2"],
        ["z 1", "a 1"],
    ]


def test_what_has_no_time_keeps_its_place(lambda_guard, write):
    """Behind what was before it in its source; a source that has none at all stays behind the one before it."""
    silent = [LOGS.start(8), "silent", LOGS.end(8), LOGS.report(8)]
    without = [LOGS.start(9), "without", LOGS.end(9), LOGS.report(9)]
    mixed = write([*run(4, 400), *silent, *run(6, 600)], "a.log")
    paths = [mixed, write(without, "b.log"), write([*run(5, 500), *run(7, 700)], "c.log")]
    told = first_messages(lambda_guard("invocations", *paths, "--json"))
    assert told == ["orders 4", "silent", "orders 5", "orders 6", "without", "orders 7"]


def test_the_lines_of_an_invocation_are_in_order_whatever_the_files(lambda_guard, write):
    """A stream that was cut in the middle of an invocation, with its later part read first."""
    earlier = write([LOGS.line(1, 1, "one"), LOGS.line(1, 2, "two")], "z.log")
    later = write([LOGS.line(1, 3, "three"), "Traceback of three", LOGS.record(1, 5, 5.0)], "a.log")
    (one,) = map(json.loads, lambda_guard("invocations", later, earlier, "--json").stdout.splitlines())
    messages = [line["message"] for line in one["lines"]]
    assert [message for message in messages if message != "Traceback of three"] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("raws", "messages"),
    [
        ([LOGS.line(1, 5, "b"), "below b", LOGS.line(1, 1, "a"), "below a"], ["a", "below a", "b", "below b"]),
        ([LOGS.line(1, 5, "b"), LOGS.line(1, -BEGAN, "1970"), LOGS.line(1, 6, "c")], ["b", "1970", "c"]),
        (["above", LOGS.line(1, 5, "b"), LOGS.line(1, 1, "a")], ["above", "a", "b"]),
        (
            [LOGS.line(1, 5, "b"), f'{{"timestamp":"{stamp(BEGAN)[:19]}Z","errorType":"E","errorMessage":"x"}}', LOGS.line(1, 1, "a")],
            ["a", "b", "E: x"],
        ),
    ],
    ids=["what stands below a line", "no true time", "above all", "whole seconds"],
)  # fmt: skip
def test_lines_without_a_time_stay_below_the_line_above_them(raws, messages):
    """They have no other place."""
    lines = Invocation(invocation_id(1), raw=[raw.encode() for raw in raws]).lines
    assert [line.message for line in lines] == messages


def test_of_two_clocks_that_of_the_source_counts():
    """CloudWatch Logs has a time for each line, a print included; what a line says of itself may be earlier."""
    raws = [TimedLine.at(text.encode(), BEGAN + at) for at, text in ((5, LOGS.line(1, 1, "b")), (5, "c"), (4, LOGS.line(1, 0, "a")))]  # fmt: skip
    assert [line.message for line in Invocation(invocation_id(1), raw=raws).lines] == ["a", "b", "c"]


def block(number, at, size=10):
    """Make an invocation that begins then."""
    record = {"timestamp": stamp(BEGAN + at), "duration_ms": 0.0}
    return Invocation(invocation_id(number), "app.log", [b"x" * size], record)


def test_more_than_fits_is_shown_as_it_is_read_and_said(lambda_guard, write):
    """The bound is of what is shown: a filter that leaves little brings it back into order."""
    padding = [LOGS.line(9, 900, str(at) + "x" * 2**20) for at in range(SORTED_BYTES_MOST // 2**20)]
    large = write([*run(3, 300, outcome="error"), *padding, LOGS.record(9, 950, 60.0)], "a.log")
    small = write(run(1, 0, outcome="error"), "b.log")
    result = lambda_guard("invocations", large, small, "--json")
    assert first_messages(result)[0] == "orders 3"
    assert f"  {BY_STREAM}\n" in result.stderr.decode()
    result = lambda_guard("invocations", large, small, "--json", "--failed")
    assert first_messages(result) == ["orders 1", "orders 3"]
    assert "not in order" not in result.stderr.decode()


def test_the_bound_is_stated(lambda_guard):
    """In the help, in the sentence, and on the page."""
    bound = f"{SORTED_BYTES_MOST // 2**20} MB"
    page = Path(__file__).parents[3] / "docs" / "seeing.md"
    for text in (
        BY_STREAM,
        lambda_guard("invocations", "--help").stdout.decode(),
        page.read_text(encoding="utf-8"),
    ):
        assert bound in text


def test_a_pause_shows_what_there_is():
    """Somebody may be looking on; a moment's silence is none. Where the order is lost by it, that's said, once."""
    notes = []
    one, two, three = block(1, 0), block(2, 10), block(3, 20)
    shown = in_order_of_time([three, None, two, None, None, one, None, None, block(0, -5)], notes.append)
    assert next(shown) is two
    assert [next(shown), next(shown)] == [three, one]
    assert notes == [PAUSED]
    assert [one.invocation_id for one in shown] == [invocation_id(0)]
    assert notes == [PAUSED]


def test_a_pause_alone_loses_nothing():
    """What comes in order is in order."""
    notes = []
    blocks = [block(1, 0), None, None, None, block(2, 10), None, None]
    assert [one.invocation_id for one in in_order_of_time(blocks, notes.append)] == [
        invocation_id(1),
        invocation_id(2),
    ]
    assert notes == []


def test_late_lines_go_back_into_their_invocation():
    """As long as it is held; lines of no invocation stand where they were written."""
    late = Invocation(invocation_id(1), "app.log", [LOGS.line(1, 2, "late").encode()], late=True)
    raw = f"{stamp(BEGAN + 5)} hello".encode()
    stray = Stray("other.log", [parse(raw)], [TimedLine.at(b"hello", BEGAN + 5)])
    first, second = block(1, 0), block(2, 10)
    merged, *rest = in_order_of_time([second, first, late, stray], [].append)
    assert (merged.late, [line.message for line in merged.lines][-1:]) == (False, ["late"])
    assert rest == [stray, second]
