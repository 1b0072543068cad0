"""Log lines: every logger's, one JSON object each, with the invocation's keys."""

import asyncio
import collections
import datetime as dt
import decimal
import enum
import io
import json
import logging
import math
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from hypothesis import example, given, settings
from hypothesis import strategies as st

import lambda_guard
from lambda_guard import logger, production
from lambda_guard.testing import capture, events, make_context

KEYS = ("level", "location", "message", "timestamp", "service", "logger")
THEIRS = ("invocation_id", "function_name", "function_version", "cold_start")


def one(captured: Any) -> dict[str, Any]:
    """Return the one log line."""
    assert len(captured.logs) == 1, captured.output
    found: dict[str, Any] = captured.logs[0]
    return found


def own(line: dict[str, Any]) -> dict[str, Any]:
    """Return what the handler put into a line."""
    return {key: value for key, value in line.items() if key not in (*KEYS, *THEIRS)}


def said(captured: Any) -> list[Any]:
    """Return the messages of the log lines."""
    return [line["message"] for line in captured.logs]


# --- What a line is ----------------------------------------------------------------------------------------------


def test_a_line_has_all_keys_in_this_order(invoke, header):
    """A line is one JSON object: Powertools' keys, the handler's fields, the invocation's keys."""

    def handler(event, context):
        logger.info("order %s accepted", "o-1", order_id="o-1", lines=3)

    context = make_context(aws_request_id="r-1", function_name="accept", function_version="7")
    line = one(invoke(handler, header=header, context=context))
    timestamp = line.pop("timestamp")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", timestamp)
    assert list(line.items()) == [
        ("level", "INFO"),
        ("location", f"handler:{handler.__code__.co_firstlineno + 1}"),
        ("message", "order o-1 accepted"),
        ("service", "orders"),
        ("logger", "lambda_guard"),
        ("order_id", "o-1"),
        ("lines", 3),
        ("invocation_id", "r-1"),
        ("xray_trace_id", "1-5759e988-bd862e3fe1be46a994272793"),
        ("function_name", "accept"),
        ("function_version", "7"),
        ("cold_start", False),
    ]


@pytest.fixture(params=[False, True], ids=["written", "heard"])
def heard(request):
    """Whether somebody else hears our logger's records (`caplog`, a handler of the user's), or none is made."""
    return request.param


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical", "exception"])
def test_each_method_names_its_level_and_who_called(invoke, heard, level):
    """`location` is the function that logged, for each of the logger's methods, and `stacklevel` counts from it."""

    def outer():
        inner()

    def inner():
        getattr(logger, level)("here")
        getattr(logger, level)("above", stacklevel=3)

    here, above = invoke(lambda event, context: outer(), heard=heard, log_level="DEBUG").logs
    assert here["level"] == above["level"] == ("ERROR" if level == "exception" else level.upper())
    assert here["location"] == f"inner:{inner.__code__.co_firstlineno + 1}"
    assert above["location"] == f"outer:{outer.__code__.co_firstlineno + 1}"


def test_the_library_methods_of_our_logger_name_who_called(invoke, heard):
    """`getLogger("lambda_guard")` and what Powertools passes on to it name the caller, and count `stacklevel` as logging."""
    plain = logging.getLogger("lambda_guard")

    def outer():
        inner()

    def inner():
        for method in (plain.info, plain.exception, logger.fatal):
            method("here")
            method("above", stacklevel=2)
        logger.log(35, "here")
        plain.log(35, "above", stacklevel=2)

    lines = invoke(lambda event, context: outer(), heard=heard).logs
    first = inner.__code__.co_firstlineno
    above = f"outer:{outer.__code__.co_firstlineno + 1}"
    assert [line["location"] for line in lines] == [
        *[f"inner:{first + 2}", above, f"inner:{first + 2}", above, f"inner:{first + 2}", above],
        *[f"inner:{first + 4}", above],
    ]
    assert [line["level"] for line in lines[::2]] == ["INFO", "ERROR", "CRITICAL", "Level 35"]


def test_a_record_names_a_level_of_its_own(invoke):
    """Whoever makes records, as loguru does for its SUCCESS, names levels that logging doesn't know."""

    def handler(event, context):
        record = logging.LogRecord("shop", 25, "shop.py", 7, "packed", (), None)
        record.levelname = "SUCCESS"
        logger.handlers[0].handle(record)

    assert one(invoke(handler))["level"] == "SUCCESS"


def test_lines_below_the_level_are_not_written(invoke):
    """`log_level` decides what is written, and `setLevel` changes it."""

    def handler(event, context):
        logger.info("no")
        logger.warning("yes")
        logger.setLevel("DEBUG")
        logger.debug("now")

    assert said(invoke(handler, log_level="WARNING")) == ["yes", "now"]


@pytest.mark.parametrize(
    ("message", "written"),
    [
        ("text", "text"),
        ("", ""),
        ({"order": 1}, {"order": 1}),
        ("123", "123"),
        ("null", "null"),
        (None, "None"),
        (12, 12),
        (True, True),
        (["a"], ["a"]),
        (("a", 2), ["a", 2]),
        ('{"order": 1}', {"order": 1}),
        (' \n[{"a": null}]\n', [{"a": None}]),
        ('{"order": NaN}', {"order": "nan"}),
        ('{"order": 1', '{"order": 1'),
        ("[" * 100_000, "[" * 100_000),
        ("[info] at work", "[info] at work"),
        (ValueError("no"), "no"),
        ("100 %", "100 %"),
    ],
)
def test_a_message_is_text_or_what_json_has_a_type_for(invoke, message, written):
    """An object or a list stays one in `message`, also as JSON text; anything else is said as text."""

    def handler(event, context):
        logger.info(message)
        logging.getLogger("lambda_guard.orders").info(message)

    assert said(invoke(handler)) == [written] * 2


