"""A function alone, through the real runtime client."""

import json
import os
import re
import signal
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from lambda_guard.local import Function, LocalCloudError, LogEvent, XRayDaemon

TRACE = "Root=1-5e34a614-10bd0000000fb44f07bc535a;Parent=07f50000d1f6f8aa;Sampled=1"


@pytest.fixture(scope="module")
def single(functions):
    """Return a function that does what its event says."""
    with Function(name="orders", handler="single.handler", code=functions, timeout=5) as function:
        yield function


def test_an_answer_comes_back_as_posted(single):
    """What the handler returns is the payload, and nothing is wrong."""
    result = single.invoke({"answer": {"total": 1.5, "ü": [None, True]}})

    assert result.status == "success"
    assert result.payload == {"total": 1.5, "ü": [None, True]}
    assert json.loads(result.body) == result.payload
    assert (result.function_error, result.error_type, result.error_message) == (None, None, None)


def test_the_handler_knows_its_invocation(functions):
    """Request id, ARN, deadline, client context, identity and trace header arrive as on AWS."""
    with (
        XRayDaemon() as daemon,
        Function(
            name="orders",
            handler="single.about",
            code=functions,
            timeout=5,
            memory=256,
            environment={"STAGE": "test"},
            daemon_address=daemon.address,
            region="us-east-2",
        ) as function,
    ):
        result = function.invoke(
            {"a": 1},
            trace_header=TRACE,
            client_context={"custom": {"tenant": "t-1"}},
            cognito_identity={"cognitoIdentityId": "i-1", "cognitoIdentityPoolId": "p-1"},
            request_id="6f0c1d3e-5b51-4c55-9d9e-1f2c64d3a001",
        )
    seen = result.payload
    environ = seen.pop("environ")
    remaining, pid = seen.pop("remaining"), seen.pop("pid")

    assert seen == {
        "event": {"a": 1},
        "request_id": "6f0c1d3e-5b51-4c55-9d9e-1f2c64d3a001",
        "arn": "arn:aws:lambda:us-east-2:123456789012:function:orders",
        "memory": "256",
        "custom": {"tenant": "t-1"},
        "identity": "i-1",
        "log_stream": result.log_stream,
        "cwd": str(functions),
    }
    assert 4000 < remaining <= 5000
    assert pid != os.getpid()
    assert environ["_X_AMZN_TRACE_ID"] == TRACE == result.trace_header
    assert environ["AWS_XRAY_DAEMON_ADDRESS"] == daemon.address
    assert {
        name: environ[name] for name in environ if name.startswith(("AWS_LAMBDA", "STAGE", "AWS_REGION"))
    } == {
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "Text",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders",
        "AWS_LAMBDA_LOG_STREAM_NAME": result.log_stream,
        "AWS_LAMBDA_RUNTIME_API": environ["AWS_LAMBDA_RUNTIME_API"],
        "AWS_REGION": "us-east-2",
        "STAGE": "test",
    }


def test_the_hosts_variables_stay_outside(functions, monkeypatch):
    """A function sees nothing of the developer's environment but PATH."""
    monkeypatch.setenv("MY_SECRET", "x")
    monkeypatch.setenv("AWS_PROFILE", "production")
    with Function(name="orders", handler="single.about", code=functions) as function:
        environ = function.invoke({}).payload["environ"]

    assert "MY_SECRET" not in environ
    assert "AWS_PROFILE" not in environ
    assert environ["PATH"] == os.environ["PATH"]
    assert environ["HOME"] != os.environ.get("HOME")
    assert environ["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")


def test_without_a_trace_header_the_variable_is_absent(functions):
    """An invocation without a header doesn't inherit the one before it."""
    with Function(name="orders", handler="single.about", code=functions) as function:
        first = function.invoke({}, trace_header=TRACE).payload["environ"]
        second = function.invoke({}).payload["environ"]

    assert first["_X_AMZN_TRACE_ID"] == TRACE
    assert "_X_AMZN_TRACE_ID" not in second


def test_a_raised_exception_is_the_error(single):
    """The error document of the runtime is the payload; Invoke would say `Unhandled`."""
    result = single.invoke({"raise": "no stock"})

    assert (result.status, result.function_error) == ("error", "Unhandled")
    assert (result.error_type, result.error_message) == ("ValueError", "no stock")
    assert result.payload["requestId"] == result.request_id
    assert any(line.startswith("[ERROR] ValueError: no stock\rTraceback") for line in result.lines)


