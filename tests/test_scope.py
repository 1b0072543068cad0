"""Which invocation is at work here: in tasks, in threads, in nested and in concurrent invocations, and after them."""

import asyncio
import contextvars
import gc
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

from lambda_guard import _stdout, current_invocation, logger, production
from lambda_guard.testing import capture, events, make_context


def invocation_id():
    """Return the id of the invocation at work, or None."""
    found = current_invocation()
    return found.invocation_id if found is not None else None


def in_thread(step, *args):
    """Run a step on a thread of its own and return what it returns."""
    found = []
    thread = threading.Thread(target=lambda: found.append(step(*args)))
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_of_the_handler_belongs_to_its_invocation(captured):
    """A thread, which starts with an empty context, is taken for the one open invocation's."""
    handler = production(lambda event, context: in_thread(invocation_id))
    assert handler({}, make_context(aws_request_id="first")) == "first"
    assert in_thread(invocation_id) is None


def test_a_pooled_thread_belongs_to_the_invocation_that_uses_it(captured):
    """A thread that an earlier invocation started is not taken for that one's, whatever context it carries."""
    with ThreadPoolExecutor(1) as pool:

        @production
        def handler(event, context):
            carried = contextvars.copy_context()
            return (
                pool.submit(invocation_id).result(),
                pool.submit(carried.run, invocation_id).result(),
                carried,
            )

        first = handler({}, make_context(aws_request_id="first"))
        second = handler({}, make_context(aws_request_id="second"))
        assert first[:2] == ("first", "first")
        assert second[:2] == ("second", "second")
        assert pool.submit(first[2].run, invocation_id).result() is None


def test_with_two_open_invocations_a_thread_belongs_to_the_one_that_started_it(captured):
    """A thread without a context isn't guessed for either: it belongs to the handler that started it."""

    @production
    def outer(event, context):
        return *inner({}, make_context(aws_request_id="inner")), in_thread(invocation_id)

    @production
    def inner(event, context):
        carried = contextvars.copy_context()
        return in_thread(invocation_id), in_thread(carried.run, invocation_id)

    assert outer({}, make_context(aws_request_id="outer")) == ("inner", "inner", "outer")


def test_what_runs_on_the_handlers_thread_is_its_own_in_any_context(captured):
    """A handler that runs a function in an empty context is still the one at work, innermost first."""

    @production
    def outer(event, context):
        here = contextvars.Context().run(invocation_id)
        return here, inner({}, make_context(aws_request_id="inner")), contextvars.Context().run(invocation_id)

    @production
    def inner(event, context):
        return contextvars.Context().run(invocation_id)

    assert outer({}, make_context(aws_request_id="outer")) == ("outer", "inner", "outer")