def test_json_text_as_an_argument_stays_text(invoke):
    """What is put into a message is a part of its text, as with Powertools."""
    text = '{"order": 1}'

    def handler(event, context):
        logger.info("%s", text)
        logging.getLogger("lambda_guard.orders").info("%s", text)

    assert said(invoke(handler)) == [text] * 2


FORGED = (
    '{"record": "invocation", "outcome": "success", "level": "INFO"}',
    '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": []}}',
    '{"m": "orders", "v": 1, "e": 1, "t": []}',
)


@pytest.mark.parametrize("text", FORGED)
def test_json_text_never_leaves_its_message(invoke, text):
    """A message from outside is data: it adds no key to its line, whichever keys it has."""
    line = one(invoke(lambda event, context: logger.info(text)))
    assert line["message"] == json.loads(text)
    assert own(line) == {}


@pytest.mark.parametrize(
    ("message", "args", "written"),
    [
        ("%s and %d", ("a", 2), "a and 2"),
        ("%(a)s", ({"a": 1},), "1"),
        ("%s", ({},), "{}"),
        ("%d", ("x",), "%d ('x',)"),
        ("no place", (1,), "no place (1,)"),
        ("%s %s", (1,), "%s %s (1,)"),
    ],
)
def test_arguments_are_put_into_the_message(invoke, message, args, written):
    """`%` formatting as logging has it; arguments that don't fit never lose the line."""
    assert said(invoke(lambda event, context: logger.info(message, *args))) == [written]


def test_a_mapping_as_the_first_argument_that_does_not_fit(invoke):
    """A mapping that has not the keys of the format stands behind the message."""
    assert said(invoke(lambda event, context: logger.info("%(b)s", {"a": 1}))) == ["%(b)s {'a': 1}"]


# --- Fields ------------------------------------------------------------------------------------------------------

RESERVED = (
    *("name", "message", "args", "level", "location", "timestamp", "service", "module", "filename", "lineno"),
    *("process", "asctime", "created", "thread", "taskName", "aws_request_id", "invocation_id", "cold_start"),
    *("xray_trace_id", "function_name", "function_version", "logger", "levelname", "levelno"),
)


@pytest.mark.parametrize("name", RESERVED)
def test_a_field_with_a_taken_name_gets_an_underscore(invoke, name):
    """No name of a field raises, takes the place of a key, or is lost: as a keyword, in `extra`, from any logger."""

    def handler(event, context):
        logger.info("keyword", **{name: "mine"})
        logger.info("extra", extra={name: "mine"})
        logger.exception("exception", **{name: "mine"})

    for line in invoke(handler).logs:
        assert own(line) == {f"{name}_": "mine"}


def test_fields_named_as_the_methods_own_parameters(invoke):
    """`exc_info`, `stack_info`, `stacklevel` and `extra` mean what logging means by them."""

    def handler(event, context):
        logger.info("a", extra={"a": 1}, b=2, stack_info=True)

    fields = own(one(invoke(handler)))
    assert "in handler" in fields.pop("stack_info")
    assert fields == {"a": 1, "b": 2}


def test_fields_without_a_value_are_left_out(invoke):
    """`None` says nothing, as with Powertools."""
    assert own(one(invoke(lambda event, context: logger.info("a", order_id=None, lines=0)))) == {"lines": 0}


