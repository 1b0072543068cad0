"""Grouping: which lines make up which invocation."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.model import Stray, TimedLine
from lambda_guard.tools.logs.reading.grouping import Grouper
from lambda_guard.tools.logs.reading.streams import Stream
from lambda_guard.tools.logs.selection import identities

from ..conftest import BEGAN, TRACE, Logs, encode, invocation_id, stamp

LOGS = Logs()


def group(lines, *, exact=False, **limits):
    """Group lines of one stream; give the blocks and the tally."""
    grouper = Grouper(**limits)
    stream = Stream("app.log", exact=exact)
    grouper.feed([line if isinstance(line, bytes) else line.encode() for line in lines], stream)
    grouper.finish()
    return list(grouper.take()), grouper.tally


def told(block):
    """Give a block in short: whose it is, how it ended, and what its lines say."""
    if isinstance(block, Stray):
        return ("stray", [line.message for line in block.lines])
    return (block.invocation_id[:8], block.outcome, [line.message for line in block.lines])


def test_interleaved_invocations_come_out_separate():
    """Lines of many environments in one file are put together by invocation, whatever their order."""
    chance = random.Random(7)
    scripts = {
        number: [
            *(LOGS.line(number, step, f"{number}/{step}") for step in range(5)),
            LOGS.record(number, 10, 10.0),
        ]
        for number in range(20)
    }
    lines = []
    while any(scripts.values()):
        number = chance.choice([key for key, left in scripts.items() if left])
        lines.append(scripts[number].pop(0))
    blocks, tally = group(lines)
    assert sorted(map(told, blocks)) == [
        (invocation_id(number)[:8], "success", [f"{number}/{step}" for step in range(5)])
        for number in range(20)
    ]
    assert (tally.lines, tally.strays, tally.duplicates) == (120, 0, 0)


def test_a_nested_id_does_not_claim_the_line():
    """An invocation id inside a user's field names someone else's invocation."""
    nested = LOGS.line(1, 0, "calling", answer={"invocation_id": invocation_id(2)})
    blocks, _ = group([nested, LOGS.record(1, 5, 5.0)])
    assert [told(block) for block in blocks] == [("00000001", "success", ["calling"])]


def test_text_between_start_and_end_belongs_to_the_invocation():
    """Prints without an id go to the one invocation that runs; the platform's lines are folded in."""
    blocks, _ = group([LOGS.start(1), "hello", "  indented", LOGS.end(1), LOGS.report(1), "left over"])
    assert [told(block) for block in blocks] == [
        ("00000001", "success", ["hello", "  indented"]),
        ("stray", ["left over"]),
    ]
    report = blocks[0].report
    assert (report.duration_ms, report.billed_ms, report.memory_used_mb, report.version) == (
        12.34,
        13.0,
        72.0,
        "$LATEST",
    )


def test_text_is_nobodys_where_two_may_have_written_it():
    """Where several environments share a file, a print between their lines can't be told apart, and is said so."""
    blocks, tally = group([LOGS.start(1), LOGS.start(2), "whose?", LOGS.report(1), LOGS.report(2)])
    assert ("stray", ["whose?"]) in [told(block) for block in blocks]
    assert tally.strays == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"[INFO]\t2026-11-23T15:04:05.123Z\t{invocation_id(1)}\tfrom the runtime", "from the runtime"),
        (f"2026-11-23T15:04:05.123Z\t{invocation_id(1)}\tINFO\tfrom node", "from node"),
        (
            f'{{"level":"INFO","message":"powertools","function_request_id":"{invocation_id(1)}"}}',
            "powertools",
        ),
        (f'{{"level": "INFO", "message": "lambda json", "requestId": "{invocation_id(1)}"}}', "lambda json"),
        (f'{{"level":"INFO","message":"structlog","aws_request_id":"{invocation_id(1)}"}}', "structlog"),
        (
            f"2026-11-23T15:04:05.123Z {invocation_id(1)} Task timed out after 3.00 seconds",
            "Task timed out after 3.00 seconds",
        ),
        (
            f"RequestId: {invocation_id(1)} Error: Runtime exited with error: signal: killed",
            "Error: Runtime exited with error: signal: killed",
        ),
        (f"2026-11-23T15:04:05.123Z\t{invocation_id(1)}\tinfo\tfrom .NET", "from .NET"),
        (f"2026-11-23 16:04:05.123 (+01:00)\t{invocation_id(1)}\tINFO\tfrom sls logs", "from sls logs"),
        *(
            (line, line)
            for line in (
                f"I, [2026-11-23T15:04:05.123456 #8]  INFO {invocation_id(1)} -- : from Ruby",
                f'2026-11-23T15:04:05.123456Z  INFO Lambda runtime invoke{{requestId="{invocation_id(1)}"}}: shop: from Rust',
                f'{invocation_id(1)}\tInvoke Error\t{{"errorType":"RuntimeException","errorMessage":"from PHP"}}',
            )
        ),
        (
            encode(
                {"level": "INFO", "fields": {"message": "from Rust"}, "span": {"requestId": invocation_id(1)}}
            ),
            "from Rust",
        ),
    ],
)
def test_lines_of_functions_without_lambda_guard_are_known_by_their_ids(line, message):
    """Every documented way of naming the request is understood."""
    blocks, _ = group([LOGS.start(2), line, LOGS.report(2)])
    assert message in {
        text for block in blocks if block.invocation_id == invocation_id(1) for text in told(block)[2]
    }


