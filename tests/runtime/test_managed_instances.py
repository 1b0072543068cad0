"""Managed Instances: the runtime client's own workers, several processes that serve one environment's invocations."""

import contextlib
import json
import os
import queue
import re
import sys
import tempfile
import threading
import time
import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import pytest

from lambda_guard.local.runtime.guardian import Guardian
from lambda_guard.local.runtime.http_server import HttpResponse, LoopbackServer
from lambda_guard.local.runtime.output import Output
from lambda_guard.local.runtime.runtime_api import Invocation
from lambda_guard.tools.logs.model import Stray
from lambda_guard.tools.logs.reading.grouping import Grouper
from lambda_guard.tools.logs.reading.streams import Stream

FUNCTIONS = Path(__file__).parent / "functions"
ENDED = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)")


class Environment:
    """An environment with as many workers as invocations, and a runtime API that serves them all at once.

    Attributes:
        lines: of all workers, in one stream, with the platform's: there is no `platform.runtimeDone`.
        answers: by request id.
    """

    def __init__(self, handler, workers):
        self.lines, self.answers = [], {}
        self._waiting, self._changed = queue.Queue(), threading.Condition()
        self._stack = contextlib.ExitStack()
        server = LoopbackServer(self._respond)
        self._stack.callback(server.close)
        self._stack.callback(lambda: [self._waiting.put(None) for _ in range(workers)])
        environ = {
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048",
            "AWS_LAMBDA_FUNCTION_NAME": "shop",
            "AWS_LAMBDA_FUNCTION_VERSION": "7",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_MAX_CONCURRENCY": str(workers),
            "AWS_LAMBDA_RUNTIME_API": server.address,
            "HOME": self._stack.enter_context(tempfile.TemporaryDirectory()),
            "PATH": os.environ["PATH"],
        }
        self._output = Output(self.lines.append)
        guardian = Guardian()
        process = guardian.start(
            [sys.executable, "-m", "awslambdaric", handler],
            env=environ,
            cwd=str(FUNCTIONS),
            output=self._output.writer,
        )
        self._output.start()
        self._stack.callback(self._output.close)
        self._stack.callback(process.wait)
        self._stack.callback(guardian.close)

    def _respond(self, request):
        if request.method == "GET":
            invocation = self._waiting.get()
            if invocation is None:
                return None
            self._platform("start", invocation.request_id, version="7")
            return invocation.response()
        request_id = ENDED.fullmatch(request.path)[1]
        self._output.drain()
        self._platform("report", request_id, status="success", metrics={"durationMs": 1.0})
        with self._changed:
            self.answers[request_id] = json.loads(request.body)
            self._changed.notify_all()
        return HttpResponse(status=HTTPStatus.ACCEPTED, body=b"{}")

    def _platform(self, kind, request_id, **record):
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record = {"requestId": request_id, **record}
        self.lines.append(json.dumps({"time": now, "type": f"platform.{kind}", "record": record}))

    def invoke_all(self, *events, timeout=60.0):
        """Have all events handled at once, and return their request ids when all have been answered."""
        ids = [str(uuid.uuid4()) for _ in events]
        for request_id, event in zip(ids, events, strict=True):
            deadline_ms = int((time.time() + timeout) * 1000)
            arn = "arn:aws:lambda:eu-west-1:123456789012:function:shop:7"
            self._waiting.put(Invocation(request_id, json.dumps(event).encode(), deadline_ms, arn))
        with self._changed:
            assert self._changed.wait_for(lambda: self.answers.keys() >= set(ids), timeout=90)
        self._output.drain()
        return ids

    def close(self):
        self._stack.close()

    def own(self, request_id):
        """Return the lines that carry the id, parsed."""
        parsed = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [line for line in parsed if line.get("invocation_id") == request_id]


@pytest.fixture
def overlapping(tmp_path):
    """Return what came of two rounds of invocations that overlap, and of one that goes on after its deadline."""
    environment = Environment("managed.handler", 3)
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
