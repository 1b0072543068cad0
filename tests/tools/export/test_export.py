"""`lambda-guard export otlp`: the spans of records, and their way to a receiver that isn't always willing."""

import contextlib
import email.utils
import json
import re
import signal
import threading
import time

import pytest

from lambda_guard import production
from lambda_guard.local.aws.collector import Collector
from lambda_guard.local.runtime.http_server import HttpResponse
from lambda_guard.otlp.reading import from_json, from_protobuf
from lambda_guard.otlp.span import CLIENT, CONSUMER, hex_id
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context
from lambda_guard.tools.export import receiver as receiver_module
from lambda_guard.tools.export.progress import Reached
from lambda_guard.tools.group import run

from ...sinks.aws_clients import answered_sqs
from ..conftest import BEGAN, TRACE, Logs, invocation_id, stamp
from ..test_nothing_steers import HOSTILE, RECORD, assert_nothing_steers, variants

LOGS = Logs()
UPSTREAM = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1"
OTHER = "Root=1-6742a1b5-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=4c721bf33e3caf90;Sampled=1"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    """Have none of OpenTelemetry's variables for exporting, and its tracer for what is decorated here."""
    monkeypatch.setenv("LAMBDA_GUARD_TRACING", "otlp")
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "HEADERS", "TRACES_HEADERS"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)


@pytest.fixture
def waits(monkeypatch):
    """Have the waiting of the command take no time; gives the seconds that it would have taken."""
    found = []
    monkeypatch.setattr("lambda_guard.tools.stopping.Stop.wait", lambda _, seconds: found.append(seconds))
    return found


@pytest.fixture
def export(tmp_path, capsys):
    """Run the command over lines of a log; gives its exit code and standard error."""

    def call(lines, *arguments):
        log = tmp_path / "app.log"
        log.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        code = run(["export", "otlp", str(log), *arguments])
        return code, capsys.readouterr().err

    return call


def records(*numbers, **more):
    """Return one record a number, in order of time."""
    return [LOGS.record(number, 100 * number, 20.0, **more) for number in numbers]


def spans_in(path):
    """Return the spans in a file."""
    return [each for line in path.read_text().splitlines() for each in from_json(json.loads(line))]


# --- Spans ------------------------------------------------------------------------------------------------------------


def sent_by(client):
    client.send_message(QueueUrl="https://sqs.eu-west-1.amazonaws.com/1/q", MessageBody="a")


@pytest.fixture
def sqs():
    """A client of SQS that sends nothing."""
    return answered_sqs()


@pytest.mark.parametrize(
    "event",
    [
        {},
        events.sqs("a", trace_header=UPSTREAM),
        events.sqs("a", "b", trace_header=[UPSTREAM, OTHER]),
        events.api_gateway("GET", "/orders/7", resource="/orders/{id}"),
        events.schedule(),
    ],
    ids=["direct", "one trace", "two traces", "HTTP", "schedule"],
)
@pytest.mark.parametrize("fails", [False, True])
def test_they_are_those_of_the_function(tmp_path, export, sqs, event, fails):
    """What is made of the records is what the function itself sends, but for what records don't know."""

    @production
    def handler(event, context):
        sent_by(sqs)
        if fails:
            raise ValueError("refused")

    with capture(TRACE_HEADER) as captured, contextlib.suppress(ValueError):
        handler(event, make_context())
    *calls, own = captured.spans
    output = tmp_path / "spans.jsonl"
    assert export(captured.output.splitlines(), "--output", str(output))[0] == 0
    (found, _), *others = spans_in(output)
    assert (found.trace_id, found.span_id, found.name, found.kind, found.failed) == (
        own.trace_id,
        own.span_id,
        own.name,
        own.kind,
        own.failed,
    )
    assert abs(found.end - own.end) < 10_000_000
    assert found.attributes.items() >= {
        key: value for key, value in own.attributes.items() if not key.startswith(("aws", "cloud"))
    }.items() - {("lambda_guard.trigger", None)}
    assert found.parent_id in (own.parent_id, "")  # Lambda's own segment isn't exported
    theirs = [link for link in own.links if link.trace_id != hex_id(TRACE_HEADER[5:40])]
    assert found.links == theirs
    assert [event.attributes["exception.type"] for event in found.events] == ["ValueError"] * fails
    ((call, _),) = others
    assert (call.span_id, call.parent_id, call.name, call.kind) == (
        calls[0].span_id,
        own.span_id,
        "SQS.SendMessage",
        CLIENT,
    )
    assert call.attributes["lambda_guard.times"] == "within"


