"""The examples of Powertools' page on its Logger, in words of our own, in both ways: the same messages, fields, answers.

https://docs.powertools.aws.dev/lambda/python/latest/core/logger/
"""

import contextlib
import datetime as dt
import decimal
import io
import json
import logging
import threading
import uuid

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.buffer import LoggerBufferConfig
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from lambda_guard import logger, production
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context

from ..sinks.conftest import unheard
from .both import run_ours
from .loggers import in_both_ways, new_service, told


def appending(either, event):
    """Keys for all lines from here on."""
    either.info("before")
    either.append_keys(order_id=event["order_id"])
    either.append_keys(sample_key="value", order_id=event.get("again", event["order_id"]))
    either.info("collecting payment")
    return {"order": event["order_id"]}


def extra_fields(either, event):
    """Fields of one line, in `extra` and by keyword."""
    fields = {"request_id": str(uuid.UUID(int=7)), "items": [1, 2]}
    either.info("by extra", extra=fields)
    either.info("by keyword", **fields)
    either.info("both", extra=fields, user="u-1")
    either.info("none")
    either.debug("below the level", **fields)


def removing(either, event):
    """Keys that are taken off again, also by `None`, and a question for those that there are."""
    either.append_keys(sample_key="value", other=2, third=3)
    either.info("with the keys")
    assert "sample_key" in either.get_current_keys()
    either.remove_keys(["sample_key", "unknown"])
    either.append_keys(other=None)
    either.info("without")
    assert "sample_key" not in either.get_current_keys()
    either.structure_logs(append=True, fourth=4)
    either.info("appended")


def keys_of_a_block(either, event):
    """Keys of a `with` block."""
    with either.append_context_keys(user_id="u-1", operation="process"):
        either.info("inside")
        with either.append_context_keys(step=2):
            either.info("deeper")
    either.info("outside")


def clearing(either, event):
    """All keys are taken off in the midst of an invocation."""
    either.append_keys(custom_key="value")
    either.thread_safe_append_keys(thread_key=1)
    either.info("starting")
    either.clear_state()
    either.info("cleared")