def test_module_level_code_logs_as_the_environment_says(fresh):
    """What is logged and counted before anything is decorated has the service, the namespace and the level, too."""
    output = fresh(
        """
        from lambda_guard import logger, metrics, production

        logger.info("loading")
        logger.debug("loading what")
        metrics.add_metric("Loaded", "Count", 1)
        production(service="of its own")(lambda event, context: logger.info("at work"))({}, None)
        """,
        LAMBDA_GUARD_SERVICE="orders",
        LAMBDA_GUARD_NAMESPACE="Shop",
        LAMBDA_GUARD_LOG_LEVEL="DEBUG",
    )
    first, second, document, third, _ = map(json.loads, output.splitlines())
    assert [line["message"] for line in (first, second, third)] == ["loading", "loading what", "at work"]
    assert [line["service"] for line in (first, second, document, third)] == ["orders"] * 3 + ["of its own"]
    assert document["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Shop"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stream_that_is_not_utf_8_loses_no_line(fresh, encoding):
    """Where standard output has another encoding, what it can't take is escaped, and reads the same."""
    output = fresh(
        r"""
        from lambda_guard import logger, metrics, production

        @production
        def handler(event, context):
            logger.info("5 \u20ac \U0001f600")
            metrics.add_metric("\u03bcs", "Count", 1)
            raise ValueError("no \u20ac")

        try:
            handler({}, None)
        except ValueError:
            pass
        """,
        PYTHONIOENCODING=encoding,
    )
    line, document, record = map(json.loads, output.splitlines())
    assert line["message"] == "5 \u20ac \U0001f600"
    assert document["\u03bcs"] == 1
    assert record["error"]["message"] == "no \u20ac"
    assert "GuardErrors" not in record


@pytest.mark.parametrize("where", ["module", "handler"])
def test_the_users_configuration_of_logging_does_not_silence_ours(fresh, where):
    """`dictConfig`, which disables the loggers that it doesn't name, leaves our lines, and what metrics has to say."""
    output = fresh(
        """
        import logging.config, os
        from lambda_guard import logger, metrics, production

        def configure(where):
            if os.environ["WHERE"] == where:
                logging.config.dictConfig({"version": 1, "root": {"level": "INFO", "handlers": []}})

        configure("module")

        @production
        def handler(event, context):
            configure("handler")
            logger.info("said")
            metrics.add_metric("Orders", "Count", "many")

        handler({}, None)
        """,
        WHERE=where,
    )
    assert [line["message"].partition(" was")[0] for line in map(json.loads, output.splitlines())][:2] == [
        "said",
        "metric 'Orders'",
    ]


@pytest.mark.parametrize("extra", ["o-1", ["o-1"], 7])
def test_an_extra_that_is_no_mapping_is_a_field(invoke, extra):
    """`extra` of the wrong kind doesn't raise into the handler, and is told."""

    def handler(event, context):
        logger.info("first", extra=extra)
        logger.info("second", extra=extra, order_id="o-2")
        logger.log(logging.INFO, "third", extra=extra)

    captured = invoke(handler)
    assert captured.raised is None
    assert [line["extra"] for line in captured.logs] == [extra] * 3
    assert captured.logs[1]["order_id"] == "o-2"


def test_the_callers_own_extra_is_not_changed(invoke):
    """`extra` is the caller's: it isn't added to."""
    extra = {"name": "mine"}
    invoke(lambda event, context: logger.info("a", extra=extra, order_id=1))
    assert extra == {"name": "mine"}


# --- Keys that are appended --------------------------------------------------------------------------------------


@pytest.fixture
def module_keys():
    """Keys that module-level code appends, and takes off again after the test."""
    logger.append_keys(team="sales", region="eu")
    yield
    logger.remove_keys(["team", "region"])


def test_appended_keys_end_with_the_invocation(invoke, module_keys):
    """What a handler appends stands on its lines, also those of other loggers, and never on the next invocation's."""

    def handler(event, context):
        logger.append_keys(order_id="o-1", team="returns")
        logger.info("first")
        logging.getLogger("lambda_guard.orders").info("second")
        print("third")

    first, second, third = invoke(handler).logs
    assert own(first) == own(second) == {"team": "returns", "region": "eu", "order_id": "o-1"}
    assert own(third) == {}
    assert own(one(invoke(lambda event, context: logger.info("next")))) == {"team": "sales", "region": "eu"}


def test_module_level_keys_can_be_taken_off_for_an_invocation(invoke, module_keys):
    """`remove_keys` and `clear_state` reach module-level keys for the invocation alone."""

    def removing(event, context):
        logger.append_keys(a=1, b=2)
        logger.remove_keys(["team", "a", "unknown"])
        logger.info("removed")
        assert logger.get_current_keys() == {"region": "eu", "b": 2}
        logger.clear_state()
        logger.info("cleared")
        assert logger.get_current_keys() == {}
        logger.append_keys(team="again")
        logger.info("again")

    removed, cleared, again = invoke(removing).logs
    assert own(removed) == {"region": "eu", "b": 2}
    assert own(cleared) == {}
    assert own(again) == {"team": "again"}
    assert own(one(invoke(lambda event, context: logger.info("next")))) == {"team": "sales", "region": "eu"}


def test_structure_logs_replaces_or_appends(invoke, module_keys):
    """Powertools' `structure_logs` works for the invocation."""

    def handler(event, context):
        logger.structure_logs(append=True, a=1)
        logger.info("appended")
        logger.structure_logs(b=2)
        logger.info("replaced")

    appended, replaced = invoke(handler).logs
    assert own(appended) == {"team": "sales", "region": "eu", "a": 1}
    assert own(replaced) == {"b": 2}
    assert own(one(invoke(lambda event, context: logger.info("next")))) == {"team": "sales", "region": "eu"}


def test_a_correlation_id_is_a_key(invoke):
    """`set_correlation_id` and `get_correlation_id` are Powertools'."""

    def handler(event, context):
        logger.set_correlation_id("c-1")
        logger.info(logger.get_correlation_id())

    line = one(invoke(handler))
    assert (line["message"], own(line)) == ("c-1", {"correlation_id": "c-1"})
    assert own(one(invoke(lambda event, context: logger.info("next")))) == {}


def test_context_keys_hold_for_a_block(invoke):
    """`append_context_keys` restores what was there before, also when the block is left with an exception."""

    @dataclass(frozen=True)
    class RefusedError(Exception):
        why: str

    refused = RefusedError("no")

    def handler(event, context):
        logger.append_keys(step="outer")
        with logger.append_context_keys(step="inner", a=1):
            logger.info("in")
            with logger.append_context_keys(step="innermost"):
                logger.info("deeper")
            logger.info("back")
        logger.info("out")
        with logger.append_context_keys(step="failing"):
            raise refused

    captured = invoke(handler)
    assert captured.raised is refused
    assert [own(line) for line in captured.logs] == [
        {"step": "inner", "a": 1},
        {"step": "innermost", "a": 1},
        {"step": "inner", "a": 1},
        {"step": "outer"},
    ]
    assert own(one(invoke(lambda event, context: logger.info("next")))) == {}


def test_thread_safe_keys_stay_with_their_thread_and_invocation(invoke):
    """`thread_safe_append_keys` in the handler's thread and in others: each has its own, none leaks."""

    def work(number):
        logger.thread_safe_append_keys(number=number)
        logger.info("work")
        assert logger.thread_safe_get_current_keys() == {"number": number}
        logger.thread_safe_remove_keys(["number"])
        logger.info("done")

    def handler(event, context):
        logger.thread_safe_append_keys(main=True)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(240)
        logger.info("end")

    captured = invoke(handler)
    lines = [own(line) for line in captured.logs]
    assert sorted(line["number"] for line in lines if "number" in line) == [0, 1, 2, 3]
    assert all("main" not in line for line in lines[:-1])
    assert lines[-1] == {"main": True}
    assert all(line["invocation_id"] == captured.record["invocation_id"] for line in captured.logs)
    assert own(one(invoke(lambda event, context: logger.info("next")))) == {}


def test_tasks_have_their_own_keys(invoke):
    """Each task of an `async def` handler keeps the keys that it appended for itself."""

    async def work(number):
        logger.thread_safe_append_keys(number=number)
        await asyncio.sleep(0)
        logger.info("work %d", number)

    async def handler(event, context):
        await asyncio.gather(*(work(number) for number in range(5)))
        logger.info("end")

    captured = invoke(handler)
    *work_lines, end = captured.logs
    assert sorted((line["message"], line["number"]) for line in work_lines) == [
        (f"work {number}", number) for number in range(5)
    ]
    assert own(end) == {}
    assert len({line["invocation_id"] for line in captured.lines}) == 1


def test_a_line_outside_of_an_invocation_has_no_invocation_id():
    """Module-level code can log; its lines have no keys of any invocation."""
    with capture() as captured:
        logger.info("loaded", table="orders")
    line = one(captured)
    assert own(line) == {"table": "orders"}
    assert "invocation_id" not in line


def test_a_pooled_thread_has_the_keys_of_the_invocation_that_uses_it(invoke):
    """A thread pool that outlives invocations writes lines with the keys of the one that is at work."""
    with ThreadPoolExecutor(1) as pool:

        def handler(event, context):
            pool.submit(logger.info, "pooled").result(10)

        ids = []
        for request in ("r-1", "r-2"):
            captured = invoke(handler, context=make_context(aws_request_id=request))
            ids.append(one(captured)["invocation_id"])
    assert ids == ["r-1", "r-2"]


# --- Other loggers -----------------------------------------------------------------------------------------------


def test_child_loggers_write_our_lines(invoke):
    """`getLogger("lambda_guard.x")` is a child: its lines have our form, fields through `extra`."""

    def handler(event, context):
        logging.getLogger("lambda_guard.billing").info("charged %d", 3, extra={"order_id": 1})

    line = one(invoke(handler))
    assert (line["logger"], line["message"], own(line)) == (
        "lambda_guard.billing",
        "charged 3",
        {"order_id": 1},
    )


def test_powertools_child_loggers_write_our_lines(invoke):
    """`Logger(service="lambda_guard", child=True)` is a child of ours, and what it appends is for the invocation."""

    def handler(event, context):
        child = Logger(service="lambda_guard", child=True)
        child.append_keys(order_id=1)
        child.info("charged", amount=2)

    line = one(invoke(handler))
    assert line["logger"].startswith("lambda_guard.")
    assert (line["message"], line["location"]) == (
        "charged",
        f"handler:{handler.__code__.co_firstlineno + 3}",
    )
    assert own(line) == {"order_id": 1, "amount": 2}
    assert own(one(invoke(lambda event, context: logger.info("next")))) == {}


def test_powertools_inject_lambda_context_works_on_ours(invoke):
    """Powertools' decorator may stay on the handler where it takes a correlation id from the event."""

    @logger.inject_lambda_context(correlation_id_path="id")
    def handler(event, context):
        logger.info("in", a=1)

    line = one(invoke(handler, {"id": "c-1"}))
    assert line["correlation_id"] == "c-1"
    assert line["function_name"] == "orders"
    assert line["a"] == 1


@pytest.fixture
def stream_handler():
    """A handler with a formatter that the user configured, on the root logger."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.root.addHandler(handler)
    yield handler
    logging.root.removeHandler(handler)


def test_a_users_own_handler_keeps_its_format_and_can_use_the_keys(invoke, stream_handler, header):
    """Another formatter stays; records carry the keys as attributes."""
    stream_handler.setFormatter(
        logging.Formatter(
            "%(name)s|%(message)s|%(invocation_id)s|%(xray_trace_id)s|%(function_name)s|%(cold_start)s"
        )
    )

    def handler(event, context):
        logging.getLogger("theirs").warning("said %s", "so")

    invoke(handler, header=header, context=make_context(aws_request_id="r-1"))
    assert stream_handler.stream.getvalue() == (
        "theirs|said so|r-1|1-5759e988-bd862e3fe1be46a994272793|orders|False\n"
    )


def test_a_format_may_name_a_key_that_there_is_none_of(invoke, stream_handler):
    """Without a trace, and outside of an invocation, a line is written all the same."""
    stream_handler.setFormatter(logging.Formatter("%(invocation_id)s|%(xray_trace_id)s|%(message)s"))
    invoke(
        lambda event, context: logging.getLogger("theirs").warning("inside"),
        context=make_context(aws_request_id="r-1"),
    )
    logging.getLogger("theirs").warning("outside")
    assert stream_handler.stream.getvalue() == "r-1|None|inside\nNone|None|outside\n"


def test_a_third_partys_extra_may_have_the_names_of_our_keys(invoke, stream_handler):
    """`extra={"invocation_id": …}` of a library that knows nothing of us doesn't raise, and is what its formatter says."""
    stream_handler.setFormatter(logging.Formatter("%(invocation_id)s"))
    captured = invoke(
        lambda event, context: logging.getLogger("x").warning("m", extra={"invocation_id": "theirs"})
    )
    assert captured.raised is None
    assert stream_handler.stream.getvalue() == "theirs\n"


@pytest.mark.parametrize("kind", ["function", "class", "class that sets it first"])
def test_a_users_record_factory_is_kept(invoke, stream_handler, kind):
    """A record factory that the user installed, before or after decoration, still makes the records."""
    before = logging.getLogRecordFactory()

    class Theirs(logging.LogRecord):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            if kind == "class that sets it first":
                self.mark = "theirs"
            super().__init__(*args, **kwargs)
            self.mark = "theirs"

    def theirs(*args, **kwargs):
        record = logging.LogRecord(*args, **kwargs)
        record.mark = "theirs"
        return record

    stream_handler.setFormatter(logging.Formatter("%(mark)s %(message)s"))
    try:
        logging.setLogRecordFactory(theirs if kind == "function" else Theirs)
        invoke(lambda event, context: logging.getLogger("x").warning("m"))
        line = one(invoke(lambda event, context: logging.getLogger("lambda_guard.x").warning("m")))
    finally:
        logging.setLogRecordFactory(before)
    assert "theirs m\n" in stream_handler.stream.getvalue()
    assert line["mark"] == "theirs"


# --- The runtime client's handlers -------------------------------------------------------------------------------


class Sink:
    """Stands for the runtime client's log sink: keeps what it is given."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Any]] = []

    def log(self, msg: str, frame_type: Any = None) -> None:
        self.said.append((msg, frame_type))


@pytest.fixture(params=["TEXT", "TEXT-LEVEL", "JSON"])
def runtime_sink(request):
    """The runtime client's own handler on the root logger, in each of its forms."""
    from awslambdaric import bootstrap
    from awslambdaric.lambda_runtime_log_utils import LogFormat

    before, level, converter = logging.root.handlers[:], logging.root.level, logging.Formatter.converter
    sink = Sink()
    bootstrap._GLOBAL_AWS_REQUEST_ID = "r-1"
    bootstrap._setup_logging(
        LogFormat.from_str(request.param), "INFO" if request.param != "TEXT" else None, sink
    )
    logging.root.handlers[:] = [handler for handler in logging.root.handlers if handler not in before]
    sink.form = request.param
    yield sink
    logging.root.handlers[:] = before
    logging.root.setLevel(level)
    logging.Formatter.converter = converter
    bootstrap._GLOBAL_AWS_REQUEST_ID = None


def test_third_party_lines_take_our_form_in_the_runtime_clients_handler(invoke, runtime_sink):
    """The client's handler writes every logger's lines in our form, with its frame type, and each once."""

    def handler(event, context):
        logging.getLogger("urllib3").warning("retrying %s", "GET", extra={"url": "/", "name_": 1})
        logging.getLogger("urllib3").error("gave\nup", exc_info=ValueError("no"))

    captured = invoke(handler, context=make_context(aws_request_id="r-1"))
    assert captured.logs == []
    (first, first_frame), (second, second_frame) = runtime_sink.said
    assert first.endswith("\n")
    assert first.count("\n") == second.count("\n") == 1
    line = json.loads(first)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "WARNING",
        "location": f"handler:{handler.__code__.co_firstlineno + 1}",
        "message": "retrying GET",
        "service": "orders",
        "logger": "urllib3",
        "url": "/",
        "name_": 1,
        "invocation_id": "r-1",
        "function_name": "orders",
        "function_version": "$LATEST",
        "cold_start": False,
    }
    assert json.loads(second)["exception_name"] == "ValueError"
    frames = {
        "TEXT": (None, None),
        "TEXT-LEVEL": (0xA55A0013.to_bytes(4, "big"), 0xA55A0017.to_bytes(4, "big")),
        "JSON": (0xA55A0012.to_bytes(4, "big"), 0xA55A0016.to_bytes(4, "big")),
    }
    assert (first_frame, second_frame) == frames[runtime_sink.form]


