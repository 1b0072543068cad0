"""Wakes shortly before the deadline of an invocation that is still running, so that it can be reported.

One daemon thread per process sleeps until the earliest moment at which it may be needed. Arming writes a
cell, and rings for the thread only if it would sleep too long. The thread keeps the time that it was asked to
wake at even if that invocation has ended: until then, an invocation that doesn't need it earlier doesn't ring.
If nothing is armed when it wakes, it sleeps until somebody rings: an idle process doesn't wake.
Disarming removes the cell: either the invocation or the thread gets it, never both, so there is no alarm
for an invocation that has ended.

The thread sleeps by the monotonic clock, but the deadline is a time of day: after the process was frozen and
thawed, or its clock was set, comparing the two shows whether to sleep on or to skip the alarm. If the time has
passed at which the thread was to wake, it is rung for: where the C library has no `sem_clockwait`, as in Amazon
Linux 2, waiting goes by the time of day, and a clock that was set back makes it last longer.

A C call that never releases the GIL keeps every Python thread from waking. That case is left to
`faulthandler`, whose thread doesn't need the GIL: it is armed once an invocation has lasted for `look_after`,
and cancelled when our thread wakes in time.
"""

import os
import sys
from _thread import allocate_lock
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic, perf_counter, time
from typing import Any, Final

from .._failsafe import attempt
from .._invocation import Outcome
from .._scope import Scope, let_go
from ..sinks import Sink

MARGIN_LEAST: Final = 0.1  # seconds before the deadline
MARGIN_MOST: Final = 1.0
_LOOK_LEAST: Final = 0.25  # seconds that an invocation lasts before the dump is armed
_LOOK_MOST: Final = 2.0
_LOOK_PART: Final = 4  # of its time: a quarter
_CLOCKS_DIFFER: Final = 0.05  # seconds by which the clocks may disagree
_STALE: Final = 1.0  # seconds after a deadline that wasn't enforced: then it isn't a real one
_STANDARD_ERROR: Final = 2

Alarm = Callable[[Scope], object]


def start() -> None:
    """Start the thread now, rather than when an invocation first needs it."""
    _watch.start()


class _Cell:
    """An armed invocation.

    Attributes:
        wake: when the thread next has to act for it, by the monotonic clock.
        due: when its alarm goes off, by the same clock.
        alarm: the function that is called then.
    """

    __slots__ = ("alarm", "due", "wake")

    def __init__(self, wake: float, due: float, alarm: Alarm) -> None:
        self.wake = wake
        self.due = due
        self.alarm = alarm


_armed: dict[Scope, _Cell] = {}


def margin(left: float) -> float:
    """Return how long before the deadline the alarm goes off, in seconds.

    Args:
        left: seconds that the invocation has from its start. Below 200 ms, the margin is half of it.
    """
    if left >= MARGIN_MOST * 10:
        return MARGIN_MOST  # the usual, without asking further
    return min(max(MARGIN_LEAST, left / 10), left / 2)


def look_after(left: float) -> float:
    """Return how long an invocation lasts before the dump is armed for it, in seconds.

    Where the one before it was short, the thread isn't woken for each: most likely this one is short as well.

    Args:
        left: seconds that the invocation has from its start.
    """
    if not _watch.last_was_short:
        return _LOOK_LEAST
    if left >= _LOOK_MOST * _LOOK_PART:
        return _LOOK_MOST  # the usual, without asking further
    return max(_LOOK_LEAST, left / _LOOK_PART)


class Watchdog(Sink):
    """Calls `alarm(scope)` shortly before the deadline of an invocation that is still running.

    If the deadline isn't known, there is no alarm.

    Args:
        alarm: runs on the watchdog's thread, while the handler is running; doesn't raise.
    """

    part = "watchdog"

    def __init__(self, alarm: Alarm) -> None:
        self._alarm = alarm

    def enter(self, scope: Scope) -> None:
        """Arm it for an invocation that runs on this thread."""
        it = scope.invocation
        left = it.deadline - it.started if it.deadline is not None else 0.0
        if it.deadline is None or left <= 0:
            return  # or its context has no real countdown
        scope.clock = perf_counter()  # before the handler: with hardly any time left, the alarm comes first
        now = monotonic()
        due = now + it.deadline - time() - margin(left)  # the sinks may have taken time, for imports
        wake = now + look_after(left)
        if due < wake:  # noqa: PLR1730 - every invocation comes this way, and `min` takes longer
            wake = due
        _armed[scope] = _Cell(wake, due, self._alarm)
        if not now < _watch.wakes_at <= wake:
            _watch.ring(wake)

    def leave(self, scope: Scope, outcome: Outcome) -> None:
        """Disarm it; wait for an alarm that is just going off, so that its record comes first."""
        _watch.last_was_short = outcome.duration_ms < _LOOK_LEAST * 1000  # not where the clock said nonsense
        if _armed.pop(scope, None) is not None:
            if _dump.scope is scope:
                _dump.cancel()
        elif scope.invocation.deadline is not None and _watch.at_alarm.acquire(timeout=MARGIN_MOST):
            _watch.at_alarm.release()


