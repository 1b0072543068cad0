"""The contenders of the benchmarks: one handler that logs a line and adds a metric, made fit in three ways.

Each is chosen by name, imports what it needs by itself, and answers with its handler. Standard output and the
X-Ray daemon are real: a pipe, and a UDP socket on loopback.
"""

import os
import time

EVENT = {"id": "o-1"}
ROOT = "1-6742a1b5-0123456789abcdef01234567"
HEADER = f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1"


class Context:
    """What the runtime client hands to a handler, as far as the contenders read it."""

    function_name = "orders"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
    memory_limit_in_mb = "128"
    aws_request_id = "6f0c1d3e-5b51-4c55-9d9e-1f2c64d3a001"

    def __init__(self):
        self.deadline_ms = int(time.time() * 1000) + 900_000

    def get_remaining_time_in_millis(self):
        """Return what the runtime client would say."""
        return max(0, self.deadline_ms - int(time.time() * 1000))


def environment(daemon_port, tracing=True):
    """Return the environment in which every contender runs: Lambda's, and nothing else that matters."""
    return {
        "PATH": os.environ["PATH"],
        "LAMBDA_TASK_ROOT": "/var/task",
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon_port}",
        "_X_AMZN_TRACE_ID": HEADER,
        "POWERTOOLS_SERVICE_NAME": "orders",
        "POWERTOOLS_METRICS_NAMESPACE": "Orders",
        **({} if tracing else {"POWERTOOLS_TRACE_DISABLED": "true", "LAMBDA_GUARD_TRACING": "off"}),
    }


def guard():
    from lambda_guard import logger, metrics, production

    @production
    def handler(event, context):
        logger.info("order accepted", order_id=event["id"])
        metrics.add_metric(name="OrdersAccepted", unit="Count", value=1)
        return {"accepted": event["id"]}

    return handler


def powertools():
    from aws_lambda_powertools import Logger, Metrics, Tracer

    logger, metrics, tracer = Logger(), Metrics(), Tracer()

    @logger.inject_lambda_context
    @tracer.capture_lambda_handler
    @metrics.log_metrics
    def handler(event, context):
        logger.info("order accepted", order_id=event["id"])
        metrics.add_metric(name="OrdersAccepted", unit="Count", value=1)
        return {"accepted": event["id"]}

    return handler


def floor():
    """Two lines of JSON and one datagram, written by hand for this handler alone."""
    import json
    import socket
    import sys

    host, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].split(":")
    daemon = (host, int(port))
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)

    def handler(event, context):
        started = time.time()
        header = dict(part.split("=", 1) for part in os.environ["_X_AMZN_TRACE_ID"].split(";"))
        keys = {"function_name": context.function_name, "function_request_id": context.aws_request_id}
        line = {
            "level": "INFO",
            "message": "order accepted",
            "timestamp": started,
            "order_id": event["id"],
            **keys,
        }
        sys.stdout.write(json.dumps(line) + "\n")
        ended = time.time()
        metric = {
            "_aws": {
                "Timestamp": int(ended * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Orders",
                        "Dimensions": [["service"]],
                        "Metrics": [{"Name": "OrdersAccepted", "Unit": "Count"}],
                    }
                ],
            },
            "service": "orders",
            "OrdersAccepted": 1,
        }
        sys.stdout.write(json.dumps(metric) + "\n")
        sys.stdout.flush()
        document = {
            "name": "## handler",
            "id": os.urandom(8).hex(),
            "trace_id": header["Root"],
            "parent_id": header["Parent"],
            "type": "subsegment",
            "namespace": "local",
            "start_time": started,
            "end_time": ended,
        }
        sock.sendto(b'{"format":"json","version":1}\n' + json.dumps(document).encode(), daemon)
        return {"accepted": event["id"]}

    return handler


CONTENDERS = {"lambda_guard": guard, "powertools": powertools, "floor": floor}
