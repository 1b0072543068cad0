"""moto in a session of tests: imported once, forked for each cloud, with nothing left of the cloud before."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_guard.local import Cloud

from ..processes import wait_until_none

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux 5.3")
QUEUE = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
SESSION = """
import time
import pytest
from lambda_guard.local import Cloud
with Cloud({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}) as cloud:
    print("ready", cloud._moto._process.pid, flush=True)
    if ENDING:
        time.sleep(600)
"""


def parent_of(cloud):
    """Return the process that has forked a cloud's moto, and what that process is."""
    pid = cloud._moto._process.pid
    parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    return parent, Path(f"/proc/{parent}/cmdline").read_text().split("\0")[2]


def send(cloud):
    return cloud.client("sqs").send_message(QueueUrl=cloud.queue_url("Queue"), MessageBody="one")["MessageId"]


def test_clouds_have_one_parent_and_nothing_in_common():
    """One after another and side by side: other messages, other ids, other Regions; the process ends with its cloud."""
    with Cloud(QUEUE) as first:
        parent, module = parent_of(first)
        sent = {send(first)}
        with Cloud(QUEUE, region="us-east-2") as beside:
            assert parent_of(beside) == (parent, module)
            assert beside.messages("Queue")["visible"] == 0
            assert ":us-east-2:" in beside.client("sns").create_topic(Name="t")["TopicArn"]
            sent.add(send(beside))
        assert first.messages("Queue")["visible"] == 1
        pid = first._moto._process.pid
    assert module == "lambda_guard.local.aws.moto_forks"
    assert not Path(f"/proc/{pid}").exists()
    with Cloud(QUEUE) as second:
        assert parent_of(second) == (parent, module)
        assert second.messages("Queue")["visible"] == 0
        sent.add(send(second))
    assert len(sent) == 3


@pytest.mark.parametrize("killed", [False, True])
def test_neither_the_parent_nor_a_fork_outlives_the_session(tmp_path, killed):
    """Whether it ends or is killed."""
    program = [sys.executable, "-c", SESSION.replace("ENDING", str(killed))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(program, env={**os.environ, "MARK": str(tmp_path)}, text=True, **pipes) as process:
        assert process.stdout.readline().startswith("ready ")
        if killed:
            process.send_signal(signal.SIGKILL)
        errors = process.communicate(timeout=240)[1]
    assert wait_until_none(str(tmp_path)) == []
    assert errors == ""
