"""Whatever tool a log went through, its invocations come out the same."""

import base64
import csv
import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.tools.logs.invocation import invocations_of
from lambda_guard.tools.logs.reading.containers import is_container
from lambda_guard.tools.logs.reading.files import read_paths
from lambda_guard.tools.logs.reading.grouping import Grouper

IDS = [f"{number:08x}-0000-4000-8000-000000000000" for number in (1, 2)]
STREAM = "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef"
BEGAN_MS = 1_795_446_245_000


def iso(at):
    """Return ms as ISO 8601 has them."""
    return f"2026-11-23T15:{at // 60000 % 60:02}:{at // 1000 % 60:02}.{at % 1000:03}Z"


def lines(outcomes):
    """Return (ms, text) of invocations one after the other, as Lambda and a runtime write them."""
    found = []
    for number, outcome in enumerate(outcomes):
        at, owner = BEGAN_MS + 5_000 * number, IDS[number]
        ending = {
            "success": [],
            "timeout": [f"{iso(at + 900)} {owner} Task timed out after 0.90 seconds"],
            "error": [
                f'{iso(at + 5)}\t{owner}\tERROR\tInvoke Error \t{{"errorType":"Error","errorMessage":"no"}}'
            ],
            "killed": [f"RequestId: {owner} Error: Runtime exited with error: signal: killed"],
        }[outcome]
        init = "\tInit Duration: 120.50 ms" if number == 0 else ""
        report = f"REPORT RequestId: {owner}\tDuration: 7.25 ms\tBilled Duration: 8 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB{init}\t"
        texts = [
            f"START RequestId: {owner} Version: $LATEST",
            f"[INFO]\t{iso(at + 1)}\t{owner}\torder accepted",
            *ending,
            f"END RequestId: {owner}",
            report,
        ]
        found += [(at + step, text) for step, text in enumerate(texts)]
    return found


def text(form):
    """Return a format that writes a line for each."""
    return lambda told: "".join(f"{form(at, line)}\n" for at, line in told)


def document(make):
    """Return a format that writes one JSON document."""
    return lambda told: json.dumps(make(told))


def tail_of(told):
    return base64.b64encode("\n".join(line for _, line in told).encode()).decode()


def clock(at):
    return iso(at)[11:19]


def subscription(told):
    events = [
        {"id": str(number), "timestamp": at, "message": f"{line}\n"} for number, (at, line) in enumerate(told)
    ]
    return {
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/aws/lambda/orders", "logStream": STREAM,
        "subscriptionFilters": ["all"], "logEvents": events,
    }  # fmt: skip


def packed(told):
    return base64.b64encode(gzip.compress(json.dumps(subscription(told)).encode())).decode()


def events(told):
    return {
        "events": [{"timestamp": at, "message": f"{line}\n", "logStreamName": STREAM} for at, line in told]
    }


def row(at, line):
    return {"@timestamp": iso(at)[:-1].replace("T", " "), "@message": f"{line}\n", "@logStream": STREAM}


def as_csv(told):
    out = io.StringIO()
    writer = csv.DictWriter(out, ["@timestamp", "@message", "@logStream"])
    writer.writeheader()
    writer.writerows(row(at, line) for at, line in reversed(told))
    return out.getvalue()


def as_rows(names, make):
    """Return a format of CSV with other columns, the newest row first or last as `make` has them."""

    def write(told):
        out = io.StringIO()
        csv.writer(out).writerows([names, *make(told)])
        return out.getvalue()

    return write


def wrapped(make):
    """Return a format that writes a document of JSON for each line."""
    return text(lambda at, line: json.dumps(make(at, line)))


def hit(at, line):
    return {
        "_index": "logs",
        "_id": "1",
        "_source": {"@timestamp": iso(at), "message": line, "@log_stream": STREAM},
    }


def found_by_datadog(at, line):
    return {"id": "1", "type": "log", "attributes": {"timestamp": iso(at), "message": line, "tags": ["a:b"]}}


def halves(told):
    middle = len(told) // 2
    return told[:middle], told[middle:]


