"""Logs as the runtime and Lambda write them, made from a few facts; and ways to run the commands on them."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

BEGAN = datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC).timestamp() * 1000.0
TRACE = "1-6742a1b5-0123456789abcdef01234567"
ACCOUNT = "arn:aws:sqs:eu-west-1:123456789012"


def stamp(ms):
    """Write a time as the records do."""
    moment = datetime.fromtimestamp(ms / 1000.0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def invocation_id(number):
    """Make an id that is told at a glance."""
    return f"{number:08x}-5b51-4c55-9d9e-1f2c64d3a001"


def encode(document):
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


class Logs:
    """Writes lines in the documented shapes; times are milliseconds after `BEGAN`."""

    def line(
        self, number, at, message, *, function="orders", level="INFO", trace=TRACE, cold=False, **fields
    ):
        """Write one log line of a guarded function."""
        return encode(
            {
                "level": level,
                "location": "handler:12",
                "message": message,
                "timestamp": stamp(BEGAN + at),
                "service": function,
                "logger": "lambda_guard",
                **fields,
                "invocation_id": invocation_id(number),
                "xray_trace_id": trace,
                "function_name": function,
                "function_version": "$LATEST",
                "cold_start": cold,
            }
        )

    def record(
        self, number, end, duration, *, function="orders", outcome="success", trace=TRACE, cold=False, **more
    ):
        """Write the invocation record of a guarded function."""
        return encode(
            {
                "level": "INFO" if outcome == "success" else "ERROR",
                "message": f"{function} ended: {outcome} after {duration} ms",
                "timestamp": stamp(BEGAN + end),
                "service": function,
                "record": "invocation",
                "outcome": outcome,
                "invocation_id": invocation_id(number),
                "xray_trace_id": trace,
                "traceId": trace,
                "function_name": function,
                "function_version": "$LATEST",
                "cold_start": cold,
                **more,
                "duration_ms": duration,
                "remaining_ms": 3000 - duration,
                "memory_used_mb": 71.2,
                "memory_limit_mb": 128,
                "_aws": {
                    "Timestamp": int(BEGAN + end),
                    "CloudWatchMetrics": [
                        {
                            "Namespace": "LambdaGuard",
                            "Dimensions": [["service", "function_name"]],
                            "Metrics": [{"Name": "MemoryUtilization", "Unit": "Percent"}],
                        }
                    ],
                },
                "MemoryUtilization": 55.6,
            }
        )

    def start(self, number):
        return f"START RequestId: {invocation_id(number)} Version: $LATEST"

    def end(self, number):
        return f"END RequestId: {invocation_id(number)}"

    def report(self, number, duration=12.34, *, status=""):
        """Write Lambda's REPORT line, with the tabs that it has."""
        told = f"REPORT RequestId: {invocation_id(number)}\tDuration: {duration} ms\tBilled Duration: 13 ms\t"
        told += "Memory Size: 128 MB\tMax Memory Used: 72 MB\t"
        return told + (f"Status: {status}" if status else "")

    def platform(self, kind, number, at, **record):
        """Write a platform event, Lambda's JSON form of START, END and REPORT."""
        return encode(
            {
                "time": stamp(BEGAN + at),
                "type": f"platform.{kind}",
                "record": {"requestId": invocation_id(number), **record},
            }
        )

    def shop(self):
        """Tell a whole story, a file a function: an order over SQS and SNS, with a retry, a dead letter, and its rescue."""
        refused = {
            "type": "PaymentRefused",
            "message": "card declined",
            "fingerprint": "1f2e3d4c5b6a7988",
            "stack": ["billing.py:14 in handler", "billing.py:30 in charge"],
        }
        upstream = {"trace_id": TRACE, "parent_id": "aaaaaaaaaaaaaa01", "message_ids": ["m-1"]}
        from_queue = {"type": "sqs", "source": f"{ACCOUNT}:orders", "records": 1}

        def failed_attempt(number, at, attempt, *, last):
            return [
                self.line(number, at + 1, "charging", function="billing", amount=12.5, message_id="m-1"),
                self.record(
                    number,
                    at + 20,
                    20.0,
                    function="billing",
                    outcome="error",
                    trigger=from_queue,
                    span_id=f"bbbbbbbbbbbbbb0{attempt}",
                    parent_id="aaaaaaaaaaaaaa01",
                    upstreams=[upstream],
                    attempt=attempt,
                    final_attempt=last,
                    error=refused,
                    calls=[
                        {
                            "service": "dynamodb",
                            "operation": "PutItem",
                            "resource": "orders",
                            "count": 2,
                            "errors": 0,
                        }
                    ],
                    MessageAge=float(at - 10),
                ),
            ]

        orders = [
            self.start(1),
            self.line(1, 0, "order accepted", order_id="o-17", cold=True),
            self.record(
                1,
                40,
                40.0,
                cold=True,
                init_ms=180.0,
                trigger={"type": "apigateway", "source": "shop", "records": 1},
                span_id="aaaaaaaaaaaaaa00",
                sent=[
                    {
                        "service": "sqs",
                        "operation": "SendMessage",
                        "target": f"{ACCOUNT}:orders",
                        "message_id": "m-1",
                        "span_id": "aaaaaaaaaaaaaa01",
                    },
                    {
                        "service": "sns",
                        "operation": "Publish",
                        "target": "arn:aws:sns:eu-west-1:123456789012:audit",
                        "message_id": "m-9",
                        "span_id": "aaaaaaaaaaaaaa02",
                    },
                ],
            ),
            self.end(1),
            self.report(1, 40.0),
        ]
        billing = failed_attempt(2, 100, 1, last=False) + failed_attempt(3, 400, 2, last=True)
        rescue = [
            self.line(4, 700, "looking into it", function="rescue", level="WARNING"),
            self.record(
                4,
                760,
                60.0,
                function="rescue",
                trigger={"type": "sqs", "source": f"{ACCOUNT}:orders-dead", "records": 1},
                span_id="cccccccccccccc00",
                parent_id="aaaaaaaaaaaaaa01",
                upstreams=[upstream],
            ),
        ]
        return {"orders.log": orders, "billing.log": billing, "rescue.log": rescue}


@pytest.fixture
def logs():
    return Logs()


@pytest.fixture
def write(tmp_path):
    """Write lines to a file, and give its name."""

    def write_lines(lines, name="app.log"):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return str(path)

    return write_lines


@pytest.fixture
def shop(logs, write):
    """The files of the shop's story."""
    return [write(lines, name) for name, lines in logs.shop().items()]


@pytest.fixture
def lambda_guard():
    """Run the command as a process, the way that a shell does."""

    def run(*arguments, stdin="", env=None, timeout=240, cwd=None):
        return subprocess.run(
            [sys.executable, "-m", "lambda_guard.tools", *arguments],
            input=stdin if isinstance(stdin, bytes) else stdin.encode(),
            capture_output=True,
            timeout=timeout,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **(env or {})},
            check=False,
            cwd=cwd,
        )

    return run
