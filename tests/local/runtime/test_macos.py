"""Functions where the system has less than Linux: AWS builds half of its runtime client for Linux alone."""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from lambda_guard.local import Function, LocalCloudError
from lambda_guard.local.runtime import process as runtime_process
from lambda_guard.local.runtime.guardian import Guardian

REQUEST = "6f0c1d3e-5b51-4c55-9d9e-1f2c64d3a001"
TRACE = "Root=1-5e34a614-10bd0000000fb44f07bc535a;Parent=07f50000d1f6f8aa;Sampled=1"
EVENTS = {
    "an answer": {"answer": {"total": 1.5, "ü": [None, True, "\N{SNOWMAN}"]}},
    "an empty answer": {},
    "an exception": {"raise": "declined: ü\n\N{SNOWMAN}"},
    "lines": {"print": "one\ntwo", "log": "careful"},
    "the end of the process": {"exit": 3},
    "a signal": {"signal": signal.SIGSEGV},
    "too large an answer": {"size": 6_300_000},
}


@pytest.fixture(scope="module")
def both(functions, tmp_path_factory):
    """Return functions of the same code: one with AWS's client, one that can't import its half in C++."""
    without = tmp_path_factory.mktemp("without")
    shutil.copytree(functions, without, dirs_exist_ok=True)
    (without / "runtime_client.py").write_text(
        "raise ImportError('built for Linux alone')\n", encoding="utf-8"
    )

    def make(handler):
        return [
            Function(name="orders", handler=handler, code=code, timeout=20) for code in (functions, without)
        ]

    return make


def told(result):
    """Return what an invocation came to, without what is another number or place each time."""
    # What is left out is the client's own: its frames, and what its half in C++ logs.
    lines = [line for line in result.lines if not re.match(r" |\[ERROR\] \[\d+\] LAMBDA_RUNTIME", line)]
    vary = r"\d+(\.\d+)? (ms|MB)|\[\$LATEST\]\w+|\d{4}-\d\d-\S+|[^ \"]+(?=single\.py)"
    texts = [re.sub(vary, "…", text) for text in (result.body.decode(), *lines)]
    return result.status, result.error_type, texts


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_what_stands_in_for_aws_s_half_of_the_client_does_the_same(both, event):
    """Status, answer, error and lines are those of AWS's own."""
    usual, stand_in = both("single.handler")
    with usual, stand_in:
        for _ in range(2):  # the second time in a warm environment, where there is one
            expected, found = (one.invoke(event, request_id=REQUEST) for one in (usual, stand_in))
            assert told(found) == told(expected)


def test_the_handler_knows_its_invocation_by_the_stand_in(both):
    """Deadline, ARN, trace header, client context and identity, in any alphabet."""
    given = {
        "trace_header": TRACE,
        "client_context": {"custom": {"tenant": "Zoë"}},
        "cognito_identity": {"cognitoIdentityId": "i-1", "cognitoIdentityPoolId": "p-1"},
        "request_id": REQUEST,
    }
    known = []
    for function in both("single.about"):
        with function:
            found = function.invoke({"a": "ü"}, **given).payload
        environ = found.pop("environ")
        assert 0 < found.pop("remaining") <= 20_000
        assert found.pop("log_stream")
        assert found.pop("cwd")
        assert found.pop("pid")
        known.append((found, environ["_X_AMZN_TRACE_ID"]))
    assert known[0] == known[1]
    assert known[1][0]["custom"] == {"tenant": "Zoë"}


def test_memory_is_what_ps_says_where_there_is_no_proc(monkeypatch, tmp_path):
    """The size now, for want of the peak; nothing of a process that has ended."""
    monkeypatch.setattr(runtime_process, "Path", lambda path: tmp_path / path.removeprefix("/"))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", "print('here', flush=True); input()"], **pipes) as process:
        process.stdout.readline()
        assert 5 < runtime_process._peak_memory_mb(process.pid) < 5_000
        process.communicate(b"\n")
    assert runtime_process._peak_memory_mb(process.pid) == 0


def test_what_a_process_left_behind_is_ended_where_there_is_no_waitid(monkeypatch):
    """As macOS has it before Python 3.13."""
    monkeypatch.delattr(os, "waitid")
    guardian = Guardian()
    reader, writer = os.pipe()
    try:
        leaves = (
            "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
        )
        process = guardian.start([sys.executable, "-c", leaves], env=dict(os.environ), cwd=".", output=writer)
        os.close(writer)
        guardian.reap(process)
        assert os.read(reader, 1) == b""  # nobody holds the other end of the pipe any more
    finally:
        os.close(reader)
        guardian.close()


def test_windows_is_refused_in_a_sentence(monkeypatch, functions):
    """Its processes can't be stopped, nor ended with what they started."""
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(
        LocalCloudError, match=r"needs Linux or macOS: on Windows, run it in WSL .*\[try\]"
    ) as refused:
        Function(name="orders", handler="single.handler", code=functions)
    assert refused.value.exit_code == 2
