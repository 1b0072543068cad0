"""Lambda's own API on loopback: Invoke, and the calls that read or list functions and event source mappings.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import base64
import json
import logging
import re
import urllib.parse
from http import HTTPStatus
from typing import Any

from lambda_guard._names import HTTP_TRACE_HEADER
from lambda_guard.local._errors import LocalCloudError
from lambda_guard.local.lambda_service.invoker import Deployed, Invoker
from lambda_guard.local.runtime.http_server import LoopbackServer, RequestHandler
from lambda_guard.templates.stack import MappingDeclaration

_FUNCTIONS = "/2015-03-31/functions"
_MAPPINGS = "/2015-03-31/event-source-mappings"
_FUNCTION = re.compile(rf"^{_FUNCTIONS}/([^/]+)(/invocations|/configuration|)$")
_SYNCHRONOUS_BYTES_MOST = 6 * 1024 * 1024
_ASYNCHRONOUS_BYTES_MOST = 1024 * 1024
_LOG_TAIL_BYTES = 4096
_log = logging.getLogger(__name__)


class LambdaEndpoint:
    """Answers Lambda's API and takes the deliveries of SNS; moto's process sends both here."""

    def __init__(self) -> None:
        self.invoker: Invoker | None = None
        self.mappings: tuple[MappingDeclaration, ...] = ()
        self._server = LoopbackServer(_Handler, self)
        self.address = self._server.address

    def close(self) -> None:
        """End the server."""
        self._server.close()


class _Handler(RequestHandler):
    @property
    def _invoker(self) -> Invoker:
        invoker: Invoker | None = self.server.owner.invoker  # type: ignore[attr-defined]  # LoopbackServer's
        assert invoker is not None
        return invoker

    def do_POST(self) -> None:  # noqa: N802 - the base class's name
        body = self.body()
        path = urllib.parse.unquote(self.path.partition("?")[0])
        found = _FUNCTION.match(path)
        try:
            if path == "/local/sns":
                self._deliver(json.loads(body))
            elif found and found[2] == "/invocations":
                self._invoke(found[1], body)
            else:
                self._unsupported()
        except LocalCloudError as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceException", str(error))

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        path = urllib.parse.unquote(self.path.partition("?")[0])
        found = _FUNCTION.match(path)
        if path.rstrip("/") == _FUNCTIONS:
            functions = [_configuration(deployed) for deployed in self._invoker.functions.values()]
            self._json(HTTPStatus.OK, {"Functions": functions})
        elif path.rstrip("/") == _MAPPINGS:
            self._json(HTTPStatus.OK, {"EventSourceMappings": self._mappings()})
        elif found and found[2] != "/invocations":
            self._get_function(found[1], whole=not found[2])
        else:
            self._unsupported()

    def _deliver(self, delivery: dict[str, Any]) -> None:
        event = json.dumps(delivery["event"]).encode()
        try:
            self._invoker.invoke_later(delivery["function"], event, trace_header=delivery["trace_header"])
        except LocalCloudError as error:
            # As on AWS, the publisher isn't told.
            _log.warning("SNS could not deliver: %s", error)
        self.answer(HTTPStatus.ACCEPTED)

    def _invoke(self, name: str, body: bytes) -> None:
        if self._invoker.find(name) is None:
            self._not_found(name)
            return
        kind = self.headers.get("X-Amz-Invocation-Type") or "RequestResponse"
        most = _ASYNCHRONOUS_BYTES_MOST if kind == "Event" else _SYNCHRONOUS_BYTES_MOST
        if len(body) > most:
            message = (
                f"{len(body)} byte payload is too large for the {kind} invocation type (limit {most} bytes)"
            )
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestTooLargeException", message)
        elif (text := _json_text(body)) is None:
            message = "Could not parse request body into json"
            self._refuse(HTTPStatus.BAD_REQUEST, "InvalidRequestContentException", message)
        elif kind == "DryRun":
            self.answer(HTTPStatus.NO_CONTENT)
        else:
            self._run(name, text, kind)

    def _run(self, name: str, payload: bytes, kind: str) -> None:
        context = self.headers.get("X-Amz-Client-Context")
        client_context = json.loads(base64.b64decode(context)) if context else None
        header = self.headers.get(HTTP_TRACE_HEADER)
        if kind == "Event":
            request_id = self._invoker.invoke_later(
                name, payload, trace_header=header, client_context=client_context
            )
            self.answer(HTTPStatus.ACCEPTED, headers=[("x-amzn-RequestId", request_id)])
            return
        result = self._invoker.invoke(name, payload, trace_header=header, client_context=client_context)
        headers = {"x-amzn-RequestId": result.request_id, "X-Amz-Executed-Version": "$LATEST"}
        if result.function_error is not None:
            headers["X-Amz-Function-Error"] = result.function_error
        if self.headers.get("X-Amz-Log-Type") == "Tail":
            tail = "\n".join(result.lines).encode()[-_LOG_TAIL_BYTES:]
            headers["X-Amz-Log-Result"] = base64.b64encode(tail).decode()
        self.answer(HTTPStatus.OK, result.body, headers.items())

    def _get_function(self, name: str, *, whole: bool) -> None:
        deployed = self._invoker.find(name)
        if deployed is None:
            self._not_found(name)
            return
        configuration = _configuration(deployed)
        self._json(HTTPStatus.OK, {"Configuration": configuration} if whole else configuration)

    def _mappings(self) -> list[dict[str, Any]]:
        mappings = self.server.owner.mappings  # type: ignore[attr-defined]  # LoopbackServer's
        arns = {name: deployed.function.arn for name, deployed in self._invoker.functions.items()}
        return [_mapping(mapping, arns[mapping.function]) for mapping in mappings]

    def _json(self, status: int, document: dict[str, Any]) -> None:
        self.answer(status, json.dumps(document).encode())

    def _not_found(self, name: str) -> None:
        message = f"Function not found: {name}"
        self._refuse(HTTPStatus.NOT_FOUND, "ResourceNotFoundException", message)

    def _unsupported(self) -> None:
        message = (
            f"{self.command} {self.path} of Lambda's API is not part of the local cloud: Invoke, "
            "GetFunction, GetFunctionConfiguration, ListFunctions and ListEventSourceMappings are"
        )
        self._refuse(HTTPStatus.BAD_REQUEST, "InvalidParameterValueException", message)

    def _refuse(self, status: int, error: str, message: str) -> None:
        document = json.dumps({"Type": "User", "Message": message, "message": message}).encode()
        self.answer(status, document, [("x-amzn-ErrorType", error)])


def _json_text(body: bytes) -> bytes | None:
    """Return the payload, `{}` for none as on AWS; None where it isn't JSON."""
    if not body:
        return b"{}"
    try:
        json.loads(body)
    except ValueError:
        return None
    return body


def _configuration(deployed: Deployed) -> dict[str, Any]:
    settings = deployed.function.settings
    declaration = deployed.declaration
    configuration: dict[str, Any] = {
        "FunctionName": settings.name,
        "FunctionArn": settings.arn,
        "Handler": settings.handler,
        "Timeout": int(settings.timeout),
        "MemorySize": settings.memory,
        "Version": settings.version,
        "State": "Active",
        "PackageType": "Zip",
        "Environment": {"Variables": dict(declaration.environment)},
        "TracingConfig": {"Mode": "Active" if declaration.tracing else "PassThrough"},
        "LoggingConfig": {"LogFormat": settings.log_format, "LogGroup": settings.log_group},
    }
    if declaration.dead_letter_arn:
        configuration["DeadLetterConfig"] = {"TargetArn": declaration.dead_letter_arn}
    return configuration


def _mapping(mapping: MappingDeclaration, function_arn: str) -> dict[str, Any]:
    return {
        "EventSourceArn": mapping.source_arn,
        "FunctionArn": function_arn,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": int(mapping.batching_window),
        "FunctionResponseTypes": ["ReportBatchItemFailures"] if mapping.report_batch_item_failures else [],
        "State": "Enabled",
    }
