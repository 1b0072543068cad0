"""In moto's process: what functions ask of AWS is put to the local cloud first, and refused as AWS refuses it.

Who calls is known by the access key, and what for by moto's own routing and parsing, which stand on botocore's models.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from xml.sax.saxutils import escape

import requests
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import service_name_from_moto_package_name
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from lambda_guard.local.runtime.callers import FUNCTION_KEY

_RENAMED: Final = {"awslambda": "lambda"}
_JSON: Final = frozenset({"json", "rest-json"})
_CODES: Final[Mapping[str, tuple[str, int]]] = {
    "json": ("AccessDeniedException", 400),
    "rest-json": ("AccessDeniedException", 403),
    "rest-xml": ("AccessDenied", 403),
    "query": ("AccessDenied", 403),
    "ec2": ("UnauthorizedOperation", 403),
}
"""By protocol: the error's code, and HTTP's.

https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html and its like of each service
"""
_CODES_OF: Final[Mapping[str, tuple[str, int]]] = {
    # https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Errors
    "sns": ("AuthorizationError", 403),
    # https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_Publish.html: and of WebSockets' connections
    "iot-data": ("ForbiddenException", 403),
    "apigatewaymanagementapi": ("ForbiddenException", 403),
}
_QUERY_COMPATIBLE: Final = ("AccessDenied", 403)
"""Of a service that spoke the query protocol before JSON, and keeps its codes for clients."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A request as its service takes it."""

    operation: Any
    protocol: str
    parameters: Mapping[str, Any]


def held_to_policies(
    application: WSGIApplication, moto: DomainDispatcherApplication, control: str
) -> WSGIApplication:
    """Put each request with a function's key to the URL `control`, and answer it if that refuses it."""
    session = requests.Session()
    session.trust_env = False  # no proxy, and no look at each request for one

    def front(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        if (signed := _signed(environ)) is None:
            return application(environ, start_response)
        key, region = signed
        call = _call(environ, moto)
        asked = {"key": key, "region": region, "path": environ["PATH_INFO"], **_described(call)}
        text = json.dumps(asked, default=lambda _content: None)  # bytes and times: no name of a resource
        answer = session.post(control, data=text.encode(), timeout=30)
        answer.raise_for_status()
        if call is None or (message := answer.json()["refusal"]) is None:
            return application(environ, start_response)
        return refusal(call.operation.service_model, call.protocol, message)(environ, start_response)

    return front


def _signed(environ: WSGIEnvironment) -> tuple[str, str] | None:
    """Return a function's access key and the Region from the signature, in the header or a presigned URL.

    S3's older URLs have no Region: https://docs.aws.amazon.com/AmazonS3/latest/developerguide/RESTAuthentication.html
    """
    _, _, scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")
    if not scope:
        given = Request({**environ, "wsgi.input": io.BytesIO()}).args
        scope = given.get("X-Amz-Credential") or given.get("AWSAccessKeyId", "")
    key, _, more = scope.partition(",")[0].partition("/")
    _date, _, region = more.partition("/")
    return (key, region.partition("/")[0]) if key.startswith(FUNCTION_KEY) else None


def _described(call: _Call | None) -> dict[str, Any]:
    if call is None:
        return {}
    model = call.operation.service_model
    return {
        "service": str(model.service_id.hyphenize()),
        "operation": call.operation.name,
        "parameters": call.parameters,
    }


def _call(environ: WSGIEnvironment, moto: DomainDispatcherApplication) -> _Call | None:
    """Return what a request asks for; None where moto has no such service, or the service no such operation."""
    body = b""
    if environ.get("CONTENT_LENGTH"):  # a body that comes in chunks is an object's content
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
    host = moto.infer_service_region_host(environ, environ["PATH_INFO"])
    backend = "s3" if host is None else moto.get_backend_for_host(host)  # as moto does
    if backend is None:
        return None
    request = Request({**environ, "wsgi.input": io.BytesIO(body)})
    try:
        return _parsed(service_name_from_moto_package_name(_RENAMED.get(backend, backend)), request)
    except (
        NotFound,
        NotImplementedError,
        RequestParserError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ):
        return None  # moto refuses it, or answers 404


def _parsed(service: str, request: Request) -> _Call:
    operation, labels = get_service_router(service).match(request)
    protocol = determine_request_protocol(operation.service_model, request.content_type)
    as_parsers_take_it: Any = {
        "method": request.method,
        "values": request.values,
        "headers": request.headers,
        "body": request.get_data(),
        "url_path": request.path,
        "url_params": labels,
    }
    return _Call(operation, protocol, PROTOCOL_PARSERS[protocol](operation).parse(as_parsers_take_it))


def refusal(service: Any, protocol: str, message: str) -> Response:
    """Return the answer of a service to who isn't allowed to call it."""
    compatible = "awsQueryCompatible" in service.metadata
    code, status = _CODES_OF.get(service.service_name) or (
        _QUERY_COMPATIBLE if compatible else _CODES[protocol]
    )
    if protocol in _JSON:
        response = Response(json.dumps({"__type": code, "message": message, "Message": message}), status)
        response.content_type = (
            "application/json" if protocol == "rest-json" else "application/x-amz-json-1.1"
        )
        response.headers["x-amzn-errortype"] = code
        if compatible:
            response.headers["x-amzn-query-error"] = f"{code};Sender"
        return response
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    if protocol == "ec2":
        error = f"<Response><Errors>{error}</Errors><RequestID>local</RequestID></Response>"
    elif service.service_name != "s3":
        error = f"<ErrorResponse>{error}<RequestId>local</RequestId></ErrorResponse>"
    return Response(error, status, content_type="text/xml")
