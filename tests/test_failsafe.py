"""Tenet 1 again, with our own parts broken: the outcome stands, the failure is counted, and it is said once."""

import asyncio
import contextlib
import io
import json
import logging
import os
import resource
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from lambda_guard import current_invocation, logger, metrics, production
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context

UPSTREAM = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1"
ENTERING = (
    "service.enter", "log.enter", "log.print.enter", "propagation.enter", "trace.enter", "watchdog.enter",
    "process.enter",
)  # fmt: skip
LEAVING = (
    "process.leave", "watchdog.leave", "batch.leave", "trace.leave", "propagation.leave", "log.print.leave",
    "metrics.leave", "final_attempt.leave", "record.leave", "attempts.leave", "log.leave",
)  # fmt: skip
WARNING = ("record.warn", "final_attempt.warn", "metrics.warn", "log.print.warn", "trace.warn")
EVENTS = {
    "direct": lambda: {"id": 1},
    "adopted": lambda: events.sqs("a", trace_header=UPSTREAM),
    "not JSON": object,
}


@dataclass(frozen=True)
class FrozenError(Exception):
    order: str


ENDINGS = {
    "value": lambda: {"batchItemFailures": [{"itemIdentifier": "m-1"}]},
    "error": lambda: ValueError("refused"),
    "exit": lambda: SystemExit(1),
    "frozen": lambda: FrozenError("o-1"),
}


@pytest.fixture(autouse=True)
def _every_part(monkeypatch):
    """With a maximum, final attempts are looked for, too."""
    monkeypatch.setenv("LAMBDA_GUARD_MAX_RECEIVE_COUNT", "3")


@pytest.fixture(params=ENDINGS)
def ending(request):
    """What a handler returns or raises."""
    return ENDINGS[request.param]()


@pytest.fixture(params=["function", "coroutine"])
def define(request):
    """Define a handler that writes, prints, counts, and then ends with something."""

    def body(ending):
        logger.info("at work")
        logging.getLogger("theirs").warning("at work")
        metrics.add_metric(name="Orders", unit="Count", value=1)
        if isinstance(ending, BaseException):
            raise ending
        return ending

    def function(ending):
        return production(lambda event, context: body(ending))

    def coroutine(ending):
        @production
        async def handler(event, context):
            await asyncio.sleep(0)
            return body(ending)

        return handler

    return {"function": function, "coroutine": coroutine}[request.param]


def guard_of(handler):
    """Return the guard of a decorated handler, whose steps are data."""
    wrapper = handler
    enter = wrapper.__closure__[wrapper.__code__.co_freevars.index("enter")].cell_contents
    return enter.__closure__[enter.__code__.co_freevars.index("guard")].cell_contents


def breaking(part, error=None):
    """Make a part that raises."""

    def step(*_):
        raise error or RuntimeError(f"{part} is broken")

    return part, step


@contextmanager
def broken(guard, part, error=None):
    """Put a part that raises in place of one of a guard's."""
    before = {name: getattr(guard, name) for name in ("entering", "leaving", "warning")}
    assert any(part in dict(steps) for steps in before.values())
    for name, steps in before.items():
        setattr(guard, name, tuple(breaking(part, error) if step[0] == part else step for step in steps))
    yield
    for name, steps in before.items():
        setattr(guard, name, steps)


def assert_ends_with(handler, ending, event=None, context=None):
    """Assert that a call ends with the very value or exception."""
    if isinstance(ending, BaseException):
        before = ending.__context__, ending.__cause__
        with pytest.raises(type(ending)) as raised:
            handler(event, context)
        assert raised.value is ending
        assert (ending.__context__, ending.__cause__) == before
    else:
        assert handler(event, context) is ending


def guard_errors(captured):
    """Return how many failures the invocation records count."""
    return sum(record.get("GuardErrors", 0) for record in captured.records)


def said_of(captured, part):
    """Return the lines that say that a part of ours has failed."""
    return [
        line
        for line in captured.logs
        if line["location"] == part and "could not do its part" in line["message"]
    ]


def assert_valid_emf(captured):
    """Assert that every dimension and every metric that a document names stands in it."""
    for line in captured.lines:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert all(key in line for keys in directive["Dimensions"] for key in keys)
            assert all(metric["Name"] in line for metric in directive["Metrics"])