def test_the_tenant_is_the_users_or_the_runtime_clients(invoke, runtime_sink):
    """`tenant_id` is a field as any other; the runtime client's stands on third-party lines where there is one."""
    from awslambdaric import bootstrap

    def handler(event, context):
        logger.append_keys(tenant_id="appended")
        logging.getLogger("x").warning("theirs")
        logger.info("ours", tenant_id="mine")

    assert own(one(invoke(handler))) == {"tenant_id": "mine"}
    bootstrap._GLOBAL_TENANT_ID = "isolated"
    try:
        invoke(handler)
    finally:
        bootstrap._GLOBAL_TENANT_ID = None
    assert [json.loads(text)["tenant_id"] for text, _ in runtime_sink.said] == ["appended", "isolated"]


def test_our_own_lines_do_not_reach_the_runtime_clients_handler(invoke, runtime_sink):
    """A line of `logger` is written once: not by the client's handler as well."""

    def handler(event, context):
        logger.info("once")
        logging.getLogger("lambda_guard.child").info("once")

    assert said(invoke(handler)) == ["once", "once"]
    assert runtime_sink.said == []


def test_a_formatter_that_the_user_gave_the_runtime_clients_handler_stays(invoke, runtime_sink):
    """Only the client's own formatters are replaced."""
    (theirs,) = [
        handler for handler in logging.root.handlers if type(handler).__module__ == "awslambdaric.bootstrap"
    ]
    theirs.setFormatter(logging.Formatter("%(levelname)s %(message)s %(invocation_id)s\n"))
    invoke(
        lambda event, context: logging.getLogger("x").warning("mine"),
        context=make_context(aws_request_id="r-1"),
    )
    assert [text for text, _ in runtime_sink.said] == ["WARNING mine r-1\n"]


