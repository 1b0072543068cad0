"""Runs `async def` handlers to completion, on an event loop that the thread keeps.

Lambda calls handlers synchronously, and Python's HTTP and database clients are bound to the loop on which they
were created: a new loop per invocation, as with `asyncio.run`, would break every client kept in a module. As
with `asyncio.run`, the handler runs in a copy of the caller's context; afterwards its leftover tasks are
cancelled, its asynchronous generators are closed, and work in the loop's threads is waited for.
"""

import asyncio
import contextvars
import os
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from .errors import RunningEventLoopError

T = TypeVar("T")


class _Kept(threading.local):
    """The thread's loop. Lambda calls handlers on one thread, so it is the loop of the process."""

    loop: "_Loop | None" = None


class _Loop:
    """An event loop that is closed when its thread ends; its tasks and generators have been cleaned up by then."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.pid = os.getpid()

    def __del__(self) -> None:
        with suppress(RuntimeError):  # closed already
            self.runner.get_loop().close()


_kept = _Kept()
_inherited: list[_Loop] = []
_ROUNDS_MOST: Final = 10  # a cancelled task may start another one, which may do the same
_CONTEXT: Any = BaseException.__context__
_TRACEBACK: Any = BaseException.__traceback__


def run(
    ended: "Ended[T]",
    handler: Callable[..., Coroutine[Any, Any, T]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    """Call an asynchronous handler, run its coroutine to completion, and store the result in `ended`.

    The handler's exception is stored, not raised: the caller raises it, with the handler's own traceback.
    Since Python 3.12, a traceback's frames keep the frames that called them, with their variables: the caller must
    delete its own `ended` before the error propagates, or the error would reference itself.
    """
    loop, main = _loop(), _main(handler, args, kwargs, ended)
    del ended
    try:
        # In a context of its own, as with `asyncio.run`: variables that the handler sets end with it.
        loop.runner.run(main, context=contextvars.copy_context())
    except BaseException:
        # Ctrl-C, or a task that exits: if the loop were kept, the handler would continue in the next invocation.
        _kept.loop = None
        with suppress(Exception):
            loop.runner.close()
        raise


def refuse_running_loop() -> None:
    """Raise `RunningEventLoopError` if this thread already runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RunningEventLoopError(
        "an async handler was called from inside a running event loop, where it can't be run to completion: "
        "in async code, await the handler itself: `await handler.__wrapped__(event, context)`"
    )


class Ended(Generic[T]):
    """How the handler ended: passed around the loop, which would wrap, log or re-create some exceptions."""

    value: T
    error: BaseException | None = None
    context: BaseException | None = None

    def restore_context(self) -> None:
        """Restore the error's `__context__`, which `raise` replaces with any exception that the caller is handling.

        Uses the descriptor, since the exception's class may refuse to set attributes (a frozen dataclass).
        """
        if self.error is not None:
            _CONTEXT.__set__(self.error, self.context)


async def _main(
    handler: Callable[..., Coroutine[Any, Any, T]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    ended: Ended[T],
) -> None:
    generators = _Generators()
    generators.watch()
    try:
        ended.value = await handler(*args, **kwargs)
    except BaseException as error:
        task = asyncio.current_task()
        if issubclass(type(error), asyncio.CancelledError) and task is not None and task.cancelling():
            raise  # Ctrl-C: the runner turns it into KeyboardInterrupt
        # Without this frame: its variables would keep the error, and everything that the error references, alive.
        ended.error = BaseException.with_traceback(error, getattr(_TRACEBACK.__get__(error), "tb_next", None))
        ended.context = _CONTEXT.__get__(error)
        del ended
    finally:
        await _clean_up(generators)


class _Generators:
    """The asynchronous generators that the handler starts: the loop closes those on its own list only when it ends."""

    def __init__(self) -> None:
        self._theirs = sys.get_asyncgen_hooks()
        self._begun: weakref.WeakSet[Any] = weakref.WeakSet()

    def watch(self) -> None:
        sys.set_asyncgen_hooks(firstiter=self._begin, finalizer=self._theirs.finalizer)

    def _begin(self, generator: Any) -> None:
        self._begun.add(generator)
        if self._theirs.firstiter is not None:
            self._theirs.firstiter(generator)

    async def close(self) -> None:
        sys.set_asyncgen_hooks(*self._theirs)
        if begun := list(self._begun):
            await asyncio.gather(*(generator.aclose() for generator in begun), return_exceptions=True)


async def _clean_up(generators: _Generators) -> None:
    for _ in range(_ROUNDS_MOST):
        if not (left := asyncio.all_tasks() - {asyncio.current_task()}):
            break
        await _cancel(left)
    await generators.close()
    await _finish_threads()


async def _cancel(left: set[asyncio.Task[Any]]) -> None:
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    for task in left:
        if not task.cancelled() and (error := task.exception()) is not None:
            said = {
                "message": "a task that the handler left behind failed when it was cancelled",
                "exception": error,
                "task": task,
            }
            asyncio.get_running_loop().call_exception_handler(said)


async def _finish_threads() -> None:
    """Wait for the loop's own executor: Lambda would freeze its work halfway when the invocation ends."""
    # https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
    loop: Any = asyncio.get_running_loop()
    if getattr(loop, "_default_executor", None) is not None:
        await loop.shutdown_default_executor()
        # The loop is kept, and asyncio has no public way to replace its executor.
        loop._default_executor, loop._executor_shutdown_called = None, False  # noqa: SLF001


def _loop() -> _Loop:
    loop = _kept.loop
    if loop is not None and loop.pid != os.getpid():
        _inherited.append(loop)  # closing it in a forked child would close what it shares with the parent
        loop = None
    if loop is None:
        loop = _kept.loop = _Loop()
    return loop