def test_a_value_that_json_does_not_take_is_an_error(functions):
    """A result that the runtime can't marshal fails the invocation."""
    with Function(name="orders", handler="single.not_json", code=functions) as function:
        result = function.invoke({})

    assert (result.status, result.error_type) == ("error", "Runtime.MarshalError")


def test_exit_ends_the_environment_and_the_next_invocation_starts_another(single):
    """`sys.exit` is Runtime.ExitError with the exit status; then comes a cold start."""
    single.invoke({})
    before = single.cold_starts
    result = single.invoke({"exit": 7})
    again = single.invoke({})

    assert (result.status, result.error_type) == ("error", "Runtime.ExitError")
    assert (
        result.error_message
        == f"RequestId: {result.request_id} Error: Runtime exited with error: exit status 7"
    )
    assert (again.status, again.cold_start) == ("success", True)
    assert single.cold_starts == before + 1


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGKILL, "killed"), (signal.SIGSEGV, "segmentation fault"), (signal.SIGABRT, "aborted")],
)
def test_a_killed_process_says_so(single, number, words):
    """A process that dies of a signal is `killed`, and the signal is named in Lambda's words."""
    result = single.invoke({"signal": number})

    assert (result.status, result.error_type) == ("killed", "Runtime.ExitError")
    assert result.error_message.endswith(f"Error: Runtime exited with error: signal: {words}")


def test_at_the_timeout_the_process_is_killed_and_replaced(functions):
    """A stuck handler ends at the timeout; what it had printed is there; the next invocation is cold."""
    with Function(name="slow", handler="single.handler", code=functions, timeout=1) as function:
        result = function.invoke({"sleep": 60})
        left = function.pids()
        again = function.invoke({"answer": 1})

    assert (result.status, result.error_type) == ("timeout", "Sandbox.Timedout")
    assert result.error_message == f"RequestId: {result.request_id} Error: Task timed out after 1.00 seconds"
    assert "sleeping" in result.lines
    assert result.lines[-3].endswith(f"{result.request_id} Task timed out after 1.00 seconds")
    assert "Status: timeout" in result.lines[-1]
    assert left == []
    assert (again.payload, again.cold_start) == (1, True)


def test_the_text_log_has_the_platforms_lines(functions):
    """INIT_START, START, the function's own lines, END and REPORT with the trace, as on AWS."""
    with Function(name="orders", handler="single.handler", code=functions, memory=512) as function:
        cold = function.invoke({"print": "one\ntwo", "log": "three"}, trace_header=TRACE)
        warm = function.invoke({})
    lines, request = list(cold.lines), cold.request_id

    assert lines.pop(0).startswith("INIT_START Runtime Version: python:3.")
    assert lines.pop(0) == f"START RequestId: {request} Version: $LATEST"
    assert lines.pop(0) == "one"
    assert re.fullmatch(rf"two\[WARNING\]\t[\dT:.-]+Z\t{request}\tthree", lines.pop(0))
    assert lines.pop(0) == f"END RequestId: {request}"
    report, trace = lines.pop(0).split("\n")
    assert re.fullmatch(
        rf"REPORT RequestId: {request}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 512 MB\t"
        r"Max Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t",
        report,
    )
    assert trace == (
        "XRAY TraceId: 1-5e34a614-10bd0000000fb44f07bc535a\tSegmentId: 07f50000d1f6f8aa\tSampled: true\t"
    )
    assert not lines
    assert len(warm.lines) == 3
    assert "Init Duration" not in warm.lines[-1]


@pytest.mark.parametrize("end", ["\n", ""])
def test_no_line_is_missing_from_a_burst(single, end):
    """All that was written before the answer belongs to the invocation, an unfinished last line too."""
    lines = [f"{number} {'x' * 90}" for number in range(3000)]
    result = single.invoke({"print": "\n".join(lines) + end})

    assert [line for line in result.lines if "xxx" in line] == lines
    assert result.lines[-2].startswith("END RequestId")


