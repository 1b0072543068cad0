"""What becomes of an invocation under each product of docs/compare.md: `python peers.py`, in an environment that has them.

One function, wrapped as each product's documentation says, in Lambda's own runtime client. Prints, as JSON, what Lambda
got for each event, by product. Nothing is sent: no product has a key or an address that answers.
"""

import hashlib
import json
import re
import socket
import sys
import tempfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lambda_guard.local import Function, XRayDaemon
from lambda_guard.testing import events

HANDLER = """
import datetime, logging, os, sys, time

import botocore.session

metrics = None

def send(attributes):
    queue = botocore.session.get_session().create_client("sqs")
    one = {"DataType": "String", "StringValue": "x"}
    queue.send_message(
        QueueUrl=os.environ["AWS_ENDPOINT_URL"] + "/123456789012/parcels",
        MessageBody="parcel",
        MessageAttributes={f"mine{number}": one for number in range(attributes)},
    )

def plain(event, context):
    os.write(1, b"-- called\\n")
    if event == {"do": "send"} or isinstance(event, dict) and "Records" in event and "parcel" in str(event):
        send(0)
    if event == {"do": "send ten"}:
        send(10)
    if event == {"do": "raise"}:
        raise ValueError("refused")
    if event == {"do": "exit"}:
        sys.exit(1)
    if event == {"do": "nothing"}:
        return None
    if event == {"do": "sleep"}:
        time.sleep(60)
    if event == {"do": "print"}:
        print("printed")
        logging.getLogger("third.party").warning("logged")
    if event == {"do": "metadata"} and metrics:
        metrics.add_metric(name="Orders", unit="Count", value=1)
        metrics.add_metadata(key="at", value=datetime.datetime.now())
    if isinstance(event, dict) and event.get("do") == "secret":
        return {"answer": "secret-of-the-answer"}
    if event == {"do": "odd"}:
        return {"statusCode": None, "body": None}
    return {"seen": True}

async def coroutine(event, context):
    return {"seen": True}
"""
WRAPPED = {
    "lambda_guard": """
from lambda_guard import metrics, production as wrap
""",
    "Powertools": """
from aws_lambda_powertools import Logger, Metrics, Tracer

logger, metrics, tracer = Logger(service="shop"), Metrics(namespace="Shop", service="shop"), Tracer(service="shop")

def wrap(handler):
    return logger.inject_lambda_context(tracer.capture_lambda_handler(metrics.log_metrics(handler)))
""",
    "Datadog": """
from datadog_lambda.wrapper import datadog_lambda_wrapper as wrap
""",
    "Lumigo": """
from lumigo_tracer import lumigo_tracer

wrap = lumigo_tracer(token="t_0123456789abcdef01234", should_report=False)
""",
    "Sentry": """
import sys

import awslambdaric.bootstrap
import sentry_sdk
from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration

sys.modules["__main__"].bootstrap = awslambdaric.bootstrap  # as it is in the runtime of container images
sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, integrations=[AwsLambdaIntegration()])
HOOKED = awslambdaric.bootstrap.handle_event_request.__module__.startswith("sentry_sdk")
assert HOOKED

def wrap(handler):
    return handler
""",
    "OpenTelemetry": """
import os

from opentelemetry import trace
from opentelemetry.instrumentation.aws_lambda import AwsLambdaInstrumentor
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.sdk.trace import TracerProvider

trace.set_tracer_provider(TracerProvider())
BotocoreInstrumentor().instrument(skip_dep_check=True)

def wrap(handler):
    import app
    setattr(app, "wrapped", handler)
    os.environ["ORIG_HANDLER"] = "app.wrapped"
    AwsLambdaInstrumentor().instrument(skip_dep_check=True)
    wrapped = app.wrapped
    AwsLambdaInstrumentor()._uninstrument()
    return wrapped
""",
    "Elastic": """
from elasticapm import capture_serverless as wrap
""",
}
ENDING = """
handler = wrap(plain)
waiting = wrap(coroutine)
"""
OFFLINE = {
    "DD_FLUSH_TO_LOG": "true",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "ELASTIC_APM_SERVER_URL": "http://127.0.0.1:9",
    "ELASTIC_APM_CENTRAL_CONFIG": "false",
    "ELASTIC_APM_CLOUD_PROVIDER": "none",
    "ELASTIC_APM_LOG_LEVEL": "off",
}
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
ODD = [None, [], "text", 0, {"Records": []}, {"Records": [None]}, {"Records": [{}]}, {"Records": "text"}]
ODD += [
    {"requestContext": None},
    {"requestContext": {"http": None}},
    {"headers": None},
    {"headers": []},
    {"headers": {"X": None}},
]
ODD += [{"Records": [{"eventSource": "aws:sqs"}]}, {"Records": [{"EventSource": "aws:sns", "Sns": None}]}]
ODD += [
    {"Records": [{"eventSource": "aws:s3", "s3": {}}]},
    {"detail": None, "source": "shop", "detail-type": "x"},
]
ODD += [
    {"body": None, "httpMethod": "GET", "requestContext": {}},
    {"version": "2.0", "requestContext": {"http": {}}},
]
REAL = [
    events.sqs("o-1", "o-2"),
    events.sns("o-1"),
    events.http_api("POST", body={"id": 1}),
    events.kinesis("x"),
]
STRANGE = [*ODD, *REAL]


