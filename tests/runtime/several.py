"""An environment of several processes, which `lambda_guard.local` doesn't have: it runs one invocation at a time."""

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

from lambda_guard.local.runtime.guardian import Guardian
from lambda_guard.local.runtime.http_server import HttpResponse, LoopbackServer
from lambda_guard.local.runtime.output import Output
from lambda_guard.local.runtime.runtime_api import Invocation

FUNCTIONS = Path(__file__).parent / "functions"
ENDED = re.compile(r"/2018-06-01/runtime/invocation/([^/]+)/(response|error)")


class Environment:
    """Several processes of the runtime client, and a runtime API that serves them all at once.

    Args:
        handler: as Lambda names it, below `functions`.
        processes: the number of processes, however the client or the function makes them from one.
        **environ: their environment variables, besides the usual ones.

    Attributes:
        lines: of all workers, in one stream, with the platform's: there is no `platform.runtimeDone`.
        answers: by request id.
    """

    def __init__(self, handler, processes, **environ):
        self.lines, self.answers = [], {}
        self._waiting, self._changed = queue.Queue(), threading.Condition()
        self._stack = contextlib.ExitStack()
        server = LoopbackServer(self._respond)
        self._stack.callback(server.close)
        self._stack.callback(lambda: [self._waiting.put(None) for _ in range(processes)])
        usual = {
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048",
            "AWS_LAMBDA_FUNCTION_NAME": "shop",
            "AWS_LAMBDA_FUNCTION_VERSION": "7",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_RUNTIME_API": server.address,
            "HOME": self._stack.enter_context(tempfile.TemporaryDirectory()),
            "PATH": os.environ["PATH"],
        }
        self._output = Output(self.lines.append)
        guardian = Guardian()
        process = guardian.start(
            [sys.executable, "-m", "awslambdaric", handler],
            env={**usual, **environ},
            cwd=str(FUNCTIONS),
            output=self._output.writer,
        )
        self._output.start()
        self._stack.callback(self._output.close)
        self._stack.callback(process.wait)
        self._stack.callback(guardian.close)

    def _respond(self, request):
        if request.path.endswith("/restore/next"):
            return HttpResponse(status=HTTPStatus.OK)
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

    def invoke_all(self, *events, timeout=240.0, trace_header=None):
        """Have all events handled at once, and return their request ids when all have been answered."""
        ids = [str(uuid.uuid4()) for _ in events]
        for request_id, event in zip(ids, events, strict=True):
            deadline_ms = int((time.time() + timeout) * 1000)
            arn = "arn:aws:lambda:eu-west-1:123456789012:function:shop:7"
            self._waiting.put(
                Invocation(request_id, json.dumps(event).encode(), deadline_ms, arn, trace_header)
            )
        with self._changed:
            assert self._changed.wait_for(lambda: self.answers.keys() >= set(ids), timeout=240)
        self._output.drain()
        return ids

    def close(self):
        self._stack.close()

    def own(self, request_id):
        """Return the lines that carry the id, parsed."""
        parsed = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [line for line in parsed if line.get("invocation_id") == request_id]