def test_what_the_runtime_clients_handler_writes_to_standard_output_passes_untouched(invoke, runtime_sink):
    """In its text form the client writes to `sys.stdout`: the capture of `print` lets those lines through."""
    runtime_sink.log = lambda msg, frame_type=None: print(msg, end="")
    line = one(invoke(lambda event, context: logging.getLogger("x").warning("through", extra={"a": 1})))
    assert (line["logger"], line["message"], line["a"]) == ("x", "through", 1)


# --- Exceptions --------------------------------------------------------------------------------------------------


def fail(error: BaseException) -> None:
    """Raise an exception, for it to have a traceback."""
    raise error


def exception_line(invoke, error: BaseException, **kwargs: Any) -> dict[str, Any]:
    """Return the line of a handler that logs an exception which it caught."""

    def handler(event, context):
        try:
            fail(error)
        except BaseException as caught:
            logger.error("failed", exc_info=kwargs.get("exc_info", caught))

    return one(invoke(handler))


def test_an_exception_is_structured(invoke):
    """A line with an exception says it as text, by name, and as frames."""
    line = exception_line(invoke, KeyError("id"))
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("KeyError: 'id'")
    assert line["exception_name"] == "KeyError"
    trace = line["stack_trace"]
    assert (trace["type"], trace["value"], trace["module"]) == ("KeyError", "'id'", "builtins")
    assert [frame["function"] for frame in trace["frames"]] == ["handler", "fail"]
    assert trace["frames"][-1] == {
        "file": __file__,
        "line": fail.__code__.co_firstlineno + 2,
        "function": "fail",
    }


