"""The watchdog, in this process and in processes of its own: when it goes off, what it says, and what it leaves alone."""

import asyncio
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from lambda_guard import logger, metrics, production
from lambda_guard.testing import TRACE_HEADER, capture, events, make_context
from lambda_guard.timeout.watchdog import margin

TIMED_OUT = '"outcome":"timeout"'
LONG = 240.0  # seconds, after which a test gives up


@pytest.fixture
def captured(request):
    """What the invocations of the test emit, in the trace that it may name."""
    with capture(getattr(request, "param", None)) as found:
        yield found


@pytest.fixture
def released(captured):
    """Have functions called once the watchdog has gone off: what the handler waits for ends only then."""
    threads, over = [], threading.Event()

    def when_warned(*calls):
        def release():
            until(lambda: TIMED_OUT in captured.output or over.is_set())
            for call in calls:
                call()

        threads.append(threading.Thread(target=release, name="releaser"))
        threads[-1].start()

    yield when_warned
    over.set()
    for thread in threads:
        thread.join(LONG)


def until(condition):
    end = time.monotonic() + LONG
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)


def outcomes(captured):
    return [(record["outcome"], record.get("timeout_warned")) for record in captured.records]


def short():
    """A context whose alarm goes off after half a second: until then the handler is where it waits for it."""
    return make_context(timeout_ms=600)


def sleeps(captured, released):
    until(lambda: TIMED_OUT in captured.output)


def waits_on_a_socket(captured, released):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        released(lambda: theirs.send(b"x"))
        ours.recv(1)


def waits_for_a_lock(captured, released):
    lock = threading.Lock()
    lock.acquire()
    released(lock.release)
    with lock:
        pass


def computes(captured, released):
    end = time.monotonic() + LONG
    while TIMED_OUT not in captured.output and time.monotonic() < end:
        sum(range(1000))


def is_in_c_without_the_gil(captured, released):
    end = time.monotonic() + LONG
    while TIMED_OUT not in captured.output and time.monotonic() < end:
        hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 100_000)


def waits_for_a_thread(captured, released):
    done = threading.Event()
    released(done.set)
    thread = threading.Thread(target=done.wait, name="worker")
    thread.start()
    thread.join()


def logs_and_prints(captured, released):
    end = time.monotonic() + LONG
    while TIMED_OUT not in captured.output and time.monotonic() < end:
        for _ in range(100):
            logger.info("at work")
            print("at work")


@pytest.mark.parametrize(
    "work",
    [
        sleeps,
        waits_on_a_socket,
        waits_for_a_lock,
        computes,
        is_in_c_without_the_gil,
        waits_for_a_thread,
        logs_and_prints,
    ],
)
def test_on_time(captured, released, work):
    """Whatever the handler is doing, one record says before the deadline where, and the last one that it made it."""

    @production
    def handler(event, context):
        work(captured, released)
        return context.get_remaining_time_in_millis()

    # Lambda's default, with a margin of 300 ms: where the machine is busy, whoever never sleeps is kept waiting with
    # the GIL in its hands.
    handler({}, make_context(timeout_ms=3_000))
    warned, ended = captured.records
    assert outcomes(captured) == [("timeout", None), ("success", True)]
    assert warned["remaining_ms"] > 0
    assert warned["error"]["stack"] == warned["stuck"]["stack"]
    assert f" in {work.__name__}" in " ".join(warned["stuck"]["stack"])
    assert "stuck" not in ended


@pytest.mark.parametrize(
    ("seconds", "before"),
    [
        (0.05, 0.025),
        (0.1, 0.05),
        (0.2, 0.1),
        (0.3, 0.1),
        (1, 0.1),
        (1.5, 0.15),
        (3, 0.3),
        (9, 0.9),
        (10, 1.0),
        (11, 1.0),
        (60, 1.0),
        (900, 1.0),
        (86_400, 1.0),
    ],
)
def test_margin(seconds, before):
    """The alarm is a tenth of the time before the deadline, 100 ms to 1 s, and of very little time in the middle."""
    assert margin(seconds) == pytest.approx(before)