def test_platform_events_in_json_are_folded_in():
    """The JSON forms of START and REPORT tell version, outcome, memory and trace."""
    blocks, _ = group(
        [
            LOGS.platform("start", 1, 0, version="7"),
            f'{{"level":"INFO","message":"plain","requestId":"{invocation_id(1)}"}}',
            LOGS.platform(
                "report",
                1,
                50,
                status="error",
                errorType="Runtime.ExitError",
                metrics={
                    "durationMs": 49.5,
                    "billedDurationMs": 50,
                    "memorySizeMB": 128,
                    "maxMemoryUsedMB": 128,
                    "initDurationMs": 80.1,
                },
                tracing={
                    "type": "X-Amzn-Trace-Id",
                    "value": "Root=1-6742a1b5-0123456789abcdef01234567;Sampled=1",
                },
            ),
        ]
    )
    (only,) = blocks
    assert (only.outcome, only.version, only.cold, only.trace_id, only.duration_ms, only.start_ms) == (
        "killed",
        "7",
        True,
        "1-6742a1b5-0123456789abcdef01234567",
        49.5,
        BEGAN,
    )


INIT = (
    "INIT_START Runtime Version: python:3.13.v30\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:1f2e"
)
XRAY = f"XRAY TraceId: {TRACE}\tSegmentId: 56c15a008a4aa713\tSampled: true\t"
EXTENSION = "EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"


def test_what_initializes_an_environment_goes_with_the_invocation_that_starts_next():
    """INIT_START tells the version of the runtime of the cold start; an extension's line is one of its lines."""
    blocks, tally = group(
        [INIT, EXTENSION, LOGS.start(1), LOGS.end(1), LOGS.report(1), LOGS.start(2), LOGS.report(2)]
    )
    assert [(*told(block), block.report.runtime, block.raw[0].decode()) for block in blocks] == [
        ("00000001", "success", [EXTENSION.replace("\t", "  ")], "python:3.13.v30", INIT),
        ("00000002", "success", [], "", LOGS.start(2)),
    ]
    assert tally.strays == 0


def test_an_initialization_in_json_goes_with_the_next_start_too():
    """The platform's events without a request id stand for the same lines."""
    events = [
        encode(
            {
                "time": stamp(BEGAN - 90),
                "type": "platform.initStart",
                "record": {"runtimeVersion": "python:3.13.v30"},
            }
        ),
        encode({"time": stamp(BEGAN - 1), "type": "platform.initReport", "record": {"phase": "init"}}),
    ]
    blocks, _ = group([*events, LOGS.platform("start", 1, 0), LOGS.record(1, 5, 5.0)])
    assert [(*told(block), block.report.runtime, block.start_ms) for block in blocks] == [
        ("00000001", "success", ["platform.initReport"], "python:3.13.v30", BEGAN)
    ]


RESTORED = "\tRestore Duration: 488.75 ms\tBilled Restore Duration: 202 ms\t"


def test_a_restore_goes_with_the_next_start_and_is_its_cold_start():
    """With SnapStart, the lines of the restore stand where those of the initialization would."""
    start = INIT.replace("INIT_START", "RESTORE_START")
    report = "RESTORE_REPORT Restore Duration: 488.75 ms"
    blocks, tally = group(
        [LOGS.start(1), LOGS.report(1), start, report, LOGS.start(2), LOGS.report(2) + RESTORED], exact=True
    )
    assert [
        (*told(block), block.cold, block.report.restore_ms, block.report.runtime) for block in blocks
    ] == [
        ("00000001", "success", [], False, None, ""),
        ("00000002", "success", [report], True, 488.75, "python:3.13.v30"),
    ]
    assert tally.strays == 0


def test_a_restore_in_json_does_too():
    """The platform's events stand for the same lines."""
    events = [
        encode({"time": stamp(BEGAN - 90 + place), "type": f"platform.{kind}", "record": record})
        for place, (kind, record) in enumerate(
            [
                ("restoreStart", {"runtimeVersion": "python:3.13.v30"}),
                ("restoreRuntimeDone", {"status": "success"}),
                ("restoreReport", {"status": "success", "metrics": {"durationMs": 488.75}}),
            ]
        )
    ]
    report = LOGS.platform("report", 1, 9, status="success", metrics={"restoreDurationMs": 488.75})
    (block,), tally = group([*events, LOGS.platform("start", 1, 0), report])
    assert (block.cold, block.report.restore_ms, block.report.runtime) == (True, 488.75, "python:3.13.v30")
    assert tally.strays == 0


def test_initializations_of_streams_in_one_file_are_told_apart():
    """Where prefixes name the streams, each cold start has its own."""
    prefixes = {number: f"2026/11/23/[$LATEST]{number}{number} 2026-11-23T15:04:05 " for number in (1, 2)}
    other = INIT.replace("3.13.v30", "3.12.v7")
    lines = [
        prefixes[1] + INIT,
        prefixes[2] + other,
        prefixes[2] + LOGS.start(2),
        prefixes[1] + LOGS.start(1),
    ]
    blocks, _ = group(lines)
    assert {block.invocation_id[:8]: block.report.runtime for block in blocks} == {
        "00000001": "python:3.13.v30",
        "00000002": "python:3.12.v7",
    }


