"""Threads and pools: what an invocation starts belongs to it, and to no other one.

A thread starts with an empty context, unless Python 3.14 is told otherwise (`-X thread_inherit_context=1`), and
a pool's worker has whatever context it was started with. Neither can be told from outside: a worker at work for
this invocation looks like one that still works for the last. So `Thread.start` notes on the thread which work has
started it, and `ThreadPoolExecutor.submit` passes on to the task which work has submitted it.
https://docs.python.org/3/library/threading.html#threading.Thread
"""

import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from . import _imports, _scope
from ._failsafe import attempt

_MARK: Final = "_lambda_guard"


def watch() -> None:
    """Watch the threads that are started from now on, and the pools once there are any."""
    _replace(threading.Thread, "start", _start)
    _imports.when_imported("concurrent.futures.thread", "threads.install", _pools_imported)


def _pools_imported(module: Any) -> None:
    _replace(module.ThreadPoolExecutor, "submit", _submit)


def _replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    theirs = getattr(owner, name)
    if not hasattr(theirs, _MARK):
        ours = wraps(theirs)(make(theirs))
        setattr(ours, _MARK, True)
        setattr(owner, name, ours)


def _start(theirs: Any) -> Any:
    def start(self: Any, *args: Any, **kwargs: Any) -> Any:
        attempt("threads.start", _mark, self)
        return theirs(self, *args, **kwargs)

    return start


def _mark(thread: Any) -> None:
    if (work := _scope.work() or _scope.outlived()) is not None:
        _scope.mark(thread, work)


def _submit(theirs: Any) -> Any:
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        work = attempt("threads.submit", _scope.to_hand_on)
        if work is None or _leaves_the_interpreter(self):
            return theirs(self, fn, *args, **kwargs)
        return theirs(self, _run, work, fn, args, kwargs)

    return submit


def _run(work: _scope.Work, fn: Any, args: Any, kwargs: Any) -> Any:
    __tracebackhide__ = True
    _scope.lend(work)  # until the worker's next task: what is called when this one is done belongs to it, too
    return fn(*args, **kwargs)


def _leaves_the_interpreter(pool: Any) -> bool:
    """Return whether a pool's tasks are pickled for other interpreters (Python 3.14), which don't know ours."""
    interpreters = sys.modules.get("concurrent.futures.interpreter")
    return interpreters is not None and isinstance(pool, interpreters.InterpreterPoolExecutor)