def test_record(captured, released):
    """The record of a timeout has everything that one of an end has, the error, and where the handler stands."""
    left = []

    @production(service="billing")
    def handler(event, context):
        left.append(context.get_remaining_time_in_millis())
        waits_for_a_lock(captured, released)

    context = make_context(timeout_ms=600, function_name="bills", function_version="7")
    handler(events.sqs("{}", attempt=2), context)
    warned = captured.records[0]
    line = waits_for_a_lock.__code__.co_firstlineno
    after_ms = int(warned["error"]["message"].split()[4])
    assert left[0] - 200 <= after_ms <= warned["duration_ms"] + 1  # the margin is 100 ms
    threads = warned["stuck"]["threads"]
    warned["stuck"]["threads"] = [
        thread for thread in threads if thread["name"] == "releaser"
    ]  # not the test runner's
    varying = (
        "timestamp",
        "duration_ms",
        "remaining_ms",
        "cpu_ms",
        "memory_used_mb",
        "_aws",
        "upstreams",
        "message",
    )
    assert {key: value for key, value in warned.items() if key not in varying and key[0].islower()} == {
        "level": "ERROR",
        "service": "billing",
        "record": "invocation",
        "outcome": "timeout",
        "severityText": "ERROR",
        "invocation_id": context.aws_request_id,
        "function_name": "bills",
        "function_version": "7",
        "cold_start": False,
        "trigger": {"type": "sqs", "source": "arn:aws:sqs:eu-west-1:123456789012:orders", "records": 1},
        "attempt": 2,
        "error": {
            "type": "Timeout",
            "message": f"still at work after {after_ms} ms in waits_for_a_lock (test_watchdog.py:{line + 4})",
            "fingerprint": warned["error"]["fingerprint"],
            "stack": [
                f"test_watchdog.py:{handler.__wrapped__.__code__.co_firstlineno + 3} in handler",
                f"test_watchdog.py:{line + 4} in waits_for_a_lock",
            ],
        },
        "stuck": {
            "stack": warned["error"]["stack"],
            "threads": [
                {
                    "name": "releaser",
                    "at": [f"test_watchdog.py:{until.__code__.co_firstlineno + 3} in until"],
                }
            ],
        },
        "memory_limit_mb": 128,
    }
    assert warned["message"].startswith("bills is about to time out after ")
    definitions = warned["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    assert [each["Name"] for each in definitions] == [
        "MemoryUtilization",
        "CpuUtilization",
        "Timeouts",
        "Records",
        "MessageAge",
    ]
    assert warned["Timeouts"] == 1


def test_fingerprint(released):
    """Being stuck at the same place has the same fingerprint, and at another one another."""

    @production
    def handler(event, context):
        event[0](event[1], released)

    found = []
    for work in (sleeps, sleeps, computes):
        with capture() as one:
            handler((work, one), short())
        found.append(one.records[0]["error"]["fingerprint"])
    assert found[0] == found[1] != found[2]


