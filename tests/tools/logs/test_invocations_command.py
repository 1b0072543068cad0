"""`lambda-guard invocations`: what stands on the screen, what the exit code says, and what bad input does."""

import errno
import gzip
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lambda_guard.tools.logs.reading.files import read_paths
from lambda_guard.tools.logs.reading.grouping import Grouper

from ..conftest import TRACE, Logs, invocation_id

LOGS = Logs()


def test_a_block_tells_how_it_went_and_then_its_own_lines(lambda_guard, shop):
    """The whole text of a block: head line, lines with offsets and fields, the error with its stack."""
    result = lambda_guard("invocations", shop[1], "--limit", "1")
    assert result.stdout.decode() == (
        "✗ error  billing:$LATEST  sqs orders  20 ms  71/128 MB  attempt 1  2026-11-23 15:04:05.100"
        f"  {invocation_id(2)}  trace {TRACE}\n"
        "         +1.0 ms INFO     charging  amount=12.5  message_id=m-1\n"
        "    ✗ PaymentRefused: card declined  #1f2e3d4c5b6a7988\n"
        "        billing.py:14 in handler\n"
        "        billing.py:30 in charge\n"
        "\n"
    )
    assert result.returncode == 0


def test_what_was_sent_and_what_lambda_said_stand_at_the_end(lambda_guard, shop):
    """A block ends with the messages sent on and the folded START, END and REPORT."""
    text = lambda_guard("invocations", shop[0]).stdout.decode()
    assert text.splitlines()[-4:] == [
        "    → sqs SendMessage orders  message m-1",
        "    → sns Publish audit  message m-9",
        "    Lambda: ran 40 ms, billed 13 ms, 72 of 128 MB",
        "",
    ]


def shown(result):
    return [json.loads(line)["invocation_id"][:8] for line in result.stdout.decode().splitlines()]


def test_filters_choose(lambda_guard, shop):
    """Each filter lets through what it says, by the record or by a line's fields."""

    def chosen(*options):
        return shown(lambda_guard("invocations", *shop, "--json", *options))

    assert chosen("--failed") == ["00000002", "00000003"]
    assert chosen("--cold") == ["00000001"]
    assert chosen("--slower-than", "50ms") == ["00000004"]
    assert chosen("--where", "trigger.type=sqs", "--where", "attempt=2") == ["00000003"]
    assert chosen("--where", "order_id~o-1") == ["00000001"]
    assert chosen("--where", "level=WARNING") == ["00000004"]
    assert chosen("--where", "message~Looking into") == ["00000004"]
    assert chosen("--where", "calls.operation=PutItem") == ["00000002", "00000003"]
    assert chosen("--id", invocation_id(4)) == ["00000004"]
    assert chosen("--id", "m-1") == ["00000001", "00000002", "00000003", "00000004"]
    assert chosen("--since", "2026-11-23T15:04:05.500Z") == ["00000004"]
    assert chosen("--until", "2026-11-23T15:04:05.050Z") == ["00000001"]
    assert chosen("--limit", "2") == ["00000001", "00000002"]


def test_levels_are_asked_for_as_they_are_shown(lambda_guard, write):
    """Other runtimes write WARN."""
    path = write([f"2026-11-23T15:04:05.000Z\t{invocation_id(1)}\tWARN\tlow on fuel"])
    assert shown(lambda_guard("invocations", path, "--json", "--where", "level=WARNING")) == ["00000001"]


def test_json_is_json_whatever_the_logs_and_the_output_are(lambda_guard, write):
    """NaN is Python's alone, and an output that is not UTF-8 gets escapes that JSON has."""
    path = write(
        [LOGS.line(1, 0, "Zürich", share=float("nan"), of=[float("inf"), 1]), LOGS.record(1, 5, 5.0)]
    )
    for options in (("invocations",), ("trace", invocation_id(1))):
        result = lambda_guard(*options, path, "--json", env={"PYTHONIOENCODING": "ascii"})
        assert b'"message":"Z\\u00fcrich"' in result.stdout
        assert b'"fields":{"share":null,"of":[null,1]}' in result.stdout


