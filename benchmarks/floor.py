"""What has to be done at least: lines of JSON, and a datagram for the daemon, by hand."""

import json
import os
import socket
import sys
import time


class Floor:
    """One function's lines, metrics and documents."""

    def __init__(self):
        host, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].split(":")
        self._daemon = (host, int(port))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._traced = "LAMBDA_GUARD_TRACING" not in os.environ
        self._keys = {}

    def log(self, message, **keys):
        """Write one line."""
        line = {"level": "INFO", "message": message, "timestamp": time.time(), **keys, **self._keys}
        sys.stdout.write(json.dumps(line) + "\n")

    def count(self, name):
        """Write one metric."""
        directive = {
            "Namespace": "Orders",
            "Dimensions": [["service"]],
            "Metrics": [{"Name": name, "Unit": "Count"}],
        }
        metric = {
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
            "service": "orders",
            name: 1,
        }
        sys.stdout.write(json.dumps(metric) + "\n")

    def around(self, body):
        """Return a handler with a subsegment around it."""

        def handler(event, context):
            self._keys = {
                "function_name": context.function_name,
                "function_request_id": context.aws_request_id,
            }
            started, failed = time.time(), True
            try:
                value = body(event, context)
                failed = False
            finally:
                self._document("## handler", started, failed)
            sys.stdout.flush()
            return value

        return handler

    def batch(self, event, context):
        """Process messages, each with a line and a subsegment."""
        keys = {"function_name": context.function_name, "function_request_id": context.aws_request_id}
        started = time.time()
        for record in event["Records"]:
            began = time.time()
            self._keys = {**keys, "message_id": record["messageId"]}
            self.log("order accepted", order_id=json.loads(record["body"])["order_id"])
            self._document("## each", began, False)
        self._document("## handler", started, False)
        sys.stdout.flush()
        return {"batchItemFailures": []}

    def _document(self, name, started, failed):
        if not self._traced:
            return
        header = dict(part.split("=", 1) for part in os.environ["_X_AMZN_TRACE_ID"].split(";"))
        document = {
            "name": name,
            "id": os.urandom(8).hex(),
            "trace_id": header["Root"],
            "parent_id": header["Parent"],
            "type": "subsegment",
            "namespace": "local",
            "start_time": started,
            "end_time": time.time(),
            **({"fault": True} if failed else {}),
        }
        payload = b'{"format":"json","version":1}\n' + json.dumps(document).encode()
        self._socket.sendto(payload, self._daemon)