def test_failure_after_the_warning(captured, released):
    """A handler that fails after the warning counts one error, and what the warning has counted isn't counted again."""

    @production
    def handler(event, context):
        sleeps(captured, released)
        raise ValueError

    with pytest.raises(ValueError):
        handler(events.sqs("{}"), short())
    assert outcomes(captured) == [("timeout", None), ("error", True)]
    names = [
        [each["Name"] for each in record["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
        for record in captured.records
    ]
    assert names[0][2:] == ["Timeouts", "Records", "MessageAge"]
    assert names[1][2:] == ["Errors"]


def test_all_metrics_once(captured, released, monkeypatch):
    """With LAMBDA_GUARD_METRICS=all an invocation is counted once, warned or not."""
    monkeypatch.setenv("LAMBDA_GUARD_METRICS", "all")

    @production
    def handler(event, context):
        sleeps(captured, released)

    handler({}, short())
    assert sum(metric.value for metric in captured.metrics if metric.name == "Invocations") == 1


def test_users_metrics(captured, released):
    """Metrics added before are written with the warning; those added after keep the invocation's dimensions."""

    @production(namespace="Shop", service="shop")
    def handler(event, context):
        metrics.add_dimension("country", "SE")
        metrics.add_metric("Before", "Count", 1)
        until(lambda: "Before" in captured.output)
        metrics.add_metric("After", "Count", 2)

    handler({}, short())
    found = [each for each in captured.metrics if each.name in ("Before", "After")]
    assert [(each.name, each.value, each.dimensions) for each in found] == [
        ("Before", 1, {"service": "shop", "country": "SE"}),
        ("After", 2, {"service": "shop", "country": "SE"}),
    ]


def test_unfinished_print(captured, released):
    """What was printed without a line break isn't lost with the process."""

    @production
    def handler(event, context):
        print("half a line", end="")
        until(lambda: "half a line" in captured.output)

    handler({}, short())
    assert [line["message"] for line in captured.logs] == ["half a line"]
    assert captured.logs[0]["invocation_id"] == captured.records[0]["invocation_id"]


def test_other_threads(captured, released):
    """Other threads are named with the innermost frame of the user's code and the innermost of all."""
    done = threading.Event()

    def fetch():
        done.wait()

    @production
    def handler(event, context):
        threading.Thread(target=fetch, name="fetcher").start()
        sleeps(captured, released)
        done.set()

    handler({}, short())
    (thread,) = [each for each in captured.records[0]["stuck"]["threads"] if each["name"] == "fetcher"]
    assert thread["at"][0] == f"test_watchdog.py:{fetch.__code__.co_firstlineno + 1} in fetch"
    assert thread["at"][1].endswith(" in wait")


def test_async_handler(captured, released):
    """Of an async handler the stack is what its coroutines await; other tasks come beside it."""

    async def nap():
        end = time.monotonic() + LONG
        while TIMED_OUT not in captured.output and time.monotonic() < end:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)

    async def side():
        await asyncio.sleep(LONG)

    @production
    async def handler(event, context):
        task = asyncio.create_task(side())
        await nap()
        task.cancel()

    handler({}, short())
    stuck = captured.records[0]["stuck"]
    functions = [frame.rpartition(" ")[2] for frame in stuck["stack"]]
    assert functions[:2] == ["handler", "nap"]
    assert [[frame.rpartition(" ")[2] for frame in task] for task in stuck["tasks"]] == [["side", "sleep"]]


def test_coroutine_that_blocks(captured, released):
    """A coroutine that blocks its event loop is where the handler is stuck."""

    async def main():
        waits_for_a_lock(captured, released)

    @production
    def handler(event, context):
        asyncio.run(main())

    handler({}, short())
    functions = [frame.rpartition(" ")[2] for frame in captured.records[0]["stuck"]["stack"]]
    assert functions[0] == "handler"
    assert functions[-2:] == ["main", "waits_for_a_lock"]


@pytest.mark.parametrize("captured", [TRACE_HEADER], indirect=True)
def test_call_in_flight(captured, released):
    """The AWS call that is waited for is named, with its resource, and for how long."""
    boto3 = pytest.importorskip("boto3")
    config = pytest.importorskip("botocore.config").Config(
        retries={"total_max_attempts": 1}, read_timeout=LONG
    )
    server = socket.create_server(("127.0.0.1", 0))
    with server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "eu-west-1"}
        client = boto3.client("sqs", endpoint_url=url, config=config, **keys)

        def answered():
            """End the call once its document is there too, which is sent after the record."""
            end = time.monotonic() + LONG
            while not any(each.name == "sqs" for each in captured.segments) and time.monotonic() < end:
                time.sleep(0.01)
            server.accept()[0].close()

        @production
        def handler(event, context):
            released(answered)
            client.send_message(QueueUrl=f"{url}/123456789012/orders", MessageBody="{}")

        with pytest.raises(Exception, match="Connection was closed"):
            handler({}, make_context(timeout_ms=3_000))  # time to begin the call
    (call,) = captured.records[0]["stuck"]["calls"]
    assert call == {
        "service": "sqs",
        "operation": "SendMessage",
        "resource": f"{url}/123456789012/orders",
        "for_ms": call["for_ms"],
    }
    assert call["for_ms"] > 0
    waiting = f", waiting for sqs SendMessage {url}/123456789012/orders for {call['for_ms']} ms"
    assert captured.records[0]["error"]["message"].endswith(waiting)
    subsegment = next(each.document for each in captured.segments if each.name == "sqs")
    assert subsegment["in_progress"] is subsegment["fault"] is True
    assert subsegment["aws"]["operation"] == "SendMessage"
    assert subsegment["aws"]["queue_url"].endswith("orders")
    assert captured.records[1]["calls"][0]["errors"] == 1