FORMATS = {
    "as it is": text(lambda at, line: line),
    "indented": text(lambda at, line: f"        {line}"),
    "spaces for tabs": text(lambda at, line: line if line.startswith("[") else line.replace("\t", "   ")),
    "aws logs tail": text(lambda at, line: f"{iso(at)[:-1]}000+00:00 {STREAM} {line}"),
    "sam logs": text(lambda at, line: f"{STREAM} {iso(at)[:-1]}000 {line}"),
    "an export to S3": text(lambda at, line: f"{iso(at)} {line}\n"),
    "awslogs": text(lambda at, line: f"/aws/lambda/orders {STREAM} {iso(at)} {line}"),
    "saw": text(lambda at, line: f"[{iso(at)[:-5]}Z] (0123456789) {line}"),
    "a clock": text(lambda at, line: f"{clock(at)}  {line}"),
    "a clock and a bar": text(lambda at, line: f"{clock(at)} | {line}"),
    "a copied table": text(lambda at, line: f"  | {iso(at)} | {line}"),
    "quoted in a mail": text(lambda at, line: f"> {line}"),
    "American": text(lambda at, line: f"11/23/2026 {clock(at)} EST\t{line}"),
    "a name": text(lambda at, line: f"[orders] {line}"),
    "docker compose": text(lambda at, line: f"orders-1  | {line}"),
    "docker": text(lambda at, line: f"{iso(at)[:-1]}123456Z {line}"),
    "kubectl": text(lambda at, line: f"[pod/orders-6d4/app] {line}"),
    "syslog": text(lambda at, line: f"Nov 23 {clock(at)} host orders[42]: {line}"),
    "syslog without a process": text(lambda at, line: f"<134>Nov 23 {clock(at)} host orders: {line}"),
    "RFC 5424": text(lambda at, line: f"<165>1 {iso(at)} host orders 42 ID47 - {line}"),
    "rsyslog": text(lambda at, line: f"{iso(at)[:-1]}000+00:00 host orders[42]: {line}"),
    "a browser's time": text(lambda at, line: f"11/23/2026, 3:04:{clock(at)[6:]} PM {line}"),
    "a local zone": text(lambda at, line: f"2026-11-23 {clock(at)} CET {line}"),
    "a weekday": text(lambda at, line: f"Mon, 23 Nov 2026 {clock(at)} GMT {line}"),
    "Apache": text(lambda at, line: f"[23/Nov/2026:{clock(at)} +0000] {line}"),
    "seconds": text(lambda at, line: f"{at // 1000} {line}"),
    "seconds with a fraction": text(lambda at, line: f"{at / 1000:.3f} {line}"),
    "milliseconds": text(lambda at, line: f"| {at} | {line} |"),
    "filter-log-events": document(events),
    "filter-log-events, indented": lambda told: json.dumps(events(told), indent=4),
    "a subscription": document(subscription),
    "two subscription messages": lambda told: "".join(json.dumps(subscription(half)) for half in halves(told)),
    "a subscription's event": document(lambda told: {"awslogs": {"data": packed(told)}}),
    "Kinesis": document(lambda told: {"Records": [{"kinesis": {"data": packed(half)}} for half in halves(told)]}),
    "Firehose": document(
        lambda told: {"invocationId": "i", "records": [{"recordId": "1", "data": packed(told)}]}
    ),
    "aws kinesis get-records": document(lambda told: {"Records": [{"Data": packed(half)} for half in halves(told)]}),
    "Firehose, to an HTTP endpoint": document(
        lambda told: {"requestId": "r", "timestamp": BEGAN_MS, "records": [{"data": packed(told)}]}
    ),
    "packed twice": lambda told: gzip.compress(gzip.compress(json.dumps(subscription(told)).encode())),
    "a subscription's data": packed,
    "--query events": document(lambda told: events(told)["events"]),
    "jq .events[]": lambda told: "".join(f"{json.dumps(one)}\n" for one in events(told)["events"]),
    "aws logs start-live-tail": document(lambda told: {"sessionResults": events(told)["events"]}),
    "a compressed subscription": lambda told: gzip.compress(json.dumps(subscription(told)).encode()),
    "escaped twice": document(
        lambda told: {
            **subscription(told),
            "logEvents": [
                {"id": "1", "timestamp": at, "message": line.replace("\t", "\\t") + "\\n"} for at, line in told
            ],
        }
    ),
    "Logs Insights, the API": document(
        lambda told: {
            "results": [
                [{"field": key, "value": value} for key, value in row(at, line).items()]
                for at, line in reversed(told)
            ]
        }
    ),
    "Logs Insights, the console": document(lambda told: [row(at, line) for at, line in reversed(told)]),
    "Logs Insights, CSV": as_csv,
    "a list of texts": document(lambda told: [f"\n{line}\n" for _, line in told]),
    "aws lambda invoke": document(
        lambda told: {
            "StatusCode": 200,
            "LogResult": tail_of(told),
        }
    ),
    "aws lambda invoke, as text": lambda told: f"$LATEST\tUnhandled\t{tail_of(told)}\t200\n",
    "--query LogResult": document(tail_of),
    "the console's CSV": as_rows(["timestamp", "message"], lambda told: [(at, f"{line}\n") for at, line in told]),
    "the console's copy": text(lambda at, line: f"{iso(at)}\n{line}"),
    "Datadog's CSV": as_rows(
        ["Date", "Host", "Service", "Message"], lambda told: [(iso(at), "h", "s", line) for at, line in reversed(told)]
    ),
    "get-log-events as text": lambda told: "b/1\tf/1\n" + "".join(f"EVENTS\t{at}\t{line}\n\t{at}\n" for at, line in told),
    "filter-log-events as text": lambda told: "".join(
        f"EVENTS\t{'3' * 56}\t{at}\t{STREAM}\t{line}\n\t{at}\n" for at, line in told
    ),
    "messages as text": lambda told: "\t".join(f"{line}\n" for _, line in told),
    "Docker's files": wrapped(lambda at, line: {"log": f"{line}\n", "stream": "stdout", "time": iso(at)}),
    "Kubernetes' files": text(lambda at, line: f"{iso(at)[:-1]}123456Z stdout F {line}"),
    "journald": wrapped(lambda at, line: {"__REALTIME_TIMESTAMP": f"{at}000", "MESSAGE": line, "_PID": "1"}),
    "Loki": wrapped(lambda at, line: {"labels": {"a": "b"}, "line": line, "timestamp": iso(at)}),
    "Splunk": wrapped(lambda at, line: {"preview": False, "result": {"_raw": line, "_time": iso(at)}}),
    "Elastic": wrapped(hit),
    "a search in Elastic": document(lambda told: {"took": 1, "hits": {"hits": [hit(*one) for one in reversed(told)]}}),
    "a search in Datadog": document(lambda told: {"data": [found_by_datadog(*one) for one in reversed(told)]}),
    "in colour": text(lambda at, line: f"\x1b[36m{STREAM}\x1b[0m \x1b[33m{iso(at)}\x1b[0m {line}"),
    "wholly in colour": text(lambda at, line: f"\x1b[1;32m{line}\x1b[0m\x1b[K"),
    "cdk watch": text(lambda at, line: f"[Shop-Orders1A2B] 3:04:05 PM {line}"),
    "of Windows": lambda told: "".join(f"{line}\r\n" for _, line in told).encode("utf-16"),
    "a collector's JSON": text(
        lambda at, line: json.dumps({"level": "info", "timestamp": iso(at), "message": line, "fields": None})
    ),
}  # fmt: skip
UNCERTAIN = {
    # A collector's JSON, where something runs: a function may log such a text itself.
    "a collector's JSON": {"order accepted"},
}


