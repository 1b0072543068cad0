"""Memory and CPU, as the process itself knows them."""

import json
import os
import subprocess
import sys
import textwrap

import pytest


def records_of(script):
    """Run a script in a fresh interpreter and return the invocation records that it wrote.

    A shell lies between, and is forked from: Linux hands the peak of a process that starts another one on to it, and
    pytest's would hide the script's.
    """
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={key: os.environ[key] for key in ("PATH", "HOME", "PYTHONPATH") if key in os.environ},
    )
    assert done.returncode == 0, done.stderr
    return [line for line in map(json.loads, done.stdout.splitlines()) if line.get("record") == "invocation"]


# With time enough that none is about to run out, however long a busy machine takes for it.
SCRIPT = """
import functools, os, time
from lambda_guard import production, testing

make_context = functools.partial(testing.make_context, timeout_ms=120_000)

@production
def handler(event, context):
    if event == "memory":
        bytearray(80 * 1024 * 1024).find(b"x")
    if event == "cpu":
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
    if event == "sleep":
        time.sleep(0.3)
"""


def test_a_peak_belongs_to_the_invocation_that_reached_it():
    """80 MB that were needed once are that invocation's, and no later one's; the next peak is told again."""
    records = records_of(
        SCRIPT
        + """
for event in ("", "memory", "", "", "memory", ""):
    handler(event, make_context(memory_limit_in_mb="512"))
"""
    )
    used = [record["memory_used_mb"] for record in records]
    assert used[1] - used[0] > 70
    assert all(0 < after < used[1] - 60 for after in (used[2], used[3], used[5]))
    for record in records:
        assert record["memory_limit_mb"] == 512
        assert abs(record["MemoryUtilization"] - record["memory_used_mb"] / 5.12) < 0.2


def test_imports_are_not_the_first_invocations():
    """What the module needed while it was loaded isn't sold as the handler's, but for what is still there."""
    (record,) = records_of(
        "bytearray(120 * 1024 * 1024).find(b'x')\n" + SCRIPT.lstrip() + "\nhandler('', make_context())\n"
    )
    assert 5 < record["memory_used_mb"] < 100


@pytest.mark.parametrize("kind", ["on-demand", "provisioned-concurrency", "lambda-managed-instances"])
def test_nor_is_what_the_module_needed_below_the_handler(kind):
    """The same of code that follows the decoration, in whichever way the environment was made."""
    (record,) = records_of(
        f"import os; os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'] = '{kind}'\n"
        f"{SCRIPT.lstrip()}\n"
        "bytearray(120 * 1024 * 1024).find(b'x')\n"
        "handler('', make_context())\n"
    )
    assert 5 < record["memory_used_mb"] < 100


def test_cpu_is_the_invocations_own():
    """An invocation that computes has used about all of the time, one that sleeps nearly none, whatever was before."""
    records = records_of(
        SCRIPT + "\nfor event in ('cpu', 'sleep', 'cpu', 'sleep'):\n    handler(event, make_context())\n"
    )
    computed, slept, again, slept_again = records
    for record in (computed, again):
        assert 250 <= record["cpu_ms"] <= 1000
    for record in (slept, slept_again):
        assert record["cpu_ms"] < 100
        assert record["CpuUtilization"] < 35
        assert record["duration_ms"] >= 300


def test_what_is_ours_is_not_the_handlers():
    """The CPU time is that of the duration: one thread can't have used more than all of it, whatever is written afterwards."""
    (record,) = records_of(
        """
from lambda_guard import metrics, production
from lambda_guard.testing import make_context

@production
def handler(event, context):
    for number in range(20_000):
        metrics.add_metric(name=f"M{number % 400}", unit="Count", value=number)

handler("", make_context(timeout_ms=120_000))
"""
    )
    assert 0 < record["cpu_ms"] < record["duration_ms"] * 1.05
    assert record["CpuUtilization"] <= 105


def test_init_is_told_on_the_cold_start_alone():
    """The first record of a process says what it took to get there."""
    first, second = records_of(SCRIPT + "\nhandler('', make_context())\nhandler('', make_context())\n")
    assert first["cold_start"] is True
    assert first["ColdStarts"] == 1
    assert 10 < first["init_ms"] < 60_000
    assert second["cold_start"] is False
    assert first["InitDuration"] == first["init_ms"]
    assert not second.keys() & {"init_ms", "ColdStarts", "InitDuration"}


def test_a_forked_process_reads_its_own_memory():
    """Lambda's managed instances fork a process for each slot: the parent's open file is not the child's."""
    records = records_of(
        SCRIPT
        + """
handler("", make_context(aws_request_id="parent"))
if os.fork() == 0:
    kept = bytearray(60 * 1024 * 1024); kept.find(b"x")
    handler("", make_context(aws_request_id="child"))
    handler("", make_context(aws_request_id="child again"))
    os._exit(0)
os.wait()
handler("", make_context(aws_request_id="parent again"))
"""
    )
    used = {record["invocation_id"]: record["memory_used_mb"] for record in records}
    assert used["child again"] - used["parent again"] > 40


def test_a_closed_file_is_opened_again():
    """Code that closes every descriptor (a daemon's habit) costs no reading, not where the number goes to another file."""
    records = records_of(
        SCRIPT
        + """
handler("", make_context())
for others in (0, 8):
    os.closerange(3, 64)
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(others)]
    for _ in range(3):
        more = bytearray(1024 * 1024)  # page faults, for which the size is read anew
        handler("", make_context())
"""
    )
    assert len(records) == 7
    assert all("memory_used_mb" in record and "GuardErrors" not in record for record in records)