def test_trace(released):
    """The handler's subsegment and what the user left open go out as in progress and faults; the end replaces the former."""
    from aws_xray_sdk.core import xray_recorder

    with capture(TRACE_HEADER) as captured:

        @production(service="billing")
        def handler(event, context):
            with xray_recorder.in_subsegment("done"):
                pass
            with xray_recorder.in_subsegment("charge"), xray_recorder.in_subsegment("inner"):
                until(lambda: any(each.name == "## handler" for each in captured.segments))

        handler({}, short())
    warned = [each for each in captured.segments if each.document.get("in_progress")]
    assert [each.name for each in warned] == ["charge", "## handler"]
    charge, own = (each.document for each in warned)
    assert charge["fault"] is own["fault"] is True
    assert charge["subsegments"][0]["name"] == "inner"
    assert charge["subsegments"][0]["fault"] is True
    assert own["annotations"]["outcome"] == "timeout"
    assert own["cause"]["exceptions"][0]["type"] == "Timeout"
    assert own["cause"]["exceptions"][0]["stack"][0]["label"] == "until"
    ended = {each.name: each.document for each in captured.segments if not each.document.get("in_progress")}
    assert set(ended) == {"done", "charge", "## handler"}
    assert ended["## handler"]["id"] == own["id"]
    assert ended["charge"]["id"] == charge["id"]
    assert "fault" not in ended["## handler"]
    assert ended["## handler"]["annotations"]["outcome"] == "success"


def test_upstream_traces(released):
    """Upstream traces see the timeout, and in each the end has the same id."""
    headers = [
        f"Root=1-6742a1b{i}-0123456789abcdef01234567;Parent=53995c3f42cd8ad{i};Sampled=1" for i in (1, 2)
    ]
    for upstream in (headers[0], headers):
        with capture(TRACE_HEADER) as captured:

            @production
            def handler(event, context):
                until(lambda: len(captured.segments) >= (2 if isinstance(event, dict) else 3))

            bodies = ("{}", "{}") if isinstance(upstream, list) else ("{}",)
            handler(events.sqs(*bodies, trace_header=upstream), short())
        by_state = {True: {}, False: {}}
        for each in captured.segments:
            by_state[bool(each.document.get("in_progress"))][each.id] = each.trace_id
        assert by_state[True] == by_state[False]
        assert len(by_state[True]) == len(bodies) + 1


