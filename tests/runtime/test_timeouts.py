"""Timeouts with real kills: by the local runtime, and by AWS's own runtime interface emulator."""

import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

from lambda_guard.local import XRayDaemon

FUNCTIONS = Path(__file__).parent / "functions"
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def by_outcome(lines):
    return {line["outcome"]: line for line in lines if line.get("record") == "invocation"}


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
@pytest.mark.parametrize("way", ["sleep", "compute"])
def test_killed(start, own_lines, way, log_format):
    """A function that is killed at its deadline has said before where it is stuck, and written its metrics."""
    # With a margin of 600 ms: where the machine is busy, whoever computes is kept waiting with the GIL in its hands.
    result = start("stuck.handler", log_format, timeout=6.0).invoke(way)
    assert result.status == "timeout"
    lines = own_lines(result)
    assert [line.get("record") or line.get("Begun") or line["message"] for line in lines] == [
        f"about to {way}",
        "invocation",
        1.0,
    ]
    record = by_outcome(lines)["timeout"]
    assert record["invocation_id"] == result.request_id
    assert [re.sub(r":\d+", "", frame) for frame in record["stuck"]["stack"]] == [
        "stuck.py in handler",
        f"stuck.py in {way}",
    ]
    assert record["error"]["message"].startswith("still at work after ")
    assert record["Timeouts"] == 1


@pytest.mark.parametrize("way", ["read_socket", "wait_for_lock", "hash_without_the_gil"])
def test_killed_in_c(start, own_lines, way):
    """So has one that is stuck in a C call which has released the GIL."""
    result = start("stuck.handler", timeout=3.0).invoke(way)
    assert result.status == "timeout"
    assert by_outcome(own_lines(result))["timeout"]["stuck"]["stack"][-1].endswith(f" in {way}")


def test_killed_with_the_gil_held(start):
    """Of a C call that keeps the GIL, faulthandler's dump tells, with the watchdog's own frame in it."""
    result = start("stuck.handler", timeout=3.0).invoke("hold_the_gil")
    assert result.status == "timeout"
    text = "\n".join(result.lines)
    assert '"outcome":"timeout"' not in text
    assert re.search(r"^Timeout \(0:00:0\d\.\d+\)!$", text, re.MULTILINE)
    assert re.search(r"stuck\.py\", line \d+ in hold_the_gil$", text, re.MULTILINE)
    assert "lambda_guard/timeout/watchdog.py" in text


def test_made_it(start, own_lines):
    """One that makes it after all says so, and the next invocation of its process is warned of nothing."""
    function = start("stuck.handler", timeout=10.0)
    made, after = function.invoke("make_it"), function.invoke("be_quick")
    assert made.status == after.status == "success"
    assert made.payload == after.payload  # one process
    records = by_outcome(own_lines(made))
    assert records["success"]["timeout_warned"] is True
    assert set(records) == {"success", "timeout"}
    assert set(by_outcome(own_lines(after))) == {"success"}


def test_trace_of_a_killed_one(start):
    """The X-Ray daemon has the handler's subsegment of a killed function, as a fault that shows where it is stuck."""
    with XRayDaemon() as daemon:
        function = start("stuck.handler", timeout=3.0, daemon_address=daemon.address)
        assert function.invoke("sleep", trace_header=HEADER).status == "timeout"
        (document,) = daemon.wait_for(lambda documents: documents)
    assert document["in_progress"] is document["fault"] is True
    assert document["annotations"]["outcome"] == "timeout"
    assert document["cause"]["exceptions"][0]["stack"][0]["label"] == "sleep"


@pytest.fixture(scope="module")
def emulator(request, tmp_path_factory):
    """AWS's runtime interface emulator, out of the wheel of its command line for serverless applications."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("AWS's runtime interface emulator is taken for Linux on x86_64 only")
    cache = getattr(request.config, "cache", None)  # not there with `-p no:cacheprovider`
    folder = cache.mkdir("emulator") if cache is not None else tmp_path_factory.mktemp("emulator")
    path = folder / "aws-lambda-rie"
    if not path.exists():
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(folder),
            "aws-sam-cli",
        ]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=240)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(
                f"aws-sam-cli, which holds the runtime interface emulator, can't be downloaded: {error}"
            )
        with zipfile.ZipFile(next(folder.glob("aws_sam_cli-*.whl"))) as wheel:
            path.write_bytes(wheel.read("samcli/local/rapid/aws-lambda-rie-x86_64"))
        path.chmod(0o755)
    return path


@pytest.fixture
def address(emulator, tmp_path):
    """Where the emulator takes invocations of a function with ten seconds of time, which a new process's start is in; its log is `log` in `tmp_path`."""
    invocations, runtime_api = (f"127.0.0.1:{port}" for port in free_ports())
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(FUNCTIONS), *filter(None, sys.path)]),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "10",
        "AWS_LAMBDA_FUNCTION_NAME": "reports",
        "LAMBDA_TASK_ROOT": str(FUNCTIONS),
    }
    options = ["--runtime-interface-emulator-address", invocations, "--runtime-api-address", runtime_api]
    command = [str(emulator), *options, sys.executable, "-m", "awslambdaric", "stuck.handler"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            env=variables,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=FUNCTIONS,
            start_new_session=True,
        )
        try:
            yield invocations
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(240)


def free_ports():
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def invoke(address, event):
    request = f"http://{address}/2015-03-31/functions/function/invocations"
    for _ in range(2000):
        try:
            with urllib.request.urlopen(request, data=json.dumps(event).encode(), timeout=240) as answer:
                return answer.read().decode()
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.05)  # it is starting
    raise TimeoutError(address)


def test_killed_by_the_emulator(address, tmp_path):
    """AWS's own emulator kills at the deadline and begins a new process; the record of the killed one is there."""
    killed, after = invoke(address, "sleep"), invoke(address, "be_quick")
    assert "timed out" in killed.lower()
    assert after.isdecimal()
    lines = (tmp_path / "log").read_text().splitlines()
    records = [json.loads(line) for line in lines if '"record":"invocation"' in line]
    assert [record["outcome"] for record in records] == ["timeout", "success"]
    assert records[0]["stuck"]["stack"][-1].endswith(" in sleep")
