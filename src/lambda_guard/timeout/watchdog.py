"""Wakes shortly before the deadline of an invocation that is still at work, so that something can be said.

One daemon thread per process sleeps until the earliest moment at which it may be needed. Arming writes a
cell, and rings only where the thread would sleep past it: a warm function rings a few times a second at the
most. Disarming takes the cell away: whoever takes it, the invocation or the thread, has it alone, and there
is no alarm for what has ended.

Sleeping goes by the monotonic clock, but the deadline is a time of day: a process that was frozen and
thawed, or whose clock was set, finds out by comparing, and sleeps on or lets it be.

A C call that never releases the GIL keeps every thread of Python from waking. For that there is
`faulthandler`, whose own thread needs no GIL: it is armed once an invocation has lasted a quarter of a
second, and put off when ours wakes in time.
"""

import os
import sys
from _thread import allocate_lock, get_ident
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic, perf_counter, time
from typing import Any, Final

from .._failsafe import attempt
from .._invocation import Outcome
from .._scope import Scope
from ..sinks import Sink

MARGIN_LEAST: Final = 0.1  # seconds before the deadline
MARGIN_MOST: Final = 1.0
_LOOK_AFTER: Final = 0.25  # seconds that an invocation lasts before the dump is armed
_CLOCKS_DIFFER: Final = 0.05  # seconds by which the clocks may disagree
_STALE: Final = 1.0  # seconds past a deadline that nobody has enforced: then it was none
_STANDARD_ERROR: Final = 2

Alarm = Callable[[Scope], object]


class _Cell:
    """An armed invocation.

    Attributes:
        wake: when the thread has something to do for it, by the monotonic clock.
        due: when its alarm goes off, by the same.
        alarm: what is called then.
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
        left: seconds that the invocation has from its start. With less than 200 ms half of it is the margin.
    """
    return min(max(MARGIN_LEAST, left / 10), MARGIN_MOST, left / 2)


class Watchdog(Sink):
    """Has `alarm(scope)` called shortly before the deadline of an invocation that is still at work.

    Where no deadline is known there is no alarm.

    Args:
        alarm: runs on the watchdog's thread, while the handler is at work; doesn't raise.
    """

    part = "watchdog"

    def __init__(self, alarm: Alarm) -> None:
        self._alarm = alarm

    def enter(self, scope: Scope) -> None:
        """Arm it for an invocation that runs on this thread."""
        it = scope.invocation
        left = it.deadline - it.started if it.deadline is not None else 0.0
        if it.deadline is None or left <= 0:
            return  # or a context that doesn't count
        scope.thread = get_ident()
        scope.clock = (
            perf_counter()
        )  # the handler isn't running yet; with hardly any time the alarm comes first
        now = monotonic()
        due = now + it.deadline - time() - margin(left)  # the sinks may have taken their time: imports, say
        wake = min(due, now + _LOOK_AFTER)
        _armed[scope] = _Cell(wake, due, self._alarm)
        if wake < _watch.wakes_at:
            _watch.ring()

    def leave(self, scope: Scope, _: Outcome) -> None:
        """Disarm it; an alarm that is just going off is waited for, so that its record comes first."""
        if _armed.pop(scope, None) is not None:
            if _dump.scope is scope:
                _dump.cancel()
        elif scope.thread and _watch.at_alarm.acquire(timeout=MARGIN_MOST):
            _watch.at_alarm.release()


class _Watch:
    """The thread, and when it wakes.

    Attributes:
        wakes_at: by the monotonic clock; infinite while it has nothing to wake for, or is just looking.
        at_alarm: held while an alarm goes off.
    """

    def __init__(self) -> None:
        self.wakes_at = inf
        self.at_alarm = allocate_lock()
        self._running = False
        self._starting = allocate_lock()
        self._bell = allocate_lock()
        self._bell.acquire()

    def ring(self) -> None:
        """Have the thread look again; it is started when it is first needed."""
        if not self._running:
            self._start()
        with suppress(RuntimeError):  # rung already
            self._bell.release()

    def _start(self) -> None:
        from threading import Thread

        with self._starting:
            if not self._running:
                Thread(
                    target=attempt, args=("watchdog", self._run), name="lambda_guard-watchdog", daemon=True
                ).start()
                self._running = True

    def _run(self) -> None:
        while True:
            self.wakes_at = inf  # whoever arms while we look has to ring
            self.wakes_at = at = attempt("watchdog", self._look) or inf
            if at == inf:
                self._bell.acquire()
            else:
                self._bell.acquire(timeout=max(0.0, at - monotonic()))

    def _look(self) -> float:
        """See to what is due, and return when to look again."""
        now, wakes_at = monotonic(), inf
        for scope, cell in list(_armed.items()):
            if cell.due <= now:
                self._fire(scope, cell, now)
            elif cell.wake <= now:
                cell.wake = cell.due
                attempt("watchdog.dump", _dump.arm, scope, cell.due - now)
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


class _Dump:
    """`faulthandler.dump_traceback_later`, of which a process has one.

    A module object of our own is used, so that `sys.modules` tells whether anybody else has imported it:
    then it is theirs, and left alone.

    Attributes:
        scope: the invocation that it is armed for.
        held: while the process forks: the child would wait forever for a thread that it doesn't have.
    """

    def __init__(self) -> None:
        self.scope: Scope | None = None
        self.held = False
        self._module: Any = None

    def arm(self, scope: Scope, seconds: float) -> None:
        """Have every thread's stack written to standard error, should ours not wake in time.

        Args:
            scope: of the invocation.
            seconds: until its alarm; the dump comes in the middle between that and the deadline.
        """
        if "faulthandler" in sys.modules or self.scope is not None or self.held:
            return
        it = scope.invocation
        assert it.deadline is not None
        self.scope = scope
        module = self._faulthandler()
        module.dump_traceback_later(seconds + margin(it.deadline - it.started) / 2, file=_STANDARD_ERROR)
        if scope not in _armed or self.held:  # it ended or forks meanwhile, and found nothing to put off yet
            self.scope = None
            module.cancel_dump_traceback_later()

    def cancel(self) -> None:
        """Put it off, if it is armed."""
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
        _watch.ring()


def _after_fork_in_child() -> None:
    """Leave the parent's invocation to the parent; the child has a watchdog of its own."""
    _armed.clear()
    _watch.__init__()  # type: ignore[misc]  # the thread, and who held the locks, stayed behind
    _dump.scope, _dump.held = None, False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