@pytest.mark.parametrize("own", [TRACE_HEADER, None], ids=["traced", "without a trace of its own"])
@pytest.mark.parametrize("is_async", [False, True])
def test_records_at_work(own, is_async):
    """Of a batch the records that are stuck are told to the traces that they came with, and not those that are done."""
    from aws_xray_sdk.core import xray_recorder

    headers = [
        f"Root=1-6742a1b{i}-0123456789abcdef01234567;Parent=53995c3f42cd8ad{i};Sampled=1" for i in "12"
    ]

    def handle(record):
        if record.body == "b":
            with xray_recorder.in_subsegment("charge"):
                until(lambda: any(each.document.get("in_progress") for each in captured.segments))

    async def handle_async(record):
        handle(record)

    with capture(own) as captured:
        handler = production(each_record=True, service="billing")(handle_async if is_async else handle)
        handler(
            events.sqs("a", "b", trace_header=headers), make_context(timeout_ms=2_000)
        )  # time to begin both
        until(lambda: TIMED_OUT in captured.output)
    warned = [each for each in captured.segments if each.document.get("in_progress")]
    charge, segment = (each for each in warned if each.trace_id == headers[1][5:40])
    assert (charge.name, segment.parent_id) == ("charge", "53995c3f42cd8ad2")
    assert charge.document["fault"] is segment.document["fault"] is True
    assert segment.annotations["outcome"] == "timeout"
    assert segment.document["cause"]["exceptions"][0]["type"] == "Timeout"
    assert charge.parent_id == segment.document["subsegments"][0]["id"]
    assert [each.name for each in warned if each.trace_id != segment.trace_id] == (
        ["## handle_async" if is_async else "## handle", "record"] if own else []
    )
    ended = [each for each in captured.segments if each.id == segment.id and "end_time" in each.document]
    assert [each.annotations["outcome"] for each in ended] == ["success"]


def test_no_false_alarm(captured):
    """Handlers that end in time are never said to time out, then or later."""

    @production
    def handler(event, context):
        time.sleep(event)

    for index in range(40):
        handler(0.001 * (index % 5), make_context(timeout_ms=1_500 + index))
    handler(1.6, make_context(timeout_ms=60_000))  # past the deadlines of all the others
    assert outcomes(captured) == [("success", None)] * 41


def test_at_the_last_moment(captured):
    """A handler that ends just when the alarm goes off has either no warning, or one and then the last record."""

    @production
    def handler(event, context):
        time.sleep(max(0, event - time.monotonic()))

    for index in range(25):
        with capture() as one:
            handler(time.monotonic() + 0.05 + (index - 12) * 0.0002, make_context(timeout_ms=100))
        assert outcomes(one) in ([("success", None)], [("timeout", None), ("success", True)])


def test_ends_while_it_is_warned_of(monkeypatch):
    """The last record of a handler that ends while its warning is being written comes after it."""
    begun, lines = threading.Event(), []

    class Slow:
        def write(self, text):
            if TIMED_OUT in text:
                begun.set()
                time.sleep(0.2)
            lines.append(text)

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stdout", Slow())
    production(lambda event, context: begun.wait(LONG))({}, short())
    assert [TIMED_OUT in line for line in lines] == [True, False]


FIRST = """
    import gc, time, weakref
    from lambda_guard import production
    from lambda_guard.testing import capture, make_context

    @production
    def handler(event, context):
        return weakref.ref(context)

    with capture():
        context = handler({}, make_context())
    gives_up = time.monotonic() + float(SECONDS)
    while context() is not None and time.monotonic() < gives_up:
        gc.collect()  # not once: its thread may be looking at the invocation
    print("kept" if context() else "gone")
"""


def test_nothing_is_kept(fresh):
    """When an invocation is over, nothing of it is kept, not even of the one that started the watchdog's thread."""
    assert fresh(FIRST.replace("SECONDS", str(LONG))) == "gone\n"


def test_no_deadline(captured):
    """Without a context, or with one that doesn't count, there is no alarm."""

    @production
    def handler(event, context):
        time.sleep(0.2)

    for context in (None, {}, make_context(timeout_ms=0)):
        handler({}, context)
    assert outcomes(captured) == [("success", None)] * 3