def test_concurrent_invocations_keep_apart(captured, unheard):
    """Invocations on several threads at once have their own keys on every line."""
    unheard()
    together = threading.Barrier(8)

    @production
    def handler(event, context):
        together.wait(240)
        logger.append_keys(order=event)
        for _ in range(20):
            logger.info("at work", expected=context.aws_request_id)
        together.wait(240)

    threads = [
        threading.Thread(target=handler, args=(number, make_context(aws_request_id=f"id-{number}")))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = captured.logs
    assert len(lines) == 160
    assert all(line["invocation_id"] == line["expected"] == f"id-{line['order']}" for line in lines)
    assert sorted(record["invocation_id"] for record in captured.records) == [
        f"id-{number}" for number in range(8)
    ]


def test_a_copied_context_that_outlives_its_invocation_belongs_to_nobody(captured):
    """What runs in a context of an invocation that is over has no invocation, whichever is open."""
    kept = []

    @production
    def handler(event, context):
        kept.append(contextvars.copy_context())
        return kept[0].run(invocation_id)

    assert handler({}, make_context(aws_request_id="first")) == "first"
    assert kept[0].run(invocation_id) is None
    assert handler({}, make_context(aws_request_id="second")) is None
    assert handler({}, make_context(aws_request_id="third")) is None


def test_keys_that_are_appended_between_invocations_by_late_work_are_its_own(captured):
    """In a copied context that outlived its invocation they aren't the process's: no later line has them."""
    kept = []
    production(lambda event, context: kept.append(contextvars.copy_context()))({}, None)
    kept[0].run(logger.append_keys, order="late")
    logger.info("outside")
    production(lambda event, context: logger.info("inside"))({}, None)
    assert [line.get("order") for line in captured.logs] == [None, None]


def test_a_batch_item_takes_a_key_of_its_invocation_off(captured):
    """For itself: what was appended for the whole batch, here in an empty context, stays on the other items' lines."""

    @production(each_record=True)
    def handler(record):
        if record.body == "a":
            contextvars.Context().run(logger.append_keys, tenant="t")
            assert logger.get_current_keys() == {"tenant": "t"}
            logger.remove_keys(["tenant"])
        logger.info("at work")

    handler(events.sqs("a", "b"), make_context())
    assert [line.get("tenant") for line in captured.logs] == [None, "t"]


def test_a_generator_that_is_finished_by_another_context_ends_in_peace(captured):
    """A handler that is run by a generator, step by step in different contexts, still ends its invocation."""

    @production
    def handler(event, context):
        return contextvars.copy_context().run(invocation_id)

    def steps():
        yield handler({}, make_context(aws_request_id="stepped"))
        yield invocation_id()

    stepping = steps()
    assert contextvars.copy_context().run(next, stepping) == "stepped"
    assert contextvars.copy_context().run(next, stepping) is None


def test_keys_do_not_leak_into_the_next_invocation(captured, unheard):
    """What a handler appends to its logger ends with the invocation, also when it fails."""
    unheard()

    @production
    def handler(event, context):
        if event:
            logger.append_keys(order_id="o-1")
        logger.info("at work")
        if event:
            raise ValueError("refused")

    try:
        handler({"id": 1}, None)
    except ValueError:
        handler({}, None)
    assert [line.get("order_id") for line in captured.logs] == ["o-1", None]


def test_nothing_of_an_invocation_is_kept_alive():
    """Event, context, value and exception are let go with the invocation: a warm process doesn't grow by them."""

    class Thing:
        pass

    class RefusedError(Exception):
        pass

    @production
    def handler(event, context):
        logger.info("at work", thing="order")
        if context is event:
            raise RefusedError(event)
        return Thing()

    def invoke(*args):
        try:
            return weakref.ref(handler(*args))
        except RefusedError as error:
            return weakref.ref(error)

    things = Thing(), Thing()
    refs = [weakref.ref(thing) for thing in things]
    with capture("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"):
        refs += [invoke(*things), invoke(things[0], things[0])]
    del things
    gc.collect()
    assert [ref() for ref in refs] == [None] * 4


def test_a_kept_context_keeps_no_messages():
    """What was copied of an invocation's context, as pooled threads have it, doesn't hold a queue's messages."""

    class Message(dict):
        pass

    handler = production(lambda event, context: contextvars.copy_context())
    event = {"Records": [Message(events.sqs()["Records"][0])]}
    message = weakref.ref(event["Records"][0])
    with capture():
        kept = handler(event, make_context())
    del event
    gc.collect()
    assert message() is None
    del kept


def test_a_warm_process_does_not_grow():
    """A thousand invocations leave no more objects behind than a hundred."""
    handler = production(lambda event, context: None)

    def grown(count):
        with capture() as captured:
            for _ in range(count):
                handler({}, None)
            del captured
        gc.collect()
        return sys.getallocatedblocks()

    for millisecond in range(1000):  # their digits are kept, and a slow machine meets more of them
        _stdout.timestamp(millisecond / 1000 + 0.0005)
    grown(100)
    before = grown(100)
    assert grown(1000) - before < 500


def test_coroutines_that_share_a_loop_have_their_own_invocation(captured):
    """The handler's tasks are its own, at every step."""

    @production
    async def handler(event, context):
        async def step():
            await asyncio.sleep(0)
            return invocation_id()

        return await asyncio.gather(*(step() for _ in range(3)))

    assert handler({}, make_context(aws_request_id="first")) == ["first"] * 3
    assert handler({}, make_context(aws_request_id="second")) == ["second"] * 3
