"""Powertools' Logger and `lambda_guard.logger`, side by side: the same messages, levels and fields."""

import dataclasses
import inspect
import json
import logging
import os
import re

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from lambda_guard import logger, production
from lambda_guard.sinks.log.plain import PlainLogger
from lambda_guard.testing import capture, make_context

from ..conftest import ExitingError, Hostile, HostileDict, UndecidedError, WordlessError
from .both import run_ours
from .loggers import in_both_ways, new_service, told

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(JSON, max_size=3) | st.dictionaries(st.text(), JSON, max_size=3)


@given(message=OBJECTS, indent=st.none() | st.integers(0, 3), before=st.sampled_from(["", " ", "\n\t"]))
def test_json_text_is_the_object_that_it_says(message, indent, before):
    """Whatever the object: as itself, as text in any layout, and as an argument, where it stays text."""
    text = before + json.dumps(message, indent=indent)

    def code(either, event):
        either.info(message)
        either.info(text)
        either.info("%s", text)

    theirs, ours = in_both_ways(code)
    assert ours == theirs


@given(message=st.text() | st.sampled_from(["{", "[", "{}{}", "[1", "{'a': 1}", " ", "[info] x"]))
def test_text_is_text(message):
    """What isn't JSON is the same text in both."""
    try:
        json.loads(message)
    except ValueError:
        theirs, ours = in_both_ways(lambda either, event: either.info(message))
        assert ours == theirs


@pytest.mark.parametrize("message", [12, -1.5, True, False, ["a", 1], ("a", 1), {"a": {"b": None}}])
def test_a_value_that_json_has_a_type_for(message):
    """It stays what it is."""
    theirs, ours = in_both_ways(lambda either, event: either.info(message))
    assert ours == theirs


@pytest.mark.parametrize(
    ("message", "decoded"),
    [
        ("12345678901234567890.125", 12345678901234567000.0),
        ("1e3", 1000.0),
        ("true", True),
        ('"text"', "text"),
    ],
)
def test_a_scalar_as_text_stays_text_in_ours(message, decoded):
    """The one difference: Powertools makes another value of it, and of `null` a line without a message."""
    (theirs, _), (ours, _) = in_both_ways(lambda either, event: either.info(message))
    assert (theirs[0]["message"], ours[0]["message"]) == (decoded, message)
    (theirs, _), (ours, _) = in_both_ways(lambda either, event: either.info("null"))
    assert "message" not in theirs[0]
    assert ours[0]["message"] == "null"


# --- Keys that are formats ------------------------------------------------------------------------------------------

ATTRIBUTES = {
    "process": "%(process)d", "processName": "%(processName)s", "thread": "%(thread)d", "threadName": "%(threadName)8s",
    "filename": "%(filename)s", "module": "[%(module)s.%(funcName)s]", "lineno": "%(lineno)05d",
    "levelname": "%(levelname)-9s|", "levelno": "%(levelno)x", "pathname": "%(pathname).3s", "funcName": "100 %% %(msg)s",
}  # fmt: skip


@pytest.mark.parametrize("append", ["append_keys", "thread_safe_append_keys", "structure_logs"])
def test_appended_keys_with_the_names_of_attributes_are_formats(append):
    """https://docs.powertools.aws.dev/lambda/python/latest/core/logger/#overriding-log-records."""

    def code(either, event):
        getattr(either, append)(
            **ATTRIBUTES, order="%(process)d", created="now", msecs=7 if append == "x" else None
        )
        either.info("first")
        either.warning("second", order_id="%(process)d")
        either.remove_keys(ATTRIBUTES)
        either.thread_safe_remove_keys(ATTRIBUTES)
        either.info("third")
        either.thread_safe_clear_keys()

    theirs, ours = in_both_ways(code)
    assert ours == theirs
    assert len(ours[0][0]) == len(ATTRIBUTES) + 4
    assert ours[0][0]["module"] == "[test_logger.code]"


def test_a_line_has_the_name_of_its_logger():
    """`copy_config_to_registered_loggers` appends such a key, and so may a handler."""

    def code(either, event):
        either.append_keys(name="%(name)s", asctime="%(asctime)s")
        either.info("said")

    (theirs, _), (ours, _) = in_both_ways(code)
    assert ours[0]["name"] == "lambda_guard"
    pattern = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}[+-]\d{4}")
    assert pattern.fullmatch(theirs[0]["asctime"])
    assert pattern.fullmatch(ours[0]["asctime"])


