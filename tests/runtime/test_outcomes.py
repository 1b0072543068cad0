"""Every way in which an invocation can end, through the runtime client: what `docs/outcomes.md` says of it is what is seen."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_guard.local import Function
from lambda_guard.testing import events

from .several import Environment

FUNCTIONS = Path(__file__).parent / "functions"
PAGE = Path(__file__).parents[2] / "docs" / "outcomes.md"
REQUEST = events.http_api("GET", "/orders/4711", route_key="GET /orders/{id}")
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
BATCH = events.sqs("good", "bad")
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:shop:7/durable-execution/order-7/6f0c1d3e"
# In every record, or by what kind of event it was.
BESIDES = {"MemoryUtilization", "CpuUtilization", "ColdStarts", "InitDuration", "MessageAge"}


def execution(do):
    """Return the event of a durable execution's first invocation."""
    started = {"Id": "6f0c1d3e", "Type": "EXECUTION", "Status": "STARTED", "StartTimestamp": 1795446245135}
    operation = {**started, "ExecutionDetails": {"InputPayload": json.dumps({"do": do})}}
    state = {"Operations": [operation], "NextMarker": ""}
    return {"DurableExecutionArn": ARN, "CheckpointToken": "token", "InitialExecutionState": state}


# Row of the page → handler, event, status that Lambda gives, settings of the function.
ROWS = {
    "the handler returns": ("outcomes.handler", {"do": "return"}, "success", {}),
    "it raises an `Exception`": ("outcomes.handler", {"do": "raise"}, "error", {}),
    "it raises a `BaseException`": ("outcomes.handler", {"do": "exit"}, "error", {}),
    "it returns something that isn't JSON": ("outcomes.handler", {"do": "no JSON"}, "error", {}),
    "a durable function waits": ("durable.outside", execution("wait"), "success", {}),
    "a durable execution fails": ("durable.outside", execution("fail"), "success", {}),
    "it answers a request with a status of 500 or above": (
        "outcomes.handler", REQUEST | {"do": "answer 503"}, "success", {},
    ),
    "it answers a request with what the caller can't read": (
        "outcomes.handler", events.alb("GET", "/orders") | {"do": "answer nothing"}, "success", {},
    ),
    "time runs out": ("outcomes.handler", {"do": "out of time"}, "timeout", {"timeout": 3.0}),
    "it ends after the deadline, on Managed Instances": None,
    "the process is killed, as when memory runs out": ("outcomes.handler", {"do": "kill"}, "killed", {}),
    "it calls `os._exit`": ("outcomes.handler", {"do": "os._exit"}, "error", {}),
    "it crashes in C": ("outcomes.handler", {"do": "crash"}, "killed", {}),
    "its module can't be imported": ("unimportable.handler", {}, "error", {}),
    "some batch items fail": ("outcomes.in_all", BATCH, "error", {}),
    "some batch items fail, with `report_batch_item_failures=True`": ("outcomes.in_part", BATCH, "success", {}),
    "a part of lambda_guard fails": (
        "outcomes.handler", {"do": "return"}, "success", {"daemon_address": "nowhere"},
    ),
}  # fmt: skip


def rows():
    """Return the table: what happens → its other cells."""
    table = PAGE.read_text(encoding="utf-8").split("| --- |", 1)[1].split("\n\n")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()[1:]]
    return {_plain(first): others for first, *others in cells}


def _plain(cell):
    without_page = re.sub(r": \[[^]]*\]\([^)]*\)", "", cell)
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", without_page).partition(" (")[0].partition(";")[0]


def ticked(cell):
    """Return the words in backticks before a remark."""
    return re.findall("`([^`]*)`", cell.partition(" (")[0])


def test_each_row_has_its_test():
    """The page lists what is tried here, and nothing else."""
    assert [*rows()] == [*ROWS]


def shown(lines):
    """Return what `invocations --failed` shows of an invocation's lines."""
    done = subprocess.run(
        [sys.executable, "-m", "lambda_guard.tools", "invocations", "-", "--failed"],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_as_on_the_page(row, lines):
    """Hold an invocation's lines, with what the command shows of them, against a row of the page."""
    _, outcome, level, metrics, as_failed, *_ = rows()[row]
    records = [json.loads(line) for line in lines if '"record":"invocation"' in line]
    found = {"outcome": [], "level": [], "metrics": set()}
    for record in records:
        emf = record.get("_aws", {"CloudWatchMetrics": [{"Metrics": []}]})
        found["metrics"] |= {each["Name"] for each in emf["CloudWatchMetrics"][0]["Metrics"]} - BESIDES
        found["outcome"], found["level"] = [record["outcome"]], [record["level"]]
    assert found == {
        "outcome": ticked(outcome)[:1],
        "level": ticked(level),
        "metrics": set(ticked(metrics)),
    }
    [phrase] = ticked(as_failed) or [""]
    text = shown(lines)
    line = next((line for line in text.splitlines() if re.match(r"\S+ \w", line)), "")
    assert phrase in line
    assert bool(phrase) is bool(line)
    assert_told_once(records, text)


def assert_told_once(records, text):
    """The runtime tells of the record's error, too: the command doesn't, nor does it show frames of ours."""
    for error in filter(None, [record.get("error") for record in records]):
        assert f"✗ {error['type']}: {error['message']}" in text
        assert f"ERROR    {error['type']}: " not in text
    assert "_production.py" not in text
    assert "LAMBDA_WARNING" not in text
    assert not re.search(r"^ +-\d", text, re.MULTILINE)
    assert "of no invocation" not in text


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
@pytest.mark.parametrize("row", [row for row, ending in ROWS.items() if ending is not None])
def test_an_ending_is_what_the_page_says(row, log_format):
    """Outcome, level, metrics, and what the command shows of it, in both log formats."""
    handler, event, status, settings = ROWS[row]
    if handler.startswith("durable"):
        pytest.importorskip(
            "aws_durable_execution_sdk_python", reason="AWS's durable execution SDK isn't installed here"
        )
    with Function(
        name="shop", handler=handler, code=FUNCTIONS, log_format=log_format, **{"timeout": 60.0, **settings}
    ) as function:
        result = function.invoke(event, trace_header=HEADER)
    assert result.status == status
    assert_as_on_the_page(row, result.lines)


def test_an_end_after_the_deadline_is_what_the_page_says(tmp_path):
    """The same of an environment that doesn't enforce deadlines, with the runtime client's own workers."""
    environment = Environment(
        "managed.handler",
        1,
        AWS_LAMBDA_INITIALIZATION_TYPE="lambda-managed-instances",
        AWS_LAMBDA_MAX_CONCURRENCY="1",
    )
    try:
        event = {"folder": str(tmp_path), "number": 0, "of": 1, "late": True}
        environment.invoke_all(event, timeout=2.0)
        assert_as_on_the_page("it ends after the deadline, on Managed Instances", environment.lines)
    finally:
        environment.close()
