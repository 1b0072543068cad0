"""Lambda's own API on loopback: Invoke, and the calls that read or list functions and event source mappings.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import base64
import json
import logging
import re
import urllib.parse
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from lambda_guard._names import HTTP_TRACE_HEADER
from lambda_guard.local._errors import FunctionAbsentError, LocalCloudError, ThrottledError
from lambda_guard.local.lambda_service.invoker import Deployed, Invoker
from lambda_guard.local.runtime.callers import AUTHORIZE, DELIVER
from lambda_guard.local.runtime.http_server import HttpRequest, HttpResponse, LoopbackServer
from lambda_guard.shapes.sample import fill
from lambda_guard.templates.stack import MappingDeclaration

if TYPE_CHECKING:
    from lambda_guard.local.permissions.deciding import Permissions

_FUNCTIONS = "/2015-03-31/functions"
_SYNCHRONOUS_BYTES_MOST = 6 * 1024 * 1024
_ASYNCHRONOUS_BYTES_MOST = 1024 * 1024
_LOG_TAIL_BYTES = 4096
_THROTTLED = "ReservedFunctionConcurrentInvocationLimitExceeded"
_log = logging.getLogger(__name__)


class LambdaEndpoint:
    """Answers Lambda's API and takes what services send to functions; moto's process sends both here."""

    invoker: Invoker  # which needs moto, which needs this address

    def __init__(self, permissions: "Permissions | None") -> None:
        self._permissions = permissions
        self.mappings: tuple[MappingDeclaration, ...] = ()
        self._routes: tuple[tuple[str, str, Callable[..., HttpResponse]], ...] = (
            ("POST", DELIVER, self._deliver),
            ("POST", AUTHORIZE, self._authorize),
            ("POST", rf"{_FUNCTIONS}/([^/]+)/invocations", self._invoke),
            ("GET", rf"{_FUNCTIONS}/*", self._list_functions),
            ("GET", rf"{_FUNCTIONS}/([^/]+)(/configuration|)", self._get_function),
            ("GET", "/2015-03-31/event-source-mappings/*", self._list_mappings),
            ("GET", r"/2019-09-25/functions/([^/]+)/event-invoke-config/list", self._list_invoke_configs),
        )
        self._server = LoopbackServer(self._respond)
        self.address = self._server.address

    def close(self) -> None:
        """End the server."""
        self._server.close()

    def _respond(self, request: HttpRequest) -> HttpResponse:
        path = urllib.parse.unquote(request.path)
        try:
            for method, pattern, respond in self._routes:
                if request.method == method and (found := re.fullmatch(pattern, path)):
                    return respond(request, *found.groups())
        except ThrottledError:
            return _refusal(
                HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.", Reason=_THROTTLED
            )
        except FunctionAbsentError as error:
            # AWS answers 502, which SDKs repeat for seconds before they say anything.
            return _refusal(HTTPStatus.BAD_REQUEST, "InvalidRuntimeException", str(error))
        except LocalCloudError as error:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceException", str(error))
        message = (
            f"{request.method} {request.path} of Lambda's API is not part of the local cloud: Invoke, "
            "GetFunction, GetFunctionConfiguration, ListFunctions, ListEventSourceMappings "
            "and ListFunctionEventInvokeConfigs are"
        )
        return _refusal(HTTPStatus.BAD_REQUEST, "InvalidParameterValueException", message)

    def _deliver(self, request: HttpRequest) -> HttpResponse:
        delivery = json.loads(request.body)
        if "said" in delivery:
            _log.warning("%s", delivery["said"])
            return HttpResponse(status=HTTPStatus.ACCEPTED)
        function, payload = delivery["function"], delivery["payload"].encode()
        try:
            self.invoker.invoke_later(function, payload, trace_header=delivery["trace_header"])
        except LocalCloudError as error:
            if delivery["topic"] is not None:
                self.invoker.metrics.notification_failed(delivery["topic"])
                _log.warning("SNS could not deliver: %s", error)
            return HttpResponse(status=HTTPStatus.NOT_FOUND, body=str(error).encode())
        return HttpResponse(status=HTTPStatus.ACCEPTED)

    def _authorize(self, request: HttpRequest) -> HttpResponse:
        assert self._permissions is not None
        return _json({"refusal": self._permissions.refusal(json.loads(request.body))})

    def _invoke(self, request: HttpRequest, name: str) -> HttpResponse:
        if self.invoker.find(name) is None:
            self.invoker.absent.refuse(name)
            return _not_found(name)
        headers, body = request.lower_headers, request.body or b"{}"  # as on AWS
        kind = headers.get("x-amz-invocation-type") or "RequestResponse"
        most = _ASYNCHRONOUS_BYTES_MOST if kind == "Event" else _SYNCHRONOUS_BYTES_MOST
        if len(body) > most:
            message = (
                f"{len(body)} byte payload is too large for the {kind} invocation type (limit {most} bytes)"
            )
            return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestTooLargeException", message)
        try:
            json.loads(body)
        except ValueError:
            message = "Could not parse request body into json"
            return _refusal(HTTPStatus.BAD_REQUEST, "InvalidRequestContentException", message)
        if kind == "DryRun":
            return HttpResponse(status=HTTPStatus.NO_CONTENT)
        return self._run(name, body, kind, headers)

    def _run(self, name: str, payload: bytes, kind: str, headers: Mapping[str, str]) -> HttpResponse:
        context = headers.get("x-amz-client-context")
        client_context = json.loads(base64.b64decode(context)) if context else None
        header = headers.get(HTTP_TRACE_HEADER.lower())
        if kind == "Event":
            request_id = self.invoker.invoke_later(
                name, payload, trace_header=header, client_context=client_context
            )
            return HttpResponse(status=HTTPStatus.ACCEPTED, header_lines=(("x-amzn-RequestId", request_id),))
        result = self.invoker.invoke(name, payload, trace_header=header, client_context=client_context)
        lines = [("x-amzn-RequestId", result.request_id), ("X-Amz-Executed-Version", "$LATEST")]
        if result.function_error is not None:
            lines.append(("X-Amz-Function-Error", result.function_error))
        if headers.get("x-amz-log-type") == "Tail":
            tail = "\n".join(result.lines).encode()[-_LOG_TAIL_BYTES:]
            lines.append(("X-Amz-Log-Result", base64.b64encode(tail).decode()))
        return HttpResponse(status=HTTPStatus.OK, body=result.body, header_lines=tuple(lines))

    def _list_functions(self, _request: HttpRequest) -> HttpResponse:
        return _json({"Functions": [_configuration(it) for it in self.invoker.functions.values()]})

    def _list_mappings(self, _request: HttpRequest) -> HttpResponse:
        arns = {name: deployed.function.arn for name, deployed in self.invoker.functions.items()}
        mappings = [_mapping(mapping, arns[mapping.function]) for mapping in self.mappings]
        return _json({"EventSourceMappings": mappings})

    def _get_function(self, _request: HttpRequest, name: str, configuration: str) -> HttpResponse:
        if (deployed := self.invoker.find(name)) is None:
            return _not_found(name)
        found = _configuration(deployed)
        return _json(found if configuration else {"Configuration": found})

    def _list_invoke_configs(self, _request: HttpRequest, name: str) -> HttpResponse:
        if (deployed := self.invoker.find(name)) is None:
            return _not_found(name)
        return _json({"FunctionEventInvokeConfigs": [_invoke_config(deployed)]})


def _json(document: dict[str, Any]) -> HttpResponse:
    return HttpResponse(status=HTTPStatus.OK, body=json.dumps(document).encode())


def _not_found(name: str) -> HttpResponse:
    return _refusal(HTTPStatus.NOT_FOUND, "ResourceNotFoundException", f"Function not found: {name}")


def _refusal(status: int, error: str, message: str, **more: str) -> HttpResponse:
    document = json.dumps({"Type": "User", "Message": message, "message": message, **more}).encode()
    return HttpResponse(status=status, body=document, header_lines=(("x-amzn-ErrorType", error),))


def _configuration(deployed: Deployed) -> dict[str, Any]:
    settings, declaration = deployed.function.settings, deployed.declaration
    return fill(
        "lambda-function",
        settings=settings,
        timeout=int(settings.timeout),
        variables=dict(declaration.environment),
        tracing="Active" if declaration.tracing else "PassThrough",
        dead_letter={"TargetArn": declaration.dead_letter_arn} if declaration.dead_letter_arn else None,
        layers=[{"Arn": arn} for arn in declaration.layers] or None,
    )


def _invoke_config(deployed: Deployed) -> dict[str, Any]:
    declaration = deployed.declaration
    destinations = {"OnFailure": declaration.on_failure, "OnSuccess": declaration.on_success}
    return {
        "FunctionArn": f"{deployed.function.arn}:$LATEST",
        "MaximumRetryAttempts": declaration.retry_attempts,
        "MaximumEventAgeInSeconds": int(declaration.event_age),
        "DestinationConfig": {key: {"Destination": arn} for key, arn in destinations.items() if arn},
    }


def _mapping(mapping: MappingDeclaration, function_arn: str) -> dict[str, Any]:
    filters = [{"Pattern": pattern} for pattern in mapping.filters]
    return fill(
        "lambda-event-source-mapping",
        {} if mapping.source_arn.startswith("arn:aws:sqs:") else _of_a_stream(mapping),
        mapping=mapping,
        function_arn=function_arn,
        window=int(mapping.batching_window),
        filter_criteria={"Filters": filters} if filters else None,
        response_types=["ReportBatchItemFailures"] if mapping.report_batch_item_failures else [],
    )


def _of_a_stream(mapping: MappingDeclaration) -> dict[str, Any]:
    failed = {"OnFailure": {"Destination": mapping.on_failure}} if mapping.on_failure else {}
    return {
        "starting_position": mapping.starting_position,
        "parallelization": mapping.parallelization,
        "destination": failed,
        "record_age": -1 if mapping.record_age is None else int(mapping.record_age),
        "bisect": mapping.bisect,
        "retry_attempts": -1 if mapping.retry_attempts is None else mapping.retry_attempts,
    }
