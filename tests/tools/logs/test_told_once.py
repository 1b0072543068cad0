"""One error is told once, an offset lies inside its invocation, and the last line counts what is shown and what was read."""

import json

import pytest

from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.model import Report, TimedLine
from lambda_guard.tools.logs.reading.runtime_errors import without_error, without_own_frames
from lambda_guard.tools.logs.traces.tree import build_traces
from lambda_guard.tools.logs.views.html.page_data import page_data
from lambda_guard.tools.logs.views.text import offset_text

from ..conftest import BEGAN, Logs, encode, invocation_id, stamp

LOGS = Logs()
ID = invocation_id(1)
ERROR = {"type": "ValueError", "message": "no\nluck", "fingerprint": "0a", "stack": ["app.py:5 in handler"]}
OURS = '  File "/opt/python/lambda_guard/_production.py", line 235, in guarded\n    value = handler(*args, **kwargs)\n'
THEIRS = '  File "/var/task/app.py", line 5, in handler\n    raise ValueError("no\\nluck")\n'
HEAD = "[ERROR] ValueError: no\nluck\nTraceback (most recent call last):"


def in_json(**more):
    """Write an error as the Python runtime does in the JSON format: with a time of whole seconds."""
    told = {
        "timestamp": f"{stamp(BEGAN)[:19]}Z",
        "level": "ERROR",
        "errorMessage": "no\nluck",
        "errorType": "ValueError",
        "requestId": ID,
        "stackTrace": [OURS, THEIRS],
        **more,
    }
    return json.dumps(told)


REPORTS = {
    "text": f"{HEAD}\n{OURS}{THEIRS}".rstrip().replace("    ", "\xa0\xa0\xa0\xa0").replace("\n", "\r"),
    "text in lines": f"{HEAD}\n{OURS}{THEIRS}".rstrip(),
    "text in lines, indented by no-break spaces": f"{HEAD}\n{OURS}{THEIRS}".rstrip().replace("  ", "\xa0\xa0"),
    "JSON": in_json(),
}  # fmt: skip


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_the_runtimes_line_folds_into_the_record(lambda_guard, write, report):
    """The same type and message: the record has them, with the frames that matter."""
    record = LOGS.record(1, 900, 300.0, outcome="error", error=ERROR)
    path = write(
        [LOGS.start(1), LOGS.line(1, 700, "before"), record, report, "after", LOGS.end(1), LOGS.report(1)]
    )
    text = lambda_guard("invocations", path).stdout.decode()
    assert text.splitlines()[1:-2] == [
        "       +100.0 ms INFO     before",
        "                          after",
        "    ✗ ValueError: no",
        "        luck  #0a",
        "        app.py:5 in handler",
    ]
    (one,) = map(json.loads, lambda_guard("invocations", path, "--json").stdout.splitlines())
    assert [line["message"] for line in one["lines"]] == ["before", "after"]
    assert one["record"]["error"] == ERROR


OTHERS = {
    "another type": REPORTS["text"].replace("ValueError", "KeyError"),
    "another message": REPORTS["text"].replace("luck", "chance"),
    "a print that looks like it": "[ERROR] ValueError: no\nluck",
    "another error in JSON": in_json(errorType="KeyError"),
    "what somebody logged in JSON": in_json(order_id="o-1"),
}


@pytest.mark.parametrize("report", OTHERS.values(), ids=OTHERS)
def test_anything_else_stays(report):
    """Only the same error is one too many: a second one is news."""
    raws = report.encode().split(b"\n")
    assert without_error(raws, "ValueError", "no\nluck") == raws


def test_without_a_record_the_runtimes_line_has_no_frames_of_ours(lambda_guard, write):
    """The record may be in other logs; what is shown once in place of it are message and traceback, not its JSON."""
    path = write([LOGS.start(1), in_json(), LOGS.end(1), LOGS.report(1, status="error")])
    (one,) = map(json.loads, lambda_guard("invocations", path, "--json").stdout.splitlines())
    (line,) = one["lines"]
    assert line == {
        "kind": "log",
        "time_ms": BEGAN,
        "level": "ERROR",
        "message": "ValueError: no\nluck",
        "exception": THEIRS.rstrip(),
        "whole_second": True,
    }
    assert one["outcome"] == "error"
    found = lambda_guard("invocations", path, "--where", "errorType=ValueError", "--json").stdout.splitlines()
    assert len(found) == 1


