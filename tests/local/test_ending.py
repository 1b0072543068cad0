"""Nothing is left behind: no process, no thread, no socket, however it ends."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from lambda_guard.local import Cloud, LocalCloudError, OptionError, TemplateError

from .processes import processes_of, wait_until_none

BUSY = """
import sys, threading, time
from pathlib import Path
from lambda_guard.local import Cloud

function = {"Type": "AWS::Serverless::Function", "Properties": {
    "Handler": "single.handler", "Runtime": "python3.11", "CodeUri": ".", "Timeout": 60}}
template = {"Transform": "AWS::Serverless-2016-10-31", "Resources": {
    "Busy": function, "Idle": function, "Queue": {"Type": "AWS::SQS::Queue"},
    "Stream": {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 2}},
    "Mapping": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
        "FunctionName": {"Ref": "Idle"}, "EventSourceArn": {"Fn::GetAtt": ["Stream", "Arn"]},
        "StartingPosition": "LATEST"}}}}
cloud = Cloud(template, root=Path(sys.argv[1]))
cloud.invoke("Idle", {})
threading.Thread(target=cloud.invoke, args=("Busy", {"sleep": 60}), daemon=True).start()
while not any(event.message == "sleeping" for event in cloud.logs("Busy")):
    time.sleep(0.01)
print("ready", flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.usefixtures("heeding_ctrl_c")
@pytest.mark.parametrize("ending", ["exit", "exception", "sigkill", "sigint", "sigterm", "sighup"])
def test_no_process_is_left(functions, tmp_path, ending):
    """At the end of the program, after an exception, a signal and even SIGKILL, every process is gone."""
    endings = {
        "exit": "",
        "exception": "raise ValueError",
        "sigkill": "time.sleep(60)",
        "sigint": "time.sleep(60)",
        "sigterm": "time.sleep(60)",
        "sighup": "time.sleep(60)",
    }
    # What a function starts has the function's environment: its PATH is ours, and carries the marker.
    path = f"{os.environ['PATH']}:{tmp_path}"
    program = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(BUSY) + endings[ending], str(functions)],
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout.readline() == "ready\n"
        running = len(processes_of(str(tmp_path)))
        if ending.startswith("sig"):
            program.send_signal(getattr(signal, ending.upper()))
        program.wait(240)
        left = wait_until_none(str(tmp_path))

    assert running >= 2
    assert left == []


def test_closing_leaves_no_thread_and_no_file(functions, build, tmp_path):
    """After `close` there are as many threads as before, and the temporary directory is gone."""
    before = {thread.ident for thread in threading.enumerate()}
    template = build.template(
        Worker=build.function(
            "worker.echo",
            events={
                "Q": build.from_queue("Queue"),
                "A": {"Type": "HttpApi", "Properties": {"Path": "/", "Method": "get"}},
            },
        ),
        Queue=build.queue(),
    )
    cloud = Cloud(template, root=functions, logs=tmp_path)
    cloud.request("GET", "/")
    pids = cloud.function("Worker").pids()
    cloud.close()
    cloud.close()
    [log] = tmp_path.rglob("*.log")

    assert {thread.ident for thread in threading.enumerate()} <= before
    assert len(pids) == 1
    assert not Path(f"/proc/{pids[0]}").exists()
    assert log.parent == tmp_path / "aws" / "lambda" / "Worker"
    assert log.read_text().splitlines()[-3].startswith("END RequestId: ")
    with pytest.raises(LocalCloudError, match="is closed"):
        cloud.invoke("Worker", {})


def test_a_failed_start_leaves_nothing(functions, build):
    """A wrong template ends everything that was started before it was read."""
    before = {thread.ident for thread in threading.enumerate()}
    with pytest.raises(TemplateError):
        Cloud(build.template(Fn=build.function("worker.echo", Timeout="long")), root=functions)
    wrong = build.from_queue("Queue", FilterCriteria={"Filters": [{"Pattern": "{"}]})
    with pytest.raises(LocalCloudError, match="Invalid JSON"):
        Cloud(
            build.template(
                Fn=build.function("worker.echo", events={"Q": build.from_queue("Queue"), "Wrong": wrong}),
                Queue=build.queue(),
            ),
            root=functions,
        )
    for speed in (0, -1, float("nan"), float("inf")):
        with pytest.raises(OptionError, match=f"speed must be a number above 0 .*, not {speed}"):
            Cloud(build.template(Queue=build.queue()), speed=speed)

    assert {thread.ident for thread in threading.enumerate()} <= before


def test_settling_says_what_is_left(functions, build, send):
    """A wait that is too short names the queue or the invocation that it waited for."""
    template = build.template(
        Worker=build.function("worker.handler", events={"Q": build.from_queue("Queue")}), Queue=build.queue()
    )
    with Cloud(template, root=functions) as cloud:
        send(cloud, "Queue", [{"id": "1", "fail": True}])
        while not cloud.results("Worker"):
            time.sleep(0.01)
        with pytest.raises(TimeoutError, match=r"Queue has messages: .*'in_flight': 1"):
            cloud.settle(3)