def test_hardly_any_time(captured, released):
    """An invocation that begins with less than the margin is warned of in the middle of what it has."""

    @production
    def handler(event, context):
        sleeps(captured, released)
        return time.monotonic()

    begun = time.monotonic()
    warned = handler({}, make_context(timeout_ms=180))
    assert outcomes(captured) == [("timeout", None), ("success", True)]
    assert 0.08 < warned - begun < LONG


def test_concurrent_invocations(captured, released):
    """Invocations in several threads at once are each warned of, if their own time runs out."""

    @production
    def handler(event, context):
        end = time.monotonic() + LONG
        while captured.output.count(TIMED_OUT) < 2 and time.monotonic() < end:
            time.sleep(0.005)

    contexts = [make_context(timeout_ms=timeout_ms) for timeout_ms in (600, 800, 60_000)]
    threads = [threading.Thread(target=handler, args=({}, context)) for context in contexts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    warned = [record["invocation_id"] for record in captured.records if record["outcome"] == "timeout"]
    assert sorted(warned) == sorted(context.aws_request_id for context in contexts[:2])
    assert sum(record.get("timeout_warned", False) for record in captured.records) == 2


def test_clock_set_back():
    """Where the deadline turns out to be further away by the wall clock, the alarm waits for it."""
    out, _ = script(
        """
        import threading
        warned = threading.Event()
        class Told(type(sys.stdout)):
            def write(self, text):
                if '"outcome":"timeout"' in text: warned.set()
                return super().write(text)
        sys.stdout = Told(sys.stdout.buffer)
        @production
        def handler(event, context):
            shift[0] = -2.0
            print("early" if warned.wait(1.0) else "late")  # 0.54 s is when the alarm was set for
            warned.wait(240)
        handler({}, make_context(timeout_ms=600))
    """,
        before="real, shift = time.time, [0.0]; time.time = lambda: real() + shift[0]",
    )
    early, timeout, success = map(json.loads, out.splitlines())
    assert early["message"] == "late"
    assert (timeout["outcome"], success["outcome"], success["timeout_warned"]) == ("timeout", "success", True)


def test_one_thread(captured):
    """However many invocations there are, there is one thread, and it keeps no process from ending."""

    @production
    def handler(event, context):
        return [thread for thread in threading.enumerate() if thread.name == "lambda_guard-watchdog"]

    threads = [thread for _ in range(20) for thread in handler({}, make_context())]
    assert len(set(threads)) == 1
    assert threads[0].daemon


def test_signals_and_timers(captured, released):
    """The user's signal handlers and timers are as they were, and the timer goes off."""
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}

        @production
        def handler(event, context):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            sleeps(captured, released)

        handler({}, short())
        assert rung == [1]
        assert handlers == {number: signal.getsignal(number) for number in signal.valid_signals()}
    finally:
        signal.signal(signal.SIGALRM, before)


def script(source, *, then=None, before="", **variables):
    """Run a handler's module in a process of its own; return its standard output and its standard error."""
    code = f"import os, sys, time\n{before}\nfrom lambda_guard import production\nfrom lambda_guard.testing import make_context\n{textwrap.dedent(source)}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if then is not None:
            then(process)
        out, err = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, err
    return out, err


def test_gil_held():
    """A C call that keeps the GIL is shown by faulthandler, with the watchdog's own frame in it, and only then."""
    out, err = script("""
        import ctypes
        def hold(): ctypes.PyDLL(None).sleep(2)
        @production
        def handler(event, context):
            time.sleep(1.0)  # the dump is armed by now
            event()
        handler(hold, make_context(timeout_ms=3000))  # warned of at 2.7 s, the dump 0.15 s later
        handler(lambda: time.sleep(2.0), make_context(timeout_ms=3000))
    """)
    assert err.count("Timeout (0:00:0") == 1
    assert " in hold\n" in err
    assert "lambda_guard/timeout/watchdog.py" in err
    assert out.count(TIMED_OUT) == 2  # as soon as the GIL was free again
    assert out.count('"timeout_warned":true') == 2