def test_only_frames_of_ours_stay():
    """They are all there is, for instance where our own code failed."""
    assert without_own_frames(OURS.rstrip()) == OURS.rstrip()
    assert without_own_frames(f"Head:\n{OURS}{THEIRS}".rstrip()) == f"Head:\n{THEIRS}".rstrip()


@pytest.mark.parametrize("recorded", [True, False])
def test_a_time_of_whole_seconds_is_no_offset(lambda_guard, write, recorded):
    """The second began before the invocation: nothing was written before it started."""
    record = [LOGS.record(1, 900, 300.0, outcome="error", error={**ERROR, "type": "KeyError"})]
    path = write([LOGS.platform("start", 1, 600), *(record if recorded else ()), in_json()])
    text = lambda_guard("invocations", path).stdout.decode()
    assert "                 ERROR    ValueError: no\n" in text
    (trace,) = build_traces(
        [Invocation(ID, raw=[in_json().encode()], report=Report(started_at_ms=BEGAN + 600))]
    )
    _, rows = page_data([trace], title="")
    assert "t" not in json.loads(bytes(rows[0]))["lines"][0]


def test_the_time_of_the_event_is_finer():
    """CloudWatch Logs has milliseconds: then there is an offset."""
    raw = TimedLine.at(in_json().encode(), BEGAN + 700)
    (line,) = Invocation(ID, raw=[raw]).lines
    assert (line.time_ms, line.whole_second) == (BEGAN + 700, False)


