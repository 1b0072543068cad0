"""The queues in memory, and functions that are only written down, behind HTTP on loopback: what boto3 talks to."""

import base64
import contextlib
import gc
import json
import re
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from botocore.exceptions import ClientError

from lambda_guard.shapes.arns import function

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


class Server(ThreadingHTTPServer):
    """An endpoint for SQS and Lambda.

    Attributes:
        sqs: the queues.
        invoked: what functions were invoked with.
        functions: name → what GetFunctionConfiguration and GetFunctionEventInvokeConfig know of each.
        answers: operation → what its next calls are answered with, after they have had their effect: the status of a
            server that fails, None for a connection that is closed without an answer, or bytes in place of an answer.
        on_call: called with the operation and its parameters, before it has its effect.
    """

    daemon_threads = True

    def __init__(self, sqs):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sqs, self.invoked, self.answers = sqs, [], {}
        self.functions = {"mailer": {}}
        self.on_call = lambda _operation, _parameters: None
        self.lock = threading.Lock()

    def call(self, operation, parameters):
        """Do what is asked; gives the HTTP status, and the answer as JSON takes it."""
        with self.lock:
            self.on_call(operation, parameters)
            try:
                if operation == "Invoke":
                    self.invoked.append(parameters)
                    return 202, {}
                if operation == "ListDeadLetterSourceQueues":
                    return 200, self.sqs.paginate(**parameters)[0]
                method = getattr(self.sqs, _WORD.sub("_", operation).lower(), None)
                if method is None:
                    return 400, {"__type": "UnknownOperation", "message": operation}
                return 200, method(**parameters)
            except ClientError as error:
                told = error.response["Error"]
                return 400, {"__type": told["Code"], "message": told["Message"]}

    def describe(self, path):
        """Answer what asks about functions, by `/DATE/functions/NAME/WHAT`; gives the HTTP status, and the answer."""
        _, _, _, name, *what = [*unquote(path).partition("?")[0].split("/"), ""]
        name = function(name)[0] if name.startswith("arn:") else name
        known = {"FunctionName": name, **self.functions.get(name, {})}
        if not name:
            return 200, {"Functions": [{"FunctionName": one, **told} for one, told in self.functions.items()]}
        if name not in self.functions or (
            what[0] == "event-invoke-config" and "DestinationConfig" not in known
        ):
            return 404, {"__type": "ResourceNotFoundException", "message": f"Function not found: {name}"}
        return 200, known


class _Handler(BaseHTTPRequestHandler):
    """Closes the connection after each answer, as HTTP/1.0 does."""

    def do_GET(self):
        self._answer(*self.server.describe(self.path))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "form-urlencoded" in self.headers.get("Content-Type", ""):
            self._send(400, b"<ErrorResponse><Error><Code>UnknownOperation</Code></Error></ErrorResponse>")
            return
        operation = self.headers.get("X-Amz-Target", ".Invoke").partition(".")[2]
        status, answer = self.server.call(operation, json.loads(body))
        if self.server.answers.get(operation):
            status, answer = (
                self.server.answers[operation].pop(0),
                {"__type": "InternalFailure", "message": "oops"},
            )
        if isinstance(status, bytes):
            self._send(200, status)
        elif status is not None:
            self._answer(status, answer)

    def _answer(self, status, answer):
        self._send(
            status, json.dumps(answer, default=lambda value: base64.b64encode(value).decode()).encode()
        )

    def _send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(sqs, setenv):
    """Serve the queues, and let boto3 find them."""
    with Server(sqs) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }.items():
            setenv(name, value)
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            with warnings.catch_warnings():
                # http.client leaves the socket of a connection that ended without an answer to the garbage collector.
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()