def keys_of_threads(either, event):
    """Each thread has its own, and the others' lines don't."""
    both, lock = threading.Barrier(2, timeout=60), threading.Lock()

    def work(order):
        either.thread_safe_append_keys(order=order)
        assert either.thread_safe_get_current_keys() == {"order": order}
        both.wait()
        with lock:
            either.info("at work on %d", order)
        both.wait()
        either.thread_safe_append_keys(second=order)
        either.thread_safe_remove_keys(["order"])
        with lock:
            either.info("removed")
        either.thread_safe_clear_keys()
        with lock:
            either.info("cleared")

    threads = [threading.Thread(target=work, args=[order]) for order in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    either.info("all done")


def correlation_id_by_method(either, event):
    """A correlation id that the handler takes from a data class."""
    request = APIGatewayProxyEvent(event)
    either.set_correlation_id(request.request_context.request_id)
    either.info("collecting payment")
    assert either.get_correlation_id() == "r-1"
    either.set_correlation_id(None)
    either.info("no longer")


def exceptions(either, event):
    """An exception with a note, and an `extra`, below the level of the others."""
    try:
        try:
            raise KeyError("endpoint")  # noqa: TRY301 - what is logged
        except KeyError as error:
            error.add_note("of order o-1")
            raise ValueError("refused") from error
    except ValueError as error:
        error.add_note("seen twice")
        either.exception("received a HTTP error", order_id="o-1")
        either.error("again", exc_info=True)
        either.warning(error)
        either.info("without")
    return "failed"


def unserializable_values(either, event):
    """What JSON has no type for becomes text."""

    class Order:
        def __str__(self):
            return "order o-1"

    either.info({"price": decimal.Decimal("1.10"), "order": Order(), "id": uuid.UUID(int=7)})
    either.info("text", price=decimal.Decimal("1.10"), order=Order(), path=uuid.UUID(int=7))


def levels(either, event):
    """The level is set in the code, by name and by number."""
    either.debug("no")
    either.setLevel("DEBUG")
    either.debug("yes")
    either.setLevel(logging.WARNING)
    either.info("no")
    either.warning("yes")
    either.setLevel("info")
    either.info("yes")
    return either.log_level


def messages(either, event):
    """Texts, arguments, objects and JSON."""
    either.info("text")
    either.info("%s of %d", "one", 2)
    either.info("%(order)s", {"order": 1})
    either.info({"operation": "collect", "charge_id": 7})
    either.info(["a", {"b": 1}])
    either.info('{"operation": "collect", "nested": {"id": 7}}')
    either.info("[1, 2]")
    either.critical("ünïcödé ✓")


EXAMPLES = [
    appending, extra_fields, removing, keys_of_a_block, clearing, correlation_id_by_method, exceptions,
    unserializable_values, levels, messages,
]  # fmt: skip
EVENT = {"order_id": "o-1", "requestContext": {"requestId": "r-1"}}


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example(code):
    """It says and answers the same."""
    theirs, ours = in_both_ways(code, EVENT)
    assert ours == theirs
    assert theirs[0]


def test_threads():
    """The lines come in any order."""
    (theirs, _), (ours, _) = in_both_ways(keys_of_threads)
    for lines in (theirs, ours):
        lines.sort(key=json.dumps)
    assert ours == theirs
    assert len(ours) == 7


def test_a_stack_trace_has_the_same_parts():
    """The type, the message, the module, and where; with what Powertools' example prints of it."""
    found = []

    def code(either, event):
        try:
            int("x")
        except ValueError:
            either.exception("failed")

    out = io.StringIO()
    theirs = Logger(service=new_service(), stream=out)
    theirs.inject_lambda_context(lambda event, context: code(theirs, event))({}, make_context())
    captured, _ = run_ours(lambda event, context: code(logger, event))
    for (line,) in ([json.loads(out.getvalue())], captured.logs):
        trace = line["stack_trace"]
        frames = [{key: frame[key] for key in ("file", "line", "function")} for frame in trace["frames"]]
        said = line["exception"].splitlines()
        found.append((trace["type"], trace["value"], trace["module"], frames, said[0], said[-1]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("path", "event"),
    [
        (correlation_paths.API_GATEWAY_REST, events.api_gateway()),
        (correlation_paths.API_GATEWAY_HTTP, events.http_api()),
        (correlation_paths.EVENT_BRIDGE, events.eventbridge({"order": 1})),
        ("headers.my_request_id_header", {"headers": {"my_request_id_header": "c-1"}}),
    ],
)
def test_correlation_paths(path, event):
    """Powertools' own paths, on the decorator that is left in place."""
    theirs, _ = in_both_ways(lambda either, event: either.info("said"), event, correlation_id_path=path)
    decorated = logger.inject_lambda_context(correlation_id_path=path)(
        lambda event, context: logger.info("said")
    )
    captured, answer = run_ours(decorated, event)
    assert (told(captured.logs), answer) == theirs
    assert theirs[0][0]["correlation_id"]


def test_state_is_cleared_between_invocations():
    """What `clear_state=True` is for: keys of one event aren't on the lines of the next."""

    def code(either, event):
        if event.get("special"):
            either.append_keys(debugging_key=event["special"])
        either.info("collecting payment")

    out = io.StringIO()
    theirs = Logger(service=new_service(), stream=out)
    decorated = theirs.inject_lambda_context(clear_state=True)(lambda event, context: code(theirs, event))
    ours = production(lambda event, context: code(logger, event))
    with unheard(), capture() as captured:
        for event in ({"special": "v-1"}, {}, {"special": "v-2"}):
            decorated(event, make_context())
            ours(event, make_context())
    assert told(captured.logs) == told(map(json.loads, out.getvalue().splitlines()))


def test_a_logger_is_shared_by_modules():
    """One that another module gets for itself has the keys; there the name says which, here it is the same object."""

    def code(either, other):
        either.append_keys(payment_id="p-1")
        other.info("in another module")
        other.append_keys(order_id="o-1")
        either.info("in the handler")

    out = io.StringIO()
    service = new_service()
    theirs, others = Logger(service=service, stream=out), Logger(service=service)
    theirs.inject_lambda_context(lambda event, context: code(theirs, others))({}, make_context())
    captured, _ = run_ours(lambda event, context: code(logger, logging_from_lambda_guard()))
    assert told(captured.logs) == told(map(json.loads, out.getvalue().splitlines()))


def logging_from_lambda_guard():
    """Return what another module imports."""
    from lambda_guard import logger as other

    return other


@pytest.mark.parametrize(("rate", "messages"), [("1", ["detail", "said"]), ("0", ["said"])])
def test_sampled_debug_lines(rate, messages, monkeypatch):
    """All or none, in both ways; the rate stands on each line, as a number in ours."""
    monkeypatch.setenv("POWERTOOLS_LOGGER_SAMPLE_RATE", rate)

    def code(either, event):
        either.debug("detail")
        either.info("said")

    try:
        (theirs, _), (ours, _) = in_both_ways(code)
    finally:
        logger.remove_keys(["sampling_rate"])
    assert [line["message"] for line in theirs] == [line["message"] for line in ours] == messages
    assert {float(line["sampling_rate"]) for line in theirs + ours} == {float(rate)}


def test_the_level_of_the_constructor_is_an_option():
    """`Logger(level="WARNING")` is `production(log_level="WARNING")`."""

    def code(either, event):
        either.info("no")
        either.warning("yes")

    theirs, _ = in_both_ways(code, log_level="WARNING")
    captured, answer = run_ours(lambda event, context: code(logger, event), log_level="WARNING")
    assert (told(captured.logs), answer) == theirs


def test_another_librarys_logger_takes_the_configuration():
    """`copy_config_to_registered_loggers`: its lines have the form, the level and the name of its logger."""
    said = []
    for either in ("theirs", "ours"):
        other, out = logging.getLogger(f"library-{new_service()}"), io.StringIO()
        theirs = Logger(service=new_service(), stream=out)
        source = theirs if either == "theirs" else logger
        try:
            copy_config_to_registered_loggers(source_logger=source, include={other.name}, log_level="WARNING")
            with contextlib.redirect_stdout(out):
                other.info("no")
                other.warning("slow %d", 2, extra={"table": "orders"})
        finally:
            other.handlers.clear()
            logger.remove_keys(["name"])
        (line,) = told(map(json.loads, out.getvalue().splitlines()))
        assert line.pop("name") == other.name
        said.append(line)
    assert said[0] == said[1] == {"level": "WARNING", "message": "slow 2", "table": "orders"}


# --- What a constructor is needed for: a Logger of one's own, which works below the decorator as it does by itself --------


class Custom(LambdaPowertoolsFormatter):
    """The page's example: the event key is renamed, and another serializer is used."""

    def serialize(self, log):
        log["event"] = log.pop("message")
        return json.dumps(log, sort_keys=True, default=str)


CONSTRUCTORS = {
    "plain": dict,
    "a formatter": lambda: {"logger_formatter": Custom(additional_key="value")},
    "a serializer": lambda: {"json_serializer": lambda log: json.dumps(log, sort_keys=True, default=str)},
    "a default": lambda: {"json_default": lambda value: f"<non-serializable: {type(value).__name__}>"},
    "UTC": lambda: {"utc": True, "use_rfc3339": True},
    "a date format": lambda: {"datefmt": "%m/%d/%Y"},
    "an order": lambda: {"log_record_order": ["message", "level"]},
    "overridden attributes": lambda: {"location": "[%(funcName)s] %(module)s", "timestamp": None, "process": "%(process)d"},
    "no service": lambda: {"xray_trace_id": None},
    "uncaught exceptions": lambda: {"log_uncaught_exceptions": False},
    "a buffer": lambda: {"level": "DEBUG", "buffer_config": LoggerBufferConfig(max_bytes=10240, buffer_at_verbosity="DEBUG")},
    "a buffer without flushing": lambda: {
        "level": "DEBUG",
        "buffer_config": LoggerBufferConfig(buffer_at_verbosity="INFO", flush_on_error_log=False),
    },
}  # fmt: skip
GAINED = {"invocation_id", "function_version"}
CHANGING = {"timestamp", "service", "cold_start", "xray_trace_id", "function_request_id"}


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_a_logger_of_ones_own_works_below_the_decorator(name, monkeypatch):
    """The same lines in the same order of keys, with the invocation's besides."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE_HEADER)
    written = []
    for decorate in (lambda handler: handler, production):
        out = io.StringIO()
        own = Logger(service=new_service(), stream=out, **CONSTRUCTORS[name]())

        @decorate
        @own.inject_lambda_context(flush_buffer_on_uncaught_error=True)
        def handler(event, context, own=own):
            own.debug("detail", at=object)
            own.info("said", extra={"order_id": "o-1"})
            own.append_keys(step=2)
            try:
                raise ValueError("refused")  # noqa: TRY301 - what is logged
            except ValueError:
                own.exception("failed")
            own.debug("last")
            if name == "a buffer":
                raise ValueError("uncaught")

        with capture(TRACE_HEADER), contextlib.suppress(ValueError):
            handler({}, make_context())
        written.append([json.loads(line) for line in out.getvalue().splitlines()])
    alone, below = (
        [{key: value for key, value in line.items() if key not in GAINED | CHANGING} for line in lines]
        for lines in written
    )
    assert below == alone
    assert [[*line] for line in below] == [[*line] for line in alone]
    assert len(alone) >= 1


def test_dates_are_written_in_rfc_3339():
    """The one type that is written in another way: `T` between date and time, as in our timestamps."""
    when = dt.datetime(2026, 11, 29, 9, 0, tzinfo=dt.UTC)
    (theirs, _), (ours, _) = in_both_ways(
        lambda either, event: either.info("said", when=when, day=when.date())
    )
    assert (theirs[0]["when"], ours[0]["when"]) == ("2026-11-29 09:00:00+00:00", "2026-11-29T09:00:00+00:00")
    assert theirs[0]["day"] == ours[0]["day"] == "2026-11-29"
