"""Attempts of asynchronous invocations: numbered by their times, and only where these tell which is the first."""

import json
from itertools import permutations

import pytest

from lambda_guard.tools.logs.cloudwatch.reader import CloudWatchReader
from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.reading.attempts import HELD_BYTES_MOST, number_attempts
from lambda_guard.tools.logs.selection import Selection, Target

from ..conftest import BEGAN, Logs, encode, invocation_id, stamp
from .test_cloudwatch_shapes import GROUP, STATISTICS, WINDOW, cloud, event, row

LOGS = Logs()
STARTS = (0, 61_000, 182_000)
"""When three attempts begin: a minute after the first has ended, two minutes after the second."""

ORDERS = tuple(permutations((1, 2, 3)))

__all__ = ("cloud",)


def attempt(place, start, **more):
    """Write the lines of an attempt that took a second and failed."""
    told = {"outcome": "error", "trigger": {"type": "sns"}, **more}
    return [
        LOGS.line(1, start + 1, f"try {place}"),
        LOGS.record(1, start + 1_000, 1_000.0, **told),
    ]


def numbers(text):
    """Read from `--json` what each invocation tried, and as which attempt."""
    documents = map(json.loads, text.splitlines())
    return [(one["lines"][0]["message"], one.get("attempt")) for one in documents]


BY_TIME = {("try 1", 1), ("try 2", 2), ("try 3", 3)}


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_attempts_in_three_streams_are_numbered_by_time(lambda_guard, write, order):
    """Whatever the files are called, and in whichever order they are read; and they are shown by it."""
    paths = [
        write(attempt(place, STARTS[place - 1]), f"{name}.log")
        for name, place in zip("abc", order, strict=True)
    ]
    told = numbers(lambda_guard("invocations", *paths, "--json").stdout.decode())
    assert told == sorted(BY_TIME)
    text = lambda_guard("invocations", *paths).stdout.decode()
    heads = [line for line in text.splitlines() if line.startswith("✗")]
    assert [f"attempt {place}" in head for place, head in enumerate(heads, 1)] == [True] * 3


def test_a_filter_changes_no_number(lambda_guard, write):
    """The attempts are counted before they are selected."""
    path = write([line for place, at in enumerate(STARTS, 1) for line in attempt(place, at)])
    since = stamp(BEGAN + STARTS[1] - 10_000)
    told = numbers(lambda_guard("invocations", path, "--since", since, "--json").stdout.decode())
    assert told == [("try 2", 2), ("try 3", 3)]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_a_trace_has_them_all_in_memory(lambda_guard, write, order):
    """Also from standard input, which is read to its end before anything is shown."""
    lines = [line for place in order for line in attempt(place, STARTS[place - 1])]
    result = lambda_guard("trace", invocation_id(1), "-", "--json", stdin="\n".join(lines).encode())
    (trace,) = map(json.loads, result.stdout.splitlines())
    told = [(one["lines"][0]["message"], one["attempt"]) for one in trace["roots"]]
    assert told == [("try 1", 1), ("try 2", 2), ("try 3", 3)]


def test_a_page_has_them_all_in_memory(lambda_guard, write, tmp_path):
    """Where everything that was read stands on it."""
    lines = [line for place in (2, 3, 1) for line in attempt(place, STARTS[place - 1])]
    page = tmp_path / "page.html"
    lambda_guard("invocations", "-", "--html", str(page), stdin="\n".join(lines).encode())
    text = page.read_text()
    assert [text.count(f"attempt {place}") > 0 for place in (1, 2, 3)] == [True] * 3


def test_what_comes_in_as_a_stream_has_no_number(lambda_guard):
    """The first attempt may come last: only the record itself can know."""
    lines = [*attempt(2, STARTS[1]), *attempt(3, STARTS[2], attempt=3), *attempt(1, STARTS[0])]
    told = numbers(
        lambda_guard("invocations", "-", "--json", stdin="\n".join(lines).encode()).stdout.decode()
    )
    assert set(told) == {("try 2", None), ("try 3", 3), ("try 1", None)}


