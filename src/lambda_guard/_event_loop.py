"""Runs `async def` handlers to completion, on one event loop that the thread keeps.

Lambda calls handlers synchronously, and Python's clients for HTTP and databases keep to the loop that they were made on: a loop per
invocation, as `asyncio.run` makes, would break every one that a module keeps. As with `asyncio.run`, the handler runs in
a copy of the caller's context, and afterwards its leftover tasks are cancelled and its asynchronous generators closed.
"""

import asyncio
import contextvars
import os
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from .errors import RunningEventLoopError

T = TypeVar("T")


class _Kept(threading.local):
    """The thread's runner; Lambda has one thread that calls handlers, so that it is the process's."""

    runner: asyncio.Runner | None = None
    pid = 0


_kept = _Kept()


def run(handler: Callable[..., Coroutine[Any, Any, T]], args: tuple[Any, ...], kwargs: dict[str, Any]) -> "Ended[T]":
    """Call an asynchronous handler, run what it returns to completion, and tell how it ended.

    The handler's exception is handed over, not raised: the caller raises it, with the handler's own traceback.
    """
    ended: Ended[T] = Ended()
    # In a context of its own, as `asyncio.run` does: what the handler sets in it ends with it.
    _runner().run(_main(handler, args, kwargs, ended), context=contextvars.copy_context())
    return ended


def refuse_running_loop() -> None:
    """Raise `RunningEventLoopError` where this thread already runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RunningEventLoopError(
        "an async handler was called from inside a running event loop, where it can't be run to completion: "
        "in async code, await the handler itself: `await handler.__wrapped__(event, context)`"
    )


class Ended(Generic[T]):
    """How the handler ended: carried past the loop, which would wrap, log or re-create some exceptions."""

    value: T
    error: BaseException | None = None


async def _main(
    handler: Callable[..., Coroutine[Any, Any, T]], args: tuple[Any, ...], kwargs: dict[str, Any], ended: Ended[T]
) -> None:
    generators = _Generators()
    generators.watch()
    try:
        ended.value = await handler(*args, **kwargs)
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise  # Ctrl-C: the runner turns it into KeyboardInterrupt
        trace = error.__traceback__
        ended.error = error.with_traceback(trace.tb_next if trace is not None else None)  # without this frame
    finally:
        await _clean_up(generators)


class _Generators:
    """The asynchronous generators that the handler begins: the loop's own list can be closed only with the loop."""

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
    this = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() if task is not this]
    for task in left:
        task.cancel()
    if left:
        await asyncio.gather(*left, return_exceptions=True)
    await generators.close()


def _runner() -> asyncio.Runner:
    if _kept.runner is None or _kept.pid != os.getpid():  # a forked child has no use for its parent's loop
        _kept.runner = asyncio.Runner()
        _kept.pid = os.getpid()
    return _kept.runner
