"""Powertools' Logger and `lambda_guard.logger`, side by side: the same messages, levels and fields."""

import io
import itertools
import json

import pytest
from aws_lambda_powertools import Logger
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard import logger
from lambda_guard.testing import make_context

from .both import run_ours

_service = itertools.count()
# What each adds to its lines by itself: Powertools' decorator, and ours.
_THEIRS = ("location", "timestamp", "service", "xray_trace_id", "function_name", "cold_start", "stack_trace")
_ADDED = {
    *_THEIRS, "function_memory_size", "function_arn", "function_request_id", "logger", "invocation_id",
    "function_version", "exception",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _as_in_a_function(unheard):
    """Nobody listens to our logger but its own handler."""
    unheard()


def told(lines):
    """Return what the handler said: the lines without what is added to each."""
    return [{key: value for key, value in line.items() if key not in _ADDED} for line in lines]


def in_both_ways(code, event=None, **options):
    """Run `code(logger, event)` in a handler of each way; return what each said, and what each answered."""
    out = io.StringIO()
    theirs = Logger(service=f"theirs-{next(_service)}", stream=out, level=options.pop("log_level", "INFO"))
    event = {} if event is None else event
    answer = theirs.inject_lambda_context(lambda event, context: code(theirs, event), **options)(
        event, make_context()
    )
    captured, ours = run_ours(lambda event, context: code(logger, event), event)
    return (told(map(json.loads, filter(None, out.getvalue().split("\n")))), answer), (
        told(captured.logs),
        ours,
    )


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
