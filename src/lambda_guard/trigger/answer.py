"""The HTTP status that a handler's answer makes, by the rules of the service that asked.

It is only read, and by the methods of Python's own types: an answer of a class of the user's is never asked anything.

- REST APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
- HTTP APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
- Function URLs: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
- Load balancers: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from types import NoneType
from typing import Any, Final

from .. import _names
from .read import Request, Trigger

_STATUS: Final = "statusCode"
_MISSING: Final = object()
_DIGITS: Final = 3
_STATUSES: Final = range(100, 600)
_OK: Final = 200
_BAD_GATEWAY: Final = 502
_INTERNAL_ERROR: Final = 500
_INFERRING: Final = frozenset(("apigateway-v2", "function-url"))  # format 2.0: any JSON value is a body
_JSON: Final = (dict, list, tuple, str, int, float, NoneType)
# A REST API takes an answer with any other key for malformed.
_FIELDS: Final = frozenset((_STATUS, "headers", "multiValueHeaders", "body", "isBase64Encoded"))


def http_of(trigger: Trigger, answer: object, is_answer: bool) -> dict[str, Any]:
    """Return what is known of a request and of the answer to it, in the record's form.

    Args:
        trigger: of an HTTP request.
        answer: what the handler returned.
        is_answer: whether it returned; an exception is no answer.
    """
    request = trigger.http
    assert request is not None
    status = status_of(trigger.type, request, answer) if is_answer else None
    known = {_names.METHOD: request.method, _names.ROUTE: request.route, _names.STATUS: status}
    return {key: value for key, value in known.items() if value is not None}


def status_of(trigger: str, request: Request, answer: object) -> int | None:
    """Return the status, or `None` if the answer doesn't tell it.

    Args:
        trigger: the trigger's type.
        request: the request.
        answer: what the handler returned.
    """
    fields: Any = answer if issubclass(type(answer), dict) else None
    status = _MISSING if fields is None else dict.get(fields, _STATUS, _MISSING)
    if trigger == "alb" and status is _MISSING:
        return _BAD_GATEWAY  # the status is required
    if trigger == "apigateway":
        is_http_api = request.version == "1.0"
        if fields is None:
            return _INTERNAL_ERROR if is_http_api else _BAD_GATEWAY
        if not is_http_api and not _FIELDS.issuperset(dict.keys(fields)):
            return _BAD_GATEWAY
    if status is not _MISSING:
        return _number(status)
    return _OK if trigger in _INFERRING and issubclass(type(answer), _JSON) else None


def _number(status: Any) -> int | None:
    """Return a status that stands there as a number, also `http.HTTPStatus`, or as text; `None` for anything else."""
    number = 0
    if issubclass(type(status), int):
        number = int.__int__(status)
    elif issubclass(type(status), str):
        text = str.__str__(status)
        number = int(text) if len(text) == _DIGITS and text.isascii() and text.isdecimal() else 0
    return number if number in _STATUSES else None