def test_the_parts_are_these():
    """The guard runs no part that isn't broken in this suite."""
    guard = guard_of(production(lambda event, context: None))
    assert tuple(name for name, _ in guard.entering) == ENTERING
    assert tuple(name for name, _ in guard.leaving) == LEAVING
    assert tuple(name for name, _ in guard.warning) == WARNING


@pytest.mark.parametrize("part", [*ENTERING, *LEAVING])
@pytest.mark.parametrize("event", EVENTS)
def test_a_broken_part_changes_no_outcome(part, event, define, ending):
    """With any one part raising, the handler ends as it does; the failures are counted and said once."""
    handler = define(ending)
    with capture(TRACE_HEADER) as captured:
        with broken(guard_of(handler), part):
            assert_ends_with(handler, ending, EVENTS[event](), make_context())
            assert_ends_with(handler, ending, EVENTS[event](), make_context())
        assert_ends_with(handler, ending, EVENTS[event](), make_context())
    assert os.environ.get("_X_AMZN_TRACE_ID") is None or part == "propagation.leave"
    assert current_invocation() is None
    assert guard_errors(captured) == 2
    assert len(said_of(captured, part)) == 1
    assert len(captured.records) == (1 if part == "record.leave" else 3)
    assert_valid_emf(captured)


def test_all_parts_broken_change_no_outcome(define, ending):
    """With every part raising at once, the handler still ends as it does, and all of them are counted."""
    handler = define(ending)
    guard = guard_of(handler)
    with capture(TRACE_HEADER) as captured:
        with ExitStack() as stack:
            for part in (*ENTERING, *LEAVING):
                stack.enter_context(broken(guard, part))
            assert_ends_with(handler, ending, {}, make_context())
        assert_ends_with(handler, ending, {}, make_context())
    assert guard_errors(captured) == len(ENTERING) + len(LEAVING)
    assert [len(said_of(captured, part)) for part in (*ENTERING, *LEAVING)] == [1] * len(
        (*ENTERING, *LEAVING)
    )


@pytest.mark.parametrize("part", WARNING)
def test_a_broken_part_of_the_warning_changes_no_outcome(part, ending):
    """With any one part of the time-out's warning raising, a handler that makes it after all ends as it does."""
    said = threading.Event()

    @production
    def handler(event, context):
        logger.info("at work")
        metrics.add_metric(name="Orders", unit="Count", value=1)
        said.wait(240)
        return finish(ending)

    class Told(io.StringIO):
        def write(self, text):
            if f'"location":"{part}"' in text:
                said.set()
            return super().write(text)

    told = Told()
    with broken(guard_of(handler), part), contextlib.redirect_stdout(told):
        assert_ends_with(handler, ending, {}, make_context(timeout_ms=200))
    assert said.is_set()
    assert json.loads(told.getvalue().splitlines()[-1])["GuardErrors"] == 1


def test_what_is_said_of_a_failure(captured):
    """The line names the part, the kind and the place, and belongs to the invocation; of messages it keeps clear."""
    handler = production(lambda event, context: None)
    context = make_context(aws_request_id="6f0c1d3e")
    with broken(guard_of(handler), "metrics.leave", ValueError("card 4111")):
        handler({}, context)
    [line] = said_of(captured, "metrics.leave")
    line.pop("timestamp")
    at = line.pop("at")
    assert at[-1].startswith("test_failsafe.py:")
    assert at[-1].endswith(" in step")
    assert line == {
        "level": "WARNING",
        "location": "metrics.leave",
        "message": "lambda_guard could not do its part 'metrics.leave'; the handler's outcome is not affected",
        "service": "unknown",
        "logger": "lambda_guard",
        "exception_name": "ValueError",
        "invocation_id": "6f0c1d3e",
        "function_name": "orders",
        "function_version": "$LATEST",
        "cold_start": False,
    }


def test_another_kind_of_failure_is_said_as_well(captured):
    """Once per kind means once per part and type of exception."""
    handler = production(lambda event, context: None)
    for error in (ValueError("a"), ValueError("b"), KeyError("c")):
        with broken(guard_of(handler), "log.enter", error):
            handler({}, None)
    assert [line["exception_name"] for line in said_of(captured, "log.enter")] == ["ValueError", "KeyError"]
    assert guard_errors(captured) == 3