def test_calls_and_items_that_records_count(tmp_path, export):
    """Other calls are a span for each kind, with their number; batch items that failed have one each."""
    output = tmp_path / "spans.jsonl"
    failure = {
        "message_id": "m-1",
        "attempt": 2,
        "outcome": "error",
        "error": {"type": "Refused", "message": "no"},
    }
    skipped = {"message_id": "m-2", "outcome": "skipped"}
    made = records(
        1,
        trigger={"type": "sqs", "source": "arn:aws:sqs:eu-west-1:1:orders", "records": 3},
        calls=[
            {"service": "dynamodb", "operation": "PutItem", "resource": "orders", "count": 2, "errors": 0},
            {"service": "s3", "operation": "GetObject", "resource": "b", "count": 3, "errors": 3},
        ],
        records={"total": 3, "failed": 2, "failures": [failure, skipped]},
    )
    assert export(made, "-o", str(output))[0] == 0
    own, put, get, item, left = [span for span, _ in spans_in(output)]
    assert (own.kind, own.failed, own.attributes["error.type"]) == (CONSUMER, True, "batch_item_failures")
    assert (put.name, put.failed, put.attributes["lambda_guard.count"]) == ("DynamoDB.PutItem", False, 2)
    assert (get.name, get.failed, get.attributes["lambda_guard.errors"]) == ("S3.GetObject", True, 3)
    assert (item.failed, item.attributes["error.type"], item.attributes["messaging.message.id"]) == (
        True,
        "Refused",
        "m-1",
    )
    assert (left.failed, left.attributes["lambda_guard.outcome"]) == (False, "skipped")
    assert {each.parent_id for each in (put, get, item, left)} == {own.span_id}
    assert len({each.span_id for each in (own, put, get, item, left)}) == 5


def test_one_order_is_one_trace(tmp_path, export):
    """Who received a message hangs below the call that sent it, by its header or by its id; each item in its own trace."""
    publish = {
        "service": "sns",
        "operation": "Publish",
        "target": "t",
        "message_id": "s-1",
        "span_id": "a" * 16,
    }
    second = "1-6742a1b5-bbbbbbbbbbbbbbbbbbbbbbbb"
    by_header = [
        {"trace_id": TRACE, "parent_id": "a" * 16, "message_ids": ["m-1", "s-1"]},
        {"trace_id": second, "parent_id": "b" * 16, "message_ids": ["m-2"]},
    ]
    failure = {
        "message_id": "m-2",
        "attempt": 1,
        "outcome": "error",
        "error": {"type": "ValueError", "message": "no"},
    }
    output = tmp_path / "spans.jsonl"
    lines = [
        *records(1, sent=[publish]),
        *records(
            2, function="billing", upstreams=[{"trace_id": None, "parent_id": None, "message_ids": ["s-1"]}]
        ),
        *records(
            3,
            function="shipping",
            trace="1-6742a1b5-cccccccccccccccccccccccc",
            trigger={"type": "sqs", "source": "arn:aws:sqs:eu-west-1:1:parcels", "records": 2},
            upstreams=by_header,
            records={"total": 2, "failed": 1, "failures": [failure]},
        ),
    ]
    assert export(lines, "-o", str(output))[0] == 0
    orders, call, billing, batch, first, other = [span for span, _ in spans_in(output)]
    assert (orders.parent_id, call.parent_id, call.span_id) == ("", orders.span_id, "a" * 16)
    assert (billing.trace_id, billing.parent_id) == (orders.trace_id, call.span_id)
    assert (first.trace_id, first.parent_id, first.failed) == (orders.trace_id, call.span_id, False)
    assert (other.trace_id, other.parent_id, other.attributes["error.type"]) == (
        hex_id(second),
        "b" * 16,
        "ValueError",
    )
    assert [link[:2] for link in first.links] == [(batch.trace_id, batch.span_id)]
    assert len(batch.links) == 2


def test_without_a_trace_ids_are_the_same_each_time(tmp_path, export):
    """An invocation that wasn't traced, or that wrote no record, has ids that are made of its own."""
    killed = [
        LOGS.start(2),
        LOGS.line(2, 250, "charging", trace=None),
        LOGS.report(2, 12.0, status="timeout"),
    ]
    line = json.loads(records(1)[0])
    del line["xray_trace_id"], line["traceId"]
    found = []
    for name in ("a", "b"):
        output = tmp_path / name
        assert export([json.dumps(line), *killed], "-o", str(output))[0] == 0
        found.append(
            {
                (span.trace_id, span.span_id, span.attributes["lambda_guard.outcome"])
                for span, _ in spans_in(output)
            }
        )
    assert found[0] == found[1]
    assert {outcome for *_, outcome in found[0]} == {"success", "timeout"}