def test_exc_info_in_all_its_forms(invoke):
    """An exception, a tuple, true, and `logger.exception` say the same; true without an exception says nothing."""

    def handler(event, context):
        try:
            fail(KeyError("id"))
        except KeyError as error:
            logger.error("a", exc_info=error)
            logger.error("b", exc_info=(type(error), error, error.__traceback__))
            logger.error("c", exc_info=True)
            logger.exception("d")
        logger.error("e", exc_info=True)
        logger.error("f", exc_info=(None, None, None))
        logger.error("g", exc_info=False)
        logger.exception("h")

    *four, e, f, g, h = invoke(handler).logs
    assert len({line["exception"] for line in four}) == 1
    assert all(line["stack_trace"] == four[0]["stack_trace"] for line in four)
    assert all(own(line) == {} for line in (e, f, g, h))


def test_the_parts_of_an_exception_group_are_told(invoke):
    """Each exception of a group is structured, nested groups too."""
    group = ExceptionGroup("two", [ValueError("a"), ExceptionGroup("deep", [KeyError("b")])])
    trace = exception_line(invoke, group)["stack_trace"]
    assert trace["type"] == "ExceptionGroup"
    assert [(part["type"], part["value"]) for part in trace["exceptions"]] == [
        ("ValueError", "a"),
        ("ExceptionGroup", "deep (1 sub-exception)"),
    ]
    assert trace["exceptions"][1]["exceptions"][0]["type"] == "KeyError"


def test_notes_are_told(invoke):
    """`add_note` reaches the line."""
    error = ValueError("a")
    error.add_note("while paying")
    assert exception_line(invoke, error)["exception_notes"] == ["while paying"]


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_that_cannot_say_what_it_is(invoke):
    """An exception whose `__str__` raises is named by its type."""
    line = exception_line(invoke, MuteError())
    assert line["exception_name"] == "MuteError"
    assert line["stack_trace"]["value"] == "<MuteError: str() raised RuntimeError>"


def test_an_exception_that_raises_when_it_is_looked_at(invoke, hostile_error):
    """Whatever its attributes do, the line is there with its type, and nothing of ours fails."""
    line = exception_line(invoke, hostile_error)
    assert line["exception_name"] == vars(type)["__name__"].__get__(type(hostile_error))
    assert line["stack_trace"]["frames"][-1]["function"] == "fail"


def test_a_failure_of_ours_by_an_error_without_a_name_does_not_reach_the_handler(invoke, hostile_error):
    """A field that raises any error when it is written down costs the handler nothing."""

    class Field:
        @property
        def __class__(self):
            raise hostile_error

    captured = invoke(lambda event, context: logger.info("said", field=Field(), level=Field()))
    assert captured.raised is None
    assert captured.record["outcome"] == "success"


class Exits:
    """A value that ends the process, whatever is asked of it."""

    @property
    def __class__(self):
        sys.exit(3)


class ExitingItems(dict):
    def items(self):
        raise LeavingError("x")


class LeavingError(Exception):
    """An exception that ends the process when somebody adds a note to it, as the JSON encoder does from Python 3.14 on."""

    @property
    def __notes__(self):
        sys.exit(3)


EXITING = {
    "itself": Exits,
    "in a list": lambda: [Exits()],
    "in a mapping": lambda: {"a": Exits()},
    "items": lambda: {"a": ExitingItems(b=1)},
    "as a key": lambda: {Exits(): 1},
}