@pytest.mark.parametrize("part", [*ENTERING, *LEAVING])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_an_interruption_is_let_through_and_ends_the_invocation(part, error):
    """What isn't an `Exception` isn't swallowed, and the next invocation isn't taken for a part of this one."""
    handler = production(lambda event, context: "done")
    with capture(TRACE_HEADER) as captured:
        with broken(guard_of(handler), part, error), pytest.raises(type(error)):
            handler({}, None)
        assert current_invocation() is None
        assert handler({}, None) == "done"
    assert captured.records[-1]["outcome"] == "success"


# --- Broken from outside: the streams ---------------------------------------------------------------------------


class Raising(io.StringIO):
    """A stream that can't be written to."""

    def write(self, _):
        raise OSError("broken pipe")


class Unflushable(io.StringIO):
    """A stream that can't be flushed."""

    def flush(self):
        raise OSError("no space left on device")


def closed():
    """Make a stream that has been closed."""
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "closed": closed,
    "raising": Raising,
    "unflushable": Unflushable,
    "none": lambda: None,
    "no stream": object,
}


@pytest.mark.parametrize("stream", STREAMS)
def test_a_broken_stdout_changes_no_outcome(stream, define, ending, monkeypatch):
    """Without a standard output that works, the handler ends as it does, and later invocations count what was lost."""
    handler = define(ending)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", STREAMS[stream]())
        assert_ends_with(handler, ending, {}, make_context())
    with capture() as captured:
        assert_ends_with(handler, ending, {}, make_context())
    assert (guard_errors(captured) > 0) == (stream != "none")
    assert current_invocation() is None


def test_a_failure_that_could_not_be_said_is_said_later(monkeypatch):
    """A line that a broken standard output swallowed is written by the next invocation that fails in that way."""
    handler = production(lambda event, context: None)
    with monkeypatch.context() as patched, broken(guard_of(handler), "log.enter"):
        patched.setattr(sys, "stdout", Raising())
        handler({}, None)
    with capture() as captured, broken(guard_of(handler), "log.enter"):
        handler({}, None)
    assert len(said_of(captured, "log.enter")) == 1


# --- Broken from outside: the process ----------------------------------------------------------------------------


def refuse(*_, **__):
    """Stand for any function of the system that fails."""
    raise OSError(13, "Permission denied")


class HostileEnvironment(dict):
    """Variables that can't be read."""

    def get(self, *_):
        raise RuntimeError("no variables")

    __getitem__ = get


SYSTEM = {
    "os.environ": (os, "environ", HostileEnvironment()),
    "os.open": (os, "open", refuse),
    "os.pread": (os, "pread", refuse),
    "os.getpid": (os, "getpid", refuse),
    "os.urandom": (os, "urandom", refuse),
    "os.getcwd": (os, "getcwd", refuse),
    "resource.getrusage": (resource, "getrusage", refuse),
    "time.process_time": (time, "process_time", refuse),
    "time.gmtime": (time, "gmtime", refuse),
    "sys._getframe": (sys, "_getframe", refuse),
    "json.dumps": (json, "dumps", refuse),
    "logging.getLogger": (logging, "getLevelName", refuse),
}


@pytest.mark.parametrize("name", SYSTEM)
@pytest.mark.parametrize("event", EVENTS)
def test_a_failing_system_changes_no_outcome(name, event, ending, monkeypatch):
    """Where the system refuses what our parts ask of it, a handler that doesn't ask ends as it does."""
    event, context = EVENTS[event](), make_context(aws_request_id=None)
    handler = production(lambda event, context: finish(ending))
    with capture(TRACE_HEADER) as captured:
        with monkeypatch.context() as patched:
            patched.setattr(*SYSTEM[name])
            assert_ends_with(handler, ending, event, context)
        assert_ends_with(handler, ending, event, context)
    assert len(captured.records) in (1, 2)
    assert current_invocation() is None


def finish(ending):
    """End with something."""
    if isinstance(ending, BaseException):
        raise ending
    return ending


def test_a_process_that_cannot_be_looked_at_has_a_record_all_the_same(monkeypatch):
    """Without /proc nothing counts as our failure, and the rest of the record is there."""
    handler = production(lambda event, context: None)
    with capture() as captured, monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        patched.setattr(os, "pread", refuse)
        handler({}, None)
    assert "GuardErrors" not in captured.record
    assert "duration_ms" in captured.record