def test_resources_are_the_functions(tmp_path, export, monkeypatch):
    """Each function's spans are in a group of their own; variables of this machine add to it."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=shop")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
    output = tmp_path / "spans.jsonl"
    export([*records(1, function_arn=arn), *records(2, function="billing")], "-o", str(output))
    (request,) = map(json.loads, output.read_text().splitlines())
    assert len(request["resourceSpans"]) == 2
    resources = {resource["faas.name"]: resource for _, resource in spans_in(output)}
    assert resources["orders"]["cloud.region"] == "eu-west-1"
    assert "cloud.region" not in resources["billing"]
    assert {resource["team"] for resource in resources.values()} == {"shop"}
    assert resources["orders"]["faas.max_memory"] == 128 * 1024 * 1024


def test_records_of_any_shape(tmp_path, export):
    """Whatever a record holds, the command ends well, and what it writes can be read."""
    output = tmp_path / "spans.jsonl"
    lines = [
        json.dumps({**record, "invocation_id": invocation_id(number)})
        for number, record in enumerate(variants(RECORD), 1)
        if isinstance(record, dict)
    ]
    code, said = export(lines, "-o", str(output))
    assert code == 0
    assert_nothing_steers(said)
    assert len(spans_in(output)) > len(lines) / 2


# --- The receiver -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "protobuf"])
def test_a_receiver_gets_them(export, form):
    """Requests of some hundred spans, in either form; the end says how many, and from when to go on."""
    with Collector() as collector:
        options = ("--protobuf",) if form == "protobuf" else ()
        code, said = export(records(*range(1, 1201)), "--endpoint", collector.url, *options)
        found = collector.spans()
        assert (code, len(found), collector.requests) == (0, 1200, 3)
    assert "sent: 1,200 spans of 1,200 invocations" in said
    assert f"--since {stamp(BEGAN + 120_000)}" in said


def test_headers_and_variables(export, serve, monkeypatch):
    """A key on the command line goes before the variable's; the endpoint of the variable holds where none is named."""
    url, requests = serve(lambda _: HttpResponse(status=200, body=b"{}"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a,x=b")
    assert export(records(1), "--header", "api-key=c")[0] == 0
    assert {key: requests[0].lower_headers[key] for key in ("api-key", "x")} == {"api-key": "c", "x": "b"}
    assert requests[0].path == "/v1/traces"


@pytest.mark.parametrize(
    ("given", "path"),
    [("", "/v1/traces"), ("/", "/v1/traces"), ("/otlp", "/otlp/v1/traces"), ("/a/v1/traces", "/a/v1/traces")],
)
def test_the_path_is_added(export, serve, given, path):
    """`/v1/traces` follows the address, unless it ends so."""
    url, requests = serve(lambda _: HttpResponse(status=200))
    assert export(records(1), "--endpoint", url + given)[0] == 0
    assert requests[0].path == path


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_receiver_is_asked_again(export, serve, waits, status):
    """After as long as it says, or twice as long each time, and the spans arrive once."""
    later = email.utils.formatdate(time.time() + 3600, usegmt=True)
    answers = {1: [("retry-after", "7")], 2: [("retry-after", later)], 3: [("retry-after", "soon")], 4: []}

    def answer(number):
        if number in answers:
            return HttpResponse(status=status, header_lines=tuple(answers[number]))
        return HttpResponse(status=200, body=b"{}")

    url, requests = serve(answer)
    code, said = export(records(1), "--endpoint", url)
    assert (code, len(requests)) == (0, 5)
    assert waits == [7.0, 60.0, 4.0, 8.0]
    assert "sent: 1 spans" in said


def test_one_that_stays_busy(export, serve, waits):
    """It ends after some tries, and says from when to go on."""
    url, requests = serve(lambda number: HttpResponse(status=200 if number == 1 else 503))
    code, said = export(records(*range(1, 601)), "--endpoint", url)
    assert (code, len(requests), len(waits)) == (1, 7, 5)
    assert "is busy: it was asked 6 times" in said
    assert "sent: 500 spans of 500 invocations" in said
    assert f"--since {stamp(BEGAN + 50_000)}" in said


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (
            HttpResponse(status=401, body=b"no key"),
            "answered 401 Unauthorized: no key: name its key with --header",
        ),
        (HttpResponse(status=404), "answered 404 Not Found: nothing receives spans there: check the path"),
        (HttpResponse(status=415), "say --protobuf"),
        (HttpResponse(status=400, body=b"\x1b[31m" + b"x" * 999), "answered 400 Bad Request"),
        (
            HttpResponse(status=302, header_lines=(("location", "https://b/v1/traces"),)),
            "has moved: name https://b/v1/traces",
        ),
        (HttpResponse(status=500), "answered 500"),
        (None, "can't be reached: Remote end closed connection without response"),
    ],
)
def test_a_receiver_that_refuses(export, serve, answer, what):
    """What it answers is said once, with what to do; nothing of it steers the terminal."""
    url, requests = serve(lambda _: answer)
    code, said = export(records(1), "--endpoint", url)
    assert (code, len(requests)) == (1, 1)
    assert what in said
    assert "the next run has to begin again" in said
    assert_nothing_steers(said)


