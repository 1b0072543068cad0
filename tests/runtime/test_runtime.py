"""Through the real runtime client: lines are JSON, keyed, and there once; errors are reported as without us."""

import pytest

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
FORMATS = pytest.mark.parametrize("log_format", ["Text", "JSON"])
QUIET = "too quiet to be written in the text format"
WRITTEN = [
    ("lambda_guard", "ours"),
    ("theirs", "theirs formatted"),
    (None, "own"),
    (None, {"own": "as an object"}),
    (None, "own of arguments"),
    (None, "own with a key of ours"),
    ("print", "printed"),
    ("print", "printed-in-parts"),
    ("print", "two"),
    ("print", "lines"),
    ("print", {"printed": "object"}),
    ("py.warnings", "UserWarning: deprecated"),
    ("theirs", "failed"),
    ("print", "unfinished"),
]


def said(line):
    """Return a line's logger and message, a warning's without its place."""
    message = line["message"]
    if line.get("logger") == "py.warnings":
        message = message.splitlines()[0].partition(": ")[2]
    return line.get("logger"), message


@FORMATS
@pytest.mark.parametrize("handler", ["guarded", "guarded_async", "method"])
def test_every_line_is_json_keyed_and_there_once(start, own_lines, handler, log_format):
    """Whoever writes it, a line is one JSON object with the invocation's keys, in the order of writing."""
    result = start(f"shop.{handler}", log_format).invoke({"do": "write"}, trace_header=HEADER)
    assert result.payload == {"written": True}
    lines = own_lines(result)
    theirs = [line for line in lines if "said" in line]
    logs = [line for line in lines if "message" in line and "record" not in line]
    assert theirs == [{"said": "formatted", "id": result.request_id, "field": "kept"}]
    assert [said(line) for line in logs if line["message"] != QUIET] == WRITTEN
    assert len(logs) == len(WRITTEN) + (log_format == "JSON")  # there Lambda's own level is INFO
    for line in lines:
        if line not in theirs and line.get("message") != "own with a key of ours":
            assert line["invocation_id"] == result.request_id
            assert line["xray_trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"
            assert line["function_name"] == "shop"
    assert lines[-1]["record"] == "invocation"
    assert lines[-1]["outcome"] == "success"
    assert lines[-2]["Orders"] == 1
    assert "GuardErrors" not in lines[-1]


@FORMATS
def test_fields_that_the_user_passes_survive(start, own_lines, log_format):
    """`extra` of a library's logger, keywords of ours and of a Logger of the user's own stand in the line."""
    lines = own_lines(start("shop.guarded", log_format).invoke({"do": "write"}))
    fields = {line["message"]: line["order_id"] for line in lines if "order_id" in line}
    assert fields == {"ours": "o-1", "theirs formatted": "o-2", "own": "o-3"}
    [overridden] = [line for line in lines if line.get("message") == "own with a key of ours"]
    assert overridden["invocation_id"] == "theirs"


@FORMATS
@pytest.mark.parametrize("message", ["refused", "\u20ac", ""])
def test_an_error_is_reported_as_without_the_decorator(start, own_lines, message, log_format):
    """Type, message and stack are what Lambda gets without us, but for at most one frame."""
    event = {"do": "refuse", "message": message}
    expected = start("shop.bare", log_format).invoke(event)
    result = start("shop.guarded", log_format).invoke(event)
    assert (
        (result.status, result.error_type)
        == (expected.status, expected.error_type)
        == ("error", "ValueError")
    )
    assert result.payload["errorMessage"] == expected.payload["errorMessage"]
    own = expected.payload["stackTrace"]
    assert result.payload["stackTrace"][-len(own) :] == own
    assert len(result.payload["stackTrace"]) <= len(own) + 1
    [record] = own_lines(result)
    assert record["outcome"] == "error"
    assert record["error"]["type"] == "ValueError"
    assert record["error"]["message"] == message
    assert [frame.partition(" in ")[2] for frame in record["error"]["stack"]] == ["bare", "refuse"]


def test_an_error_of_a_coroutine_has_no_frames_of_the_loop(start):
    """An asynchronous handler's stack is as short as a function's."""
    result = start("shop.guarded_async").invoke({"do": "refuse"})
    places = [frame.split(", in ")[1].split("\n")[0] for frame in result.payload["stackTrace"]]
    assert places == ["guarded", "bare_async", "refuse"]


@pytest.mark.parametrize("handler", ["guarded", "guarded_async"])
def test_an_exit_ends_the_process_as_without_the_decorator(start, own_lines, handler):
    """`sys.exit` is `Runtime.ExitError`, with everything written before; the next invocation starts anew."""
    function, bare = start(f"shop.{handler}"), start("shop.bare")
    expected, result = bare.invoke({"do": "exit"}), function.invoke({"do": "exit"})
    assert (
        (result.status, result.error_type)
        == (expected.status, expected.error_type)
        == ("error", "Runtime.ExitError")
    )
    assert result.error_message.partition(" Error: ")[2] == "Runtime exited with error: exit status 3"
    lines = own_lines(result)
    assert [line["message"] for line in lines[:-1]] == ["leaving"]
    assert (lines[-1]["outcome"], lines[-1]["error"]["type"]) == ("error", "SystemExit")
    again = function.invoke({"do": "tell"})
    assert (again.cold_start, again.payload) == (True, again.request_id)


def test_a_value_that_json_cannot_take_is_refused_as_without_the_decorator(start):
    """`Runtime.MarshalError` comes from the runtime client, after us, in its own words."""
    expected, result = (start(f"shop.{name}").invoke({"do": "give"}) for name in ("bare", "guarded"))
    assert result.error_type == expected.error_type == "Runtime.MarshalError"
    assert result.error_message == expected.error_message


def test_a_timeout_is_a_timeout_and_leaves_what_was_written(start, own_lines):
    """A handler that takes too long is killed as without us; its lines are there, and the next invocation is cold."""
    function = start("shop.guarded", timeout=3.0)
    result = function.invoke({"do": "sleep"})
    assert (result.status, result.error_type) == ("timeout", "Sandbox.Timedout")
    line = own_lines(result)[0]
    assert (line["message"], line["invocation_id"]) == ("sleeping", result.request_id)
    again = function.invoke({"do": "tell"})
    assert (again.cold_start, again.payload) == (True, again.request_id)


def test_only_the_first_invocation_is_a_cold_start(start, own_lines):
    """`cold_start` and `init_ms` stand in the first record of an environment, and nowhere else."""
    function = start("shop.guarded", environment={"OWN": "environment"})
    first, second = (
        own_lines(function.invoke({"do": "tell"}))[-1],
        own_lines(function.invoke({"do": "tell"}))[-1],
    )
    assert (first["cold_start"], second["cold_start"]) == (True, False)
    assert first["init_ms"] > 0
    assert "init_ms" not in second
    assert (first.get("ColdStarts"), second.get("ColdStarts")) == (1, None)


def test_the_kill_switch_leaves_the_bare_handler(start):
    """With `LAMBDA_GUARD_DISABLED` the function answers, and nothing of ours is written."""
    result = start("shop.guarded_async", environment={"LAMBDA_GUARD_DISABLED": "1"}).invoke({"do": "tell"})
    assert result.payload is None
    assert result.status == "success"
    assert not any("invocation_id" in line for line in result.lines)