def test_json_is_one_object_an_invocation(lambda_guard, shop):
    """The whole object of an invocation, record and lines included."""
    (line,) = lambda_guard("invocations", shop[2], "--json").stdout.decode().splitlines()
    document = json.loads(line)
    record = document.pop("record")
    assert record["record"] == "invocation"
    assert document == {
        "invocation_id": invocation_id(4),
        "outcome": "success",
        "failed": False,
        "function_name": "rescue",
        "function_version": "$LATEST",
        "start_ms": 1795446245700.0,
        "end_ms": 1795446245760.0,
        "duration_ms": 60.0,
        "source": shop[2],
        "lines": [
            {
                "kind": "log",
                "time_ms": 1795446245700.0,
                "level": "WARNING",
                "message": "looking into it",
                "location": "handler:12",
                "logger": "lambda_guard",
            }
        ],
    }


def test_colours_are_for_terminals(lambda_guard, shop):
    """A pipe gets no escape sequences, unless they are asked for."""
    assert b"\x1b[" not in lambda_guard("invocations", shop[1]).stdout
    assert b"\x1b[1;31m" in lambda_guard("invocations", shop[1], "--color", "always").stdout


def test_a_log_cannot_steer_the_terminal(lambda_guard, write, logs):
    """Control characters in messages and fields come out visible."""
    path = write([logs.line(1, 0, "\x1b]0;gotcha\x07", field="\x1b[2J"), logs.record(1, 5, 5.0)])
    out = lambda_guard("invocations", path).stdout
    assert b"\x1b" not in out
    assert b"\\x1b]0;gotcha\\x07" in out


def test_a_log_cannot_forge_a_block(lambda_guard, write, logs):
    """Nothing but a head line begins at the left edge; characters that hide or turn text come out visible."""
    forged = "2 errors\n✓ success  payments:1  5 ms"
    error = {"type": "Invalid", "message": forged, "stack": [forged]}
    sent = [{"service": forged, "operation": forged, "target": forged}]
    failures = [{"message_id": forged, "error": error}]
    record = logs.record(
        1,
        5,
        5.0,
        outcome="error",
        function=forged,
        error=error,
        sent=sent,
        records={"failed": 1, "failures": failures},
    )
    path = write([logs.line(1, 0, forged, field="a\u009b31m\u202eb", **{forged: forged}), record])
    out = lambda_guard("invocations", path).stdout.decode()
    assert [line[:3] for line in out.splitlines() if line[:1] not in {"", " "}] == ["✗ e"]
    assert 'field="a\\x9b31m\\u202eb"' in out


def test_gzip_is_known_by_its_contents(lambda_guard, tmp_path, shop):
    """A compressed file reads like a plain one, whatever its name."""
    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(Path(shop[1]).read_bytes()))
    assert shown(lambda_guard("invocations", str(path), "--json")) == ["00000002", "00000003"]