def read(tmp_path, content):
    """Return what is known of each invocation in a file of this content, and how many lines belong to none."""
    path = tmp_path / "source"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    grouper = Grouper()
    blocks = list(read_paths([str(path)], grouper))
    assert grouper.tally.warnings == []
    return {
        one.invocation_id: (
            one.outcome,
            one.failed,
            one.report.duration_ms,
            one.report.billed_ms,
            one.report.memory_limit_mb,
            one.report.memory_used_mb,
            one.report.init_ms,
            one.report.version,
            one.attempt_seen,
        )
        for one in invocations_of(blocks)
    }, grouper.tally


def expected(outcomes):
    """Return the same of these invocations."""
    return {
        IDS[number]: (
            outcome,
            outcome != "success",
            7.25,
            8.0,
            128.0,
            64.0,
            120.5 if number == 0 else None,
            "$LATEST",
            1,
        )
        for number, outcome in enumerate(outcomes)
    }


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("outcomes", [("success", "error"), ("timeout", "success"), ("killed",)], ids=str)
def test_a_format_changes_no_invocation(tmp_path, name, outcomes):
    """Ids, outcomes, durations and memory are those of the log that it was written from."""
    found, tally = read(tmp_path, FORMATS[name](lines(outcomes)))
    assert found == expected(outcomes)
    assert tally.duplicates == 0
    assert tally.strays <= (name == "aws lambda invoke")  # the answer beside the log