class _Watch:
    """The thread, and the time at which it wakes.

    Attributes:
        wakes_at: by the monotonic clock; infinite while it has nothing to wake for, or is checking.
        at_alarm: held while an alarm goes off.
        last_was_short: whether the invocation that ended last was over before the dump would have been armed.
    """

    def __init__(self) -> None:
        self.wakes_at = inf
        self.last_was_short = False
        self._asked = 0.0
        self.at_alarm = allocate_lock()
        self._running = False
        self._starting = allocate_lock()
        self._bell = allocate_lock()
        self._bell.acquire()

    def ring(self, at: float) -> None:
        """Make the thread check again, and at that time once more; start it when it is first needed."""
        self._asked = at
        if not self._running:
            self.start()
        with suppress(RuntimeError):  # woken already
            self._bell.release()

    def start(self) -> None:
        """Start the thread, unless it is running."""
        from threading import Thread

        with self._starting:
            if not self._running:
                Thread(
                    target=attempt, args=("watchdog", self._run), name="lambda_guard-watchdog", daemon=True
                ).start()
                self._running = True

    def _run(self) -> None:
        let_go()
        while True:
            self._check()
            if self.wakes_at == inf:
                self._bell.acquire()
            else:
                self._bell.acquire(timeout=max(0.0, self.wakes_at - monotonic()))

    def _check(self) -> None:
        self.wakes_at = inf  # so that arming during the check rings
        self.wakes_at = attempt("watchdog", self._look) or inf

    def _look(self) -> float:
        """Handle what is due, and return when to check again."""
        now = monotonic()
        wakes_at = self._asked if self._asked > now else inf
        for scope, cell in list(_armed.items()):
            if cell.due <= now:
                self._fire(scope, cell, now)
            elif cell.wake <= now:
                cell.wake = cell.due
                attempt("watchdog.dump", _dump.arm, scope, cell.due - now)
                attempt("watchdog.snapshot", _get_ready)
            if scope in _armed:
                wakes_at = min(wakes_at, cell.wake)
        return wakes_at

    def _fire(self, scope: Scope, cell: _Cell, now: float) -> None:
        it = scope.invocation
        assert it.deadline is not None
        left = it.deadline - time()
        early = left - margin(it.deadline - it.started)
        if early > _CLOCKS_DIFFER:
            cell.wake = cell.due = now + early
            return
        with self.at_alarm:
            if _armed.pop(scope, None) is not None:
                _dump.cancel()
                if scope.open and left > -_STALE:
                    cell.alarm(scope)


def _get_ready() -> None:
    """Import what an alarm needs while there is time: most invocations have ended before this."""
    from . import snapshot  # noqa: F401 - see above


class _Dump:
    """`faulthandler.dump_traceback_later`, of which each process has only one.

    It uses a module object of its own, so that `sys.modules` shows whether other code has imported
    `faulthandler`, which is then left alone.

    Attributes:
        scope: the invocation that it is armed for.
        held: true while the process forks: the child would wait forever for a thread that it doesn't have.
    """

    def __init__(self) -> None:
        self.scope: Scope | None = None
        self.held = False
        self._module: Any = None

    def arm(self, scope: Scope, seconds: float) -> None:
        """Have every thread's stack written to standard error if our thread doesn't wake in time.

        Args:
            scope: the invocation's scope.
            seconds: the time until its alarm; the dump comes halfway between the alarm and the deadline.
        """
        if "faulthandler" in sys.modules or self.scope is not None or self.held:
            return
        it = scope.invocation
        assert it.deadline is not None
        self.scope = scope
        module = self._faulthandler()
        module.dump_traceback_later(seconds + margin(it.deadline - it.started) / 2, file=_STANDARD_ERROR)
        if scope not in _armed or self.held:  # meanwhile it ended or forks, and found nothing to cancel yet
            self.scope = None
            module.cancel_dump_traceback_later()

    def cancel(self) -> None:
        """Cancel it, if it is armed."""
        if self.scope is not None:
            self.scope = None
            if self._module is not None and "faulthandler" not in sys.modules:
                self._module.cancel_dump_traceback_later()

    def _faulthandler(self) -> Any:
        if self._module is None:
            from importlib.machinery import BuiltinImporter
            from importlib.util import module_from_spec

            spec = BuiltinImporter.find_spec("faulthandler")
            assert spec is not None
            assert spec.loader is not None
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            self._module = module
        return self._module


_watch = _Watch()
_dump = _Dump()


def _before_fork() -> None:
    _dump.held = True
    if (scope := _dump.scope) is not None:
        _dump.cancel()
        if (cell := _armed.get(scope)) is not None:
            cell.wake = 0.0


def _after_fork_in_parent() -> None:
    _dump.held = False
    if any(cell.wake == 0.0 for cell in list(_armed.values())):
        _watch.ring(0.0)


def _after_fork_in_child() -> None:
    """Leave the parent's invocation to the parent; the child gets a watchdog of its own."""
    _armed.clear()
    _watch.__init__()  # type: ignore[misc]  # the thread, and the owners of the locks, aren't in the child
    _dump.scope, _dump.held = None, False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