def test_an_initialization_that_nothing_follows_is_nobodys():
    """An environment that was made ready and never used, or whose start lies outside of these logs."""
    blocks, tally = group([LOGS.start(1), LOGS.report(1), INIT])
    assert [told(block) for block in blocks] == [
        ("00000001", "success", []),
        ("stray", [INIT.replace("\t", "  ")]),
    ]
    assert tally.strays == 1


def test_initializations_that_nothing_follows_do_not_pile_up():
    """Memory is bounded: endless lines of one, and endless streams with one each, are given out on the way."""
    grouper = Grouper(open_most=4)
    for number in range(10):
        grouper.feed([INIT.encode()], Stream(f"stream-{number}", exact=True))
    one = Stream("looping")
    grouper.feed([INIT.encode()] * 250, one)
    early = [(block.source, len(block.lines)) for block in grouper.take()]
    grouper.finish()
    rest = [(block.source, len(block.lines)) for block in grouper.take()]
    assert sum(count for _, count in early + rest) == grouper.tally.strays == 260
    assert (len(rest) <= 5, len(one.starting)) == (True, 0)


def test_the_trace_id_below_report_belongs_to_what_was_reported():
    """Lambda writes it as the second line of the REPORT event; it leads to functions without lambda_guard."""
    lines = [LOGS.start(1), "hello", LOGS.end(1), LOGS.report(1), XRAY, LOGS.start(2), LOGS.report(2)]
    blocks, tally = group(lines)
    assert [(*told(block), block.trace_id) for block in blocks] == [
        ("00000001", "success", ["hello"], TRACE),
        ("00000002", "success", [], ""),
    ]
    assert (tally.strays, TRACE in identities(blocks[0])) == (0, True)


def test_report_and_trace_id_in_one_event_are_both_read():
    """CloudWatch Logs gives the two lines as one message."""
    event = TimedLine.at(f"{LOGS.report(1)}\n{XRAY}\n".encode(), BEGAN + 50)
    (only,), _ = group([LOGS.start(1), event], exact=True)
    assert (only.trace_id, only.report.memory_used_mb, told(only)) == (
        TRACE,
        72.0,
        ("00000001", "success", []),
    )


def test_the_second_line_of_an_event_has_no_prefix():
    """`sam logs` puts time and stream before an event, not before its second line; a blank one may stand between."""
    prefix = "2026/11/23/[$LATEST]aa 2026-11-23T15:04:05 "
    blocks, tally = group([prefix + LOGS.start(1), prefix + LOGS.report(1), "", XRAY])
    assert [(told(block), block.trace_id) for block in blocks] == [(("00000001", "success", []), TRACE)]
    assert tally.strays == 0


def test_a_trace_id_is_nobodys_where_another_environment_wrote_in_between():
    """Several environments may share a file: only the line right below REPORT is known to be its second."""
    blocks, _ = group(
        [LOGS.start(1), LOGS.start(2), LOGS.report(1), LOGS.report(2), LOGS.line(3, 0, "x"), XRAY]
    )
    assert [block.trace_id for block in blocks if isinstance(block, Invocation)][:2] == ["", ""]


def test_platform_lines_that_come_again_are_counted_not_shown():
    """An at-least-once export repeats events, also those that name no invocation."""
    timed = [TimedLine.at(line.encode(), BEGAN) for line in (INIT, LOGS.start(1), LOGS.report(1), XRAY)]
    blocks, tally = group([*timed, *timed], exact=True)
    assert [told(block) for block in blocks] == [("00000001", "success", [])]
    assert (tally.duplicates, tally.strays) == (4, 0)


def test_an_invocation_without_a_record_was_killed():
    """A guarded function always writes a record: where the platform reports the end and none stands there, it was killed."""
    blocks, _ = group([LOGS.start(1), LOGS.line(1, 0, "last words"), LOGS.end(1), LOGS.report(1)])
    assert told(blocks[0]) == ("00000001", "killed", ["last words"])


@pytest.mark.parametrize(
    ("source", "function"),
    [
        ("/aws/lambda/orders", "orders"),
        ("123456789012:/aws/lambda/orders", "orders"),
        ("logs/orders.log.gz", "orders"),
        ("exported/000000.gz", "?"),
        ("standard input", "?"),
    ],
)
def test_a_function_that_no_line_names_goes_by_its_source(source, function):
    """Its log group, or the file that is named after it; an export numbers its files."""
    grouper = Grouper()
    grouper.feed([line.encode() for line in (LOGS.start(1), LOGS.report(1))], Stream(source))
    grouper.finish()
    assert [block.function for block in grouper.take()] == [function]


def test_an_invocation_without_any_end_is_unfinished():
    """Nothing tells whether it runs still: that is what is said."""
    blocks, _ = group([LOGS.line(1, 0, "still here")])
    assert told(blocks[0]) == ("00000001", "unfinished", ["still here"])


