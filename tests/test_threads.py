"""Whose work it is in threads, timers and pools: the invocation's that began it, and nobody's once that has ended."""

import contextvars
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse

from lambda_guard import current_invocation, logger, metrics, production
from lambda_guard.testing import capture, events, make_context

OWN = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
PATIENCE = 60  # seconds, for what comes at once


def invocation_id():
    """Return the id of the invocation at work, or None."""
    found = current_invocation()
    return found.invocation_id if found is not None else None


class Late:
    """Something that an invocation begins, and that goes on once `proceed` is set; `ended` is set when it is done."""

    def __init__(self, step):
        self.step = step
        self.begun, self.proceed, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.value = None

    def __call__(self):
        self.begun.set()
        assert self.proceed.wait(PATIENCE)
        try:
            self.value = self.step()
        finally:
            self.ended.set()

    def finish(self):
        self.proceed.set()
        assert self.ended.wait(PATIENCE)
        return self.value


def in_thread(late):
    threading.Thread(target=late).start()


def in_timer(late):
    """Begin it in a timer that another one has set: the chain by which programs repeat themselves."""
    threading.Timer(0, lambda: threading.Timer(0, late).start()).start()


def in_copied_context(late):
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(late,)).start()


POOL = ThreadPoolExecutor(4)


def in_pool(late):
    POOL.submit(late)


def in_submitted_context(late):
    POOL.submit(contextvars.copy_context().run, late)


BEGIN = {
    each.__name__: each for each in (in_thread, in_timer, in_copied_context, in_pool, in_submitted_context)
}


@pytest.fixture(params=BEGIN)
def across(request):
    """Have a step begun by an invocation, and return what it gives while it is open and while the next one is."""

    def run(step):
        on_time, late = Late(step), Late(step)

        @production
        def handler(event, context):
            if event["begin"]:
                for each in on_time, late:
                    BEGIN[request.param](each)
                    assert each.begun.wait(PATIENCE)
                on_time.finish()
            else:
                late.finish()

        handler({"begin": True}, make_context(aws_request_id="first"))
        handler({"begin": False}, make_context(aws_request_id="second"))
        return on_time.value, late.value

    return run


def test_what_outlives_its_invocation_belongs_to_nobody(captured, across):
    """A thread, a timer, a pool's task and a copied context are the first one's while it is open, and never the next one's."""
    assert across(invocation_id) == ("first", None)


def test_its_lines_have_no_keys_of_the_next_one(captured, across, unheard):
    """A line that is written late has neither the id of the open invocation nor the keys that it has appended."""
    unheard()
    across(lambda: logger.info("at work"))
    on_time, late = captured.logs
    assert on_time["invocation_id"] == "first"
    assert not {"invocation_id", "cold_start", "xray_trace_id"} & late.keys()


def test_its_metrics_are_not_the_next_ones(captured, across):
    """A metric that is added late is written at once, in a document that names no invocation."""
    across(lambda: metrics.add_metric("Sold", "Count", 1))
    sold = [line for line in captured.lines if "Sold" in line]
    assert [document.get("invocation_id") for document in sold] == ["first", None]


def test_its_keys_are_its_own(captured, across, unheard):
    """Keys that late work appends are on its own lines: neither on the next invocation's nor on the process's for good."""
    unheard()

    def step():
        logger.append_keys(order="late")
        logger.info("at work")
        logger.remove_keys(["order"])
        logger.info("after")
        logger.append_keys(order="late")

    across(step)
    logger.info("outside")
    production(lambda event, context: logger.info("inside"))({}, None)
    said = [(line["message"], line.get("order")) for line in captured.logs]
    assert said == [("at work", "late"), ("after", None)] * 2 + [("outside", None), ("inside", None)]


def test_its_dimensions_are_refused(captured, across):
    """A dimension that late work adds is refused with a warning: it is neither the next one's nor the process's."""
    across(lambda: metrics.add_dimension("order", "late"))
    assert [line["message"] for line in captured.logs] == [
        "dimension 'order' was not recorded: the invocation that it was meant for has ended"
    ]
    production(lambda event, context: metrics.add_metric("Sold", "Count", 1))({}, None)
    assert [line.get("order") for line in captured.lines if "Sold" in line] == [None]