WARNING = "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. However, in rare cases, …"
IMPORTS = {
    "text": [
        "INIT_START Runtime Version: python:3.13.v1\tRuntime Version ARN: arn:x",
        f"[WARNING]\t{stamp(BEGAN)}\t\t{WARNING}\r",
        "[ERROR] Runtime.ImportModuleError: Unable to import module 'app': no\rTraceback (most recent call last):",
        "INIT_REPORT Init Duration: 90.1 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError",
        LOGS.start(1),
        LOGS.end(1),
        LOGS.report(1, status="error") + "\tError Type: Runtime.ImportModuleError",
    ],
    "JSON": [
        LOGS.platform("initStart", 1, 0, requestId=None),
        encode({"timestamp": f"{stamp(BEGAN)[:19]}Z", "level": "WARNING", "message": f"{WARNING}\r"}),
        in_json(errorType="Runtime.ImportModuleError", errorMessage="Unable to import module 'app': no", requestId="", stackTrace=[]),
        LOGS.platform("initReport", 1, 500, requestId=None, status="error", errorType="Runtime.ImportModuleError"),
        LOGS.platform("start", 1, 600),
        LOGS.platform("report", 1, 700, status="error", errorType="Runtime.ImportModuleError"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("lines", IMPORTS.values(), ids=IMPORTS)
def test_a_failed_import_is_one_line_of_its_invocation(lambda_guard, write, lines):
    """It is written before START; Lambda's four sentences about runtime updates, which come with each, are folded."""
    (one,) = map(json.loads, lambda_guard("invocations", write(lines), "--json").stdout.splitlines())
    message = "Runtime.ImportModuleError: Unable to import module 'app': no"
    assert (one["outcome"], [line["message"] for line in one["lines"]]) == ("error", [message])
    assert "exception" not in one["lines"][0]
    (cause,) = map(
        json.loads, lambda_guard("invocations", write(lines), "--by", "cause", "--json").stdout.splitlines()
    )
    assert cause["message"] == "Unable to import module 'app': no"


def test_lines_of_an_initialization_go_with_the_only_one_that_begins(lambda_guard, write):
    """Two environments that begin at once, in a file that doesn't tell them apart, share them with nobody."""
    init = "INIT_START Runtime Version: python:3.13.v1\tRuntime Version ARN: arn:x"
    one = write([init, "loading", LOGS.start(1), LOGS.end(1), LOGS.report(1)], "one.log")
    assert b"of no invocation" not in lambda_guard("invocations", one).stdout
    two = write([init, init, "loading", LOGS.start(1), LOGS.end(1), LOGS.report(1)], "two.log")
    assert b"1 line of no invocation" in lambda_guard("invocations", two).stdout


def test_frames_of_a_panic_in_go_are_lines(lambda_guard, write):
    """In JSON they are objects."""
    frames = [{"path": "main.go", "line": 12, "label": "handle"}]
    path = write([LOGS.start(1), in_json(stackTrace=frames), LOGS.end(1), LOGS.report(1)])
    (line,) = json.loads(lambda_guard("invocations", path, "--json").stdout)["lines"]
    assert line["exception"] == "  main.go:12 in handle"


def test_a_process_that_ended_is_told_once(lambda_guard, write):
    """The line below names the type that REPORT has; a timeout stands in the record already."""
    exited = [
        LOGS.start(1),
        f"RequestId: {ID} Error: Runtime exited with error: exit status 3",
        "Runtime.ExitError",
        LOGS.end(1),
        LOGS.report(1, status="error") + "\tError Type: Runtime.ExitError",
    ]
    timeout = {"type": "Timeout", "message": "still at work after 1800 ms", "fingerprint": "0b", "stack": []}
    late = [
        LOGS.start(2),
        LOGS.record(2, 1_800, 1_800.0, outcome="timeout", error=timeout),
        f"{stamp(BEGAN + 2_000)} {invocation_id(2)} Task timed out after 2.00 seconds",
        LOGS.end(2),
        LOGS.report(2, 2_000.0, status="timeout"),
    ]
    told = map(json.loads, lambda_guard("invocations", write([*exited, *late]), "--json").stdout.splitlines())
    lines = {one["invocation_id"]: [line["message"] for line in one["lines"]] for one in told}
    assert lines == {ID: ["Error: Runtime exited with error: exit status 3"], invocation_id(2): []}


def test_an_answer_that_the_runtime_could_not_send_is_an_error_in_both_formats(lambda_guard, write):
    """The record was written before, and has a success."""
    raw = in_json(
        errorType="Runtime.MarshalError", errorMessage="object isn't JSON serializable", stackTrace=[]
    )
    path = write([LOGS.record(1, 5, 5.0), raw])
    (one,) = map(json.loads, lambda_guard("invocations", path, "--json").stdout.splitlines())
    assert one["outcome"] == "error"


PARTLY = {"total": 2, "failed": 1, "failures": [{"message_id": "m-1", "outcome": "error", "error": ERROR}]}


def test_a_batch_that_failed_in_part_has_a_mark_of_its_own(lambda_guard, write, tmp_path):
    """It is no success in red: in text, in a trace and on the page; in JSON the outcome is the record's."""
    path = write([LOGS.record(1, 5, 5.0, records=PARTLY)])
    head = lambda_guard("invocations", path, "--failed").stdout.decode().splitlines()[0]
    assert head.startswith("◐ partial failure  orders:$LATEST  5 ms  71/128 MB  1 of 2 records failed")
    assert "\n◐ orders:$LATEST" in lambda_guard("trace", ID, path).stdout.decode()
    (one,) = map(json.loads, lambda_guard("invocations", path, "--json").stdout.splitlines())
    assert (one["outcome"], one["failed"]) == ("success", True)
    page = tmp_path / "page.html"
    lambda_guard("invocations", path, "--html", str(page))
    assert '"outcome":"partial failure","mark":"◐"' in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "3 invocations, 2 failed; 4 lines read"),
        (("--failed",), "2 of 3 invocations and 2 of 2 failures shown; 4 lines read"),
        (("--slower-than", "10ms"), "2 of 3 invocations and 1 of 2 failures shown; 4 lines read"),
        (("--failed", "--where", "function_name=nobody"), "0 of 3 invocations and 0 of 2 failures shown; 4 lines read"),
        (("--failed", "--by", "cause"), "2 of 3 invocations and 2 of 2 failures shown; 4 lines read"),
    ],
)  # fmt: skip
def test_the_last_line_counts_what_is_shown_and_what_was_read(lambda_guard, write, tmp_path, options, said):
    """Of invocations and of failures, whatever the shape."""
    lines = [
        LOGS.record(1, 20, 20.0),
        LOGS.record(2, 40, 20.0, outcome="error"),
        LOGS.record(3, 50, 5.0, outcome="error"),
    ]
    path = write([LOGS.line(1, 1, "x"), *lines])
    for shape in ((), ("--json",), ("--html", "page.html", "--force")):
        result = lambda_guard("invocations", path, *options, *shape, cwd=tmp_path)
        assert said in result.stderr.decode().splitlines()


@pytest.mark.parametrize(
    ("ms", "shown"), [(-0.4, "+0.0 ms"), (0.0, "+0.0 ms"), (-1.0, "-1.0 ms"), (12.34, "+12.3 ms")]
)
def test_what_whole_milliseconds_leave_out_is_no_offset(ms, shown):
    """A line of the first millisecond isn't before the start: its time is cut, the start's isn't."""
    assert offset_text(ms).strip() == shown
