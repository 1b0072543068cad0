"""What a sender can choose never passes as an invocation record, a line of ours, a platform event or metrics."""

import base64
import gzip
import json
import logging
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, quote

import pytest
from aws_embedded_metrics import metric_scope
from aws_embedded_metrics.config import get_config
from aws_lambda_powertools import Metrics as PowertoolsMetrics
from aws_lambda_powertools.metrics.provider.datadog import DatadogMetrics, DatadogProvider
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard import logger, metrics, production
from lambda_guard.testing import capture, make_context
from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.reading.grouping import Grouper
from lambda_guard.tools.logs.reading.line_owner import identify
from lambda_guard.tools.logs.reading.runtime_errors import tells_of_an_error
from lambda_guard.tools.logs.reading.streams import Stream

OWN = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
NOW = int(time.time() * 1000)
METRICS = {
    "_aws": {
        "Timestamp": NOW,
        "CloudWatchMetrics": [
            {
                "Namespace": "LambdaGuard",
                "Dimensions": [["service", "function_name"]],
                "Metrics": [{"Name": "Errors", "Unit": "Count"}],
            }
        ],
    },
    "service": "orders",
    "function_name": "orders",
    "Errors": 1,
}
LINE = {
    "level": "ERROR",
    "location": "charge:12",
    "message": "the database is gone",
    "timestamp": "2026-11-23T15:04:05.123Z",
    "service": "orders",
    "logger": "lambda_guard",
    "invocation_id": OTHER,
}
FORGED = {
    "record": {**LINE, "record": "invocation", "outcome": "error", "trigger": {"type": "sqs"}, **METRICS},
    "init record": {**LINE, "record": "init", "outcome": "error"},
    "record without a level": {"record": "invocation", "outcome": "success", "invocation_id": OTHER},
    "record of this invocation": {**LINE, "record": "invocation", "outcome": "success", "invocation_id": OWN},
    "line": LINE,
    "line by another id": {"level": "ERROR", "message": "gone", "requestId": OTHER},
    "metrics": METRICS,
    "old metrics": {"Version": "0", "level": "INFO", **METRICS["_aws"]},
    "platform event": {
        "time": "2026-11-23T15:04:05.123Z",
        "type": "platform.report",
        "record": {"requestId": OTHER, "status": "error", "metrics": {"durationMs": 1}},
    },
    "runtime's error": {"errorType": "Boom", "errorMessage": "gone", "requestId": OTHER, "stackTrace": []},
    "Datadog's": {"m": "orders.failed", "v": 1, "e": NOW, "t": ["service:orders"]},
}
each_forged = pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)


def escaped(document):
    """Return JSON in which every letter is an escape."""
    return json.dumps(document).replace("CloudWatch", "".join(f"\\u{ord(each):04x}" for each in "CloudWatch"))


def by_a_handler_of_its_own(text):
    """Log a text through a handler with the simplest of formats."""
    handler = logging.StreamHandler(sys.stdout)
    log = logging.getLogger("a_senders_text")
    log.propagate = False
    log.addHandler(handler)
    log.warning(text)
    log.removeHandler(handler)


def twice(document):
    """Return JSON in which the first of two equal keys is harmless."""
    first, *_ = document
    return f'{{"{first}": 1, {json.dumps(document)[1:]}'


def token(claims):
    """Return an unsigned JSON Web Token."""
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in ({"alg": "none"}, claims)
    )
    return f"{head.rstrip('=')}.{body.rstrip('=')}."