def test_the_next_start_in_one_stream_ends_the_invocation_before():
    """An environment runs one invocation at a time: in a log stream the next one's first line is the last one's end."""
    blocks, _ = group(
        [LOGS.line(1, 0, "last words"), LOGS.line(2, 9, "next"), LOGS.record(2, 10, 1.0)], exact=True
    )
    assert [told(block)[:2] for block in blocks] == [("00000001", "killed"), ("00000002", "success")]


def test_the_platform_knows_of_a_timeout_that_the_process_could_not_record():
    """A text report's status, and the platform's own line, both say that the time ran out."""
    blocks, _ = group(
        [LOGS.start(1), LOGS.line(1, 0, "working"), LOGS.end(1), LOGS.report(1, status="timeout")]
    )
    said = group(
        [LOGS.start(1), f"2026-11-23T15:04:05.123Z {invocation_id(1)} Task timed out after 3.00 seconds"]
    )[0]
    assert (blocks[0].outcome, said[0].outcome) == ("timeout", "timeout")


def test_an_unguarded_function_that_ran_out_of_memory_was_killed():
    """The platform's line says so, or the error type in REPORT; a status alone says no more than that it failed."""
    exited = f"RequestId: {invocation_id(1)} Error: Runtime exited with error: signal: killed"
    failed = LOGS.report(1, status="error")
    by_line, _ = group([LOGS.start(1), exited, LOGS.end(1), failed])
    by_type, _ = group([LOGS.start(1), LOGS.end(1), f"{failed}\tError Type: Runtime.OutOfMemory"])
    by_status, _ = group([LOGS.start(1), LOGS.end(1), failed])
    assert [blocks[0].outcome for blocks in (by_line, by_type, by_status)] == ["killed", "killed", "error"]


def test_a_traceback_of_the_runtime_tells_an_error():
    """A function without lambda_guard that raised is not counted as a success."""
    error = "[ERROR] ValueError: boom\rTraceback (most recent call last):\r\xa0 File 'app.py'"
    blocks, _ = group([LOGS.start(1), error, LOGS.end(1), LOGS.report(1)])
    (line,) = blocks[0].lines
    assert (blocks[0].outcome, line.message) == ("error", "ValueError: boom")
    assert line.exception == "Traceback (most recent call last):\n  File 'app.py'"


FRAMES = "\n\tat shop.Handler.handleRequest(Handler.java:12)"
REPORTED = {
    "Java": ["no: luck: java.lang.IllegalStateException", f"java.lang.IllegalStateException: no: luck{FRAMES}"],
    "Java, no message": ["shop.Bad: shop.Bad", f"shop.Bad{FRAMES}"],
    "Python, a message of several lines": ["[ERROR] ValidationError: 2 errors", "name", "  required", "Traceback (most recent call last):"],
    "PHP": [f'{invocation_id(1)}\tInvoke Error\t{{"errorType":"E","errorMessage":"no"}}'],
    "Go": ['2026/11/23 15:04:05 {"errorMessage":"no","errorType":"errorString"}'],
    "Node.js, behind a local time": [
        f'2026-11-23 16:04:05.123 (+01:00)\t{invocation_id(1)}\tERROR\tInvoke Error \t{{"errorType":"Error","errorMessage":"no"}}'
    ],
}  # fmt: skip
CAUGHT = {
    "a logger, and what is printed of it": ["failed: java.lang.IllegalStateException", f"java.lang.IllegalStateException: no{FRAMES}"],
    "a traceback of another line": ["[ERROR] going on", f"[WARNING]\t{stamp(BEGAN)}\t{invocation_id(1)}\twhy", "Traceback (most recent call last):"],
    "no frames": ["it was: java.lang.IllegalStateException", "java.lang.IllegalStateException"],
}  # fmt: skip


@pytest.mark.parametrize("lines", REPORTED.values(), ids=REPORTED)
@pytest.mark.parametrize("as_event", [True, False])
def test_what_each_runtime_writes_of_an_exception_tells_an_error(lines, as_event):
    """In text, REPORT has no status; the report may be one event or several lines."""
    told = "\n".join(lines).encode()
    raws = [TimedLine.at(told, BEGAN)] if as_event else told.split(b"\n")
    blocks, _ = group([LOGS.start(1), *raws, LOGS.end(1), LOGS.report(1)], exact=True)
    assert [block.outcome for block in blocks] == ["error"]


@pytest.mark.parametrize("lines", CAUGHT.values(), ids=CAUGHT)
def test_what_a_handler_prints_of_an_exception_is_no_outcome(lines):
    """It looks similar, but nobody but the runtime writes class and message both ways round, or `[ERROR]` above."""
    raws = "\n".join(lines).split("\n")
    blocks, _ = group([LOGS.start(1), *raws, LOGS.end(1), LOGS.report(1)])
    assert [block.outcome for block in blocks] == ["success"]


NODE = '2026-11-23T15:04:05.223Z\t{}\tERROR\t{} \t{{"errorType":"Error","errorMessage":"boom"}}'


@pytest.mark.parametrize("kind", ["Invoke Error", "Uncaught Exception"])
def test_the_report_of_the_node_runtime_tells_an_error(kind):
    """Its text form has no status in REPORT."""
    lines = [LOGS.start(1), NODE.format(invocation_id(1), kind), LOGS.end(1), LOGS.report(1)]
    assert [block.outcome for block in group(lines)[0]] == ["error"]


