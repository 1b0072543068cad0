"""What `print` writes while an invocation is at work."""
# ruff: noqa: T203 - printing is what is tested

import contextlib
import io
import json
import logging
import pprint
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard import logger, metrics, production
from lambda_guard.testing import capture, make_context


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
    """`end=""`, several lines at once, `writelines`, and `flush` in between: a line is whole, blank ones are left out."""

    def handler(event, context):
        print("a", end="")
        sys.stdout.flush()
        print("b", end="", flush=True)
        print("c")
        print("one\ntwo\n\n  \nthree")
        sys.stdout.writelines(["x", "y\n", "z\n"])
        assert sys.stdout.write("four\r\n") == 6
        print()
        print("unfinished", end="")

    captured = invoke(handler)
    assert printed(captured) == ["abc", "one", "two", "three", "xy", "z", "four", "unfinished"]
    assert captured.lines[-1]["record"] == "invocation"


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


@settings(max_examples=150)
@given(texts=st.lists(st.text(), max_size=4))
def test_any_text_that_is_printed_comes_back(invoke, texts):
    """Every line of any text stands in the log, and each of the log's lines parses."""

    def handler(event, context):
        for text in texts:
            print(text)

    captured = invoke(handler)
    expected = [part.rstrip("\r") for text in texts for part in f"{text}".split("\n") if part.strip()]
    messages = [line["message"] for line in captured.lines[:-1]]
    assert [
        message if isinstance(message, str) else json.loads(json.dumps(message)) for message in messages
    ] == [part if not as_object(part) else as_object(part) for part in expected]


def as_object(text):
    """Return a JSON object, or `None`."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


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