def test_a_pipe_may_be_gzipped(lambda_guard, shop):
    """`aws s3 cp s3://…/000000.gz - | lambda-guard invocations` needs no zcat; the members of it are all read."""
    members = b"".join(gzip.compress(Path(path).read_bytes()) for path in shop)
    told = shown(lambda_guard("invocations", "--json", stdin=members))
    assert told == ["00000001", "00000002", "00000003", "00000004"]


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        ("tenantId=acme", {"tenantId": "acme"}),
        ("requestId=ddb-77", {"requestId": "ddb-77"}),
        ("exception_name=ValueError", {"exception_name": "ValueError"}),
        ("invocation_id~00000001", {}),
        ("message~KeyError: 'x'", {"message": None, "errorType": "KeyError", "errorMessage": "'x'"}),
        ("message=don't retry a+b", {"message": "don't retry a+b"}),
    ],
)
def test_what_a_line_says_is_found_whatever_writes_it(lambda_guard, write, logs, condition, line):
    """Fields of everyday names, keys that are shown as something else, and what .NET and Go write as escapes."""
    text = json.dumps(json.loads(logs.line(1, 0, "hello")) | line)
    path = write([text.replace("'", "\\u0027").replace("+", "\\u002B"), logs.record(1, 5, 5.0)])
    assert shown(lambda_guard("invocations", path, "--json", "--where", condition)) == ["00000001"]
    assert shown(lambda_guard("invocations", path, "--json", "--where", f"{condition}x")) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_a_named_pipe_is_read(lambda_guard, logs, tmp_path, packed):
    """`lambda-guard invocations <(zcat old.gz)` gives one."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = packed("\n".join([logs.line(1, 0, "hello"), logs.record(1, 5, 5.0)]).encode())
    with ThreadPoolExecutor(1) as writer:
        writer.submit(pipe.write_bytes, content)
        assert shown(lambda_guard("invocations", pipe, "--json")) == ["00000001"]


def test_a_folder_that_cannot_be_looked_into_is_said(write, logs, tmp_path, monkeypatch):
    """The others are read."""
    (tmp_path / "secret").mkdir()
    write([logs.record(1, 5, 5.0)])
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("secret"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    grouper = Grouper()
    assert [block.outcome for block in read_paths([str(tmp_path)], grouper)] == ["success"]
    assert grouper.tally.warnings == [f"{tmp_path}/secret: no permission to read it"]


def test_a_date_that_a_print_begins_with_is_its_own(lambda_guard, write, logs):
    """What export tools put before a line has a T between date and time."""
    path = write([logs.start(1), "2019-01-01 00:00:00 rows older than this", logs.end(1), logs.report(1)])
    (block,) = [json.loads(line) for line in lambda_guard("invocations", path, "--json").stdout.splitlines()]
    assert [line["message"] for line in block["lines"]] == ["2019-01-01 00:00:00 rows older than this"]


def test_a_date_that_an_event_begins_with_is_its_own(lambda_guard, logs):
    """An event has its time already."""
    told = [logs.start(1), "2019-01-01T00:00:00 rows older than this", logs.report(1)]
    events = [{"timestamp": 1795446245000, "message": message, "logStreamName": "s"} for message in told]
    result = lambda_guard("invocations", "-", "--json", stdin=json.dumps({"events": events}))
    (line,) = json.loads(result.stdout)["lines"]
    assert (line["message"], line["time_ms"]) == ("2019-01-01T00:00:00 rows older than this", 1795446245000.0)


def test_a_report_that_is_cut_in_its_id_is_no_invocation(lambda_guard, write, logs):
    """It is shown as a line of no invocation."""
    path = write([logs.start(1), logs.report(1), logs.report(2)[:35]])
    result = lambda_guard("invocations", path)
    assert b"1 invocation, 0 failed" in result.stderr
    assert logs.report(2)[:35].encode() in result.stdout


def test_standard_input_is_read_where_no_source_is_named(lambda_guard, logs):
    """A pipe needs no dash."""
    lines = "\n".join([logs.line(1, 0, "hello"), logs.record(1, 5, 5.0)])
    assert shown(lambda_guard("invocations", "--json", stdin=lines)) == ["00000001"]


def test_the_document_of_the_aws_command_line_is_read(lambda_guard, logs):
    """What `aws logs filter-log-events` prints is one JSON document; its events are the lines."""
    events = [{"timestamp": 1795446245000, "message": logs.record(1, 5, 5.0), "logStreamName": "s"}]
    document = json.dumps({"events": events, "searchedLogStreams": []}, indent=4)
    assert shown(lambda_guard("invocations", "-", "--json", stdin=document)) == ["00000001"]


def test_what_is_no_event_in_the_document_is_shown_as_it_stands_there(lambda_guard):
    """And an event without a time has none."""
    events = [
        {"timestamp": "x", "message": "no time"},
        {"timestamp": 1795446245125},
        5,
        {"message": {"a": 1}},
    ]
    result = lambda_guard("invocations", "-", "--json", stdin=json.dumps({"events": events}))
    lines = json.loads(result.stdout)["lines"]
    assert [(line.get("message"), line.get("fields"), line.get("time_ms")) for line in lines] == [
        ("no time", None, None),
        (None, None, 1795446245125.0),
        ("5", None, None),
        ('{"a": 1}', None, None),
    ]


def test_the_document_tells_the_streams_of_its_events(lambda_guard, logs):
    """Prints of environments that ran side by side go with their own invocation, and so does a traceback."""
    error = "[ERROR] ValueError: boom\nTraceback (most recent call last):\n  File"
    told = [("a", logs.start(1)), ("b", logs.start(2)), ("a", "one"), ("b", "two"), ("a", error)]
    told += [("a", logs.report(1)), ("b", logs.report(2))]
    events = [
        {"timestamp": 1795446245000 + at, "message": message, "logStreamName": stream}
        for at, (stream, message) in enumerate(told)
    ]
    document = json.dumps({"events": events, "searchedLogStreams": []})
    result = lambda_guard("invocations", "--json", stdin=document)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["outcome"], [line["message"] for line in one["lines"]]) for one in found] == [
        ("error", ["one", "ValueError: boom"]),
        ("success", ["two"]),
    ]


def test_the_document_tells_the_streams_of_guarded_lines(lambda_guard, logs):
    """Where nothing but an invocation's own lines tell of it, a print goes with the one of its stream, too."""
    told = [("a", logs.line(1, 0, "one")), ("b", logs.line(2, 1, "two")), ("a", "by one"), ("b", "by two")]
    told += [("a", logs.record(1, 5, 5.0)), ("b", logs.record(2, 5, 4.0))]
    events = [
        {"timestamp": 1795446245000 + at, "message": message, "logStreamName": stream}
        for at, (stream, message) in enumerate(told)
    ]
    result = lambda_guard("invocations", "--json", stdin=json.dumps({"events": events}))
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [[line["message"] for line in one["lines"]] for one in found] == [
        ["one", "by one"],
        ["two", "by two"],
    ]