def test_gil_held_after_the_end():
    """The dump is put off when the invocation ends: nothing is written when the process is busy afterwards."""
    out, err = script("""
        import ctypes
        @production
        def handler(event, context): time.sleep(0.5)
        handler({}, make_context(timeout_ms=1500))
        ctypes.PyDLL(None).sleep(2)
    """)
    assert err == ""
    assert TIMED_OUT not in out


def test_on_time_where_the_first_invocation_waits_for_us():
    """What our own part before the handler takes, such as to find the daemon, is off the time, and not put on top of it."""
    out, _ = script("""
        import _socket
        def getaddrinfo(*_, **__):
            time.sleep(2.0)  # a name server's time depends on the machine
            raise OSError("and in the end it isn't known")
        _socket.getaddrinfo = getaddrinfo
        os.environ["_X_AMZN_TRACE_ID"] = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"
        @production
        def handler(event, context): time.sleep(2.5)
        handler({}, make_context(timeout_ms=4000))  # warned of at 3.6 s, not at 5.6
    """)
    records = [json.loads(line) for line in out.splitlines() if '"record":"invocation"' in line]
    assert [record["outcome"] for record in records] == ["timeout", "success"]
    assert records[0]["duration_ms"] < 2500


def test_an_alarm_before_the_handler():
    """With hardly any time left it goes off before the handler is called: its record has the time since it was armed."""
    out, _ = script("""
        from lambda_guard.timeout import watchdog
        def ring(at):
            scope, cell = watchdog._armed.popitem()
            cell.alarm(scope)
        watchdog._watch.ring = ring
        @production
        def handler(event, context): return event
        assert handler({}, make_context(timeout_ms=60_000)) == {}
    """)
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["outcome"] for record in records] == ["timeout", "success"]
    assert "GuardErrors" not in records[0]
    assert 0 <= records[0]["duration_ms"] < 60_000


def test_what_an_alarm_needs_is_imported_before_it():
    """Whatever reads where the handler is stuck is there once an invocation lasts: no time is lost at the end."""
    out, _ = script("""
        from lambda_guard import _scope
        from lambda_guard.timeout import watchdog
        name, there = "lambda_guard.timeout.snapshot", []
        def look():
            there.append(name in sys.modules)
            watchdog._watch._look()
            there.append(name in sys.modules)
        @production
        def handler(event, context):
            cell = watchdog._armed[_scope.current()]
            cell.wake = cell.due  # the thread has nothing to do before this
            look()
            cell.wake = 0.0  # as after a quarter of a second
            look()
        handler({}, make_context(timeout_ms=86_400_000))
        print(there)
    """)
    assert out.splitlines()[-1] == "[False, False, False, True]"


def test_a_warning_without_a_snapshot():
    """If what reads the stacks can't be imported, as without free file descriptors, the warning comes without them."""
    out, _ = script("""
        sys.modules["lambda_guard.timeout.snapshot"] = None
        os.environ["_X_AMZN_TRACE_ID"] = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"
        os.environ["AWS_XRAY_DAEMON_ADDRESS"] = "127.0.0.1:2000"
        import threading
        from lambda_guard import _scope
        from lambda_guard.timeout import watchdog
        @production
        def handler(event, context):
            scope = _scope.current()
            cell = watchdog._armed[scope]
            del watchdog._armed[scope]
            thread = threading.Thread(target=cell.alarm, args=(scope,))
            thread.start()
            thread.join()
        handler({}, make_context(timeout_ms=86_400_000))
    """)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line.get("location"), line.get("outcome")) for line in lines] == [
        ("watchdog.snapshot", None),
        (None, "timeout"),
        (None, "success"),
    ]
    assert "stuck" not in lines[1]
    assert lines[1]["GuardErrors"] == 1