@given(
    outcomes=st.lists(st.sampled_from(["success", "error", "timeout", "killed"]), min_size=1, max_size=2),
    names=st.tuples(st.sampled_from(sorted(FORMATS)), st.sampled_from(sorted(FORMATS))),
)
def test_two_files_of_different_formats_are_one_log(tmp_path_factory, outcomes, names):
    """Any invocation in any format comes out the same, and so does one whose lines are in two of them."""
    folder = tmp_path_factory.mktemp("pair")
    told = lines(outcomes)
    first, second = (read(folder, FORMATS[name](told))[0] for name in names)
    assert first == second == expected(outcomes)


def test_platform_events_are_read_wherever_they_stand(tmp_path):
    """Telemetry in one list, indented, below times of a console, behind an extension's text."""
    told = [
        {"time": iso(BEGAN_MS), "type": "platform.start", "record": {"requestId": IDS[0], "version": "7"}},
        {
            "time": iso(BEGAN_MS + 9),
            "type": "platform.report",
            "record": {
                "requestId": IDS[0],
                "status": "error",
                "errorType": "Runtime.ImportModuleError",
                "metrics": {"durationMs": 7.25, "memorySizeMB": 128, "maxMemoryUsedMB": 64},
            },
        },
    ]
    ways = {
        "a list": json.dumps(told),
        "indented": "\n".join(json.dumps(one, indent=4) for one in told),
        "a console": "".join(f"{one['time']}\n{json.dumps(one, indent=4)}\n\n" for one in told),
        "lines": "\n".join(map(json.dumps, told)),
        "a prefix": "\n".join(f"{STREAM} {one['time']} {json.dumps(one)}" for one in told),
    }
    found = {name: read(tmp_path, content)[0] for name, content in ways.items()}
    assert found["lines"][IDS[0]][:3] == ("error", True, 7.25)
    assert all(one == found["lines"] for one in found.values()), found


def test_what_functions_print_is_read_in_telemetry_too(tmp_path):
    """Their lines are records of their own, as text or JSON; of a fault, the record is Lambda's line."""
    told = [
        {"time": iso(BEGAN_MS), "type": "platform.start", "record": {"requestId": IDS[0]}},
        {"time": iso(BEGAN_MS + 1), "type": "function", "record": "[INFO] working\n"},
        {"time": iso(BEGAN_MS + 2), "type": "extension", "record": {"level": "INFO", "message": "sent"}},
        {"time": iso(BEGAN_MS + 3), "type": "platform.fault", "record": f"RequestId: {IDS[0]} Process exited before completing request"},
        {"time": iso(BEGAN_MS + 4), "type": "platform.report", "record": {"requestId": IDS[0], "metrics": {}}},
    ]  # fmt: skip
    for content in (json.dumps(told), "\n".join(map(json.dumps, told))):
        path = tmp_path / "batch"
        path.write_text(content)
        (one,) = invocations_of(read_paths([str(path)], Grouper()))
        assert one.outcome == "killed"
        assert [(line.time_ms, line.level, line.message) for line in one.lines] == [
            (BEGAN_MS + 1, "INFO", "working"),
            (BEGAN_MS + 2, "INFO", "sent"),
            (BEGAN_MS + 3, "ERROR", "Process exited before completing request"),
        ]