@pytest.mark.parametrize(
    "text",
    [
        "100%", "%(nobody)s", "%(process)", "%(process)d and 5 %", "%(process)999999999d", "%(process)*d", "%(msg)d", "%s",
        "%(process)d" * 1000, "%(x)s", "",
    ],
)  # fmt: skip
def test_a_text_that_is_no_format_is_a_text(text):
    """A customer's name may be anything; with Powertools its line is lost."""

    def handler(event, context):
        logger.append_keys(name=text)
        logger.info("said")

    captured, _ = run_ours(handler)
    assert [line["name"] for line in captured.logs] == [text]


def test_keys_of_ours_are_not_overridden():
    """What a line says of itself stays; the format stands beside it."""

    def handler(event, context):
        logger.append_keys(location="[%(funcName)s] %(module)s", level="%(process)d", timestamp=None)
        logger.info("said")

    (line,) = run_ours(handler)[0].logs
    assert (line["location"].partition(":")[0], line["location_"]) == ("handler", "[handler] test_logger")
    assert (line["level"], line["level_"]) == ("INFO", str(os.getpid()))
    assert line["timestamp"]


# --- inject_lambda_context ------------------------------------------------------------------------------------------


def deletable(name):
    """Return the WARNING."""
    return (
        f"@logger.inject_lambda_context has nothing to add to what @production does for {name}: delete it "
        "(function_request_id is called invocation_id)"
    )


@pytest.mark.parametrize("options", [None, {}, {"clear_state": True, "flush_buffer_on_uncaught_error": True}])
def test_the_decorator_hands_the_handler_back(options):
    """The same object, with a WARNING that says what to delete."""

    def handler(event, context):
        pass

    with capture() as captured:
        decorate = (
            logger.inject_lambda_context if options is None else logger.inject_lambda_context(**options)
        )
        assert decorate(handler) is handler
    (line,) = captured.logs
    assert (line["level"], line["message"]) == ("WARNING", deletable("handler"))


REQUEST = {
    "requestContext": {"requestId": "r-1"},
    "body": '{"order": {"id": "o-1"}, "id": 7}',
    "detail": {"id": "e-1", "none": None},
}


@pytest.mark.parametrize(
    "path",
    [
        "requestContext.requestId",
        "powertools_json(body).order.id",
        "powertools_json(body).id",
        "detail.none",
        "x.y",
    ],
)
def test_a_correlation_id_from_the_event(path):
    """https://docs.powertools.aws.dev/lambda/python/latest/core/logger/#setting-a-correlation-id."""

    def code(either, event):
        either.info("said")
        return either.get_correlation_id()

    theirs, _ = in_both_ways(code, REQUEST, correlation_id_path=path)
    captured, answer = run_ours(
        logger.inject_lambda_context(correlation_id_path=path)(lambda event, context: code(logger, event)),
        REQUEST,
    )
    assert (told(captured.logs), answer) == theirs
    assert "inject_lambda_context" not in captured.output


@pytest.mark.parametrize("asked", ["argument", "variable"])
def test_the_event_as_a_line(asked, monkeypatch):
    """https://docs.powertools.aws.dev/lambda/python/latest/core/logger/#logging-incoming-event."""
    if asked == "variable":
        monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    log_event = True if asked == "argument" else None

    @dataclasses.dataclass
    class Order:
        id: str

    class Parsed(BaseModel):
        id: str

    for event in (REQUEST, EventBridgeEvent(REQUEST), Order("o-1"), Parsed(id="o-1")):
        theirs, _ = in_both_ways(lambda either, event: either.info("said"), event, log_event=log_event)
        captured, answer = run_ours(
            logger.inject_lambda_context(log_event=log_event)(lambda event, context: logger.info("said")),
            event,
        )
        assert (told(captured.logs), answer) == theirs


BAD = [
    ({"body": "not JSON"}, "powertools_json(body).id"),
    ({"body": "{"}, "powertools_json(body)"),
    (REQUEST, "nonsense("),
    (REQUEST, 7),
    (object(), "id"),
    (None, "id"),
]


