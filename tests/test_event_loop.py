"""Asynchronous handlers: run to completion as `asyncio.run` does it, on a loop that is kept."""

import asyncio
import contextlib
import contextvars
import gc
import logging
import os
import signal
import threading
import time
import weakref

import pytest

from lambda_guard import current_invocation, logger, production
from lambda_guard.errors import LambdaGuardError, RunningEventLoopError
from lambda_guard.testing import capture, make_context

tenant = contextvars.ContextVar("tenant", default="none")


def test_the_loop_is_kept_between_invocations(captured):
    """What belongs to a loop (a client's connections) can be kept by a module, since there is one."""

    @production
    async def handler(event, context):
        return asyncio.get_running_loop()

    assert handler({}, None) is handler({}, None)


def test_two_handlers_of_a_process_share_the_loop(captured):
    """A client that one handler has opened can be used by another one."""

    @production
    async def first(event, context):
        return asyncio.get_running_loop()

    @production
    async def second(event, context):
        return asyncio.get_running_loop()

    assert first({}, None) is second({}, None)


def test_a_future_of_one_invocation_can_be_awaited_in_the_next(captured):
    """An object that belongs to the loop is good for more than one invocation."""
    kept = []

    @production
    async def handler(event, context):
        if not kept:
            kept.append(asyncio.get_running_loop().create_future())
            return None
        asyncio.get_running_loop().call_soon(kept[0].set_result, "later")
        return await kept[0]

    assert [handler({}, None), handler({}, None)] == [None, "later"]


def test_context_variables_are_seen_but_do_not_leak(captured):
    """The handler sees its caller's context variables, and what it sets in them ends with it."""

    @production
    async def handler(event, context):
        before = tenant.get()
        tenant.set("handler's")
        return before

    token = tenant.set("caller's")
    try:
        assert [handler({}, None), handler({}, None)] == ["caller's", "caller's"]
        assert tenant.get() == "caller's"
    finally:
        tenant.reset(token)


def test_leftover_tasks_are_cancelled(captured):
    """A task that a handler leaves behind is cancelled and cleaned up before the invocation ends."""
    seen = []

    async def forever():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append("cleaned up")
            raise

    @production
    async def handler(event, context):
        seen.append(asyncio.create_task(forever()))
        await asyncio.sleep(0)

    handler({}, None)
    assert seen[0].cancelled()
    assert seen[1] == "cleaned up"


def test_a_task_that_a_cancelled_one_begins_is_no_part_of_the_next_invocation(captured):
    """What a leftover task starts when it is cancelled doesn't run on while the next handler does."""
    seen = []

    async def late():
        await asyncio.sleep(0.01)
        seen.append("late")

    async def leftover():
        try:
            await asyncio.sleep(10)
        finally:
            seen.append(asyncio.create_task(late()))

    @production
    async def handler(event, context):
        if event:
            seen.append(asyncio.create_task(leftover()))
        await asyncio.sleep(0 if event else 0.1)

    handler({"first": True}, None)
    handler({}, None)
    assert len(seen) == 2
    assert all(task.cancelled() for task in seen)


def test_what_a_leftover_task_raises_is_said(captured, caplog):
    """An error in the cleaning up of a leftover task goes where `asyncio.run` sends it: to the log."""

    async def stubborn():
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("the connection would not close")

    @production
    async def handler(event, context):
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        return str(task.done())

    with caplog.at_level(logging.ERROR, "asyncio"):
        assert handler({}, None) == "False"
    [record] = [record for record in caplog.records if record.name == "asyncio"]
    assert "a task that the handler left behind failed" in record.getMessage()
    assert str(record.exc_info[1]) == "the connection would not close"


def test_what_the_loops_threads_are_at_is_waited_for(captured):
    """Work that a handler gave to the default executor is done when it ends, and the next one can give it more."""
    done = []

    def upload(name):
        time.sleep(0.05)
        done.append((name, current_invocation().invocation_id))

    @production
    async def handler(event, context):
        asyncio.get_running_loop().run_in_executor(None, upload, event["name"])
        return await asyncio.to_thread(str, "done")

    for name in ("first", "second"):
        assert handler({"name": name}, make_context(aws_request_id=f"id of {name}")) == "done"
        assert done[-1] == (name, f"id of {name}")


def test_asynchronous_generators_are_closed(captured):
    """A generator that a handler leaves half-read runs its `finally` before the invocation ends."""
    seen = []

    async def rows():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            seen.append("closed")

    kept = []

    @production
    async def handler(event, context):
        kept.append(rows())
        return await anext(kept[0])

    assert handler({}, None) == 1
    assert seen == ["closed"]


def test_a_handler_that_is_cancelled_from_inside_lets_its_error_out(captured):
    """A CancelledError of the handler's own is its outcome, and the next invocation is none the worse."""

    @production
    async def handler(event, context):
        if event == "cancel":
            task = asyncio.create_task(asyncio.sleep(60))
            await asyncio.sleep(0)
            task.cancel()
            await task
        return "done"

    with pytest.raises(asyncio.CancelledError):
        handler("cancel", None)
    assert handler({}, None) == "done"
    assert [record["outcome"] for record in captured.records] == ["error", "success"]