def main():
    print(json.dumps({product: outcomes(product) for product in sys.argv[1:] or WRAPPED}, indent=1))


def outcomes(product):
    """Return what Lambda gets from the function under a product, by what the handler does, and what it sends on."""
    found = {}
    with tempfile.TemporaryDirectory() as folder, queue() as (endpoint, received), XRayDaemon() as daemon:
        Path(folder, "app.py").write_text(HANDLER + WRAPPED[product] + ENDING)
        where = {"code": folder, "daemon_address": daemon.address}
        with function("app.handler", endpoint, **where) as handler:
            for do in ("return", "raise", "exit", "nothing", "odd"):
                found[do] = outcome(handler, {"do": do})
            found["error line"] = any("refused" in line for line in objects(handler.invoke({"do": "raise"})))
            lines = objects(handler.invoke({"do": "print"}))
            found["print"] = [any(word in line for line in lines) for word in ("printed", "logged")]
            for do in ("send", "send ten"):
                received.clear()
                answer = outcome(handler, {"do": do})
                found[do] = added(received[-1]) if answer == {"seen": True} else answer
            found["trace goes on"] = goes_on(handler, received)
            found["not called"] = [event for event in STRANGE if not called(handler, event)]
            daemon.clear()
            shown = handler.invoke({"do": "secret", "key": "secret-of-the-event"}, trace_header=TRACE).lines
            found["payload"] = secrets(shown, daemon)
        with function("app.waiting", endpoint, **where) as handler:
            found["async"] = outcome(handler, {})
        with function("app.handler", endpoint, timeout=2.0, **where) as handler:
            found["metadata"] = [outcome(handler, {"do": do}) for do in ("metadata", "return")]
            lines = objects(handler.invoke({"do": "sleep"}))
            found["timeout"] = any('"timeout"' in line and "in plain" in line for line in lines)
    return found


def objects(result):
    """Return the lines of an invocation that are JSON objects."""
    return [line for line in result.lines if line.startswith("{")]


def secrets(lines, daemon):
    """Return which parts of an event and its answer are in the log or in the documents for X-Ray."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
        host, port = daemon.address.split(":")
        last.sendto(b'{"format":"json","version":1}\n{"last":true}', (host, int(port)))
    documents = daemon.wait_for(lambda documents: documents and "last" in documents[-1], timeout=60)
    text = "".join(lines) + json.dumps(documents)
    return [part for part in ("event", "answer") if f"secret-of-the-{part}" in text]


def function(handler, endpoint, timeout=20.0, **where):
    own = {**OFFLINE, "AWS_ENDPOINT_URL": endpoint}
    return Function(name="shop", handler=handler, timeout=timeout, environment=own, **where)


def outcome(handler, event):
    result = handler.invoke(event, trace_header=TRACE)
    return result.payload if result.status == "success" else f"{result.status}: {result.error_type}"


def called(handler, event):
    result = handler.invoke(event)
    return result.status == "success" and any("-- called" in line for line in result.lines)


def added(message):
    """Return what a message carries that its sender didn't put there."""
    attributes = [name for name in message.get("MessageAttributes", {}) if not name.startswith("mine")]
    system = [] if "by" in message else message.get("MessageSystemAttributes", {})
    return sorted([*attributes, *system])


def goes_on(handler, received):
    """Tell whether a message that is sent while one is received belongs to the first one's trace, in any format."""
    received.clear()
    outcome(handler, {"do": "send"})
    [first] = received
    record = events.sqs("parcel")["Records"][0]
    record["attributes"] |= {
        name: one["StringValue"] for name, one in first["MessageSystemAttributes"].items()
    }
    record["messageAttributes"] = {
        name: {"stringValue": one["StringValue"], "dataType": one["DataType"]}
        for name, one in first.get("MessageAttributes", {}).items()
    }
    handler.invoke({"Records": [record]}, trace_header="Root=1-6759e988-0123456789abcdef01234567;Sampled=1")
    return bool(traces(first) & traces(received[-1]))


def traces(message):
    """Return the ids of the traces that a message carries, X-Ray's, Datadog's and W3C's."""
    text = json.dumps(message).replace("\\", "")
    ids = re.findall(r'Root=(1-[0-9a-f-]+)|"x-datadog-trace-id": ?"(\d+)"|"00-([0-9a-f]{32})-', text)
    return {one for found in ids for one in found if one}


@contextmanager
def queue():
    """Answer as SQS does, ten attributes at most; gives the endpoint, and the messages."""
    received = []

    class Queue(BaseHTTPRequestHandler):
        def do_POST(self):
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append(message)
            own = {"DataType": "String", "StringValue": self.headers["X-Amzn-Trace-Id"] or ""}
            if own["StringValue"] and "MessageSystemAttributes" not in message:
                message["MessageSystemAttributes"] = {
                    "AWSTraceHeader": own
                }  # as SQS does with the HTTP header
                message["by"] = "botocore"
            body = json.dumps({"MessageId": "m-1", "MD5OfMessageBody": hashlib.md5(b"parcel").hexdigest()})
            too_many = len(message.get("MessageAttributes", {})) > 10
            if too_many:
                body = json.dumps(
                    {"__type": "com.amazonaws.sqs#InvalidParameterValue", "message": "11 attributes"}
                )
            self.send_response(400 if too_many else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Queue)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", received
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