def test_the_json_log_has_the_platforms_events(functions):
    """In the JSON format every line parses, and START and REPORT are platform events."""
    with Function(name="orders", handler="single.handler", code=functions, log_format="JSON") as function:
        result = function.invoke({"log": "three", "raise": "no stock"}, trace_header=TRACE)
        ended = function.invoke({"exit": 1})
    events = [json.loads(line) for line in result.lines]
    tracing = {"type": "X-Amzn-Trace-Id", "value": TRACE, "spanId": "07f50000d1f6f8aa"}

    assert [event.get("type", event.get("level")) for event in events] == [
        "platform.initStart",
        "platform.start",
        "ERROR",
        "platform.report",
    ]
    assert events[1]["record"] == {"requestId": result.request_id, "version": "$LATEST", "tracing": tracing}
    report = events[3]["record"]
    assert set(report.pop("metrics")) == {
        "durationMs",
        "billedDurationMs",
        "memorySizeMB",
        "maxMemoryUsedMB",
        "initDurationMs",
    }
    assert report == {
        "requestId": result.request_id,
        "status": "error",
        "errorType": "ValueError",
        "tracing": tracing,
    }
    done, report = (json.loads(line) for line in ended.lines[-2:])
    assert (done["type"], done["record"]["status"]) == ("platform.runtimeDone", "failure")
    assert (report["type"], report["record"]["errorType"]) == ("platform.report", "Runtime.ExitError")


@pytest.mark.parametrize(
    ("handler", "error_type", "message"),
    [
        ("nowhere.handler", "Runtime.ImportModuleError", "No module named 'nowhere'"),
        ("broken.handler", "Runtime.ImportModuleError", "No module named 'a_module_that_is_nowhere'"),
        ("single.nobody", "Runtime.HandlerNotFound", "Handler 'nobody' missing on module 'single'"),
        ("wrong.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'wrong'"),
    ],
)
def test_a_function_that_does_not_load_says_why(functions, tmp_path, handler, error_type, message):
    """Errors of the INIT phase are the invocation's result, with the runtime's own words in the log."""
    for source in functions.glob("*.py"):
        (tmp_path / source.name).write_text(source.read_text())
    (tmp_path / "wrong.py").write_text("def handler(event, context)\n    pass\n")
    with Function(name="orders", handler=handler, code=tmp_path) as function:
        result = function.invoke({})

    assert (result.status, result.error_type) == ("error", error_type)
    assert message in result.error_message
    assert any(error_type in line for line in result.lines[:-1])
    assert f"\tStatus: error\tError Type: {error_type}\t" in result.lines[-1]


def test_an_answer_above_the_limit_is_an_error(single):
    """More than 6 MB is refused, and the invocation failed."""
    result = single.invoke({"size": 6 * 1024 * 1024 + 200})

    assert (result.status, result.error_type) == ("error", "Function.ResponseSizeTooLarge")


