"""A snapshot of the process, taken from another thread, for an invocation that is about to be killed.

It stops nothing and runs no code of the user's: it reads the interpreter's own list of frames.
"""

import sys
import threading
from collections.abc import Iterator, Mapping
from os import sep
from time import perf_counter
from types import FrameType
from typing import Any, Final

from .. import _names
from .._scope import Scope
from ..failure import fingerprint, stack_frames
from ..failure.stack_frames import Frame

_SELECTORS: Final = (f"{sep}selectors.py", f"{sep}windows_events.py")
THREADS_MOST: Final = 10
TASKS_MOST: Final = 10
CALLS_MOST: Final = 10


class Stuck:
    """Where an invocation is stuck.

    Attributes:
        stack: of the handler's thread, or of its main task if an event loop is waiting there; innermost last.
        tasks: the stacks of the event loop's other tasks.
        threads: (name, frames) of the other threads: the innermost frame of the user's code, and the
            innermost of all.
        calls: AWS calls without a response, in the invocation record's form.
        since_ms: milliseconds since the handler was called; `None` where nothing could be seen.
    """

    def __init__(
        self,
        stack: list[Frame],
        tasks: list[list[Frame]],
        threads: list[tuple[str, list[Frame]]],
        calls: list[dict[str, Any]],
        since_ms: float | None,
    ) -> None:
        self.stack, self.tasks, self.threads, self.calls = stack, tasks, threads, calls
        self.since_ms = since_ms

    def as_record(self) -> dict[str, Any]:
        """Return the invocation record's `stuck`."""
        found: dict[str, Any] = {_names.STACK: stack_frames.said(self.stack)}
        if self.calls:
            found[_names.CALLS] = self.calls
        if self.tasks:
            found[_names.TASKS] = [stack_frames.said(stack) for stack in self.tasks]
        if self.threads:
            found[_names.THREADS] = [
                {_names.THREAD_NAME: name, _names.AT: stack_frames.said(stack)}
                for name, stack in self.threads
            ]
        return found

    def as_error(self) -> dict[str, Any]:
        """Return the invocation record's `error`; its fingerprint is the same for the same place."""
        file, line, function = stack_frames.own(self.stack)[-1] if self.stack else ("", 0, "")
        where = f" in {function} ({stack_frames.base(file)}:{line})" if file else ""
        since = f" after {self.since_ms:.0f} ms" if self.since_ms is not None else ""
        return {
            _names.TYPE: _names.TIMEOUT_TYPE,
            _names.MESSAGE: f"still at work{since}{where}{self._waiting()}",
            _names.FINGERPRINT: fingerprint.of_place(_names.TIMEOUT_TYPE, self.stack),
            _names.STACK: stack_frames.said(self.stack),
        }

    def _waiting(self) -> str:
        if not self.calls:
            return ""
        call = max(self.calls, key=lambda each: each[_names.FOR_MS])
        resource = f" {call[_names.RESOURCE]}" if call[_names.RESOURCE] else ""
        what = f"{call[_names.SERVICE]} {call[_names.OPERATION]}{resource}"
        return f", waiting for {what} for {call[_names.FOR_MS]} ms"


UNSEEN: Final = Stuck([], [], [], [], None)  # used if looking fails


def look(scope: Scope) -> Stuck:
    """Take a snapshot while `scope`'s handler is running; to be called on another thread than the handler's."""
    frames = sys._current_frames()  # noqa: SLF001 - the only way to read other threads' frames
    at = frames.pop(scope.thread, None)
    frames.pop(threading.get_ident(), None)
    stack, tasks = _handler(at) if at is not None else ([], [])
    since_ms = (perf_counter() - scope.clock) * 1000
    return Stuck(stack, tasks, _threads(frames), list(_calls(scope)), since_ms)