@pytest.mark.parametrize(
    "line",
    [
        encode(
            {
                "timestamp": "2026-11-23T15:04:05Z",
                "level": "ERROR",
                "message": "going on without",
                "logger": "root",
                "stackTrace": ["  File a"],
                "errorType": "ValueError",
                "errorMessage": "x",
                "requestId": invocation_id(1),
                "location": "app.py:handler:5",
            }
        ),
        f"[ERROR]\t2026-11-23T15:04:05.100Z\t{invocation_id(1)}\tgoing on\nTraceback (most recent call last):",
        f"[WARNING]\t2026-11-23T15:04:05.100Z\t{invocation_id(1)}\tTask timed out after 5 s, trying again",
    ],
    ids=["JSON", "text", "a word about time"],
)
def test_what_a_handler_logs_of_an_error_that_it_caught_is_no_outcome(line):
    """However much it looks like the runtime's own report."""
    lines = [LOGS.start(1), *line.splitlines(), LOGS.end(1), LOGS.report(1)]
    assert [block.outcome for block in group(lines)[0]] == ["success"]


def test_the_later_of_two_records_is_true():
    """The watchdog wrote a timeout, and the handler made it after all: the last word counts, the first is kept as a line."""
    blocks, _ = group([LOGS.record(1, 90, 90.0, outcome="timeout"), LOGS.record(1, 95, 95.0)])
    assert told(blocks[0]) == ("00000001", "success", ["orders ended: timeout after 90.0 ms"])


def test_a_retry_under_the_same_id_is_an_invocation_of_its_own():
    """Lambda retries asynchronous invocations under the id of the first attempt."""
    first = [LOGS.line(1, 0, "first"), LOGS.record(1, 5, 5.0, outcome="error")]
    second = [LOGS.line(1, 60_000, "second"), LOGS.record(1, 60_005, 5.0)]
    blocks, _ = group(first + second)
    assert [(told(block), block.attempt_seen) for block in blocks] == [
        (("00000001", "error", ["first"]), 1),
        (("00000001", "success", ["second"]), 2),
    ]


@pytest.mark.parametrize("grace", [0, 100], ids=["given out", "held"])
def test_a_report_that_extensions_keep_back_begins_no_retry(grace):
    """An extension may flush for long after the record: END and REPORT come when it is done."""
    lines = [
        f"2026-11-23T15:04:05.000Z {LOGS.start(1)}",
        LOGS.record(1, 5, 5.0),
        f"2026-11-23T15:04:30.000Z {LOGS.end(1)}",
        f"2026-11-23T15:04:30.000Z {LOGS.report(1)}",
    ]
    grouper, stream, blocks = Grouper(grace_lines=grace), Stream("app.log"), []
    for line in lines:
        grouper.feed([line.encode()], stream)
        blocks += grouper.take()
    grouper.finish()
    blocks += grouper.take()
    assert {block.attempt_seen for block in blocks} == {1}
    assert [block.late for block in blocks] == [False, *[True] * (len(blocks) - 1)]
    assert blocks[-1].report.ended


def test_a_killed_attempt_is_told_from_its_retry_without_a_word_of_the_platform():
    """Functions may be set to log no platform lines: then the record says when the later attempt began."""
    lines = [
        LOGS.line(1, 0, "first"),
        LOGS.line(1, 500, "still first"),
        LOGS.line(1, 65_000, "second"),
        LOGS.record(1, 65_010, 12.0, trigger={"type": "sns"}),
    ]
    blocks, _ = group(lines)
    assert [(told(block), block.attempt_seen) for block in blocks] == [
        (("00000001", "killed", ["first", "still first"]), 1),
        (("00000001", "success", ["second"]), 2),
    ]


@pytest.mark.parametrize(
    ("began", "took", "trigger"),
    [(-9_000, 65_000.0, "sns"), (-9e7, 12.0, "sns"), (-9_000, 12.0, "sqs"), (-9_000, 12.0, [])],
    ids=["long", "too long ago", "a queue", "rubbish"],
)
def test_a_long_invocation_and_a_jump_of_the_clock_are_no_retries(began, took, trigger):
    """What was written within the record's duration is its own; nothing else than asynchronous events comes again."""
    record = LOGS.record(1, 56_000, took, trigger={"type": trigger})
    blocks, _ = group([LOGS.line(1, began, "first"), record])
    assert [(told(block), block.attempt_seen) for block in blocks] == [
        (("00000001", "success", ["first"]), 1)
    ]


def test_a_retry_of_a_plain_function_is_told_by_its_start():
    """Text lines carry no times, but START stands at the head of each attempt."""
    once = [LOGS.start(1), "trying", LOGS.end(1), LOGS.report(1)]
    blocks, _ = group(once + once)
    assert [(told(block)[2], block.attempt_seen) for block in blocks] == [(["trying"], 1), (["trying"], 2)]


def test_lines_that_stand_twice_are_one_with_a_count():
    """An at-least-once export repeats lines: nothing is shown twice, nothing is hidden."""
    line, record = LOGS.line(1, 0, "hello"), LOGS.record(1, 5, 5.0)
    blocks, tally = group([line, line, record, record])
    assert [(one.message, one.times) for one in blocks[0].lines] == [("hello", 2)]
    assert tally.duplicates == 1


