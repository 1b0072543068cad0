"""Observes AWS calls and adds the trace header to them, for every botocore client, including those that already exist.

`BaseClient._make_api_call` is wrapped once, on the class, so that clients created earlier by module-level code
are covered; on a client's first call, handlers are registered for botocore's own events. There the call's
parameters may be changed: if the service takes the header in a parameter, it is added there, per message, and
it is added to the request as an HTTP header, for services that pass that on. Only places that count towards
no quota are used: no message attributes, no bodies.

- SQS, `MessageSystemAttributes.AWSTraceHeader`:
  https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_MessageSystemAttributeValue.html
- EventBridge, `TraceHeader`: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html
- Step Functions, `traceHeader`: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
- the rest, HTTP header: https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import wraps
from threading import Lock
from typing import Any, Final, Protocol
from urllib.parse import quote  # botocore has imported it
from weakref import WeakSet

from .. import _names
from .._failsafe import attempt
from .calls import Call
from .header import parse
from .place import own_header

_ID: Final = "lambda_guard"
_HTTP_NAME: Final = _names.HTTP_TRACE_HEADER.lower()


class Observer(Protocol):
    """Is notified of each call; if it fails, the call isn't affected."""

    def begin(self, call: Call) -> bool:
        """Note that a call begins; return false if it isn't observed (no invocation is running)."""

    def presigned(self, call: Call) -> None:
        """Note that a request was signed for somebody else to send."""

    def header(self) -> str | None:
        """Return the header that names the innermost span that is open now."""

    def is_header_overwritten(self, call: Call) -> bool:
        """Return whether other code writes the HTTP header after the botocore events that a caller's hooks use."""

    def sends_w3c(self, call: Call) -> bool:
        """Return whether W3C's header goes with the request as well."""

    def end(self, call: Call, response: Mapping[str, Any] | None, error: BaseException | None) -> None:
        """Note how a call ended."""


_in_flight: ContextVar[Call | None] = ContextVar("lambda_guard_call", default=None)
_known: WeakSet[Any] = WeakSet()
_registering = Lock()