def test_environments_are_started_as_needed_and_reused(functions):
    """Invocations one after the other share an environment; at once they have one each, up to the limit."""
    with Function(
        name="orders", handler="single.handler", code=functions, reserved_concurrency=2
    ) as function:
        for _ in range(3):
            function.invoke({})
        one = function.cold_starts
        threads = [threading.Thread(target=function.invoke, args=({"sleep": 0.3},)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        most = len(function.pids())

    assert one == 1
    assert most == 2 == function.cold_starts


def test_a_crash_between_invocations_costs_a_cold_start_only(functions):
    """An idle environment that is killed is replaced without a failed invocation."""
    with Function(name="orders", handler="single.handler", code=functions) as function:
        function.invoke({})
        assert function.kill()
        result = function.invoke({"answer": "ok"})

    assert (result.status, result.payload, result.cold_start) == ("success", "ok", True)
    assert not function.kill()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_the_process_is_frozen_between_invocations(functions):
    """A thread of the function doesn't run on after the answer, unless freezing is off."""
    with Function(name="orders", handler="single.background", code=functions) as frozen:
        frozen.invoke({"start": True})
        [pid] = frozen.pids()
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.01)
        before = len(frozen.events())
        time.sleep(0.2)
        assert len(frozen.events()) - before <= 1  # the line that was being written when it was stopped

    with Function(name="orders", handler="single.background", code=functions, freeze=False) as running:
        running.invoke({"start": True})
        before = len(running.events())
        while len(running.events()) < before + 2:
            time.sleep(0.01)


def test_events_carry_time_and_stream(single):
    """Every line is a log event with a time in milliseconds and the environment's stream."""
    before = time.time_ns() // 1_000_000
    result = single.invoke({"print": "marked\n"})
    [event] = [event for event in single.events() if event.message == "marked" and event.timestamp >= before]

    assert event == LogEvent(timestamp=event.timestamp, stream=result.log_stream, message="marked")
    assert before <= event.timestamp <= time.time_ns() // 1_000_000


def test_wrong_use_is_refused(functions):
    """A missing directory, no concurrency and a closed function have messages that say what to do."""
    with pytest.raises(LocalCloudError, match="isn't a directory"):
        Function(name="orders", handler="a.b", code=functions / "nowhere")
    with pytest.raises(LocalCloudError, match="at least 1"):
        Function(name="orders", handler="a.b", code=functions, reserved_concurrency=0)
    function = Function(name="orders", handler="single.handler", code=functions)
    function.close()
    with pytest.raises(LocalCloudError, match="orders is closed"):
        function.invoke({})


def test_closing_ends_an_invocation_under_way(functions):
    """An invocation that is at work when the function is closed ends as killed."""
    function = Function(name="orders", handler="single.handler", code=functions, timeout=60)
    results = []
    thread = threading.Thread(target=lambda: results.append(function.invoke({"sleep": 60})))
    thread.start()
    while not any(event.message == "sleeping" for event in function.events()):
        time.sleep(0.01)
    function.close()
    thread.join()

    assert [result.status for result in results] == ["killed"]
    assert sys.executable == function.settings.python


def zipped(folder, path):
    """Write a folder into a zip archive, with the modes of its files."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(it for it in folder.rglob("*") if it.is_file()):
            archive.write(file, file.relative_to(folder))
    return path


def test_layers_are_on_the_path_and_may_wrap_the_start(tmp_path):
    """Folders and zips become one `/opt`, a later one wins; a wrapper in it starts the runtime."""
    first, second, code = tmp_path / "first", tmp_path / "second", tmp_path / "code"
    for folder, name in ((first, "one"), (second, "two")):
        (folder / "python").mkdir(parents=True)
        (folder / "python/shared.py").write_text(f"name = {name!r}\n")
        (folder / f"python/only_{name}.py").write_text(f"name = {name!r}\n")
    (first / "start").write_text('#!/bin/sh\nexport STARTED=wrapped\nexec "$@"\n')
    (first / "start").chmod(0o755)
    code.mkdir()
    (code / "app.py").write_text(
        "import os, only_one, only_two, shared\n"
        "def handler(event, context):\n"
        "    return [os.environ['STARTED'], only_one.name, only_two.name, shared.name]\n"
    )
    layers = zipped(first, tmp_path / "first.zip"), second
    wrapper = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/start"}
    with Function(
        name="shop", handler="app.handler", code=code, layers=layers, environment=wrapper
    ) as function:
        assert function.invoke().payload == ["wrapped", "one", "two", "two"]


MISSING = (
    "start: does not exist",
    "local cloud: none of the function's layers has it: add the layer, or remove",
)
NO_PROGRAM = ("start: is not an executable", "local cloud: make it one (chmod +x) where the layer is made")


@pytest.mark.parametrize(("mode", "code", "said"), [(None, 127, MISSING), (0o644, 126, NO_PROGRAM)])
@pytest.mark.parametrize("in_layer", [True, False])
def test_a_wrapper_that_cant_be_run_ends_the_process_as_on_lambda(mode, code, said, in_layer, tmp_path):
    """Missing: exit 127; not executable: 126; the log says which file, and what to do."""
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return 1\n")
    if mode:
        (tmp_path / "start").write_text("#!/bin/sh\n")
        (tmp_path / "start").chmod(mode)
    folder, layers = ("/opt", (tmp_path,)) if in_layer else (str(tmp_path), ())
    wrapper = {"AWS_LAMBDA_EXEC_WRAPPER": f"{folder}/start"}
    with Function(
        name="shop", handler="app.handler", code=tmp_path, environment=wrapper, layers=layers
    ) as function:
        result = function.invoke()
    assert (result.status, result.error_type) == ("error", "Runtime.ExitError")
    assert f"exit status {code}" in str(result.payload)
    first = result.lines.index(f"{folder}/{said[0]}")
    assert result.lines[first + 1].startswith(said[1])