@pytest.mark.parametrize(("event", "path"), BAD)
def test_an_event_without_a_readable_correlation_id_reaches_its_handler(event, path):
    """With Powertools the handler never runs; here the id is missing, and no failure of ours is counted."""
    seen = []

    @logger.inject_lambda_context(correlation_id_path=path, log_event=True)
    def handler(event, context):
        seen.append((event, logger.get_correlation_id()))
        return "answer"

    with capture() as captured:
        assert production(handler)(event, make_context()) == "answer"
    assert seen == [(event, None)]
    assert captured.record.get("GuardErrors", 0) == 0


@pytest.mark.parametrize("context", [None, {}, object(), 7])
def test_a_partial_context_reaches_the_handler(context):
    """Powertools asks it for four attributes first, and raises."""
    decorated = logger.inject_lambda_context(correlation_id_path="id")(lambda event, context: context)
    with capture():
        assert production(decorated)({"id": "c-1"}, context) is context


def test_methods_and_coroutines_may_be_decorated():
    """Whatever the handler is, it is called as it was."""

    class Handlers:
        @production
        @logger.inject_lambda_context(correlation_id_path="id")
        def handle(self, event, context):
            return self, event, logger.get_correlation_id()

    @production
    @logger.inject_lambda_context(correlation_id_path="id")
    async def handler(event, context):
        return logger.get_correlation_id()

    handlers, event = Handlers(), {"id": "c-1"}
    with capture():
        assert handlers.handle(event, make_context()) == (handlers, event, "c-1")
        assert handlers.handle(event=event, context=make_context()) == (handlers, event, "c-1")
        assert handler(event, make_context()) == "c-1"


def test_what_the_handler_raises_comes_through():
    """Its own exception object, and nothing else."""
    error = ValueError("refused")

    @logger.inject_lambda_context(log_event=True)
    def handler(event, context):
        raise error

    with capture(), pytest.raises(ValueError, match="refused") as raised:
        production(handler)({}, make_context())
    assert raised.value is error
    assert error.__context__ is None


# --- Every name ------------------------------------------------------------------------------------------------------


def public(names):
    """Return those that aren't private."""
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("ours", [logger, PlainLogger()], ids=["with Powertools", "without"])
def test_every_public_name_is_there(ours):
    """What Powertools' Logger has, ours has, also where Powertools can't be imported."""
    theirs = Logger(service=new_service())
    missing = {name for name in public({*dir(theirs), *vars(theirs)}) if not hasattr(ours, name)}
    assert missing == set()
    missing = {name for name in public(dir(logging.getLogger("theirs"))) if not hasattr(ours, name)}
    assert missing == set()


@pytest.mark.parametrize("ours", [logger, PlainLogger()], ids=["with Powertools", "without"])
def test_each_methods_parameters_are_there(ours):
    """A call that Powertools' method takes, ours takes."""
    for name in public(dir(Logger)):
        if callable(method := getattr(Logger, name)):
            theirs = list(inspect.signature(method).parameters)[1:]
            assert [*inspect.signature(getattr(ours, name)).parameters] == theirs, name


HOSTILE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=3),
    st.builds(object), st.builds(Hostile), st.builds(HostileDict), st.builds(WordlessError),
    st.builds(UndecidedError), st.just(int), st.just(len), st.lists(st.builds(Hostile), max_size=2),
    st.dictionaries(st.text(max_size=2) | st.integers(), st.builds(Hostile), max_size=2),
    st.sampled_from(["DEBUG", "warn", "%(process)d", "%(x)s", '{"a": 1}', "level", "[", "\ud800"]),
)  # fmt: skip
# They aren't called: classes and properties, and those whose wrong value ends or silences what the test itself needs.
NO_METHODS = {"manager", "root", "parent", "handlers", "filters"}


@pytest.fixture(params=["with Powertools", "without"])
def either(request):
    """Our logger, in both forms, and as it was afterwards."""
    plain = logging.getLogger("lambda_guard")
    handlers, level, formatter = [*plain.handlers], plain.level, plain.handlers[0].formatter
    yield logger if request.param == "with Powertools" else PlainLogger()
    plain.filters.clear()
    plain.handlers[:] = handlers
    plain.setLevel(level)
    plain.handlers[0].setFormatter(formatter)
    logger.clear_state()
    logger.thread_safe_clear_keys()