def test_no_dump_for_an_invocation_that_ends_while_it_is_armed():
    """The handler may return in the very moment: nothing of ours fails, and nothing is written when its time is over."""
    out, err = script(
        """
        import threading
        arming, over = threading.Event(), threading.Event()
        class SlowToImport:
            def find_spec(self, name, path=None, target=None):
                if name == "importlib.util":
                    arming.set()
                    over.wait()
        @production
        def handler(event, context):
            sys.modules.pop("importlib.util", None)
            sys.meta_path.insert(0, SlowToImport())
            arming.wait()
        handler({}, make_context(timeout_ms=800))
        over.set()
        time.sleep(1.0)
    """,
        PYTHONUNBUFFERED="",
    )  # with it, the record's writing imports a module, and would wait for this finder
    assert err == ""
    assert "watchdog" not in out


def test_users_faulthandler():
    """Where the user's code has imported faulthandler, it is theirs: their dump comes, and none of ours."""
    _, err = script("""
        import ctypes, faulthandler
        def hold(): ctypes.PyDLL(None).usleep(400_000)
        @production
        def handler(event, context):
            faulthandler.dump_traceback_later(0.45)
            time.sleep(0.32)
            hold()
        handler({}, make_context(timeout_ms=600))
    """)
    assert err.count("Timeout (") == 1
    assert "Timeout (0:00:00.450000)!" in err


def test_users_faulthandler_in_place_of_ours():
    """Where the handler takes faulthandler once ours is armed, theirs comes, and the invocation's end leaves it alone."""
    _, err = script("""
        @production
        def handler(event, context):
            time.sleep(1.0)  # the dump is armed by now
            import faulthandler
            faulthandler.dump_traceback_later(1.5)
        handler({}, make_context(timeout_ms=60_000))
        time.sleep(3)
    """)
    assert err.count("Timeout (") == 1
    assert "Timeout (0:00:01.500000)!" in err


def test_thaw():
    """A process that was frozen past the deadline, within an invocation or between two, gives no stale alarm."""
    lines = []

    def freeze(process):
        for line, seconds in (("within", 3.5), ("between", 1.0)):
            while line not in lines:
                lines.append(process.stdout.readline().strip())
            process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            process.send_signal(signal.SIGCONT)

    out, err = script(
        """
        def tell(text): os.write(1, text.encode() + b"\\n")
        @production
        def handler(event, context): event()
        def sleep(): tell("within"); time.sleep(1.4); time.sleep(0.1)
        handler(sleep, make_context(timeout_ms=1500))
        handler(lambda: None, make_context(timeout_ms=1000))
        tell("between"); time.sleep(0.2)
        handler(lambda: time.sleep(0.5), make_context(timeout_ms=60_000))
        """,
        then=freeze,
    )
    out = "".join(lines) + out
    assert TIMED_OUT not in out
    assert out.count('"outcome":"success"') == 3
    assert err == ""


def test_fork():
    """A forked child ends, has a watchdog of its own, and leaves the alarm for the parent's invocation to the parent."""
    out, _ = script(
        """
        import warnings; warnings.simplefilter("ignore")
        import multiprocessing
        @production
        def child(event, context): time.sleep(1.5)
        @production
        def handler(event, context):
            time.sleep(0.5)  # the dump is armed by now
            pid = os.fork()
            if pid == 0:
                time.sleep(1.0)
                sys.exit(0)
            _, status = os.waitpid(pid, 0)
            assert status == 0
        handler({}, make_context(timeout_ms=1000, aws_request_id="parent"))
        def work():
            child({}, make_context(timeout_ms=600, aws_request_id="child"))
            time.sleep(1.5)  # the time of the parent's invocation runs out
        @production
        def pool(event, context):
            process = multiprocessing.get_context("fork").Process(target=work)
            process.start()
            process.join()
            assert process.exitcode == 0
        pool({}, make_context(timeout_ms=2500, aws_request_id="pool"))
        """
    )
    warned = [line for line in out.splitlines() if TIMED_OUT in line]
    assert [json.loads(line)["invocation_id"] for line in warned] == ["parent", "child", "pool"]
    assert out.count('"timeout_warned":true') == 3
