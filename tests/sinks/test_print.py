"""What `print` writes while an invocation is at work."""
# ruff: noqa: T203 - printing is what is tested

import contextlib
import io
import json
import logging
import os
import pprint
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambda_guard import logger, metrics, production
from lambda_guard.testing import capture, events, make_context


def printed(captured):
    """Return the messages of the printed lines."""
    return [line["message"] for line in captured.logs if line["logger"] == "print"]


def test_a_printed_line_is_a_line_of_the_log(invoke, header):
    """What `print` writes has the same keys as what is logged, at level INFO."""
    context = make_context(aws_request_id="r-1", function_name="accept")
    (line,) = invoke(lambda event, context: print("order", 1), header=header, context=context).logs
    assert line.pop("timestamp").endswith("Z")
    assert list(line.items()) == [
        ("level", "INFO"),
        ("location", "print"),
        ("message", "order 1"),
        ("service", "orders"),
        ("logger", "print"),
        ("invocation_id", "r-1"),
        ("xray_trace_id", "1-5759e988-bd862e3fe1be46a994272793"),
        ("function_name", "accept"),
        ("function_version", "$LATEST"),
        ("cold_start", False),
    ]


def test_parts_wait_for_the_end_of_their_line(invoke):
    """`end=""`, several lines at once and `writelines`: a line is whole, blank ones are left out."""

    def handler(event, context):
        print("a", end="")
        print("b", end="")
        print("c")
        print("one\ntwo\n\n  \nthree")
        sys.stdout.writelines(["x", "y\n", "z\n"])
        assert sys.stdout.write("four\r\n") == 6
        print()
        print("unfinished", end="")

    captured = invoke(handler)
    assert printed(captured) == ["abc", "one", "two", "three", "xy", "z", "four", "unfinished"]
    assert captured.lines[-1]["record"] == "invocation"


def test_what_is_flushed_goes_out(invoke):
    """A flush writes what its own thread has printed so far, whether `print` does it or the stream is asked to."""
    seen = []

    def other():
        print("beside", end="")
        print(" it", flush=True)

    def handler(event, context):
        print("loading", end="", flush=True)
        seen.append(printed(captured))
        print(" ", end="")
        sys.stdout.flush()  # nothing but blank
        print("half", end="")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        print(" and half")

    with capture() as captured:
        production(handler)({}, make_context())
    assert seen == [["loading"]]
    assert printed(captured) == ["loading", "beside it", "half and half"]


def test_an_unfinished_line_has_the_id_of_whoever_began_it(invoke):
    """Where invocations are at work at once, one that ends takes no half line of another one with it."""
    begun, ended = threading.Event(), threading.Event()

    @production
    def handler(event, context):
        print(f"half of {context.aws_request_id}", end="")
        if context.aws_request_id == "first":
            begun.set()
            assert ended.wait(240)
            print(", and the other half")

    with capture() as captured:
        first = threading.Thread(
            target=handler, args=({}, make_context(aws_request_id="first", timeout_ms=120_000))
        )
        first.start()
        assert begun.wait(240)
        handler({}, make_context(aws_request_id="second"))
        ended.set()
        first.join()
    assert [(line["message"], line["invocation_id"]) for line in captured.logs] == [
        ("half of second", "second"),
        ("half of first, and the other half", "first"),
    ]


def test_an_unfinished_line_of_a_batch_item_is_its_own():
    """What one item's handler leaves without a line break isn't the beginning of the next item's line."""

    @production(each_record=True)
    def handler(record):
        print(f"handling {record.body}", end="")
        if record.body == "b":
            print("!")

    with capture() as captured:
        handler(events.sqs("a", "b", "c", message_ids=["m-a", "m-b", "m-c"]), make_context())
    assert [(line["message"], line["message_id"]) for line in captured.logs] == [
        ("handling a", "m-a"),
        ("handling b!", "m-b"),
        ("handling c", "m-c"),
    ]