@pytest.mark.parametrize("kind", EXITING)
def test_a_value_that_exits_when_it_is_looked_at_does_not_end_the_process(invoke, kind):
    """Wherever it stands, it is written down as far as that goes, and the handler goes on."""
    make = EXITING[kind]

    def handler(event, context):
        value = make()
        logger.info(value)
        logger.info("said", field=value, level=value)
        logger.append_keys(key=value)
        logging.getLogger("theirs").warning("said %s", "it", extra={"field": value})
        return "done"

    answers = []
    captured = invoke(handler, answers=answers)
    assert captured.raised is None
    assert answers == ["done"]
    assert len(captured.logs) == 3


def test_a_recursion_error_stays_small(invoke):
    """A thousand frames don't make a line of hundreds of kilobytes."""

    def recurse():
        recurse()

    def handler(event, context):
        try:
            recurse()
        except RecursionError:
            logger.exception("deep")

    line = one(invoke(handler))
    assert len(json.dumps(line)) < 20_000
    assert len(line["stack_trace"]["frames"]) == 50


def test_a_long_chain_and_a_long_message_stay_small(invoke):
    """A 3 MB message and a chain of causes are cut."""

    def handler(event, context):
        error: BaseException = ValueError("x" * 3_000_000)
        for number in range(200):
            caused = KeyError(number)
            caused.__cause__, error = error, caused
        logger.error("deep", exc_info=error)

    line = one(invoke(handler))
    assert len(json.dumps(line)) < 100_000
    assert line["exception_name"] == "KeyError"


# --- Values that JSON has no word for ----------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


class Bad:
    def __str__(self) -> str:
        raise ValueError("no")

    __repr__ = __str__


class Proxy:
    @property
    def __class__(self) -> Any:
        raise RuntimeError("no class")


Point = collections.namedtuple("Point", "x y")  # noqa: PYI024 - what libraries return

VALUES = [
    (decimal.Decimal("1.10"), "1.10"),
    (dt.datetime(2025, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2025-01-02T03:04:05+00:00"),
    (dt.date(2025, 1, 2), "2025-01-02"),
    (b"caf\xc3\xa9 \xff", "café \\xff"),
    ({1}, [1]),
    (frozenset({"a"}), ["a"]),
    (math.nan, "nan"),
    (math.inf, "inf"),
    ({"a": math.nan, "b": [1.5, -math.inf]}, {"a": "nan", "b": [1.5, "-inf"]}),
    ("\ud800", "\ud800"),
    ({(1, 2): "tuple"}, {"(1, 2)": "tuple"}),
    ({None: 1, True: 2}, {"null": 1, "true": 2}),
    (Colour.RED, "red"),
    (Point(1, 2), [1, 2]),
    (Bad(), "<Bad: str() raised ValueError>"),
    (collections.OrderedDict(a=1), {"a": 1}),
    (range(2), "range(0, 2)"),
    (ValueError("no"), "no"),
    (2**70, 2**70),
    ([10**5000], [hex(10**5000)[:1000] + f"… (+{len(hex(10**5000)) - 1000} characters)"]),
    ("line\nbreak\r\x00\u2028", "line\nbreak\r\x00\u2028"),
]


@pytest.mark.parametrize(("value", "written"), VALUES, ids=[str(number) for number in range(len(VALUES))])
def test_a_value_that_json_has_no_word_for_is_described(invoke, value, written):
    """No value of a field, a message or a key loses the line, and the line is one line."""

    def handler(event, context):
        logger.append_keys(key=value)
        logger.info("field", field=value)

    captured = invoke(handler)
    assert own(one(captured)) == {"field": written, "key": written}
    assert captured.output.count("\n") == 2


def test_a_recursive_value_ends(invoke):
    """A list in itself, and a value nested a hundred thousand deep, end in a note."""
    recursive: list[Any] = [1]
    recursive.append(recursive)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    def handler(event, context):
        logger.info("recursive", field=recursive)
        logger.info({"recursive": recursive})
        logger.info("deep", field=deep)

    first, second, third = invoke(handler).logs
    assert own(first) == {"field": [1, "<list: recursive>"]}
    assert second["message"] == {"recursive": [1, "<list: recursive>"]}
    assert "nested too deeply" in json.dumps(third)


def test_an_object_whose_class_raises(invoke):
    """An object that raises at every question is still a line."""
    line = one(invoke(lambda event, context: logger.info("proxy", field=Proxy())))
    assert isinstance(line["field"], str)


def test_a_huge_message_is_cut_and_keeps_its_ids(invoke):
    """A line of more than CloudWatch Logs takes is shortened; what it belongs to stays."""

    def handler(event, context):
        logger.info("x" * 2_000_000, order_id="o-1", big=["y" * 1000] * 2000)
        logger.info("é" * 1_000_000, order_id="o-2")
        logging.getLogger("lambda_guard.x").info("z" * 2_000_000, extra={"order_id": "o-3"})

    captured = invoke(handler, context=make_context(aws_request_id="r-1"))
    for line, raw in zip(captured.logs, captured.output.splitlines(), strict=False):
        assert len(raw.encode()) <= 1_000_000
        assert line["truncated"] is True
        assert line["invocation_id"] == "r-1"
        assert line["location"].startswith("handler:")
    assert [line["order_id"] for line in captured.logs] == ["o-1", "o-2", "o-3"]


ANY_KEY = st.one_of(st.text(max_size=20), st.sampled_from(RESERVED))
ANY_VALUE = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.decimals(), st.datetimes(),
        st.dates(), st.times(), st.timedeltas(), st.uuids(), st.complex_numbers(), st.sets(st.integers()),
        st.characters(categories=["Cs"]), st.builds(object), st.builds(Bad),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(), st.integers(), st.none(), st.floats(), st.tuples(st.text())), inner, max_size=4),
    ),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=3 * settings.default.max_examples // 2)
