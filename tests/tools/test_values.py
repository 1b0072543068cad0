"""The small values: times, durations, conditions, the scale of a waterfall."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.model import time_of
from lambda_guard.tools.logs.selection import Selection
from lambda_guard.tools.logs.traces.timescale import Timescale
from lambda_guard.tools.times import TimeFormatError, clock, duration_ms, moment_ms, span
from lambda_guard.tools.where import Condition, ConditionFormatError


@pytest.mark.parametrize(
    ("text", "ms"),
    [("250ms", 250.0), ("2s", 2_000.0), ("1m30s", 90_000.0), ("1.5h", 5_400_000.0), ("2 d", 172_800_000.0)],
)
def test_durations_are_read_as_people_type_them(text, ms):
    """Number and unit, several of them together."""
    assert duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "2", "s", "2x", "2s!", "-2s", "two hours"])
def test_what_is_no_duration_is_refused(text):
    """Nothing is guessed."""
    with pytest.raises(TimeFormatError, match=r"invalid duration .*: use 250ms"):
        duration_ms(text)


def test_moments_are_ago_or_iso():
    """How long ago, or when exactly; with a zone or in UTC by Z."""
    assert moment_ms("15m", 1_000_000.0) == 100_000.0
    assert moment_ms("2026-11-23T15:04:05Z", 0.0) == 1795446245000.0
    assert moment_ms("2026-11-23T16:04:05+01:00", 0.0) == 1795446245000.0
    with pytest.raises(TimeFormatError, match=r"invalid time .*: use how long ago"):
        moment_ms("tomorrow", 0.0)


def test_durations_are_written_with_the_digits_they_deserve():
    """Three digits tell enough; minutes and hours have their own form."""
    told = [span(ms) for ms in (None, 0.0423, 12.34, 999, 1_240, 65_000, 11_520_000)]
    assert told == ["?", "0.0423 ms", "12.3 ms", "999 ms", "1.24 s", "1m 05s", "3h 12m"]


@given(st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.lists(st.integers())))
def test_no_time_is_too_odd_to_be_read(value):
    """A log may say anything where a time should stand."""
    found = time_of(value)
    assert found is None or math.isfinite(found)
    assert clock(found)


def held(text, **record):
    selection = Selection(conditions=(Condition.parse(text),))
    return selection.matches(Invocation("i", record={"record": "invocation", **record}))


def test_conditions_look_into_the_record():
    """Equals and contains; dots lead into objects and through lists; numbers compare as numbers."""
    sent = [{"service": "sqs", "target": "orders"}, {"service": "sns", "target": "audit"}]
    assert held("outcome=error", outcome="error")
    assert not held("outcome=error", outcome="success")
    assert held("duration_ms=12", duration_ms=12.0)
    assert held("error.message~DECLINED", error={"message": "card declined"})
    assert held("sent.target=audit", sent=sent)
    assert held("cold_start=true", cold_start=True)
    assert held("a.b=1", **{"a.b": 1})
    assert held("order=a=b", order="a=b")
    assert not held("missing=", other="")
    deep = value = {}
    for _ in range(5_000):
        value = value.setdefault("a", {})
    assert not held("deep~x", deep=deep)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("took_ms>2", True), ("took_ms>2500", False), ("took_ms>=2500", True), ("took_ms<2s", False),
        ("took_ms<=2.5s", True), ("took_ms=2500ms", True), ("took_ms!=2500", False), ("took_ms < 1h", True),
        ("steps.n>3", True), ("steps.n<1", False), ("word>1", False), ("word<9", False), ("flag>0", False),
        ("missing>0", False), ("missing<0", False), ("missing!=1", True), ("word!=5", False), ("word!=6", True),
        ("steps.n!=4", False), ("steps.n!=5", True), ("a!b=1", True), ("a!b!=1", False),
    ],
)  # fmt: skip
def test_conditions_compare_numbers_and_deny(text, holds):
    """Durations are milliseconds; texts and booleans aren't numbers; != is the opposite of =, for missing keys too."""
    record = {"took_ms": 2500.0, "steps": [{"n": 1}, {"n": 4}], "word": "5", "flag": True, "a!b": 1}
    assert held(text, **record) is holds


@pytest.mark.parametrize("where", ["record", "line"])
@pytest.mark.parametrize(
    ("text", "holds"), [("size>10", True), ("size>12", False), ("size!=12", False), ("size!=13", True)]
)
def test_numbers_are_found_in_records_and_lines(where, text, holds):
    """A line counts as the record does."""
    line = b'{"level":"INFO","message":"m","timestamp":"2026-11-23T15:04:05Z","size":12}'
    record = {"record": "invocation", "size": 12} if where == "record" else {"record": "invocation"}
    invocation = Invocation("i", raw=[line] if where == "line" else [], record=record)
    assert Selection(conditions=(Condition.parse(text),)).matches(invocation) is holds


@pytest.mark.parametrize("text", ["", "key", "=value", "~value", "a>", "a<soon", "a>=2x"])
def test_what_is_no_condition_is_refused(text):
    """It takes a key and a value, and for an order a number."""
    with pytest.raises(
        ConditionFormatError, match=f"invalid condition '{text}': .*(write KEY=VALUE|write 3, 0.5)"
    ):
        Condition.parse(text)


def test_long_idle_stretches_are_folded():
    """A retry an hour later leaves both attempts legible."""
    scale = Timescale([(0.0, 10.0), (3_600_000.0, 3_600_010.0)])
    (fold,) = scale.folds
    assert (fold.begin, fold.end, fold.ms) == (pytest.approx(0.47), pytest.approx(0.53), 3_599_990.0)
    places = [scale.place(moment) for moment in (0, 10.0, 3_600_000.0, 9e9)]
    assert places == pytest.approx([0.0, 0.47, 0.53, 1.0])


def test_ticks_are_round_and_apart():
    """One reads a scale by round numbers."""
    assert Timescale([(5.0, 105.0)]).ticks() == [
        (0.0, 0.0),
        (0.2, 20.0),
        (0.4, 40.0),
        (0.6, 60.0),
        (0.8, 80.0),
    ]
    assert Timescale([]).ticks() == [(0.0, 0.0)]
    assert Timescale([(0.0, 6e-297), (3e11, 3e11)]).ticks() == [(0.0, 0.0)]


SPANS = st.lists(
    st.tuples(st.floats(0, 1e13), st.floats(0, 1e7)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    max_size=20,
)


@given(SPANS, st.lists(st.floats(-1e12, 1e14), min_size=2, max_size=20))
def test_later_moments_never_stand_before_earlier_ones(spans, moments):
    """Whatever is folded, the order stays, and nothing leaves the picture."""
    scale = Timescale(spans)
    places = [scale.place(moment) for moment in sorted(moments)]
    assert all(0.0 <= place <= 1.0 for place in places)
    assert all(before <= after + 1e-9 for before, after in itertools.pairwise(places))
    assert all(0.0 <= place <= 1.0 for place, _ in scale.ticks())