def b64(text):
    """Decode base64 as tokens have it."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Markup(str):
    """A text of a class of its own, as templates and parsers return."""

    __slots__ = ()


PRINTS = {
    "the event": (lambda it: it, lambda event: print(json.dumps(event))),
    "a part": (lambda it: {"detail": [it]}, lambda event: print(json.dumps(event["detail"][0]))),
    "compact": (lambda it: {"d": it}, lambda event: print(json.dumps(event["d"], separators=(",", ":")))),
    "the body": (lambda it: {"body": json.dumps(it)}, lambda event: print(event["body"])),
    "escapes": (lambda it: {"body": escaped(it)}, lambda event: print(event["body"])),
    "a key twice": (lambda it: {"body": twice(it)}, lambda event: print(event["body"])),
    "below text": (
        lambda it: {"body": f"hello\n{json.dumps(it)}\nbye"},
        lambda event: print(event["body"]),
    ),
    "in parts": (
        lambda it: {"body": json.dumps(it)},
        lambda event: [sys.stdout.write(event["body"][:9]), sys.stdout.write(event["body"][9:])],
    ),
    "in an envelope": (
        lambda it: {"body": json.dumps({"Message": json.dumps(it)})},
        lambda event: print(json.loads(event["body"])["Message"]),
    ),
    "after a space": (
        lambda it: {"body": f"hello\n {escaped(it)}\nbye"},
        lambda event: [print(line.strip()) for line in event["body"].split("\n")],
    ),
    "a form": (
        lambda it: {"body": f"id=1&note={quote(escaped(it), safe='')}"},
        lambda event: print(parse_qs(event["body"])["note"][0]),
    ),
    "a token": (
        lambda it: {"headers": {"authorization": f"Bearer {token(it)}"}},
        lambda event: print(b64(event["headers"]["authorization"].split(".")[1]).decode()),
    ),
    "base64 in lines": (
        lambda it: {"data": base64.encodebytes(escaped(it).encode()).decode()},
        lambda event: print(base64.b64decode(event["data"]).decode()),
    ),
    "a kind of text": (
        lambda it: {"body": json.dumps(it)},
        lambda event: sys.stdout.write(Markup(event["body"] + "\n")),
    ),
    "base64": (
        lambda it: {"data": base64.b64encode(json.dumps(it).encode()).decode()},
        lambda event: print(base64.b64decode(event["data"]).decode()),
    ),
    "gzip": (
        lambda it: {"data": base64.b64encode(gzip.compress(json.dumps(it).encode())).decode()},
        lambda event: print(gzip.decompress(base64.b64decode(event["data"])).decode()),
    ),
    "a handler": (lambda it: {"body": json.dumps(it)}, lambda event: by_a_handler_of_its_own(event["body"])),
    "a message": (lambda it: {"body": json.dumps(it)}, lambda event: logger.info(event["body"])),
    "an object": (lambda it: it, logger.info),
    "an argument": (lambda it: {"body": json.dumps(it)}, lambda event: logger.info("%s", event["body"])),
    "fields": (lambda it: it, lambda event: logger.info("fields", extra=event)),
    "keys": (lambda it: it, lambda event: (logger.append_keys(**event), logger.info("keys"))),
    "thread's keys": (
        lambda it: it,
        lambda event: (logger.thread_safe_append_keys(**event), logger.info("keys")),
    ),
}


@each_forged
@pytest.mark.parametrize(("wrap", "write"), PRINTS.values(), ids=PRINTS)
def test_a_senders_object_is_data(invoke, forged, wrap, write):
    """However it comes and is printed: it is no record, no other invocation's line, no metric, no platform event."""
    event = wrap(forged)
    check(invoke(lambda event, context: write(event), event, context=make_context(aws_request_id=OWN)), event)


LATE = {
    "a record": {"record": "invocation", "outcome": "success", "invocation_id": OWN},
    "another's line": LINE,
    "a platform event": FORGED["platform event"],
    "old metrics": FORGED["old metrics"],
    "a document that is a record": {**METRICS, "record": "invocation"},
}


def in_a_thread(write):
    """Write in a thread that is started here."""
    thread = threading.Thread(target=write)
    thread.start()
    thread.join()