@given(message=ANY_VALUE, fields=st.dictionaries(ANY_KEY, ANY_VALUE, max_size=4))
@example(message="", fields={"self": 1, "msg": 2, "level": 3, "extra_": 4})
def test_any_message_with_any_fields_is_a_line(invoke, message, fields):
    """Whatever is logged, each line parses, has all keys, and every field is in it."""

    def handler(event, context):
        logger.info(message, extra=fields)
        logging.getLogger("lambda_guard.x").info(
            "x", extra={f"x{key}": value for key, value in fields.items()}
        )

    captured = invoke(handler)
    assert captured.raised is None
    first, second = captured.logs[:2]
    assert all(key in first for key in (*KEYS, *THEIRS))
    present = {key for key, value in fields.items() if value is not None}
    assert all(key in first or f"{key}_" in first for key in map(visible, present))
    assert all(f"x{key}" in second for key in map(visible, present))
    assert captured.record["outcome"] == "success"


def visible(key: str) -> str:
    """Return a key as it comes back from JSON."""
    return json.loads(json.dumps(key))


# --- pytest ------------------------------------------------------------------------------------------------------


def test_caplog_hears_our_logger(caplog):
    """The `caplog` of pytest works with `lambda_guard.logger`, fields included."""
    with capture(), caplog.at_level("INFO"):
        production(lambda event, context: logger.info("heard", order_id="o-1"))({}, make_context())
    (record,) = caplog.records
    assert (record.getMessage(), record.levelname, record.order_id) == ("heard", "INFO", "o-1")


def test_the_logger_is_powertools():
    """`lambda_guard.logger` is one of Powertools', and the same each time."""
    assert isinstance(logger, Logger)
    assert lambda_guard.logger is logger


def test_message_ids_of_records_reach_no_line_of_a_plain_handler(invoke):
    """A plain handler of a batch has no `message_id` on its lines: it isn't at work on one of them."""
    line = one(invoke(lambda event, context: logger.info("batch"), events.sqs("a", "b")))
    assert "message_id" not in line


# --- The environment ---------------------------------------------------------------------------------------------

SCRIPT = """
import json, sys
if sys.argv[1:] == ["without"]:
    sys.modules["aws_lambda_powertools"] = None
from lambda_guard import logger, production
from lambda_guard.testing import make_context

logger.append_keys(team="sales")

@production(service="orders", log_level="INFO")
@logger.inject_lambda_context
def handler(event, context):
    logger.append_keys(order_id=1)
    logger.info("first %s", "line", name=1, level=2, extra={"args": 3})
    logger.setLevel("INFO")
    with logger.append_context_keys(step=1):
        logger.warning("in a block")
    logger.thread_safe_append_keys(thread=1)
    logger.remove_keys(["team"])
    try:
        {}["a"]
    except KeyError:
        logger.exception("failed")
    logger.thread_safe_remove_keys(["thread"])
    logger.structure_logs(append=True, a=1)
    logger.set_correlation_id("c-1")
    logger.error(logger.get_correlation_id())
    logger.clear_state()
    logger.critical(str(sorted(logger.get_current_keys())))

handler({}, make_context(function_name="orders"))
handler.__wrapped__
logger.info("outside")
"""
LINES = [
    ("INFO", "first line", {"team": "sales", "order_id": 1, "name_": 1, "level_": 2, "args_": 3}),
    ("WARNING", "in a block", {"team": "sales", "order_id": 1, "step": 1}),
    ("ERROR", "failed", {"order_id": 1, "thread": 1}),
    ("ERROR", "c-1", {"order_id": 1, "a": 1, "correlation_id": "c-1"}),
    ("CRITICAL", [], {}),
    ("INFO", "outside", {"team": "sales"}),
]
VARIABLES = {
    "nothing": {},
    "no Powertools": {},
    "log level": {"POWERTOOLS_LOG_LEVEL": "nonsense"},
    "Lambda's log level": {"AWS_LAMBDA_LOG_LEVEL": "INFO", "POWERTOOLS_LOG_LEVEL": "DEBUG"},
    "deduplication": {"POWERTOOLS_LOG_DEDUPLICATION_DISABLED": "maybe"},
    "debug": {"POWERTOOLS_DEBUG": "maybe"},
    "sampling": {"POWERTOOLS_LOGGER_SAMPLE_RATE": "many"},
}


@pytest.mark.parametrize("name", VARIABLES)
def test_the_logger_works_whatever_powertools_thinks_of_the_environment(name):
    """A variable that Powertools refuses, or no Powertools at all: the same methods write the same lines."""
    base = {key: os.environ[key] for key in ("PATH", "HOME", "PYTHONPATH") if key in os.environ}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, *(["without"] if name == "no Powertools" else [])],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=base | VARIABLES[name],
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in map(json.loads, done.stdout.splitlines()) if "record" not in line]
    (deletable,) = [line for line in lines if "inject_lambda_context" in line["message"]]
    lines.remove(deletable)
    assert deletable["message"] == (
        "@logger.inject_lambda_context has nothing to add to what @production does for handler: delete it "
        "(function_request_id is called invocation_id)"
    )
    dropped = ("exception", "exception_name", "stack_trace")
    assert [
        (
            line["level"],
            line["message"],
            {key: value for key, value in own(line).items() if key not in dropped},
        )
        for line in lines
        if "lambda_guard could not" not in str(line["message"]) and "ignored" not in line["message"]
    ] == LINES