def with_values(function, data):
    """Return arguments that its signature takes, of any kind."""
    args, kwargs = [], {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            args += data.draw(st.lists(HOSTILE, max_size=2))
        elif parameter.kind is parameter.VAR_KEYWORD:
            names = st.text(max_size=6).filter(
                lambda name: name not in inspect.signature(function).parameters
            )
            kwargs |= data.draw(
                st.dictionaries(names | st.sampled_from(["name", "location", "a"]), HOSTILE, max_size=2)
            )
        elif parameter.kind is parameter.KEYWORD_ONLY or kwargs:
            if data.draw(st.booleans()):
                kwargs[parameter.name] = data.draw(HOSTILE)
        elif parameter.default is parameter.empty or data.draw(st.booleans()):
            args.append(data.draw(HOSTILE))
        else:
            break
    return args, kwargs


METHODS = sorted(
    name
    for name in public({*dir(logger), *dir(logging.getLogger("lambda_guard"))}) - NO_METHODS
    if callable(getattr(logger, name))
)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=15)
@given(data=st.data())
def test_no_method_raises_whatever_it_is_given(either, name, data):
    """Each public name, with hostile values: the handler goes on, and its next line is written."""
    method = getattr(either, name)
    args, kwargs = with_values(method, data)

    def handler(event, context):
        found = method(*args, **kwargs)
        if name == "append_context_keys":
            with found:
                either.critical("in")
        if name == "inject_lambda_context":
            found = found(lambda event, context: "answer") if not args or args[0] is None else found
        logging.getLogger("lambda_guard").setLevel("INFO")
        either.critical("after")
        return "answer"

    captured, answer = run_ours(handler)
    assert answer == "answer"
    assert "after" in [line["message"] for line in captured.logs]
    assert captured.record["outcome"] == "success"


@pytest.mark.parametrize("name", ["info", "exception", "log"])
def test_a_value_that_exits_when_it_is_looked_at(either, name):
    """As the message, as its argument and as a field: the process goes on, and so does the line."""
    level = [logging.INFO] if name == "log" else []

    def handler(event, context):
        method = getattr(either, name)
        method(*level, ExitingError())
        method(*level, "%s", ExitingError())
        method(*level, "field", order=ExitingError())

    captured, _ = run_ours(handler)
    exited = "<ExitingError: str() raised SystemExit>"
    assert [line["message"] for line in captured.logs] == [exited, "%s (ExitingError(),)", "field"]
    assert captured.logs[2]["order"] == exited


def test_a_value_that_cannot_be_compared(either):
    """Under the name of a key of ours: it gets an underscore, and the line is written."""

    def handler(event, context):
        either.append_keys(location=Hostile())
        either.info("said", service=Hostile())

    (line,) = run_ours(handler)[0].logs
    assert line["location_"] == line["service_"] == "<Hostile: str() raised RuntimeError>"


def test_what_the_users_own_parts_raise_costs_no_line(either):
    """A filter, a handler and a formatter that raise: each line is written once, in our form."""

    def broken(*_):
        raise RuntimeError("broken")

    class Formatter(logging.Formatter):
        format = broken

    class Handler(logging.Handler):
        emit = broken

    def handler(event, context):
        either.addFilter(broken)
        either.info("filtered")
        either.addHandler(Handler())
        either.info("handled")
        either.registered_handler.setFormatter(Formatter())
        either.info("formatted")

    captured, _ = run_ours(handler)
    said = [line["message"] for line in captured.logs]
    assert [message for message in said if "lambda_guard could not" not in message] == [
        "filtered",
        "handled",
        "formatted",
    ]
    assert captured.record["outcome"] == "success"
    assert captured.record["GuardErrors"] == 6


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("clear_state", "flush_buffer")])
def test_a_wrong_number_of_arguments_raises(name):
    """That is the programmer's, and its first test finds it."""
    signature = inspect.signature(getattr(logger, name)).parameters.values()
    if any(each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD for each in signature):
        with pytest.raises(TypeError):
            getattr(logger, name)()