def test_variables_that_cannot_be_read_are_counted(monkeypatch):
    """Where the trace header can't be read, the invocation has its record all the same, which counts it."""
    handler = production(lambda event, context: current_invocation())
    with capture() as captured:
        with monkeypatch.context() as patched:
            patched.setattr(os, "environ", HostileEnvironment())
            found = handler({}, None)
        assert found is not None
    assert captured.record["GuardErrors"] == 1
    assert captured.record["trigger"]["type"] == "lambda"
    assert len(said_of(captured, "event")) == 1


@pytest.mark.parametrize(
    "variables",
    [
        {"_X_AMZN_TRACE_ID": "garbage"},
        {"_X_AMZN_TRACE_ID": "Root=1-zzz;Parent=;Sampled=maybe"},
        {"_X_AMZN_TRACE_ID": "Root=" + "1" * 100_000},
        {"_X_AMZN_TRACE_ID": "\udcff"},
        {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "lots", "LAMBDA_GUARD_MAX_RECEIVE_COUNT": "-3"},
        {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "9" * 5000},
        {"AWS_LAMBDA_FUNCTION_NAME": "\udcff\n", "AWS_LAMBDA_FUNCTION_VERSION": '"'},
        {"LAMBDA_GUARD_SERVICE": "\udcff", "LAMBDA_GUARD_NAMESPACE": "\n"},
        {"LAMBDA_GUARD_LOG_LEVEL": "loud", "LAMBDA_GUARD_METRICS": "none", "LAMBDA_GUARD_TRACING": "perhaps"},
    ],
)
def test_hostile_variables_change_no_outcome(variables, define, ending, monkeypatch):
    """Garbage in the environment, at decoration and at work, costs no outcome and no record."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with capture() as captured:
        assert_ends_with(define(ending), ending, {}, None)
    assert len(captured.records) == 1
    assert guard_errors(captured) == 0
    assert_valid_emf(captured)


# --- Broken from outside: logging ----------------------------------------------------------------------------------


def test_a_record_factory_that_raises_is_none_of_our_business(captured, unheard):
    """Where the user's factory raises, their own logging raises at them, and ours does not ask it."""
    unheard()

    def factory(*_, **__):
        raise RuntimeError("no record")

    logging.setLogRecordFactory(factory)

    @production
    def handler(event, context):
        logger.info("ours")
        with pytest.raises(RuntimeError, match="no record"):
            logging.getLogger("theirs").warning("theirs")
        return "done"

    assert handler({}, None) == "done"
    assert [line["message"] for line in captured.logs] == ["ours"]
    assert guard_errors(captured) == 0


def test_a_formatter_that_raises_is_loggings_own_business(captured, capsys, monkeypatch):
    """A user's handler whose formatter raises is dealt with by logging, and costs no line of other handlers."""

    class Formatter(logging.Formatter):
        def format(self, record):
            raise RuntimeError("no words")

    theirs = logging.getLogger("theirs.broken")
    broken_handler = logging.StreamHandler(io.StringIO())
    broken_handler.setFormatter(Formatter())
    theirs.addHandler(broken_handler)
    monkeypatch.setattr(logging, "raiseExceptions", False)

    @production
    def handler(event, context):
        theirs.warning("lost there")
        logger.info("kept")
        return "done"

    assert handler({}, None) == "done"
    assert [line["message"] for line in captured.logs] == ["lost there", "kept"]
    assert guard_errors(captured) == 0
    theirs.removeHandler(broken_handler)


def test_logging_that_is_switched_off_keeps_the_record(captured):
    """`logging.disable` silences the log, not the invocation record."""

    @production
    def handler(event, context):
        logger.critical("silenced")
        return "done"

    logging.disable(logging.CRITICAL)
    try:
        assert handler({}, None) == "done"
    finally:
        logging.disable(logging.NOTSET)
    assert captured.logs == []
    assert captured.record["outcome"] == "success"


@pytest.mark.parametrize(
    "said",
    [
        ("%d items", "three"),
        ("%s",),
        ("%(a)s", 1),
        (object(),),
        (b"\xff",),
        ({"a": float("nan")},),
        ("\ud800 %s", "\udfff"),
    ],
    ids=["no number", "too few", "no mapping", "object", "bytes", "NaN", "surrogates"],
)
def test_a_log_call_never_raises_at_the_handler(said, captured, unheard):
    """A message that can't be formatted is a line all the same."""
    unheard()

    @production
    def handler(event, context):
        logger.info(*said)
        return "done"

    assert handler({}, None) == "done"
    assert len(captured.logs) == 1
    assert guard_errors(captured) == 0