def test_an_unfinished_line_goes_out_with_the_process(fresh):
    """A process that ends while its handler is at work on another thread writes what was printed there."""
    output = fresh("""
        import json, sys, threading
        from lambda_guard import production

        begun = threading.Event()

        @production
        def handler(event, context):
            print("half a line", end="")
            begun.set()
            threading.Event().wait()

        threading.Thread(target=handler, args=({}, None), daemon=True).start()
        assert begun.wait(240)
    """)
    assert json.loads(output)["message"] == "half a line"


@pytest.mark.parametrize(
    ("ending", "message"), [("SIGTERM", "half a line"), ("SIGINT", "half a line"), ("SIGKILL", None)]
)
def test_an_unfinished_line_goes_out_with_the_environment(ending, message):
    """Lambda ends an environment with SIGTERM: the line comes out, and the process has ended by that very signal."""
    program = textwrap.dedent(f"""
        import os, signal
        from lambda_guard import production

        signal.signal(signal.SIGINT, signal.default_int_handler)

        @production
        def handler(event, context):
            print("half a line", end="")
            os.kill(os.getpid(), signal.{ending})
            signal.pause()

        handler({{}}, None)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == -getattr(signal, ending)
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()][:1] == (
        [message] if message else []
    )


def test_sigterm_is_ours_only_while_a_handler_is_at_work(invoke):
    """Whoever asks for SIGTERM's handler before, after, or in an invocation that prints nothing finds their own."""
    seen, theirs = [], signal.getsignal(signal.SIGTERM)

    def handler(event, context):
        seen.append(signal.getsignal(signal.SIGTERM) == theirs)
        print("a", end="")
        seen.append(signal.getsignal(signal.SIGTERM) == theirs)

    for _ in range(2):
        invoke(handler)
        assert signal.getsignal(signal.SIGTERM) == theirs
    assert seen == [True, False] * 2


def test_a_signal_handler_of_the_users_stays(invoke):
    """One that is there isn't replaced, and one that the handler sets isn't taken away."""

    def theirs(*_):
        pass

    def handler(event, context):
        print("a", end="")
        if event:
            signal.signal(signal.SIGTERM, theirs)
            print("b", end="")

    before = signal.getsignal(signal.SIGTERM)
    try:
        for event in ({"set": True}, {}):
            invoke(handler, event=event)
            assert signal.getsignal(signal.SIGTERM) is theirs
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_does_not_finish_its_parents_line(fresh):
    """What was begun before the fork is written once, by whoever began it, and SIGTERM is the child's own."""
    output = fresh("""
        import os, signal, sys
        from lambda_guard import production

        @production
        def handler(event, context):
            print("begun", end="")
            if not (child := os.fork()):
                assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
                print(" by the child", flush=True)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            print(" and ended")

        handler({}, None)
    """)
    messages = [json.loads(line)["message"] for line in output.splitlines()]
    assert messages[:2] == [" by the child", "begun and ended"]


def test_an_unfinished_line_survives_another_standard_output():
    """A handler that puts another stream in place has its half line written where it was begun."""
    other = io.StringIO()

    @production
    def handler(event, context):
        print("begun", end="")
        sys.stdout = other

    with capture() as captured:
        handler({}, make_context())
    assert printed(captured) == ["begun"]


def test_an_object_that_is_nested_too_deeply_to_be_read_is_text(invoke):
    """What `print` writes is a keyed line, also where it is JSON that Python can't read, and no failure of ours."""
    deep = '{"a":' * 100_000
    captured = invoke(lambda event, context: print(deep))
    assert printed(captured) == [deep]
    assert "GuardErrors" not in captured.record


def test_an_unfinished_line_belongs_to_its_invocation(invoke):
    """What the handler left without a line break isn't the beginning of the next invocation's first line."""
    first = invoke(lambda event, context: print("left", end=""), context=make_context(aws_request_id="r-1"))
    second = invoke(lambda event, context: print("next"), context=make_context(aws_request_id="r-2"))
    assert [(line["message"], line["invocation_id"]) for line in (*first.logs, *second.logs)] == [
        ("left", "r-1"),
        ("next", "r-2"),
    ]


def test_a_printed_object_is_a_message(invoke):
    """A JSON object becomes the message as an object; other JSON and broken JSON are text."""

    def handler(event, context):
        print(json.dumps({"order": 1, "record": "of my own"}))
        print("[1, 2]")
        print("{broken")
        print({"python": True})

    assert printed(invoke(handler)) == [
        {"order": 1, "record": "of my own"},
        "[1, 2]",
        "{broken",
        "{'python': True}",
    ]


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(
            {
                "_aws": {
                    "Timestamp": 1764083045135,
                    "CloudWatchMetrics": [
                        {"Namespace": "a", "Dimensions": [["b"]], "Metrics": [{"Name": "c"}]}
                    ],
                },
                "b": "b",
                "c": 1,
            }
        ),
        '{"m": "orders.accepted", "v": 1.50, "e": 1764083045, "t": []}',
    ],
)
def test_metrics_pass_untouched(invoke, line):
    """An EMF document, and one of Datadog's metrics, stand in the log as they were printed."""
    captured = invoke(lambda event, context: print(line))
    assert captured.output.split("\n")[0] == line


