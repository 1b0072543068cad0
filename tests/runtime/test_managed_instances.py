"""Managed Instances: the runtime client's own workers, several processes that serve one environment's invocations."""

import pytest

from lambda_guard.tools.logs.model import Stray
from lambda_guard.tools.logs.reading.grouping import Grouper
from lambda_guard.tools.logs.reading.streams import Stream

from .several import Environment


@pytest.fixture
def overlapping(tmp_path):
    """Return what came of two rounds of invocations that overlap, and of one that goes on after its deadline."""
    environment = Environment(
        "managed.handler",
        3,
        AWS_LAMBDA_INITIALIZATION_TYPE="lambda-managed-instances",
        AWS_LAMBDA_MAX_CONCURRENCY="3",
    )
    try:
        rounds = []
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            events = [{"folder": str(folder), "number": place, "of": 3} for place in range(3)]
            rounds.append(environment.invoke_all(*events))
        folder = tmp_path / "late"
        folder.mkdir()
        late = {"folder": str(folder), "number": 0, "of": 1, "late": True}
        rounds.append(environment.invoke_all(late, timeout=2.0))
        yield environment, rounds
    finally:
        environment.close()


def test_through_the_runtime_clients_own_workers(overlapping):
    """Each process keys its own lines, none is a cold start, memory is the process's own, late is late."""
    environment, (first, second, (late,)) = overlapping
    assert len({environment.answers[request_id] for request_id in first}) == 3  # three processes at once
    for request_id in (*first, *second):
        *lines, record = environment.own(request_id)
        assert [line["message"] for line in lines] == ["begins", "goes on", "ends"]
        assert {line["worker_pid"] for line in (*lines, record)} == {environment.answers[request_id]}
        assert (record["outcome"], record["cold_start"], record["function_version"]) == (
            "success",
            False,
            "7",
        )
        assert record["memory_used_mb"] > 0
        assert not record.keys() & {
            "memory_limit_mb",
            "MemoryUtilization",
            "ColdStarts",
            "InitDuration",
            "init_ms",
            "GuardErrors",
        }
    warned, last = [line for line in environment.own(late) if line.get("record")]
    assert (warned["outcome"], last["outcome"], last["overrun"]["outcome"]) == (
        "timeout",
        "timeout",
        "success",
    )
    assert "Timeouts" in warned
    assert not last.keys() & {"Timeouts", "Errors"}


@pytest.mark.parametrize("exact", [True, False], ids=["log stream", "file"])
def test_the_tools_tell_the_workers_apart(overlapping, exact):
    """Each invocation has its own lines and its outcome; a line that names none belongs to none."""
    environment, rounds = overlapping
    grouper = Grouper()
    grouper.feed([line.encode() for line in environment.lines], Stream("shop", exact=exact))
    grouper.finish()
    blocks = list(grouper.take())
    found = {block.invocation_id: block for block in blocks if not isinstance(block, Stray)}
    assert set(found) == {request_id for ids in rounds for request_id in ids}
    for request_id in (*rounds[0], *rounds[1]):
        invocation = found[request_id]
        assert [line.message for line in invocation.lines] == ["begins", "goes on", "ends"]
        assert (invocation.outcome, invocation.late) == ("success", False)
    assert found[rounds[2][0]].outcome == "timeout"
    nobodys = [line.message for block in blocks if isinstance(block, Stray) for line in block.lines]
    assert sum("nobody's, from" in message for message in nobodys) == 7