class Queue:
    """A client of SQS whose requests go nowhere: they are kept, and answered at once, or when `answer` is called."""

    def __init__(self):
        session = botocore.session.get_session()
        credentials = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        self.client = session.create_client("sqs", region_name="eu-west-1", **credentials)
        self.client.meta.events.register("before-send", self._answer)
        self.requests = []
        self.before_answer = lambda: None

    def _answer(self, request, **_):
        self.requests.append(request)
        self.before_answer()
        body = types.SimpleNamespace(stream=lambda: iter([b'{"MessageId": "m-1"}']))
        return AWSResponse(request.url, 200, {}, body)

    def send(self):
        self.client.send_message(QueueUrl="https://sqs.eu-west-1.amazonaws.com/1/orders", MessageBody="")


def test_its_messages_carry_no_header_of_the_next_one(across):
    """An AWS call that is made late is neither counted nor given a header by the invocation that is open."""
    queue = Queue()
    with capture(OWN) as captured:
        across(queue.send)
    on_time, late = queue.requests
    first, second = captured.records
    assert first["sent"][0]["span_id"].encode() in on_time.body
    assert b"Root" not in late.body
    assert "X-Amzn-Trace-Id" not in late.headers
    assert (first["calls"][0]["count"], len(first["sent"])) == (1, 1)
    assert not {"calls", "sent"} & second.keys()


@pytest.mark.parametrize("own", [OWN, None])
def test_its_calls_do_not_join_a_trace_that_the_next_one_adopts(captured, monkeypatch, own):
    """The header of botocore's own names what is in the environment: for late work that isn't what an invocation has adopted."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    if own is not None:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", own)
    queue = Queue()
    late = Late(queue.send)

    @production
    def handler(event, context):
        if "Records" not in event:
            queue.send()
            in_thread(late)
            assert late.begun.wait(PATIENCE)
        else:
            late.finish()

    handler({}, None)
    handler(events.sqs("a", trace_header=OWN.replace("5759e988", "6742a1b5")), None)
    assert captured.records[1]["xray_trace_id"].startswith("1-6742a1b5")
    sent = queue.requests[1].headers.get("X-Amzn-Trace-Id")
    assert sent == (own and own.encode())


def test_a_call_that_ends_late_is_not_the_next_ones(captured):
    """A call that one invocation has begun is not counted for another one in which its answer comes."""
    queue = Queue()
    late = Late(lambda: None)
    queue.before_answer = late
    begun = threading.Thread(target=queue.send)

    @production
    def handler(event, context):
        if event["begin"]:
            begun.start()
            assert late.begun.wait(PATIENCE)
        else:
            queue.before_answer = lambda: None
            queue.send()
            late.finish()
            begun.join()

    handler({"begin": True}, None)
    handler({"begin": False}, None)
    assert "calls" not in captured.records[0]
    assert captured.records[1]["calls"][0]["count"] == 1
    assert len(captured.records[1]["sent"]) == 1


# --- Pools -------------------------------------------------------------------------------------------------------


def test_a_worker_belongs_to_whoever_submits(captured):
    """A pool's worker that has finished an earlier invocation's task late does the next one's work under its id."""
    with ThreadPoolExecutor(1) as pool:
        late = Late(invocation_id)
        queued = []

        @production
        def handler(event, context):
            if event["begin"]:
                pool.submit(late)
                assert late.begun.wait(PATIENCE)
                queued.extend(pool.submit(invocation_id) for _ in range(3))  # behind it
                return None
            late.finish()
            return list(pool.map(lambda _: invocation_id(), range(3)))

        handler({"begin": True}, make_context(aws_request_id="first"))
        assert handler({"begin": False}, make_context(aws_request_id="second")) == ["second"] * 3
        assert [late.value, *(each.result() for each in queued)] == [None] * 4