KEYS = ("invocation_id", "function_name", "function_version", "cold_start")


@pytest.mark.parametrize(
    "line",
    [
        '{"level": "warning", "event": "from structlog", "ratio": 1.50}',
        '{"level":"INFO","message":"spaced"} \t ',
        '{"level":"INFO","cold_start":"theirs"}',
    ],
)
def test_structured_lines_gain_the_keys_that_they_lack(invoke, line):
    """A structured log line stays as it was printed, up to its end, where the invocation's keys follow."""
    captured = invoke(lambda event, context: print(line))
    written = captured.output.split("\n")[0]
    theirs = json.loads(line)
    keys = {key: value for key, value in captured.record.items() if key in KEYS}
    assert written.startswith(line.rstrip()[:-1] + ',"invocation_id":')
    assert json.loads(written) == keys | theirs


@pytest.mark.parametrize("claim", [{}, {"invocation_id": "another"}])
def test_a_structured_line_that_another_invocation_finishes_has_its_own_keys(invoke, claim):
    """What was printed before an invocation inside of this one, without a line break, is this one's."""
    inner = production(lambda event, context: print("inner"))

    def handler(event, context):
        print(json.dumps({"level": "INFO", "message": "half", **claim}), end="")
        inner({}, make_context(aws_request_id="inner"))

    captured = invoke(handler, context=make_context(aws_request_id="outer"))
    ids = {line["message"]: line["invocation_id"] for line in captured.logs}
    assert ids == {"half": "outer", "inner": "inner"}


def test_our_own_lines_are_not_caught(invoke):
    """The lines of `logger`, `metrics` and the record are written once, between what is printed."""

    def handler(event, context):
        print("first")
        logger.info("second")
        metrics.add_metric("Orders", "Count", 1)
        print("third")

    captured = invoke(handler)
    assert [line.get("message", "metrics") for line in captured.lines[:-1]] == [
        "first",
        "second",
        "third",
        "metrics",
    ]


def test_threads_do_not_cut_each_others_lines(invoke):
    """`print` writes in parts: where two threads hold half a line each, either's is put together by itself."""
    both = threading.Barrier(2, timeout=240)

    def work(name):
        print(f"{name} begins", end=" ")
        both.wait()
        print(f"and {name} ends")

    def handler(event, context):
        threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    captured = invoke(handler, context=make_context(timeout_ms=120_000))
    assert sorted(printed(captured)) == ["one begins and one ends", "two begins and two ends"]
    assert len({line["invocation_id"] for line in captured.lines}) == 1


def test_what_is_printed_outside_of_an_invocation_is_left_alone():
    """Module-level code prints as it always did."""
    production(lambda event, context: None)
    with capture() as captured:
        print("plain")
        production(lambda event, context: None)({}, make_context())
        print("plain again")
    assert captured.output.startswith("plain\n")
    assert captured.output.endswith("plain again\n")