def test_a_directory_stands_for_its_files(lambda_guard, shop, tmp_path):
    """Exports are trees of files."""
    assert sorted(shown(lambda_guard("invocations", str(tmp_path), "--json"))) == [
        "00000001",
        "00000002",
        "00000003",
        "00000004",
    ]


def test_rubbish_is_said_and_counted_and_the_rest_is_shown(lambda_guard, tmp_path, logs):
    """Binary rubbish, broken JSON, a line of 1 MB, and a missing file: none of them stops the rest."""
    path = tmp_path / "rubbish.log"
    big = logs.line(1, 1, "x" * 2**20)
    lines = [
        bytes(range(256)).replace(b"\n", b""),
        b'{"level":"INFO","mess',
        big.encode(),
        logs.record(1, 5, 5.0).encode(),
    ]
    path.write_bytes(b"\n".join(lines))
    result = lambda_guard("invocations", "missing.log", str(path))
    assert result.returncode == 1
    assert b"x" * 2**20 in result.stdout
    assert b"2 lines of no invocation" in result.stdout
    assert result.stderr.decode().splitlines() == [
        "1 invocation, 0 failed; 4 lines read",
        "  2 lines of no invocation",
        "  1 broken or cut line of JSON shown",
        "lambda-guard: missing.log: no such file",
    ]


def test_every_output_counts_alike(lambda_guard, write, logs, tmp_path):
    """What was shown, broken lines, clocks that jumped; late lines of an invocation are no other one."""
    lines = [logs.line(1, -1e9, "long before"), logs.record(1, 5, 5.0)]
    lines += [f'{{"invocation_id":"{invocation_id(2)}", cut']
    lines += [logs.record(number, number * 10, 5.0) for number in range(2, 2_101)]
    path = write([*lines, logs.line(1, 3, "late")])
    for options in ((), ("--json",), ("--html", str(tmp_path / "page.html"))):
        said = lambda_guard("invocations", path, *options).stderr.decode().splitlines()
        assert said[-3:] == [
            "2,100 invocations, 0 failed; 2,103 lines read",
            "  1 broken or cut line of JSON shown",
            "  1 invocation shown with times that can't be true",
        ]