def test_what_late_work_begins_is_nobodys(captured):
    """A task and a thread that a late thread begins belong to nobody, also on a worker of the open invocation."""
    with ThreadPoolExecutor(1) as pool:
        found = []

        def begin():
            found.append(pool.submit(invocation_id).result(PATIENCE))
            thread = threading.Thread(target=lambda: found.append(invocation_id()))
            thread.start()
            thread.join()

        late = Late(begin)

        @production
        def handler(event, context):
            if event["begin"]:
                in_thread(late)
                return None
            ours = pool.submit(invocation_id).result()  # its worker is started here
            late.finish()
            return ours, pool.submit(invocation_id).result()

        handler({"begin": True}, make_context(aws_request_id="first"))
        assert handler({"begin": False}, make_context(aws_request_id="second")) == ("second", "second")
        assert found == [None, None]


def test_threads_from_before_any_invocation_are_nobodys(captured):
    """A background thread that module-level code has started isn't taken for the open invocation's."""
    late = Late(lambda: (invocation_id(), POOL.submit(invocation_id).result(PATIENCE)))
    in_thread(late)
    production(lambda event, context: late.finish())({}, None)
    assert late.value == (None, None)


def test_invocations_that_share_a_pool_keep_their_tasks(captured):
    """Several invocations at once, as in a server, submit to one pool: each task belongs to its own."""
    together = threading.Barrier(4)

    @production
    def handler(event, context):
        together.wait(PATIENCE)
        found = [POOL.submit(invocation_id).result(PATIENCE) for _ in range(20)]
        together.wait(PATIENCE)
        return set(found) == {context.aws_request_id}

    with ThreadPoolExecutor(4) as servers:
        served = [servers.submit(handler, {}, make_context(aws_request_id=f"id-{n}")) for n in range(4)]
        assert [each.result() for each in served] == [True] * 4


def test_what_is_called_when_a_task_is_done_belongs_to_it(captured):
    """A callback of a future runs on the pool's thread, and has the id of the invocation that submitted the task."""

    @production
    def handler(event, context):
        found, told, hold = [], threading.Event(), threading.Event()

        def tell(_):
            found.append(invocation_id())
            told.set()

        task = POOL.submit(hold.wait, PATIENCE)
        task.add_done_callback(tell)
        hold.set()
        assert told.wait(PATIENCE)
        return found

    for name in "first", "second":
        assert handler({}, make_context(aws_request_id=name)) == [name]


def test_a_tasks_outcome_is_its_own(captured):
    """A task gets the very arguments that were submitted, and its value and exception come out as they are."""
    error = KeyError("refused")

    def task(*args, **kwargs):
        if kwargs.get("fail"):
            raise error
        return args, kwargs

    @production
    def handler(event, context):
        failed = POOL.submit(task, fail=True).exception()
        return POOL.submit(task, event, self=1, fn=2).result(), failed, POOL.submit(1).exception()

    (args, kwargs), failed, refused = handler(event := {}, None)
    assert args[0] is event
    assert kwargs == {"self": 1, "fn": 2}
    assert (failed, failed.__context__, getattr(failed, "__notes__", None)) == (error, None, None)
    assert isinstance(refused, TypeError)


def test_tasks_for_other_interpreters_are_left_alone(captured, monkeypatch):
    """Python 3.14's pool of interpreters pickles its tasks: it gets them as they were submitted."""

    class Interpreters(ThreadPoolExecutor):
        pass

    stand_in = types.SimpleNamespace(InterpreterPoolExecutor=Interpreters)
    monkeypatch.setitem(sys.modules, "concurrent.futures.interpreter", stand_in)
    with Interpreters(1) as pool:
        handler = production(lambda event, context: pool.submit(sys._getframe).result().f_code.co_name)
        assert handler({}, None) == "run"  # no frame of ours around it


def test_a_thread_that_takes_no_attributes_is_started(captured):
    """A kind of thread that has nowhere to note anything starts all the same, and belongs to nobody."""

    class Odd(threading.Thread):
        @property
        def __dict__(self):
            raise RuntimeError("none of yours")

    found = []

    @production
    def handler(event, context):
        thread = Odd(target=lambda: found.append(1))
        thread.start()
        thread.join()

    handler({}, None)
    assert found == [1]