def _handler(innermost: FrameType) -> tuple[list[Frame], list[list[Frame]]]:
    frames = [*_outwards(innermost)]
    loop, main = _event_loop(frames)
    if loop is None:
        return _below_ours(frames), []
    tasks = _tasks(loop, main)
    waits = _is_waiting(frames)
    return (_chain(main) if waits else _below_ours(frames)), tasks


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _below_ours(frames: list[FrameType]) -> list[Frame]:
    """Return the handler's frames, outermost first, without ours and those of the runtime client around us."""
    inwards = [_frame(frame) for frame in reversed(frames)]
    first = next((index for index, frame in enumerate(inwards) if stack_frames.is_ours(frame)), 0)
    return stack_frames.shortened([frame for frame in inwards[first:] if not stack_frames.is_ours(frame)])


def _frame(frame: FrameType) -> Frame:
    return frame.f_code.co_filename, frame.f_lineno or frame.f_code.co_firstlineno, frame.f_code.co_name


def _event_loop(frames: list[FrameType]) -> tuple[Any, Any]:
    """Return the event loop that runs in these frames, and the task that it runs to completion."""
    for frame in frames:
        if frame.f_code.co_name == "run_until_complete" and _is_asyncio(frame):
            return frame.f_locals.get("self"), frame.f_locals.get("future")
    return None, None


def _is_asyncio(frame: FrameType) -> bool:
    return frame.f_code.co_filename.endswith(f"{sep}asyncio{sep}base_events.py")


def _is_waiting(frames: list[FrameType]) -> bool:
    """Return whether the loop is idle: it is in its selector, not in a callback."""
    inside = next(
        (index for index, frame in enumerate(frames) if frame.f_code.co_name == "_run_once"), len(frames)
    )
    return all(frame.f_code.co_filename.endswith(_SELECTORS) for frame in frames[:inside])


def _tasks(loop: Any, main: Any) -> list[list[Frame]]:
    import asyncio

    others = [task for task in asyncio.all_tasks(loop) if task is not main]
    others.sort(key=lambda task: (len(task.get_name()), task.get_name()))
    return [stack for task in others[:TASKS_MOST] if (stack := _chain(task))]


def _chain(task: Any) -> list[Frame]:
    """Return the frames of a suspended task, outermost first, following what each coroutine awaits."""
    found: list[Frame] = []
    link = task.get_coro()
    for _ in range(1000):  # the chain of a task can't be longer than the recursion limit
        frame = next(
            (at for name in ("cr_frame", "gi_frame", "ag_frame") if (at := getattr(link, name, None))), None
        )
        if frame is not None:
            found.append(_frame(frame))
        names = ("cr_await", "gi_yieldfrom", "ag_await")
        link = next((after for name in names if (after := getattr(link, name, None)) is not None), None)
        if link is None:
            break
    return stack_frames.shortened([frame for frame in found if not stack_frames.is_ours(frame)])


def _threads(frames: Mapping[int, FrameType]) -> list[tuple[str, list[Frame]]]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    found = [(names.get(ident) or f"thread {ident}", _in_short(frame)) for ident, frame in frames.items()]
    found.sort(key=lambda thread: (len(thread[1]) == 1, thread[0]))  # the user's own code first
    return found[:THREADS_MOST]


def _in_short(innermost: FrameType) -> list[Frame]:
    at = _frame(innermost)
    own = next(
        (frame for frame in map(_frame, _outwards(innermost)) if not stack_frames.is_installed(frame[0])), at
    )
    return [own] if own == at else [own, at]


def _calls(scope: Scope) -> Iterator[dict[str, Any]]:
    if scope.aws is None or not scope.aws.in_flight:
        return
    for call, began in list(scope.aws.in_flight.items())[:CALLS_MOST]:
        yield {
            _names.SERVICE: call.service,
            _names.OPERATION: call.operation,
            _names.RESOURCE: None if scope.aws.unnamed else call.resource(),
            _names.FOR_MS: round((perf_counter() - began) * 1000),
        }