def test_a_log_that_begins_after_its_start_loses_no_line_and_no_error(tmp_path):
    """`LogResult` has the last 4 KB alone: what stands above the first END is that invocation's."""
    told = [line for _, line in lines(["success"])]
    cut = [told[0][20:], "[ERROR] KeyError: 'id'", "Traceback (most recent call last):", *told[2:]]
    answer = {"StatusCode": 200, "LogResult": tail_of([(0, line) for line in cut])}
    found, tally = read(tmp_path, json.dumps(answer))
    assert [(owner, facts[0]) for owner, facts in found.items()] == [(IDS[0], "error")]
    assert tally.strays == 1  # the answer beside the log


@pytest.mark.parametrize("line", ["A" * 80, "2026-11-23T15:04:05Z working", "12 orders"])
def test_a_record_of_kinesis_may_be_a_line(tmp_path, line):
    """Neither a number nor what looks like base64 begins a document."""
    raw = base64.b64encode(f"{line}\n".encode()).decode()
    for content in (line, json.dumps({"records": [{"recordId": "1", "data": raw}]})):
        path = tmp_path / "records"
        path.write_text(content)
        (block,) = read_paths([str(path)], Grouper())
        assert [raw.decode() for raw in block.raw] in ([line], [line.partition(" ")[2]])


@pytest.mark.parametrize(
    ("texts", "outcome"),
    [
        (
            ["[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'stock'"],
            "error",
        ),
        ([f"RequestId: {IDS[0]} Error: fork/exec /var/task/bootstrap: no such file or directory"], "error"),
        ([f"RequestId: {IDS[0]} Process exited before completing request"], "killed"),
        ([f"RequestId: {IDS[0]} Error: Runtime exited without providing a reason"], "killed"),
        (["Unknown application error occurred", "Runtime.Unknown"], "killed"),
        (["INIT_REPORT Init Duration: 3000.10 ms\tPhase: invoke\tStatus: timeout"], "timeout"),
        (
            ["INIT_REPORT Init Duration: 0.61 ms\tPhase: invoke\tStatus: error\tError Type: Extension.Crash"],
            "error",
        ),
        (
            ["INIT_REPORT Init Duration: 0.61 ms\tPhase: init\tStatus: error\tError Type: Runtime.Unknown"],
            "success",
        ),
    ],
)
def test_lambdas_own_words_tell_the_outcome(tmp_path, texts, outcome):
    """An initialization that failed at first may have been tried again; one in the invocation's time is its own."""
    told = lines(["success"])
    content = "\n".join([told[0][1], *texts, *(line for _, line in told[2:])])
    found, _ = read(tmp_path, content)
    assert found[IDS[0]][0] == outcome


def test_what_a_handler_prints_ends_no_other_invocation(tmp_path):
    """A report in the midst of a text, in a JSON line of the user's, or behind words is what it says, and no more."""
    told = [line for _, line in lines(["success"])]
    quoted = f"REPORT RequestId: {IDS[1]}\tDuration: 1.00 ms\tStatus: error"
    printed = [
        f"the customer wrote: {quoted}",
        json.dumps({"message": quoted}),
        f"note {quoted}",
        f'"{quoted}"',
    ]
    found, _ = read(tmp_path, "\n".join([told[0], *printed, *told[1:]]))
    assert found == expected(["success"])


def test_a_start_with_an_id_of_its_own_belongs_to_what_follows(tmp_path):
    """`sam local` wrote such; one after which lines without an id come is an invocation without an end."""
    told = [line for _, line in lines(["success"])]
    other = f"START RequestId: {IDS[1]} Version: $LATEST"
    assert read(tmp_path, "\n".join([other, *told[1:]]))[0] == expected(["success"])
    found, _ = read(tmp_path, "\n".join([other, "a line", *told[1:]]))
    assert {owner: facts[0] for owner, facts in found.items()} == {IDS[0]: "success", IDS[1]: "unfinished"}