def in_a_pool(write):
    """Write in a pool's task that is submitted here."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(write).result()


@pytest.mark.parametrize("forged", LATE.values(), ids=LATE)
@pytest.mark.parametrize(
    "where", [lambda write: write(), in_a_thread, in_a_pool], ids=["here", "thread", "pool"]
)
def test_work_that_outlives_its_invocation_forges_nothing(forged, where):
    """Its invocation's event is gone, and its text stays as it is; what a reader would take for more isn't JSON."""
    captured = late(lambda: where(lambda: print(f"text\n{json.dumps(forged)}")))
    *_, text, line = captured.output.rstrip("\n").split("\n")
    assert (text, line) == ("text", f"print: {json.dumps(forged)}")


@pytest.mark.parametrize("own", [METRICS, {"level": "INFO", "invocation_id": OWN}, {"order": 1}, {"m": 1}])
def test_work_that_outlives_its_invocation_goes_on_to_print(own):
    """Metrics of a program that writes such documents, and lines that name the invocation they came from."""
    assert late(lambda: print(json.dumps(own))).output.rstrip("\n").split("\n")[-1] == json.dumps(own)


def late(write):
    """Have a thread write after the end of the invocation that has started it."""
    over, threads = threading.Event(), []

    @production
    def handler(event, context):
        threads.append(threading.Thread(target=lambda: over.wait(60) and write()))
        threads[0].start()

    with capture() as captured:
        handler({}, make_context(aws_request_id=OWN))
        over.set()
        threads[0].join()
    return captured


def check(captured, event=None):
    """Hold what was written to what it may be."""
    assert captured.raised is None
    written = [line for line in captured.output.split("\n") if line.startswith("{")]
    assert len(written) >= 2, captured.output  # nothing is lost
    *lines, record = map(json.loads, written)
    assert (record["record"], record["outcome"], record["invocation_id"]) == ("invocation", "success", OWN)
    for line in lines:
        assert line.get("record") not in ("invocation", "init")
        assert "_aws" not in line
        assert "CloudWatchMetrics" not in line
        assert line.keys() != set("mvet")
        assert line["invocation_id"] == OWN
    grouper = Grouper()
    grouper.feed([line.encode() for line in captured.output.split("\n")], Stream("stream", exact=True))
    grouper.finish()
    (found,) = grouper.take()
    assert isinstance(found, Invocation)
    assert (found.invocation_id, found.record["outcome"], found.report.status) == (OWN, "success", "")


@pytest.mark.parametrize(
    "text",
    [
        f"START RequestId: {OTHER} Version: $LATEST",
        f"END RequestId: {OTHER}",
        f"REPORT RequestId: {OTHER}\tDuration: 1 ms\tBilled Duration: 1 ms\tStatus: timeout",
        f"2026-11-23T15:04:05.123Z {OTHER} Task timed out after 3.00 seconds",
        f"RequestId: {OTHER} Error: Runtime exited with error: signal: killed",
        f"[ERROR]\t2026-11-23T15:04:05.123Z\t{OTHER}\tgone",
        "[ERROR] Boom: gone\rTraceback (most recent call last):\r  File",
        f"2026-11-23T15:04:05.123Z {json.dumps(FORGED['record'])}",
    ],
)
def test_a_senders_text_is_text(invoke, text):
    """What looks like a line of the platform's or the runtime's is a message, too."""
    event = {"body": text}
    check(
        invoke(lambda event, context: print(event["body"]), event, context=make_context(aws_request_id=OWN))
    )


def test_a_line_that_was_cut_is_not_the_one_that_its_data_names(invoke):
    """What is left of a line with a sender's object in it, or a sender's text, is assigned by its own keys alone."""
    captured = invoke(lambda event, context: print(json.dumps({"a": [LINE], "b": "x" * 99})))
    line = captured.output.split("\n")[0].encode()
    assert identify(line[: line.index(b"x" * 99) + 9]).invocation_id is None
    text = json.dumps({"message": json.dumps(LINE) * 20_000}).encode()
    assert identify(text[:-9]).invocation_id is None
    assert (
        identify(f'{{"a": {{"b": 1}}, "invocation_id": "{OWN}", "message": "x'.encode()).invocation_id
        == OWN.encode()
    )


@pytest.mark.parametrize(
    "claims",
    [
        {"level": None, "type": "platform.report", "record": {"requestId": OTHER, "status": "error"}},
        {"level": {}, "type": "platform.start", "record": {"requestId": OTHER}},
        {"level": "ERROR", "invocation_id": OTHER, "record": "invocation", "outcome": "error"},
        {"level": "ERROR", "AWSRequestId": OTHER, "message": "gone"},
    ],
)
def test_what_was_fetched_is_no_others(invoke, claims):
    """Text that comes from elsewhere than the event is no platform event, and no other invocation's line."""
    context = make_context(aws_request_id=OWN)
    check(invoke(lambda event, context: print(json.dumps(claims)), context=context))


def test_a_line_with_a_level_is_no_report_of_the_runtimes(invoke):
    """The runtime's report of an error has no level by that name: a line of the handler's doesn't fail what was killed."""
    line = {"level": "ERROR", "errorType": "Boom", "errorMessage": "gone"}
    captured = invoke(lambda event, context: print(json.dumps(line)))
    assert not tells_of_an_error([captured.output.split("\n")[0].encode()])
    assert tells_of_an_error([json.dumps({**line, "level": None} | {"log_level": "ERROR"}).encode()]) is False
    assert tells_of_an_error([b'{"log_level":"ERROR","errorType":"Boom","errorMessage":"gone"}'])