def test_a_compressed_file_cut_in_the_middle_is_shown_as_far_as_it_goes(lambda_guard, tmp_path, logs):
    """What could be read is shown; what could not is said."""
    path = tmp_path / "cut.gz"
    whole = gzip.compress("".join(logs.record(number, 5, 5.0) + "\n" for number in range(500)).encode())
    path.write_bytes(whole[: len(whole) - 200])
    result = lambda_guard("invocations", str(path), "--json")
    assert result.returncode == 1
    assert len(shown(result)) > 100
    assert b"the compressed data is cut off or damaged" in result.stderr


def test_utf_16_reads_like_utf_8(lambda_guard, tmp_path, logs):
    """PowerShell's redirection writes UTF-16."""
    path = tmp_path / "powershell.log"
    path.write_text(f"{logs.line(1, 0, 'größer')}\n{logs.record(1, 5, 5.0)}\n", encoding="utf-16")
    assert "größer" in lambda_guard("invocations", str(path)).stdout.decode()


def test_wrong_options_say_what_to_type(lambda_guard, shop):
    """A typo ends with exit code 2 and the right spelling."""
    for options, hint in (
        (("--since", "yesterday"), "use how long ago (15m, 2h, 3d) or an ISO time"),
        (("--slower-than", "2 parsecs"), "use 250ms, 2s, 15m, 2h or 1h30m"),
        (("--where", "nonsense"), "write KEY=VALUE, KEY!=VALUE, KEY~PART"),
        (("",), "the name of a source is empty"),
        (("--since", ""), "invalid time ''"),
        (("--slower-than", ""), "invalid duration ''"),
        (("--log-group", "x"), "name either files or log groups, not both"),
        (("--follow", "--html", "x.html"), "leave --follow out"),
        (("--since", "15m", "--until", "1h"), "--since 15m isn't before --until 1h"),
    ):
        result = lambda_guard("invocations", shop[0], *options)
        assert result.returncode == 2, options
        assert hint in result.stderr.decode()


EXECUTION = {
    "execution": "arn:aws:lambda:eu-west-1:123456789012:function:orders:7/durable-execution/o-7/6f0c",
    "name": "o-7",
}


def test_a_suspension_is_an_outcome_of_its_own_and_no_failure(lambda_guard, write):
    """It has a mark of its own, names its execution, and isn't asked for with `--failed`; a failed execution is."""
    path = write(
        [
            LOGS.record(1, 5, 5.0, outcome="suspended", durable={**EXECUTION, "replay": False}),
            LOGS.report(1),
            LOGS.line(2, 8, "accepted", replay=True),
            LOGS.record(
                2, 10, 5.0, durable={**EXECUTION, "replay": True}, outcome="error", error={"type": "Refused"}
            ),
        ]
    )
    suspended, failed = lambda_guard("invocations", path).stdout.decode().split("\n\n")[:2]
    assert suspended.startswith("‖ suspended  orders:$LATEST  5 ms  71/128 MB  execution o-7  2026")
    assert failed.startswith("✗ error  orders:$LATEST  5 ms  71/128 MB  execution o-7, replay  2026")
    assert "accepted  replay=true" in failed
    assert shown(lambda_guard("invocations", path, "--json", "--failed")) == ["00000002"]
    assert shown(lambda_guard("invocations", path, "--json", "--where", "durable.name=o-7")) == [
        "00000001",
        "00000002",
    ]
    documents = [json.loads(line) for line in lambda_guard("invocations", path, "--json").stdout.splitlines()]
    assert [(one["outcome"], one["failed"]) for one in documents] == [("suspended", False), ("error", True)]


def test_what_the_platform_saw_goes_before_a_suspension(lambda_guard, write):
    """The process has written that it waits, and was killed before Lambda had its answer."""
    path = write([LOGS.record(1, 5, 5.0, outcome="suspended"), LOGS.report(1, status="timeout")])
    (document,) = map(json.loads, lambda_guard("invocations", path, "--json").stdout.splitlines())
    assert (document["outcome"], document["failed"]) == ("timeout", True)