def test_large_logs_are_not_held_for_it(lambda_guard, write):
    """Memory is bounded, so that nothing can be sorted."""
    padding = [LOGS.line(2, 10, "x" * 100_000)] * (HELD_BYTES_MOST // 100_000 + 1)
    lines = [*attempt(2, STARTS[1]), *padding, LOGS.record(2, 50, 50.0), *attempt(1, STARTS[0])]
    told = numbers(lambda_guard("invocations", write(lines), "--json").stdout.decode())
    assert {number for _, number in told} == {None}
    assert len(told) == 3


@pytest.mark.parametrize(
    ("starts", "known"),
    [
        ((0, 61_000), [1, 2]),
        ((0, 121_000), [None, None]),
        ((0, 181_000, 302_000), [1, 2, 3]),
        ((0, 61_000, 182_000, 183_000), [1, 2, 3, 4]),
        ((0,), [None]),
    ],
    ids=["a minute", "two minutes", "late", "delivered twice", "alone"],
)
def test_a_number_is_known_where_the_first_attempt_is(starts, known):
    """Two minutes after another attempt may be the third: logs may begin after the first."""
    found = [
        Invocation(
            "id", record={"timestamp": stamp(BEGAN + at + 1_000), "duration_ms": 1_000.0}, attempt_seen=seen
        )
        for seen, at in enumerate(starts, 1)
    ]
    number_attempts(found)
    assert [one.attempt for one in found] == known


def test_an_attempt_that_does_not_tell_its_time_leaves_all_without_a_number():
    """It may be any of them."""
    timed = [
        Invocation("id", record={"timestamp": stamp(BEGAN + at), "duration_ms": 1.0}, attempt_seen=seen)
        for seen, at in enumerate(STARTS, 1)
    ]
    found = [*timed, Invocation("id", attempt_seen=4)]
    number_attempts(found)
    assert [one.attempt for one in found] == [None] * 4


def test_late_lines_go_to_the_attempt_in_whose_time_they_were_written(lambda_guard, write):
    """Attempts may be read before an earlier one's last line."""
    lines = [
        *attempt(2, STARTS[1]),
        *attempt(1, STARTS[0]),
        *attempt(3, STARTS[2]),
        LOGS.line(1, STARTS[0] + 1_500, "late"),
    ]
    documents = map(json.loads, lambda_guard("invocations", write(lines), "--json").stdout.splitlines())
    told = [([line["message"] for line in one["lines"]], one["attempt"]) for one in documents]
    assert told == [(["try 1", "late"], 1), (["try 2"], 2), (["try 3"], 3)]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_insights_finds_attempts_in_the_order_of_their_streams(cloud, order):
    """Each environment has a stream of its own: attempts wait until all of them are read."""
    streams = {place: f"2026/11/23/[$LATEST]{name}" for name, place in zip("abc", order, strict=True)}
    rows = [
        row(attempt(place, at)[1], at=stamp(BEGAN + at + 1_000)[:-1].replace("T", " "), stream=streams[place])
        for place, at in enumerate(STARTS, 1)
    ]
    cloud.expect("logs", "start_query", {"queryId": "q"})
    cloud.expect(
        "logs", "get_query_results", {"status": "Complete", "results": rows, "statistics": STATISTICS}
    )
    for place in order:
        at, stream = STARTS[place - 1], streams[place]
        cloud.expect(
            "logs",
            "filter_log_events",
            {"events": [event(line, at + 1_000, stream=stream) for line in attempt(place, at)]},
        )
    selection = Selection(failed=True, since_ms=WINDOW[0], until_ms=WINDOW[1])
    with CloudWatchReader(Target(groups=(GROUP,)), selection, cloud) as reader:
        found = list(reader.read())
    assert {(one.lines[0].message, one.attempt) for one in found} == BY_TIME


def test_platform_lines_alone_tell_the_times_of_attempts(lambda_guard, write):
    """Functions without lambda_guard, whose export has a time before each line."""

    def told(place, start):
        texts = (LOGS.start(1), f"try {place}", LOGS.end(1), LOGS.report(1, 1_000.0, status="error"))
        return [f"{stamp(BEGAN + start + 250 * at)} {text}" for at, text in enumerate(texts)]

    paths = [
        write(told(place, STARTS[place - 1]), f"{name}.log") for name, place in (("a", 3), ("b", 1), ("c", 2))
    ]
    assert set(numbers(lambda_guard("invocations", *paths, "--json").stdout.decode())) == BY_TIME


def test_attempts_on_managed_streams_are_numbered_too(lambda_guard, write):
    """A document of events names the log stream of each: attempts in several of them come in any order."""
    events = [
        {"timestamp": int(BEGAN + STARTS[place - 1] + 1_000), "message": line, "logStreamName": f"s{place}"}
        for place in (3, 1, 2)
        for line in attempt(place, STARTS[place - 1])
    ]
    path = write([encode({"events": events})], "events.json")
    assert set(numbers(lambda_guard("invocations", path, "--json").stdout.decode())) == BY_TIME
