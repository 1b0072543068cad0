"""When the watchdog's thread is rung for, and when it wakes, by clocks that the test sets: no thread, and no time passes."""

from math import inf, nan
from threading import get_ident

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard._invocation import Outcome, read
from lambda_guard._scope import Scope
from lambda_guard._settings import resolve
from lambda_guard.testing import make_context
from lambda_guard.timeout import watchdog

SHORT, LASTING = 0.001, 0.5  # seconds of a handler
SETTINGS = resolve({}, {})
USUAL = 30.0  # seconds of a function's timeout


class Process:
    """A process with a watchdog whose thread is moved by hand: it runs once it is rung for, or its time has come.

    Attributes:
        late: whether it gets the GIL only after an invocation that rang, as where that is short.
        now: the monotonic clock; the time of day is a million seconds further.
        rings: how often an invocation has woken the thread.
        wakes: at what times the thread has woken by itself.
        dumps: for which invocations `faulthandler` was armed, each with the time.
        alarms: likewise those that were warned of.
    """

    def __init__(self, patch):
        self.now, self.shift = 1000.0, 1_000_000.0
        self.late = False
        self.rings, self.wakes, self.dumps, self.alarms = 0, [], [], []
        self._watch = watchdog._Watch()
        self._watch._running = True  # so that no thread is started
        self._sink = watchdog.Watchdog(lambda scope: self.alarms.append((scope, self.now)))
        patch.setattr(watchdog, "_watch", self._watch)
        patch.setattr(watchdog, "_armed", {})
        thread, real = get_ident(), watchdog.monotonic  # the real watchdog's thread keeps its own
        patch.setattr(watchdog, "monotonic", lambda: self.now if get_ident() == thread else real())
        patch.setattr(watchdog, "time", lambda: self.now + self.shift)
        patch.setattr(watchdog._dump, "arm", lambda scope, _: self.dumps.append((scope, self.now)))

    def _answer(self):
        if self._watch._bell.acquire(blocking=False):
            self.rings += 1
            self._watch._check()

    @property
    def wakes_at(self):
        return self._watch.wakes_at

    def begin(self, timeout=USUAL):
        """Begin an invocation that has so many seconds."""
        started, context = self.now + self.shift, make_context()
        invocation = read({}, context, SETTINGS)._replace(started=started, deadline=started + timeout)
        scope = Scope(invocation, SETTINGS, context, None)
        self._sink.enter(scope)
        if not self.late:
            self._answer()
        return scope

    def end(self, scope, duration_ms):
        """End it."""
        scope.open = False
        self._sink.leave(scope, Outcome("success", None, None, duration_ms, self.now + self.shift))
        self._answer()

    def call(self, seconds=SHORT, timeout=USUAL):
        """Let an invocation take so many seconds."""
        scope = self.begin(timeout)
        self.wait(seconds)
        self.end(scope, seconds * 1000)
        return scope

    def wait(self, seconds):
        """Let time pass."""
        end = self.now + seconds
        while self.wakes_at <= end:
            self.now = max(self.now, self.wakes_at)
            self.wakes.append(self.now)
            self._watch._check()
        self.now = end

    def freeze(self, seconds):
        """Let the thread sleep, whatever it was to wake for."""
        self.now += seconds
        if self.wakes_at <= self.now:
            self.wakes.append(self.now)
            self._watch._check()


@pytest.fixture
def process(monkeypatch):
    return Process(monkeypatch)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("timeout", "calls"),
    [
        (3.0, 3),  # a quarter of 3 s: the calls after 0.3 and 0.6 s need the thread no earlier
        (8.0, 7),
        (30.0, 7),
        (900.0, 7),
    ],
)
def test_spaced_calls_share_a_ring(process, timeout, calls, late):
    """Of short calls 300 ms apart, one rings for several, and the thread wakes once for them."""
    process.late = late
    process.call(timeout=timeout)  # the first of a process
    process.wait(10.0)
    process.rings, process.wakes = 0, []
    for _ in range(calls):
        process.call(timeout=timeout)
        process.wait(0.3 - SHORT)
    assert process.rings == 1
    assert len(process.wakes) <= 1
    assert process.alarms == process.dumps == []


def test_an_idle_process_sleeps(process):
    """After the last call the thread wakes once at most, and then not until somebody rings."""
    for _ in range(3):
        process.call()
    process.wakes = []
    process.wait(86_400.0)
    assert len(process.wakes) == 1
    assert process.wakes_at == inf
    process.call()
    assert process.wakes_at < inf


def test_a_thread_that_sleeps_on_is_rung_for(process):
    """Where waiting goes by a time of day that was set back, the time at which the thread was to wake passes."""
    process.call()
    process.now = process.wakes_at + 1.0
    process.rings = 0
    scope = process.begin()
    assert process.rings == 1
    process.wait(USUAL)
    assert [each for each, _ in process.alarms] == [scope]


def test_a_frozen_process_sleeps(process):
    """A thread that missed its time while the process was frozen wakes once, and warns of nobody."""
    process.call()
    process.call()
    process.wakes = []
    process.freeze(3600.0)
    assert len(process.wakes) == 1
    assert process.wakes_at == inf
    assert process.alarms == []


def test_a_shorter_deadline_rings(process):
    """An invocation that has less time than the thread means to sleep wakes it, and is warned of in time."""
    process.call()
    process.wait(10.0)
    process.call()
    asked = process.wakes_at
    process.rings = 0
    scope = process.begin(timeout=1.0)
    assert process.rings == 1
    assert process.wakes_at < asked
    began = process.now
    process.wait(0.95)
    assert process.alarms == [(scope, pytest.approx(began + 0.9))]


@pytest.mark.parametrize(
    ("timeout", "before", "after"),
    [
        (USUAL, None, 0.25),
        (USUAL, LASTING, 0.25),
        (USUAL, SHORT, 2.0),
        (900.0, SHORT, 2.0),
        (3.0, SHORT, 0.75),
        (3.0, 0.2499, 0.75),
        (3.0, 0.25, 0.25),
        (0.6, SHORT, 0.25),
        (USUAL, nan, 0.25),
    ],
)
def test_when_the_dump_is_armed(process, timeout, before, after):
    """After a quarter of a second; where the invocation before was shorter than that, of its time, and at most 2 s."""
    if before is not None:
        scope = process.begin()
        process.end(scope, before * 1000)
        process.wait(60.0)
    scope, began = process.begin(timeout), process.now
    process.wait(after + 0.01)
    assert process.dumps == [(scope, pytest.approx(began + after))]


CALLS = st.tuples(
    st.sampled_from([SHORT, 0.1, 0.3, 0.7, 2.5, 29.5, 70.0]),
    st.sampled_from([0.05, 0.6, 3.0, 30.0, 900.0]),
    st.sampled_from([0.0, 0.3, 1.0, 5.0, 100.0]),
    st.booleans(),
)


@given(st.lists(CALLS, max_size=12))
def test_every_alarm_in_time_and_no_other(calls):
    """However long calls take, and whatever lies between them: those that come to it are warned of right then."""
    with pytest.MonkeyPatch.context() as patch:
        process = Process(patch)
        expected = []
        for seconds, timeout, pause, frozen in calls:
            due = process.now + timeout - watchdog.margin(timeout)
            scope = process.call(seconds, timeout)
            if due <= process.now:
                expected.append((scope, pytest.approx(due)))
            (process.freeze if frozen else process.wait)(pause)
        assert process.alarms == expected