def test_what_comes_again_after_its_block_is_counted_not_shown():
    """The same file read twice shows each invocation once."""
    lines = [LOGS.line(1, 0, "hello"), LOGS.record(1, 5, 5.0)]
    filler = [LOGS.record(number, 9, 1.0) for number in range(2, 12)]
    grouper = Grouper(grace_lines=2)
    stream = Stream("app.log")
    for batch in (lines, filler, lines):
        grouper.feed([line.encode() for line in batch], stream)
    grouper.finish()
    assert [block.invocation_id for block in grouper.take()].count(invocation_id(1)) == 1
    assert grouper.tally.duplicates == 2


def test_late_lines_are_shown_as_late():
    """A line that comes after its block was given out is not lost, and says so."""
    grouper = Grouper(grace_lines=1)
    stream = Stream("app.log")
    batches = [
        [LOGS.record(1, 5, 5.0)],
        [LOGS.record(2, 6, 1.0), LOGS.record(3, 6, 1.0)],
        [LOGS.line(1, 7, "late")],
    ]
    for batch in batches:
        grouper.feed([line.encode() for line in batch], stream)
    grouper.finish()
    late = [block for block in grouper.take() if isinstance(block, Invocation) and block.late]
    assert [told(block)[2] for block in late] == [["late"]]


def test_too_many_open_invocations_are_given_out_early_and_counted():
    """Memory is bounded: the eldest without an end go first, and the tally says how many."""
    blocks, tally = group([LOGS.line(number, 0, "open") for number in range(10)], open_most=4)
    assert len(blocks) == 10
    assert tally.evicted == 8


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("say", ["print {}".format, lambda number: LOGS.line(1, number, f"print {number}")])
def test_an_invocation_that_is_given_out_early_goes_on_in_a_late_block(say, exact):
    """What it prints afterwards is no less shown, and what the platform says of its end is said there."""
    lines = [LOGS.start(1), *map(say, range(20)), LOGS.end(1), LOGS.report(1)]
    grouper, stream, blocks = Grouper(held_bytes_most=200), Stream("app.log", exact=exact), []
    for line in lines:
        grouper.feed([line.encode()], stream)
        blocks += grouper.take()
    grouper.finish()
    found = [(told(block), block.late) for block in (*blocks, *grouper.take())]

    assert [message for (_, _, messages), _ in found for message in messages] == [
        f"print {number}" for number in range(20)
    ]
    assert [late for _, late in found] == [False] + [True] * (len(found) - 1)
    assert {(owner, outcome) for (owner, outcome, _), _ in found[:-1]} == {("00000001", "unfinished")}
    assert found[-1][0][:2] == ("00000001", "success")
    assert grouper.tally.evicted == 1


def test_a_print_long_after_the_end_goes_with_the_last_invocation_of_its_stream():
    """An extension's, say: the block has been given out, and no other invocation has begun there since."""
    grouper = Grouper(grace_lines=2)
    one, other = Stream("app.log", exact=True), Stream("app.log", exact=True)
    grouper.feed([line.encode() for line in (LOGS.line(1, 0, "work"), LOGS.record(1, 5, 5.0))], one)
    grouper.feed([LOGS.line(2, number, "meanwhile").encode() for number in range(4)], other)
    early = [(told(block), block.late) for block in grouper.take()]
    grouper.feed([b"flushed"], one)
    grouper.finish()

    assert early == [(("00000001", "success", ["work"]), False)]
    assert (("00000001", "unfinished", ["flushed"]), True) in [
        (told(block), block.late) for block in grouper.take()
    ]


def test_a_print_of_an_attempt_whose_retry_runs_elsewhere_is_nobodys():
    """Two invocations have this id by now, and the first one has been given out."""
    stream = "2026/11/23/[$LATEST]"
    blocks, _ = group(
        [
            f"{stream}aa 2026-11-23T15:04:05 {LOGS.start(1)}",
            f"{stream}aa 2026-11-23T15:04:05.5 one",
            f"{stream}bb 2026-11-23T15:05:05 {LOGS.start(1)}",
            f"{stream}bb 2026-11-23T15:05:05.5 two",
            f"{stream}aa 2026-11-23T15:05:06 whose?",
        ]
    )
    assert [(told(block)[0], told(block)[-1]) for block in blocks] == [
        ("00000001", ["one"]),
        ("00000001", ["two"]),
        ("stray", ["whose?"]),
    ]


def test_exports_with_times_and_streams_before_each_line_are_understood():
    """`aws logs tail`, `sam logs` and exports to S3 put a time, and maybe the stream, before the line."""
    blocks, _ = group(
        [
            f"2026-11-23T15:04:05.100Z {LOGS.start(1)}",
            "2026-11-23T15:04:05.150000+00:00 printed",
            f"2026-11-23T15:04:05.200Z {LOGS.report(1)}",
            f"2026/11/23/[$LATEST]aa 2026-11-23T15:04:06 {LOGS.start(2)}",
            f"2026/11/23/[$LATEST]bb 2026-11-23T15:04:06 {LOGS.start(3)}",
            "2026/11/23/[$LATEST]aa 2026-11-23T15:04:06.5 mine",
            "2026/11/23/[$LATEST]bb 2026-11-23T15:04:06.5 yours",
        ]
    )
    assert [(told(block)[0], told(block)[2], block.start_ms) for block in blocks] == [
        ("00000001", ["printed"], BEGAN + 100),
        ("00000002", ["mine"], BEGAN + 1000),
        ("00000003", ["yours"], BEGAN + 1000),
    ]