# long: contains the wrapper of botocore's method, which begins and ends the call whatever happens in between
def watch(module: Any, observer: Observer) -> None:
    """Watch all of botocore's clients.

    Args:
        module: `botocore.client`.
        observer: is notified of each call from now on.
    """
    theirs = module.BaseClient._make_api_call  # noqa: SLF001 - every call goes through it, and nothing public

    @wraps(theirs)
    def make_api_call(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        call = attempt("inject.begin", _begin, observer, client, args, kwargs)
        if call is None:
            return theirs(client, *args, **kwargs)
        if len(args) > 1 and isinstance(args[1], dict):
            args = (args[0], dict(args[1]), *args[2:])  # a copy: the caller's dict isn't changed
        token = _in_flight.set(call)
        try:
            attempt("inject.register", _know, client, observer)
            response = theirs(client, *args, **kwargs)
        except BaseException as error:
            _in_flight.reset(token)
            attempt("inject.take_back", _take_back, call)
            attempt("inject.end", observer.end, call, None, error)
            raise
        _in_flight.reset(token)
        attempt("inject.take_back", _take_back, call)
        attempt("inject.end", observer.end, call, response, None)
        return response

    if not getattr(module.BaseClient, "_lambda_guard", False):
        module.BaseClient._make_api_call = make_api_call  # noqa: SLF001 - as above
        _watch_signing(module.BaseClient, observer)
        module.BaseClient._lambda_guard = True  # noqa: SLF001 - our mark


def _watch_signing(base: Any, observer: Observer) -> None:
    """Watch what botocore's `generate_presigned_url` and `generate_presigned_post` have in common with calls.

    These are functions in the class of each service's client, which may exist already. Their requests are made by the
    same method as those of calls, though they are sent by nobody, and most of the hooks don't see them.
    """
    if (make_request := getattr(base, "_convert_to_request_dict", None)) is None:  # another version's
        return

    @wraps(make_request)
    def convert(self: Any, *args: Any, **kwargs: Any) -> Any:
        request = make_request(self, *args, **kwargs)
        if (context := kwargs.get("context")) is not None and "is_presign_request" in context:
            by = sys._getframe(1).f_code.co_name  # noqa: SLF001 - a POST is made as if it created the bucket
            attempt("inject.presigned", _signed, observer, self, kwargs, by)
        return request

    base._convert_to_request_dict = convert  # noqa: SLF001


def _signed(observer: Observer, client: Any, made_of: Mapping[str, Any], by: str) -> None:
    operation = "PutObject" if by == "generate_presigned_post" else made_of["operation_model"].name
    call = _call(client, operation, made_of["api_params"])
    call.presigned = True
    observer.presigned(call)


def _begin(observer: Observer, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
    operation = args[0] if args else kwargs["operation_name"]
    params = args[1] if len(args) > 1 else kwargs.get("api_params")
    call = _call(client, operation, params)
    call.environment = os.environ.get(_names.ENV_TRACE_HEADER)
    return call if observer.begin(call) else None


def _call(client: Any, operation: str, params: Any) -> Call:
    meta = client.meta
    call = Call(
        meta.service_model.service_id.hyphenize(),
        operation,
        meta.service_model.endpoint_prefix,
        meta.region_name,
        params if type(params) is dict or isinstance(params, Mapping) else {},
    )
    call.endpoint_url = meta.endpoint_url
    return call


def _know(client: Any, observer: Observer) -> None:
    if client not in _known:
        with _registering:  # a second thread waits, so that its call gets the header as well
            _register(client.meta.events, observer)
            _known.add(client)


def _register(events: Any, observer: Observer) -> None:
    def parameters(params: Any, model: Any, context: Any, **_: Any) -> None:
        attempt("inject.parameters", _into_parameters, observer, params, model, context)

    def request(params: Any, **_: Any) -> None:
        attempt("inject.request", _into_request, observer, params)

    def sending(request: Any, **_: Any) -> None:
        attempt("inject.sending", _once_more, observer, request)

    # Last, so that a header set by the caller's own handlers is seen and kept.
    events.register_last("before-parameter-build", parameters, unique_id=f"{_ID}-parameters")
    events.register_last("before-call", request, unique_id=f"{_ID}-request")
    events.register_first("before-send", sending, unique_id=f"{_ID}-sending")


def _into_parameters(observer: Observer, params: Any, model: Any, context: Any) -> None:
    if (isinstance(context, Mapping) and context.get("is_presign_request")) or not isinstance(params, dict):
        return
    add = _PARAMETERS.get((model.service_model.service_id.hyphenize(), model.name))
    call = _in_flight.get()
    if add is not None and call is not None and (header := _outgoing(observer)) is not None:
        call.given = params, dict(params)
        add(params, header)


def _take_back(call: Call) -> None:
    """Restore the parameters: they aren't our copy if a caller's hook on `provide-client-params` has returned them."""
    if call.given is not None:
        params, before = call.given
        for name in params.keys() - before.keys():
            del params[name]
        params.update(before)


def _into_request(observer: Observer, request: Any) -> None:
    headers = request["headers"]
    name = _names.HTTP_TRACE_HEADER
    if name not in headers:
        name = next((each for each in headers if each.lower() == _HTTP_NAME), name)
    call = _in_flight.get()
    if name in headers and not _is_of_environment(headers[name], call):
        return  # set by the caller
    header = _outgoing(observer)
    if call is not None and header is not None:
        headers[name] = header
        call.in_request = name, header
    elif name in headers and headers[name] != (own := _as_botocore(own_header())):
        del headers[name]  # of a trace that an invocation has adopted, which this call isn't part of
        if own is not None:
            headers[name] = own


def _once_more(observer: Observer, request: Any) -> None:
    """Write the HTTP header again, over the one written by the X-Ray SDK's own patch; and W3C's, if it is wanted.

    If the work isn't recorded, that one names another trace, which is recorded, or a parent of zeros. W3C's isn't part
    of the signature: what stands between may change it.
    """
    call = _in_flight.get()
    if call is None or call.in_request is None:
        return
    name, header = call.in_request
    if observer.is_header_overwritten(call):
        request.headers[name] = header
    if observer.sends_w3c(call) and _names.W3C_TRACE_HEADER not in request.headers:
        parsed = parse(header)
        if parsed is not None and (said := parsed.w3c()) is not None:
            request.headers[_names.W3C_TRACE_HEADER] = said


def _is_of_environment(header: object, call: Call | None) -> bool:
    """Return whether a request's header is the one that the environment holds, or held when the call began."""
    now = os.environ.get(_names.ENV_TRACE_HEADER)
    if header == now or header == _as_botocore(now):
        return True
    return call is not None and call.environment != now and header == _as_botocore(call.environment)


def _as_botocore(header: str | None) -> str | None:
    """Return a header as botocore writes it inside Lambda, from the environment (`add_recursion_detection_header`)."""
    return quote(header, safe="-=;:+&[]{}\"',") if header else None


def _outgoing(observer: Observer) -> str | None:
    call = _in_flight.get()
    if call is None:
        return None
    call.header = observer.header()
    return call.header


def _sqs_attributes(message: dict[str, Any], header: str) -> None:
    attributes = message.get("MessageSystemAttributes", {})
    if isinstance(attributes, dict) and _names.SQS_TRACE_ATTRIBUTE not in attributes:
        value = {"DataType": "String", "StringValue": header}
        message["MessageSystemAttributes"] = {**attributes, _names.SQS_TRACE_ATTRIBUTE: value}


def _each_entry(add: Callable[[dict[str, Any], str], None]) -> Callable[[dict[str, Any], str], None]:
    def add_to_all(params: dict[str, Any], header: str) -> None:
        entries = params.get("Entries")
        if isinstance(entries, list | tuple):
            params["Entries"] = [_added(entry, header, add) for entry in entries]

    return add_to_all


def _added(entry: Any, header: str, add: Callable[[dict[str, Any], str], None]) -> Any:
    if not isinstance(entry, dict):
        return entry  # botocore's own validation reports it
    copy = dict(entry)
    add(copy, header)
    return copy


def _set_default(name: str, most: int) -> Callable[[dict[str, Any], str], None]:
    """Set a parameter of at most this many characters: AWS would reject the call if it were longer."""

    def add(params: dict[str, Any], header: str) -> None:
        whole = len(header) <= most  # else without `Lineage`, the only long part; HTTP carries it, too
        params.setdefault(name, header if whole else header.partition(";Lineage=")[0])

    return add


_PARAMETERS: Final[dict[tuple[str, str], Callable[[dict[str, Any], str], None]]] = {
    ("sqs", "SendMessage"): _sqs_attributes,
    ("sqs", "SendMessageBatch"): _each_entry(_sqs_attributes),
    ("eventbridge", "PutEvents"): _each_entry(_set_default("TraceHeader", 500)),
    ("sfn", "StartExecution"): _set_default("traceHeader", 256),
    ("sfn", "StartSyncExecution"): _set_default("traceHeader", 256),
}