@pytest.mark.parametrize(
    "report",
    [
        "REPORT RequestId: {id}\nDuration: 7.25 ms\nBilled Duration: 8 ms\nMemory Size: 128 MB\nMax Memory Used: 64 MB\nInit Duration: 120.50 ms",
        "REPORT RequestId: {id}  Duration: 7.25\nms  Billed Duration: 8 ms  Memory Size: 128 MB  Max Memory Used:\n64 MB  Init Duration: 120.50 ms",
        "REPORT RequestId: {id}  Duration: 7.25 ms  Billed Duration: 8 ms  Memory\nSize: 128 MB  Max Memory\nUsed: 64 MB  Init Duration:\n120.50 ms",
    ],
)  # fmt: skip
def test_a_report_may_be_wrapped(tmp_path, report):
    """As copies from a terminal or an issue are; what follows is somebody else's."""
    told = [line for _, line in lines(["success"])]
    content = "\n".join([*told[:-1], report.format(id=IDS[0]), "64 orders", "Duration: 3 ms", ""])
    found, tally = read(tmp_path, content)
    assert found == expected(["success"])
    assert tally.strays == 2


def test_invocations_without_ids_are_told_apart(tmp_path):
    """Version 3 of the Serverless Framework writes none."""
    end = "END Duration: {} ms (init: 120.5 ms) Memory Used: 36 MB"
    content = ["START", "one", end.format(7.25), "START", "Unknown application error occurred", end.format(8)]
    found, tally = read(tmp_path, "\n".join(content))
    assert [(facts[:3], facts[5], facts[6], facts[8]) for facts in found.values()] == [
        (("success", False, 7.25), 36.0, 120.5, 1),
        (("killed", True, 8.0), 36.0, 120.5, 1),
    ]
    assert tally.strays == 0


PREFIXES = {
    "Docker Compose": "{name}-1  | ",
    "Docker Compose, with times": "{name}-1  | {iso} ",
    "kubectl": "[pod/{name}-6d4b75cb6d/app] ",
    "syslog": "Nov 23 15:04:05 {name} lambda[42]: ",
    "RFC 5424": "<134>1 {iso} {name} lambda 42 - - ",
    "rsyslog": "{iso} {name} lambda[42]: ",
    "awslogs": "/aws/lambda/{name} {iso} ",
}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_a_prefix_stands_before_each_line_of_a_traceback(tmp_path, prefix):
    """Once a line of Lambda's has shown it. Its name tells apart what runs side by side; what else begins so stays."""
    own = [
        *(f"START RequestId: {one} Version: $LATEST" for one in IDS),
        "[ERROR] KeyError: 'id'", "[cart] 2 items", "Traceback (most recent call last):", "12:30:00 is noon",
        '  File "app.py", line 5, in handler', "", "    return event['id']", '{ "level": "INFO", "message": "spaced" }',
        *(line for one in IDS for line in (f"END RequestId: {one}", f"REPORT RequestId: {one}\tDuration: 7.25 ms")),
    ]  # fmt: skip
    names = ("orders", "billing") * 5 + ("orders", "orders", "billing", "billing")
    path = tmp_path / "logs"
    path.write_text(
        "".join(
            f"{prefix.format(name=name, iso=iso(BEGAN_MS))}{line}\n"
            for name, line in zip(names, own, strict=True)
        )
    )
    one, other = sorted(read_paths([str(path)], Grouper()), key=lambda block: block.invocation_id)
    assert [(block.invocation_id, block.outcome) for block in (one, other)] == [
        (IDS[0], "error"),
        (IDS[1], "success"),
    ]
    assert [line.message for line in one.lines if line.message] == [own[2][8:], *own[4:9:2]]
    assert [line.message for line in other.lines if line.message] == [
        "[cart] 2 items",
        "12:30:00 is noon",
        "spaced",
    ]


@pytest.mark.parametrize("prefix", ["    ", "> ", "2026-11-23 15:04:05 | ", "15:04:05  "])
def test_a_prefix_without_a_name_is_taken_off_a_traceback_too(tmp_path, prefix):
    """A copy that is indented, or quoted in a mail; what else a line begins with stays."""
    own = [
        f"START RequestId: {IDS[0]} Version: $LATEST", "[ERROR] KeyError: 'id'", "Traceback (most recent call last):",
        '  File "app.py"', "", "> a quote", f"END RequestId: {IDS[0]}",
    ]  # fmt: skip
    path = tmp_path / "logs"
    path.write_text("".join(f"{prefix}{line}\n" for line in own))
    (one,) = read_paths([str(path)], Grouper())
    assert one.outcome == "error"
    assert [line.message for line in one.lines if line.message] == [own[1][8:], own[2], own[3], own[5]]