def test_the_further_lines_of_an_event_go_with_its_first():
    """A traceback in the output of `aws logs tail`: the failure counts, and belongs to whom it happened."""
    blocks, _ = group(
        [
            f"2026-11-23T15:04:05.1Z 2026/11/23/[$LATEST]aa {LOGS.start(1)}",
            f"2026-11-23T15:04:05.1Z 2026/11/23/[$LATEST]bb {LOGS.start(2)}",
            "2026-11-23T15:04:05.2Z 2026/11/23/[$LATEST]aa [ERROR] ValueError: boom",
            "Traceback (most recent call last):",
            "2026-11-23T15:04:05.2Z 2026/11/23/[$LATEST]bb fine",
            "and dandy",
            f"2026-11-23T15:04:05.3Z 2026/11/23/[$LATEST]aa {LOGS.report(1)}",
            f"2026-11-23T15:04:05.3Z 2026/11/23/[$LATEST]bb {LOGS.report(2)}",
        ]
    )
    assert [told(block) for block in blocks] == [
        ("00000001", "error", ["ValueError: boom", "Traceback (most recent call last):"]),
        ("00000002", "success", ["fine", "and dandy"]),
    ]


def test_a_line_cut_in_the_middle_is_kept_with_its_invocation():
    """What is left of a cut line still names its invocation, and is shown as broken."""
    whole = LOGS.line(1, 0, "x" * 50)
    blocks, _ = group([whole[: whole.index('"cold_start"')], LOGS.record(1, 5, 5.0)])
    assert [(line.broken, line.message[:9]) for line in blocks[0].lines] == [(True, '{"level":')]


def test_a_cut_line_of_powertools_is_kept_with_its_invocation():
    """What can't be parsed is searched for the id."""
    cut = f'{{"level": "INFO", "function_request_id": "{invocation_id(1)}", "message": "half a w'
    blocks, _ = group([LOGS.start(1), LOGS.start(2), cut, LOGS.report(1), LOGS.report(2)])
    assert {block.invocation_id: [line.broken for line in block.lines] for block in blocks} == {
        invocation_id(1): [True],
        invocation_id(2): [],
    }


@pytest.mark.parametrize("told", ["0000", ""], ids=["cut", "empty"])
def test_half_an_id_names_no_invocation(told):
    """A line that is cut within its id, or that has an empty one, is of no invocation: it begins none of that name."""
    whole = LOGS.line(1, 0, "done")
    cut = whole[: whole.index('"invocation_id":"')] + f'"invocation_id":"{told}' + ("" if told else '"}')
    running = [LOGS.line(2, 0, "done"), LOGS.line(3, 0, "done")]
    blocks, _ = group([*running, cut, LOGS.record(2, 5, 5.0), LOGS.record(3, 5, 5.0)])
    assert {block.invocation_id for block in blocks if isinstance(block, Invocation)} == {
        invocation_id(2),
        invocation_id(3),
    }
    (stray,) = [block for block in blocks if isinstance(block, Stray)]
    assert [(line.broken, len(stray.lines)) for line in stray.lines] == [(told != "", 1)]


def test_a_jump_of_the_clock_is_noticed():
    """Lines whose times lie outside their invocation by more than a second can't be true."""
    blocks, _ = group([LOGS.line(1, -90_000, "before time"), LOGS.record(1, 5, 5.0), LOGS.record(2, 5, 5.0)])
    assert [block.clock_jumped for block in blocks] == [True, False]


def test_timed_lines_differ_by_their_times():
    """The same words at another time are another line."""
    assert TimedLine.at(b"x", 1.0) != TimedLine.at(b"x", 2.0)
    assert len({TimedLine.at(b"x", 1.0), TimedLine.at(b"x", 1.0), TimedLine.at(b"x", 2.0)}) == 2


PIECES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            line.encode()
            for line in (
                LOGS.start(1),
                LOGS.end(1),
                LOGS.report(1),
                INIT,
                EXTENSION,
                XRAY,
                LOGS.line(1, 0, "x"),
                LOGS.record(1, 5, 5.0),
                LOGS.line(2, 0, "y"),
                f"2026/11/23/[$LATEST]aa 2026-11-23T15:04:06 {LOGS.start(1)}",
                "2026/11/23/[$LATEST]aa 2026-11-23T15:04:06.5 printed",
                f"2026/11/23/[$LATEST]bb 2026-11-23T15:04:07 {LOGS.start(1)}",
                f"2026/11/23/[$LATEST]bb 2026-11-23T15:04:07 {LOGS.record(3, 5, 5.0)}",
                "2026/11/23/[$LATEST]bb 2026-11-23T15:04:07.5 printed",
                "printed",
            )
        ]
    ),
    st.text(max_size=60).map(
        lambda text: b'{"invocation_id":"' + text.encode("utf-8", "replace") + b'","record":"invocation"}'
    ),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "requestId",
                        "type",
                        "record",
                        "timestamp",
                        "message",
                        "level",
                        "trigger",
                        "error",
                        "stack",
                        "sent",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    ).map(lambda value: LOGS.shop.__globals__["encode"](value).encode("utf-8", "replace")),
)


