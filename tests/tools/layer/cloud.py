"""moto behind HTTP on loopback, with faults: calls that are answered by 503, AccessDenied, or not at all.

All accounts and Regions are at one address, so who is asked is read from the signature's scope, as a gateway would:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
"""

import io
import json
import re
import socket
import threading
import zipfile
from urllib.parse import parse_qs

import boto3
from moto.backends import get_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from lambda_guard.tools.layer.building import MANIFEST

HOME = "123456789012"
"""moto's account for keys that no role gave."""

_SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")
_LAMBDA = {
    ("GET", "versions"): "ListLayerVersions",
    ("POST", "versions"): "PublishLayerVersion",
    ("GET", "version"): "GetLayerVersion",
    ("GET", "policy"): "GetLayerVersionPolicy",
    ("POST", "policy"): "AddLayerVersionPermission",
    ("GET", "functions"): "ListFunctions",
}
_CODES = {"lambda": "AccessDeniedException", "ssm": "AccessDeniedException", "sts": "AccessDenied"}
SAYS = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform this"


class Quiet(WSGIRequestHandler):
    """Logs nothing, and keeps connections, as AWS does."""

    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


class Cloud:
    """The accounts.

    Attributes:
        url: where they are.
        calls: those that had their effect, in their order: (Region, operation).
        faults: (Region, operation) → what its calls come to: `503`, `denied`, `dropped`, `unanswered` (it has its
            effect, and then the connection is closed), or a function that takes the request and returns a response, or
            None for moto's.
    """

    def __init__(self):
        self.calls, self.faults, self._statements, self._lock = [], {}, set(), threading.Lock()
        self._session, self._clients = boto3.Session(), {}
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ, start_response):
        request = Request(environ)
        environ["wsgi.input"] = io.BytesIO(request.get_data())  # for moto, which reads it once more
        scope = _SCOPE.search(request.headers.get("Authorization", ""))
        operation = operation_of(request)
        fault = self.faults.get((scope["region"], operation))
        fault = FAULTS.get(fault, fault)(request, scope["service"]) if fault else None
        response = fault
        if fault in {None, UNANSWERED}:
            response = self._repeated(request, operation, scope) or faithful(
                operation, Response.from_app(self._moto, environ)
            )
            self.calls.append((scope["region"], operation))
        if fault in {DROPPED, UNANSWERED}:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            response = Response()
        return response(environ, start_response)

    def _repeated(self, request, operation, scope):
        """Refuse a statement whose id is there, as Lambda does, and moto doesn't."""
        if operation != "AddLayerVersionPermission":
            return None
        statement = (
            scope["key"],
            scope["region"],
            request.path,
            json.loads(request.get_data())["StatementId"],
        )
        with self._lock:
            if statement in self._statements:
                return denied(
                    "lambda", "ResourceConflictException", "The statement id provided already exists.", 409
                )
            self._statements.add(statement)
        return None

    def reset(self):
        """Forget everything."""
        for service in ("iam", "lambda", "ssm", "sts"):
            get_backend(service).reset()
        self.calls.clear()
        self.faults.clear()
        self._statements.clear()
        for place in [place for place in self._clients if place[-1] != HOME]:  # their keys are forgotten, too
            del self._clients[place]

    def client(self, service, region="eu-west-1", account=HOME):
        """A client of the cloud itself, for what a test looks at and does by hand."""
        if (service, region, account) not in self._clients:
            self._clients[service, region, account] = self._client(service, region, account)
        return self._clients[service, region, account]

    def _client(self, service, region, account):
        keys = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "none"}
        if account != HOME:
            role = self.client("sts").assume_role(RoleArn=role_in(account), RoleSessionName="test")[
                "Credentials"
            ]
            keys = {
                "aws_access_key_id": role["AccessKeyId"],
                "aws_secret_access_key": role["SecretAccessKey"],
                "aws_session_token": role["SessionToken"],
            }
        return self._session.client(service, region, endpoint_url=self.url, **keys)


DROPPED, UNANSWERED = "dropped", "unanswered"
FAULTS = {
    "503": lambda _request, _service: Response(
        json.dumps({"__type": "ServiceUnavailableException", "message": "busy"}), 503
    ),
    "denied": lambda _request, service: denied(service),
    "dropped": lambda _request, _service: DROPPED,
    "unanswered": lambda _request, _service: UNANSWERED,
}


def denied(service, code=None, message=SAYS, status=403):
    """Refuse a call as the service does."""
    code = code or _CODES[service]
    if service == "sts":
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return Response(f"<ErrorResponse>{error}</ErrorResponse>", status, content_type="text/xml")
    headers = {"x-amzn-ErrorType": code}
    return Response(
        json.dumps({"__type": code, "message": message}), status, headers, content_type="application/json"
    )


def operation_of(request):
    """Name what is asked for."""
    if "X-Amz-Target" in request.headers:
        return request.headers["X-Amz-Target"].rpartition(".")[2]
    if "/layers/" in request.path or "/functions" in request.path:
        parts = request.path.strip("/").split("/")
        what = "version" if parts[-1].isdigit() else parts[-1]
        return _LAMBDA.get((request.method, what), what)
    return parse_qs(request.get_data(as_text=True))["Action"][0]


def faithful(operation, response):
    """Make of moto's answer what AWS documents: the form of a policy's statements."""
    if operation != "GetLayerVersionPolicy" or response.status_code != 200:
        return response
    answer = json.loads(response.get_data())
    policy = json.loads(answer["Policy"])
    for statement in policy["Statement"]:
        if organization := statement.pop("OrganizationId", None):
            statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": organization}}
        if statement["Principal"].isdigit():
            statement["Principal"] = {"AWS": f"arn:aws:iam::{statement['Principal']}:root"}
    response.data = json.dumps({**answer, "Policy": json.dumps(policy)})
    return response


def role_in(account):
    """Return the ARN of the role that publishes in an account."""
    return f"arn:aws:iam::{account}:role/publisher"


def layer_zip(path, text="", *, version="0.1.0", manifest=None):
    """Write a zip as `layer build` does, as far as publishing looks at it."""
    known = {
        "version": version,
        "compatible_runtimes": ["python3.13", "python3.14"],
        "compatible_architectures": ["arm64", "x86_64"],
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(known if manifest is None else manifest))
        archive.writestr("python/lambda_guard/__init__.py", text)
    path.write_bytes(data.getvalue())
    return path