def test_a_word_in_brackets_before_json_is_the_lines_own(tmp_path):
    """It isn't hidden: nothing shows that it is a prefix."""
    path = tmp_path / "logs"
    path.write_text(f'START RequestId: {IDS[0]} Version: $LATEST\n[cart] {{"total": 5}}\n')
    (one,) = read_paths([str(path)], Grouper())
    assert [line.message for line in one.lines] == ['[cart] {"total": 5}']


@pytest.mark.parametrize(
    "content",
    [
        '{"events": [{"message": "cut',
        '[{"@message": "cut',
        '{\n  "half": 1,\n',
        "[",
        "[]",
        '{"Records": [{"s3": {"bucket": {"name": "b"}}}]}',
        '{"LogResult": "no base64!"}',
        '{"awslogs": {"data": 5}}',
        '{"results": 5}',
        "@timestamp,@message\n",
        '@timestamp,@message\n"2026-11-23',
        '{"a": 1}\n{\n"b": \n2\n}\nplain\n{\n not json\n}\n',
    ],
)
def test_what_isnt_understood_is_shown(tmp_path, content):
    """Documents that are cut, empty, or something else never raise, and their text comes out."""
    _, tally = read(tmp_path, content)
    words = [word for word in ("cut", "half", "bucket", "base64", "plain", "not json") if word in content]
    path = tmp_path / "source"
    shown = "\n".join(
        line.message + json.dumps(line.fields)
        for block in read_paths([str(path)], Grouper())
        for line in block.lines
    )
    assert [word for word in words if word not in shown] == []
    assert tally.invocations == 0


@pytest.mark.parametrize(
    "line", ['{"message": "x", "level": "INFO"}', "START RequestId: x", "a,b\n1,2\n", "[INFO]\tx", "[1] a"]
)
def test_lines_arent_taken_for_a_document(line):
    """JSON lines, text, and lines of figures are read as they come."""
    assert not is_container(f"{line}\n{line}\n".encode())


def test_lines_of_json_behind_a_prefix_are_one_however_they_are_spread(tmp_path):
    """`sam logs`, and `aws logs tail --format json`, write a message of JSON over several lines."""
    own = {"level": "INFO", "message": "working", "timestamp": iso(BEGAN_MS), "function_request_id": IDS[0]}
    path = tmp_path / "logs"
    path.write_text(
        "".join(f"{prefix}{json.dumps(own, indent=2)}\n" for prefix in (f"{STREAM} {iso(BEGAN_MS)} ", ""))
    )
    (one,) = read_paths([str(path)], Grouper())
    assert [(line.message, line.times) for line in one.lines] == [("working", 1), ("working", 1)]


@pytest.mark.parametrize(
    "line",
    [
        '{"log": "START RequestId: x ", "stream": "mine", "level": "INFO", "message": "m"}',
        '{"data": [1, 2], "message": "m"}',
        '{"hits": 3, "message": "m"}',
        '{"result": "ok", "message": "m"}',
        "EVENTS\t3\tfound",
        "message,of,mine",
        "{",
    ],
)
def test_what_a_function_logs_is_no_envelope(tmp_path, line):
    """A key or a word of the same name: the line stays what it is."""
    path = tmp_path / "logs"
    path.write_text(f"{line}\nSTART RequestId: {IDS[0]} Version: $LATEST\n{line}\n")
    stray, one = read_paths([str(path)], Grouper())
    shown = (
        [line.encode()]
        if line[:2] != '{"'
        else [json.dumps(json.loads(line), separators=(",", ":")).encode()]
    )
    assert [raw.replace(b'": ', b'":').replace(b", ", b",") for raw in stray.raw] == [
        one.replace(b", ", b",") for one in shown
    ]
    assert len(one.raw) == 2