def given_out(grouper):
    """Take what is ready; give the blocks with as many lines as they have now: who draws them does it at once."""
    return [
        (block, len(block.lines) if isinstance(block, Stray) else len(block.raw)) for block in grouper.take()
    ]


@settings(max_examples=500)
@given(
    st.lists(PIECES, max_size=30),
    st.booleans(),
    st.fixed_dictionaries(
        {
            "grace_lines": st.integers(0, 3),
            "open_most": st.sampled_from([1, 2, 20]),
            "held_bytes_most": st.sampled_from([100, 1_000, 100_000]),
        }
    ),
)
def test_grouping_never_raises_and_loses_nothing(lines, exact, limits):
    """Whatever the bytes are, every line that is not blank comes out: in a block, or counted as a duplicate."""
    lines = [line.replace(b"\n", b" ") for line in lines]
    grouper, stream, found = Grouper(**limits), Stream("app.log", exact=exact), []
    for line in lines:
        grouper.feed([line], stream)
        found += given_out(grouper)
    grouper.finish()
    found += given_out(grouper)
    filled = [line for line in lines if line.strip()]
    assert len(filled) - grouper.tally.duplicates <= sum(count for _, count in found) <= len(filled)
    for block, count in found:
        if isinstance(block, Invocation):
            assert block.outcome
            assert isinstance(block.duration_ms, float | None)
            assert len(block.lines) <= len(block.raw) == count


class TestSeveralProcessesInOneStream:
    """Managed Instances: the workers of an environment write to one log stream."""

    def test_a_line_that_names_none_belongs_to_none(self):
        """However alone the invocation seems that is known of: another one may have begun without a line."""
        blocks, _ = group(
            [LOGS.line(1, 0, "mine", worker_pid=7), "whose?", LOGS.record(1, 9, 9.0, worker_pid=7)],
            exact=True,
        )
        assert sorted(map(told, blocks)) == [("00000001", "success", ["mine"]), ("stray", ["whose?"])]

    def test_an_invocation_is_not_over_because_the_next_one_begins(self):
        """What ended it are its own signs; without any, it is unfinished rather than killed."""
        lines = [
            LOGS.platform("start", 1, 0),
            LOGS.platform("start", 2, 1),
            LOGS.line(2, 2, "two", worker_pid=8),
            LOGS.line(1, 3, "one", worker_pid=7),
            "whose?",
            LOGS.record(2, 5, 4.0, worker_pid=8),
        ]
        blocks, _ = group(lines, exact=True)
        assert sorted(map(told, blocks)) == [
            ("00000001", "unfinished", ["one"]),
            ("00000002", "success", ["two"]),
            ("stray", ["whose?"]),
        ]

    def test_one_that_says_no_more_is_not_over_either(self):
        """That several processes write here may show only after the next one has begun."""
        blocks, _ = group(
            [
                LOGS.platform("start", 1, 0),
                LOGS.platform("start", 2, 1),
                LOGS.record(2, 5, 4.0, worker_pid=8),
            ],
            exact=True,
        )
        assert sorted(map(told, blocks)) == [("00000001", "unfinished", []), ("00000002", "success", [])]

    def test_lines_of_other_code_show_it_too(self):
        """Without lambda_guard, an invocation that goes on after the next one's start does."""
        one, two = (
            encode({"level": "INFO", "message": name, "requestId": invocation_id(number)})
            for number, name in ((1, "one"), (2, "two"))
        )
        blocks, _ = group(
            [LOGS.platform("start", 1, 0), LOGS.platform("start", 2, 1), two, one, "whose?",
             LOGS.platform("report", 1, 9, status="success"), LOGS.platform("report", 2, 9, status="success")],
            exact=True,
        )  # fmt: skip
        assert sorted(map(told, blocks)) == [
            ("00000001", "success", ["one"]),
            ("00000002", "success", ["two"]),
            ("stray", ["whose?"]),
        ]

    def test_the_platform_says_it_when_the_environment_is_made(self):
        """Its first line has the initialization type."""
        begun = encode(
            {
                "time": stamp(BEGAN),
                "type": "platform.initStart",
                "record": {"initializationType": "lambda-managed-instances"},
            }
        )
        blocks, _ = group(
            [begun, LOGS.platform("start", 1, 0), "whose?", LOGS.platform("report", 1, 9, status="success")],
            exact=True,
        )
        assert ("stray", ["whose?"]) in map(told, blocks)
        assert [block.outcome for block in blocks if isinstance(block, Invocation)] == ["success"]

    def test_elsewhere_it_belongs_to_the_one_that_runs(self):
        """Where an environment runs one invocation at a time, as ever."""
        blocks, _ = group([LOGS.platform("start", 1, 0), "mine", LOGS.record(1, 9, 9.0)], exact=True)
        assert list(map(told, blocks)) == [("00000001", "success", ["mine"])]