def test_a_task_that_exits_does_not_run_on_into_the_next_invocation(captured):
    """After a SystemExit in a task, the handler is over: the next invocation gets a loop of its own."""
    seen = []

    async def exiting():
        raise SystemExit(3)

    @production
    async def handler(event, context):
        if event == "exit":
            try:
                await asyncio.gather(asyncio.create_task(exiting()))
            finally:
                seen.append("left")
        return "done"

    with pytest.raises(SystemExit) as raised:
        handler("exit", None)
    assert raised.value.code == 3
    assert seen == ["left"]
    assert handler({}, None) == "done"
    assert seen == ["left"]
    assert [record["outcome"] for record in captured.records] == ["error", "success"]


@pytest.mark.parametrize("disabled", ["", "1"])
def test_what_a_failed_handler_had_at_hand_goes_with_its_error(captured, monkeypatch, disabled):
    """An error that is dropped is gone, with the locals of its frames, without the collector's help."""
    monkeypatch.setenv("LAMBDA_GUARD_DISABLED", disabled)
    body = weakref.WeakSet()

    class Body:
        pass

    @production
    async def handler(event, context):
        large = Body()
        body.add(large)
        raise ValueError("refused")

    gc.disable()
    try:
        with pytest.raises(ValueError, match="refused") as raised:
            handler({}, None)
        del raised
        assert len(body) == 0
    finally:
        gc.enable()


def test_ctrl_c_cancels_the_handler_and_is_let_through(captured):
    """SIGINT is a KeyboardInterrupt for the caller, after the handler's `finally` has run."""
    seen = []

    @production
    async def handler(event, context):
        if event == "interrupt":
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(60)
            finally:
                seen.append("left")
        return "done"

    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            handler("interrupt", None)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == ["left"]
    assert handler({}, None) == "done"


def test_a_running_loop_is_refused_at_the_call():
    """Called from a coroutine, it raises before anything happens, and says what to do."""
    calls = []

    @production
    async def handler(event, context):
        calls.append(event)
        return "done"

    async def main():
        with pytest.raises(RunningEventLoopError, match=r"await handler.__wrapped__\(event, context\)"):
            handler({}, None)
        return await handler.__wrapped__({}, None)

    with capture() as captured:
        assert asyncio.run(main()) == "done"
    assert calls == [{}]
    assert captured.output == ""
    assert issubclass(RunningEventLoopError, LambdaGuardError)
    assert issubclass(RunningEventLoopError, RuntimeError)


def test_a_running_loop_is_refused_under_the_kill_switch(monkeypatch):
    """The kill switch changes nothing about what a running loop allows."""
    monkeypatch.setenv("LAMBDA_GUARD_DISABLED", "1")

    @production
    async def handler(event, context):
        return "done"

    async def main():
        with pytest.raises(RunningEventLoopError):
            handler({}, None)

    asyncio.run(main())


def test_a_synchronous_handler_may_be_called_from_a_running_loop(captured):
    """A plain handler has no use for a loop, and doesn't mind one."""

    async def main():
        return production(lambda event, context: "done")({}, None)

    assert asyncio.run(main()) == "done"


def test_threads_have_loops_of_their_own(captured):
    """Handlers that run on several threads at once don't share a loop, and each has its own invocation."""
    together = threading.Barrier(4)

    @production
    async def handler(event, context):
        together.wait(240)
        await asyncio.sleep(0)
        together.wait(240)
        return asyncio.get_running_loop(), current_invocation().invocation_id

    found = {}

    def call(name):
        found[name] = handler({}, make_context(aws_request_id=name))

    threads = [threading.Thread(target=call, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(loop) for loop, _ in found.values()}) == 4
    assert {name: own for name, (_, own) in found.items()} == {name: name for name in "abcd"}
    assert sorted(record["invocation_id"] for record in captured.records) == ["a", "b", "c", "d"]


def test_a_loop_is_closed_with_its_thread(captured):
    """A thread that has run a handler leaves no open loop behind."""
    found = []

    @production
    async def handler(event, context):
        found.append(asyncio.get_running_loop())

    thread = threading.Thread(target=handler, args=({}, None))
    thread.start()
    thread.join()
    assert found[0].is_closed()


def test_tasks_have_the_invocations_keys(captured, unheard):
    """Lines that are written in tasks, and in threads that they wait for, belong to the invocation."""
    unheard()

    async def work(number):
        await asyncio.sleep(0)
        logger.info("in a task", number=number)
        await asyncio.to_thread(logger.info, "in a thread", number=number)

    @production
    async def handler(event, context):
        await asyncio.gather(work(1), work(2))

    handler({}, make_context(aws_request_id="6f0c"))
    assert [line["invocation_id"] for line in captured.logs] == ["6f0c"] * 4
    assert sorted((line["message"], line["number"]) for line in captured.logs) == [
        ("in a task", 1), ("in a task", 2), ("in a thread", 1), ("in a thread", 2),
    ]  # fmt: skip


def test_a_forked_child_does_not_touch_its_parents_loop(captured):
    """A child of a process that has run a handler runs its own, and the parent's goes on working."""

    @production
    async def handler(event, context):
        return await asyncio.get_running_loop().run_in_executor(None, str, "done")

    assert handler({}, None) == "done"
    pid = os.fork()
    if pid == 0:
        status = 1
        with contextlib.suppress(BaseException):
            status = 0 if handler({}, None) == "done" else 2
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert handler({}, None) == "done"


def test_a_process_that_has_run_a_handler_ends_in_silence(fresh):
    """The loop that is kept causes no warning when the process ends."""
    output = fresh(
        """
        import asyncio
        from lambda_guard import production

        @production
        async def handler(event, context):
            return await asyncio.to_thread(str, "done")

        assert handler({}, None) == "done"
        """
    )
    assert '"outcome":"success"' in output