def test_capture_print_can_be_switched_off(invoke, monkeypatch):
    """With `capture_print=False`, or the variable, printed text stays as it is."""
    handler = lambda event, context: print("as it is")  # noqa: E731 - used twice
    assert invoke(handler, capture_print=False).output.startswith("as it is\n")
    monkeypatch.setenv("LAMBDA_GUARD_CAPTURE_PRINT", "false")
    assert invoke(handler).output.startswith("as it is\n")
    assert not invoke(handler, capture_print=True).output.startswith("as it is\n")


def test_redirected_output_is_the_users(invoke):
    """`contextlib.redirect_stdout` in the handler catches what it prints, as it is, and our lines go on after it."""

    def handler(event, context):
        caught = io.StringIO()
        with contextlib.redirect_stdout(caught):
            print("caught")
        print("seen", caught.getvalue().strip())

    captured = invoke(handler)
    assert printed(captured) == ["seen caught"]
    assert captured.record["outcome"] == "success"


def test_standard_output_stays_a_stream(invoke):
    """What code asks of `sys.stdout` it still gets: `isatty`, `encoding`, `buffer`'s absence, `pprint`, a handler."""
    found = []

    def handler(event, context):
        found.append(
            (sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.writable(), hasattr(sys.stdout, "buffer"))
        )
        pprint.pprint({"a": 1})
        stream = logging.StreamHandler(sys.stdout)
        log = logging.getLogger("theirs")
        log.addHandler(stream)
        log.propagate = False
        log.warning("theirs")
        log.removeHandler(stream)
        log.propagate = True

    captured = invoke(handler)
    assert found == [(False, None, True, False)]
    assert printed(captured) == ["{'a': 1}", "theirs"]


def test_a_line_without_an_end_is_cut_off_at_some_point(invoke):
    """Megabytes without a line break don't gather in memory."""

    def handler(event, context):
        for _ in range(30):
            print("x" * 100_000, end="")

    messages = printed(invoke(handler))
    assert sum(map(len, messages)) == 3_000_000
    assert max(map(len, messages)) <= 400_000


def test_a_huge_printed_line_is_cut(invoke):
    """A printed line of 2 MB is shortened to what the log takes, ids first."""
    captured = invoke(
        lambda event, context: print("x" * 2_000_000), context=make_context(aws_request_id="r-1")
    )
    (line,) = captured.logs
    assert line["invocation_id"] == "r-1"
    assert len(json.dumps(line)) < 1_000_000


@settings(max_examples=3 * settings.default.max_examples // 2)
@given(texts=st.lists(st.text(), max_size=4))
@example(texts=["{}", '{"order": NaN}'])
def test_any_text_that_is_printed_comes_back(invoke, texts):
    """Every line of any text stands in the log, and each of the log's lines parses."""

    def handler(event, context):
        for text in texts:
            print(text)

    captured = invoke(handler)
    expected = [part.rstrip("\r") for text in texts for part in f"{text}".split("\n") if part.strip()]
    messages = [line["message"] for line in captured.lines[:-1]]
    assert messages == list(map(told, expected))


def told(text):
    """Return a JSON object as one, with a number that JSON hasn't as text; any other text as it is."""
    try:
        found = json.loads(text, parse_constant=lambda name: str(float(name)))
    except ValueError:
        return text
    return found if isinstance(found, dict) else text


def test_a_stream_that_is_broken_is_the_users_affair(invoke):
    """`print` raises what it would raise without us, and nothing else does."""

    class Broken(io.StringIO):
        def write(self, said):
            raise OSError("no space left")

    def handler(event, context):
        before, sys.stdout.behind = sys.stdout.behind, Broken()
        try:
            with pytest.raises(OSError, match="no space left"):
                print("lost")
            logger.info("lost as well")
        finally:
            sys.stdout.behind = before
        print("seen")

    captured = invoke(handler)
    assert captured.raised is None
    assert printed(captured) == ["seen"]
    assert captured.record["GuardErrors"] == 2