REQUEST = {"method": "GET", "route": "/orders/{id}"}


def test_an_answer_that_tells_of_a_server_error_is_a_failure(lambda_guard, write):
    """Lambda calls it a success, and so does `outcome`: it's shown, and asked for with `--failed`, as what it is."""
    path = write(
        [
            LOGS.record(1, 5, 5.0, http={**REQUEST, "status": 404}),
            LOGS.report(1),
            LOGS.record(2, 10, 5.0, level="ERROR", http={**REQUEST, "status": 503}),
            LOGS.report(2),
            LOGS.record(3, 15, 5.0, http={"method": "\x1b[31m", "route": 7, "status": "503"}),
        ]
    )
    answered, failed, odd = lambda_guard("invocations", path).stdout.decode().split("\n\n")[:3]
    assert answered.startswith("✓ success  orders:$LATEST  GET /orders/{id} 404  5 ms  71/128 MB  2026")
    assert failed.startswith("✗ server error  orders:$LATEST  GET /orders/{id} 503  5 ms  71/128 MB  2026")
    assert odd.startswith("✓ success")
    assert "\x1b" not in odd
    assert shown(lambda_guard("invocations", path, "--json", "--failed")) == ["00000002"]
    assert shown(lambda_guard("invocations", path, "--json", "--where", "http.status>=404")) == [
        "00000001",
        "00000002",
    ]
    documents = [json.loads(line) for line in lambda_guard("invocations", path, "--json").stdout.splitlines()]
    assert [(one["outcome"], one["failed"]) for one in documents[:2]] == [
        ("success", False),
        ("success", True),
    ]
    assert documents[1]["record"]["http"] == {**REQUEST, "status": 503}


@pytest.mark.parametrize("outcome", ["error", "timeout"])
def test_an_outcome_that_is_a_failure_stands_as_it_is(lambda_guard, write, outcome):
    """What ended otherwise had no answer, whatever its record says."""
    path = write([LOGS.record(1, 5, 5.0, outcome=outcome, http={"status": 500})])
    assert f" {outcome}  orders" in lambda_guard("invocations", path).stdout.decode()


def test_one_that_went_on_after_its_deadline_says_so(lambda_guard, write):
    """On Managed Instances, what came of it may have been done."""
    overrun = {"outcome": "success", "ms": 1240}
    path = write([LOGS.record(1, 5, 5.0, outcome="timeout", overrun=overrun, worker_pid=7)])
    head = lambda_guard("invocations", path).stdout.decode()
    assert head.startswith("◷ timeout  orders:$LATEST  5 ms  71/128 MB  went on for 1.24 s: success  2026")
    assert shown(lambda_guard("invocations", path, "--json", "--where", "worker_pid=7")) == ["00000001"]


def test_a_restore_from_a_snapshot_is_shown(lambda_guard, write):
    """It's what the caller of a cold start waited for, and the record doesn't know how long it took."""
    restored = LOGS.report(1) + "Restore Duration: 488.75 ms\tBilled Restore Duration: 202 ms\t"
    path = write([LOGS.record(1, 5, 5.0, cold_start=True), restored])
    text = lambda_guard("invocations", path).stdout.decode()
    assert "  cold 489 ms  " in text
    assert "restored in 489 ms, ran 12.3 ms" in text


def test_the_count_comes_last_where_both_streams_go_to_one_place(shop):
    """`2>&1 | less` shows it below the blocks, also where these are drawn in several pieces."""
    code = (
        "import sys\n"
        "from lambda_guard.tools.group import run\n"
        "from lambda_guard.tools.logs.commands import invocations as command\n"
        "command.drawn_in_bulk = command.drawn\n"
        "sys.exit(run(['invocations', *sys.argv[1:]]))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *shop],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"} | {"PYTHONUNBUFFERED": ""},
        timeout=240,
        check=True,
    )
    assert result.stdout.decode().splitlines()[-1] == "4 invocations, 2 failed; 11 lines read"