@pytest.mark.parametrize(
    ("endpoint", "what"),
    [
        ("localhost:4318", "isn't an endpoint: write it as in http://localhost:4318"),
        ("ftp://a", "isn't an endpoint"),
        ("http://a:x", "isn't an endpoint"),
        (f"http://{HOSTILE}", "isn't an endpoint"),
        ("", "nowhere to send to"),
    ],
)
def test_an_endpoint_that_is_none(export, endpoint, what):
    """It's said before anything is read."""
    code, said = export(records(1), *(("--endpoint", endpoint) if endpoint else ()))
    assert code == 2
    assert what in said
    assert_nothing_steers(said)


def test_nobody_listens(export):
    """A receiver that isn't there is said to be so."""
    code, said = export(records(1), "--endpoint", "http://127.0.0.1:9")
    assert code == 1
    assert "http://127.0.0.1:9/v1/traces can't be reached" in said


@pytest.mark.parametrize("binary", [False, True])
def test_spans_that_are_rejected(export, serve, binary):
    """A partial success is counted, and why is said."""
    message = b"too old"
    body = (
        b"\x0a\x0b\x08\x02\x12\x07" + message
        if binary
        else b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}'
    )
    url, _ = serve(lambda _: HttpResponse(status=200, body=body))
    code, said = export(records(1, 2), "--endpoint", url, *(("--protobuf",) if binary else ()))
    assert code == 1
    assert "2 spans were rejected: too old" in said


@pytest.mark.parametrize(
    "answer", [b"", b"null", b"[]", b"{", b'{"partialSuccess":{}}', b'{"partialSuccess":7}']
)
def test_answers_that_say_nothing(export, serve, answer):
    """A success with any body is a success."""
    url, _ = serve(lambda _: HttpResponse(status=200, body=answer))
    assert export(records(1), "--endpoint", url)[0] == 0


def test_a_file_and_an_endpoint(export, tmp_path):
    """One of them."""
    code, said = export(records(1), "-o", str(tmp_path / "a"), "--endpoint", "http://a")
    assert code == 2
    assert "leave --endpoint and --protobuf out" in said


def test_nothing_to_export(export, tmp_path):
    """An empty log is an empty file, and no failure."""
    output = tmp_path / "spans.jsonl"
    code, said = export([], "-o", str(output))
    assert (code, output.read_text()) == (0, "")
    assert "0 spans of 0 invocations" in said


# --- Going on -----------------------------------------------------------------------------------------------------------


def test_going_on_misses_nothing(export, serve, waits):
    """What a run that was refused names brings the rest with the next one."""
    made = records(*range(1, 601))
    url, _ = serve(lambda number: HttpResponse(status=200 if number == 1 else 400))
    _, said = export(made, "--endpoint", url)
    since = re.search(r"--since (\S+)", said)[1]
    with Collector() as collector:
        assert export(made, "--endpoint", collector.url, "--since", since)[0] == 0
        assert {span.attributes["faas.invocation_id"] for span, _ in collector.spans()} >= {
            invocation_id(number) for number in range(501, 601)
        }


def test_ctrl_c(export, serve):
    """The first Ctrl-C ends it after what was read, and says from when to go on."""

    def answer(_):
        signal.raise_signal(
            signal.SIGINT
        ) if threading.current_thread() is threading.main_thread() else signal.pthread_kill(
            threading.main_thread().ident, signal.SIGINT
        )
        return HttpResponse(status=200)

    url, requests = serve(lambda number: answer(number) if number == 1 else HttpResponse(status=200))
    code, said = export(records(*range(1, 1601)), "--endpoint", url)
    assert code == 1
    assert len(requests) < 4
    assert "--since" in said


def test_logs_that_are_out_of_order():
    """Where later ones are older by more than a function can run, no time is sure to miss nothing."""
    reached = Reached()
    reached.add([1_000.0, 3_000.0, 2_500.0], 3, 0)
    assert reached.since(whole=False) == "1970-01-01T00:00:02.500Z"
    assert reached.since(whole=True) == "1970-01-01T00:00:03.000Z"
    reached.add([10_000_000.0, 0.0], 2, 0)
    assert reached.since(whole=False) is None
    assert Reached().since(whole=True) is None


def test_the_seconds_of_a_date():
    """A date that has passed is no wait."""
    assert receiver_module._seconds(email.utils.formatdate(0, usegmt=True)) == 0.0
    assert from_protobuf(b"") == []
    assert TRACE