# --- Broken from outside: imports, in a process of their own -------------------------------------------------------

FRESH = """
    import json, os, sys

    class Blocker:
        def find_spec(self, name, path=None, target=None):
            if BLOCKED & {name, name.split(".")[0]}:
                raise ImportError(f"{name} is blocked")

    BLOCKED = set(os.environ.get("BLOCKED", "").split())
    sys.meta_path.insert(0, Blocker())

    from lambda_guard import logger, metrics, production
    value, error = object(), ValueError("refused")

    @production
    def handler(event, context):
        logger.info("at work", order_id="o-1")
        metrics.add_metric(name="Orders", unit="Count", value=1)
        with metrics.single_metric(name="Refunds", unit="Count", value=1) as metric:
            metric.add_dimension(name="country", value="SE")
        if event is error:
            raise error
        return value

    def check():
        assert handler({}, None) is value
        try:
            handler(error, None)
        except ValueError as raised:
            assert raised is error and error.__context__ is None
        else:
            raise AssertionError("nothing was raised")
"""
BROKEN_IMPORTS = {
    "Powertools": {"BLOCKED": "aws_lambda_powertools"},
    "our X-Ray documents": {"BLOCKED": "lambda_guard.sinks.xray.tracer", "_X_AMZN_TRACE_ID": TRACE_HEADER},
    "Powertools and the X-Ray SDK": {
        "BLOCKED": "aws_lambda_powertools aws_xray_sdk",
        "_X_AMZN_TRACE_ID": TRACE_HEADER,
    },
    "the daemon's address": {"_X_AMZN_TRACE_ID": TRACE_HEADER, "AWS_XRAY_DAEMON_ADDRESS": "gar:ba:ge"},
    "the daemon's port": {"_X_AMZN_TRACE_ID": TRACE_HEADER, "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:none"},
}


@pytest.mark.parametrize("name", BROKEN_IMPORTS)
def test_a_broken_import_changes_no_outcome(name, fresh):
    """With an address of rubbish, or without a part of ours, lines and records are written, and what is missing is said.

    Nothing is missing without Powertools and the X-Ray SDK, which nobody has asked for.
    """
    environ = BROKEN_IMPORTS[name]
    output = fresh(FRESH + "\n    check()", **environ)
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["outcome"] for line in lines if "outcome" in line] == ["success", "error"]
    assert [line["message"] for line in lines if line.get("order_id") == "o-1"] == ["at work"] * 2
    kinds = [line["location"] for line in lines if "could not do its part" in line.get("message", "")]
    assert len(kinds) == len(set(kinds))
    is_ours = "aws_lambda_powertools" not in environ.get("BLOCKED", "")
    assert bool(kinds) == (sum(line.get("GuardErrors", 0) for line in lines) > 0) == is_ours


def test_a_botocore_that_is_not_what_it_was_changes_no_outcome(fresh):
    """Where the class that we watch is gone, calls aren't seen, and that is said."""
    output = fresh(
        FRESH
        + """
    import types
    sys.modules["botocore"] = types.ModuleType("botocore")
    sys.modules["botocore.client"] = types.ModuleType("botocore.client")
    handler = production(handler.__wrapped__)
    check()
    """
    )
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["outcome"] for line in lines if "outcome" in line] == ["success", "error"]
    assert any(line.get("location") == "calls.install" for line in lines)


def test_an_import_hook_that_fails_does_not_fail_the_users_import(fresh):
    """`import botocore.client` works for the user, also where our hook on it can't."""
    output = fresh(
        FRESH
        + """
    import types
    from importlib.machinery import ModuleSpec

    class Loader:
        def create_module(self, spec): return types.ModuleType(spec.name)
        def exec_module(self, module): module.__path__ = []

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name in ("botocore", "botocore.client"):
                return ModuleSpec(name, Loader(), is_package=True)

    sys.meta_path.insert(1, Finder())
    import botocore.client
    assert sys.modules["botocore.client"] is botocore.client
    check()
    """
    )
    assert '"location":"calls.install"' in output


def test_a_handler_without_standard_streams_works(fresh):
    """In a process whose standard output is closed the handler ends as it does."""
    output = fresh(
        FRESH
        + """
    handler({}, None)
    os.close(1)
    check()
    sys.stdout = None
    check()
    os._exit(0)
    """
    )
    assert json.loads(output.splitlines()[-1])["outcome"] == "success"