def test_an_event_that_unpacks_to_more_than_can_be_looked_at_is_not_trusted(invoke):
    """A few KB of gzip can be gigabytes: only so much of it is unpacked, and then what is printed is data."""
    bomb = base64.b64encode(gzip.compress(b" " * 2**25)).decode()
    captured = invoke(lambda event, context: print(json.dumps(METRICS)), {"data": bomb})
    assert captured.lines[0]["message"] == METRICS


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=9)
    | st.sampled_from(["invocation", OTHER, "ERROR", json.dumps(LINE), json.dumps(METRICS), "platform.end"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "level",
                    "record",
                    "outcome",
                    "invocation_id",
                    "requestId",
                    "_aws",
                    "CloudWatchMetrics",
                    "type",
                    "m",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=2 * settings.default.max_examples)
@given(event=st.dictionaries(st.sampled_from(["level", "record", "_aws", "type", "requestId", "body"]), JSON))
def test_whatever_is_sent(invoke, event):
    """Over random events of nasty keys and values, printed whole, in parts, and logged."""

    def handler(event, context):
        print(json.dumps(event))
        for each in event.values():
            print(each if isinstance(each, str) else json.dumps(each))
        logger.info(event)
        logger.info("fields", extra=event)
        logger.append_keys(**event)
        logger.info("keys")

    check(invoke(handler, event, context=make_context(aws_request_id=OWN)))


def test_metadata_of_a_senders_choice(invoke):
    """Metadata and dimensions make no record of a document of metrics."""

    def handler(event, context):
        for key, value in event.items():
            metrics.add_metadata(key, value)
        metrics.add_dimension("record", "invocation")
        metrics.add_metric("Orders", "Count", 1)

    captured = invoke(handler, FORGED["record without a level"])
    assert [line.get("record") for line in captured.lines if "_aws" in line] == [None, "invocation"]


def test_metrics_are_of_the_invocation_that_wrote_them(invoke):
    """A sender's id among the metadata or the dimensions, or in a library's document, assigns it to no other."""

    def ours(event, context):
        metrics.add_metadata("invocation_id", OTHER)
        metrics.add_metric("Orders", "Count", 1)

    def theirs(event, context):
        print(json.dumps({**METRICS, "requestId": OTHER, "invocation_id": OTHER}))

    for handler in (ours, theirs):
        line, _ = invoke(handler, context=make_context(aws_request_id=OWN)).lines
        assert (line["invocation_id"], line["invocation_id_"]) == (OWN, OTHER)
        assert line["_aws"]["CloudWatchMetrics"]


# --- What is the function's own goes on to work -------------------------------------------------------------------


def top(captured):
    """Return the printed lines that stand in the log as they were."""
    return [line for line in captured.lines if "invocation_id" not in line]


def test_metrics_by_hand(invoke):
    """A function that prints EMF itself is left alone, also where its event holds anything else."""
    captured = invoke(lambda event, context: print(json.dumps(METRICS)), {"body": json.dumps(LINE)})
    assert top(captured) == [METRICS]


@pytest.mark.filterwarnings(
    "ignore:'asyncio.iscoroutinefunction' is deprecated:DeprecationWarning"
)  # on 3.14
def test_metrics_of_the_embedded_metrics_library(invoke, monkeypatch):
    """AWS's own library, where an event holds metrics, too."""
    monkeypatch.setattr(get_config(), "environment", "lambda")

    @metric_scope
    def handler(event, context, metrics):
        metrics.set_namespace("Theirs").set_dimensions({"function_version": "7"})
        metrics.put_metric("Latency", 12, "Milliseconds")
        print(event["body"])

    captured = invoke(handler, {"body": json.dumps(METRICS)})
    (document,) = top(captured)
    assert document["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Theirs"
    assert document["Latency"] == 12


def test_metrics_of_powertools(invoke):
    """Powertools' own `Metrics`, likewise; what the handler prints itself is no library's."""
    theirs = PowertoolsMetrics(namespace="Theirs", service="orders")

    @theirs.log_metrics
    def handler(event, context):
        theirs.add_metric("Latency", "Milliseconds", 12)
        print(event["body"])

    (document,) = top(invoke(handler, {"body": json.dumps(METRICS)}))
    assert document["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Theirs"


def test_metrics_of_a_library_that_nobody_knows(tmp_path):
    """An installed package that writes such documents in one module and prints them in another goes on to work."""
    library = tmp_path / "site-packages" / "acme_emf"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("from . import out, shape\ndef put(n): out.write(shape.of(n))\n")
    (library / "out.py").write_text("import json, logging, sys\ndef write(it): print(json.dumps(it))\n")
    (library / "shape.py").write_text(f"def of(n): return {METRICS} | {{'Errors': n}}\n")
    (tmp_path / "app.py").write_text(
        textwrap.dedent("""
        import sys
        sys.path.insert(0, "site-packages")
        import acme_emf
        from lambda_guard import production

        @production
        def handler(event, context):
            acme_emf.put(7)
            print(open("fetched").read())
    """)
    )
    (tmp_path / "fetched").write_text(json.dumps(METRICS))
    theirs, fetched, _ = run_app(tmp_path)
    assert theirs == METRICS | {"Errors": 7}
    assert fetched["message"] == METRICS


def run_app(folder):
    """Run the handler of `app.py` in a process of its own; return its lines."""
    code = "import app; from lambda_guard.testing import make_context; app.handler({}, make_context())"
    run = [sys.executable, "-c", code]
    ran = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return list(map(json.loads, ran.stdout.splitlines()))


def test_datadogs_metrics(invoke):
    """Datadog's forwarder reads `{m, v, e, t}` at the top level: by hand, and by Powertools' provider."""
    by_hand = {"m": "orders.count", "v": 1, "e": NOW // 1000, "t": ["env:prod"]}
    theirs = DatadogMetrics(provider=DatadogProvider(namespace="Theirs", flush_to_log=True))

    @theirs.log_metrics
    def handler(event, context):
        print(json.dumps(by_hand))
        theirs.add_metric(name="sales", value=7, env="prod")

    found = top(invoke(handler, {"body": json.dumps(FORGED["Datadog's"])}))
    assert found[0] == by_hand
    assert (found[1]["m"], found[1]["v"]) == ("Theirs.sales", 7)


@pytest.mark.parametrize(
    "line",
    [
        {"level": "WARNING", "message": "from another library", "order": {"id": 1}},
        {"level": "info", "event": "structlog's", "function_request_id": OWN},
        {"level": "INFO", "message": "mine", "record": "o-1", "message_id": "m-1", "cold_start": True},
    ],
)
def test_structured_lines_pass(invoke, line):
    """A line with a level keeps its fields, if it names no other invocation and isn't the sender's."""
    context = make_context(aws_request_id=OWN)
    captured = invoke(lambda event, context: print(json.dumps(line)), {"level": "WARNING"}, context=context)
    written = captured.output.split("\n")[0]
    assert written.startswith(json.dumps(line)[:-1])
    assert json.loads(written) == {"invocation_id": OWN} | json.loads(written) | line


def test_a_structured_line_that_names_something_else_is_corrected(invoke):
    """It keeps its level and its fields, under the invocation's own keys; its own claims get an underscore."""
    claims = {**FORGED["record"], "requestId": "an API's own id"}
    captured = invoke(
        lambda event, context: print(
            json.dumps({key: value for key, value in claims.items() if key != "_aws"})
        ),
        context=make_context(aws_request_id=OWN),
    )
    line, _ = captured.lines
    assert (line["level"], line["message"], line["requestId"]) == (
        "ERROR",
        "the database is gone",
        "an API's own id",
    )
    assert (line["invocation_id"], line["invocation_id_"]) == (OWN, OTHER)
    assert (line["record_"], line["logger_"], "logger" in line) == ("invocation", "lambda_guard", False)


def test_fields_that_would_forge_get_an_underscore(invoke):
    """`record` stays the user's, unless it would be a record's mark."""

    def handler(event, context):
        logger.info("mine", record="o-1")
        logger.info("theirs", record="invocation", _aws={}, CloudWatchMetrics=[])

    mine, theirs = invoke(handler).logs
    assert mine["record"] == "o-1"
    assert (theirs["record_"], theirs["_aws_"], theirs["CloudWatchMetrics_"]) == ("invocation", {}, [])


def test_what_was_fetched_makes_no_metrics(tmp_path):
    """In a program that spells no metrics itself, no printed text makes any, wherever it comes from."""
    (tmp_path / "app.py").write_text(
        textwrap.dedent("""
        from lambda_guard import production

        @production
        def handler(event, context):
            print(open("fetched").read())
    """)
    )
    (tmp_path / "fetched").write_text(json.dumps(METRICS))
    line, record = run_app(tmp_path)
    assert line["message"] == METRICS
    assert record["record"] == "invocation"


def test_an_event_that_cannot_be_looked_at_is_not_trusted(invoke):
    """Nested as deeply as nothing is that the function makes: what is printed is data."""
    deep = METRICS
    for _ in range(3_000):
        deep = [deep]
    captured = invoke(lambda event, context: print(json.dumps(METRICS)), {"deep": deep})
    assert captured.lines[0]["message"] == METRICS
