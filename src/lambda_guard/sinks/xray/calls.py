"""AWS calls as subsegments of `namespace: aws`, with what the X-Ray SDK writes of them.

The innermost call is kept in a context variable: a call may make others, for credentials or a redirect.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from time import time
from typing import TYPE_CHECKING, Any, Final

from ... import _names
from ...propagation.called import resource_name
from ...propagation.place import new_id
from . import document

if TYPE_CHECKING:
    from ...propagation.calls import Call
    from .span import Span

# The parameters that name a resource or say how it is used, under the names that the SDK gives them. It writes more
# (keys of objects, projections, attributes): that may be somebody's data.
_NAMES: Final = {
    "QueueUrl": "queue_url",
    "QueueName": "queue_name",
    "TableName": "table_name",
    "IndexName": "index_name",
    "TopicArn": "topic_arn",
    "FunctionName": "function_name",
    "Qualifier": "qualifier",
    "InvocationType": "invocation_type",
    "LogType": "log_type",
    "Bucket": "bucket_name",
    "EndpointName": "endpoint_name",
    "Select": "select",
}
_NUMBERS: Final = {
    "DelaySeconds": "delay_seconds",
    "VisibilityTimeout": "visibility_timeout",
    "MaxNumberOfMessages": "max_number_of_messages",
    "WaitTimeSeconds": "wait_time_seconds",
    "ConsistentRead": "consistent_read",
    "ScanIndexForward": "scan_index_forward",
    "Limit": "limit",
    "Segment": "segment",
    "TotalSegments": "total_segments",
}
_ANSWERED: Final = {
    "MessageId": "message_id",
    "FunctionError": "function_error",
    "StatusCode": "status_code",
    "Count": "count",
    "ScannedCount": "scanned_count",
}
_COUNTED: Final = {
    "Messages": "message_count",
    "Successful": "successful_count",
    "Failed": "failed_count",
    "QueueUrls": "queue_count",
    "TableNames": "table_count",
}
_ERROR_LEAST: Final = 400
_TOO_MANY_REQUESTS: Final = 429
_innermost: ContextVar["CallSpan | None"] = ContextVar("lambda_guard_aws_call", default=None)


class CallSpan:
    """The subsegment of an AWS call.

    Attributes:
        call: what is called.
        span: of the work that calls.
        above: the call that this one is part of.
        id, parent_id: of the subsegment.
        started: epoch seconds.
        entity: the X-Ray SDK's, once the user's code has asked that for what is open here.
        is_over: whether the call has ended.
    """

    __slots__ = ("above", "call", "entity", "id", "is_over", "parent_id", "span", "started")

    def __init__(self, call: "Call", span: "Span") -> None:
        self.call = call
        self.span = span
        self.above = innermost(span)
        self.id = new_id()
        self.parent_id = span.below if self.above is None else self.above.id
        self.started = time()
        self.entity: Any = None
        self.is_over = False

    def unfinished(self, **more: object) -> dict[str, Any]:
        """Return the document of a call that hasn't been answered."""
        return {**self._document(given(self.call)), _names.SEGMENT_IN_PROGRESS: True, **more}

    def document(self, response: Any, error: BaseException | None, ended: float) -> dict[str, Any]:
        """Return the document of a call that has ended."""
        aws, more = facts(self.call, response, error)
        return {**self._document(aws), _names.SEGMENT_END_TIME: ended, **more}

    def _document(self, aws: dict[str, Any]) -> dict[str, Any]:
        return {
            _names.SEGMENT_NAME: self.call.endpoint,
            _names.SEGMENT_ID: self.id,
            _names.SEGMENT_TRACE_ID: self.span.trace_id,
            _names.SEGMENT_PARENT_ID: self.parent_id,
            _names.SEGMENT_TYPE: _names.SUBSEGMENT,
            _names.SEGMENT_NAMESPACE: _names.SEGMENT_AWS,
            _names.SEGMENT_START_TIME: self.started,
            _names.SEGMENT_AWS: aws,
        }


def begin(call: "Call", span: "Span") -> CallSpan:
    """Begin the subsegment of a call."""
    found = CallSpan(call, span)
    _innermost.set(found)
    return found


def end(span: CallSpan) -> None:
    """Note that a call has ended; what is open here is the call around it again."""
    span.is_over = True
    if _innermost.get() is span:
        _innermost.set(span.above)


def innermost(span: "Span") -> CallSpan | None:
    """Return the call of this work that is open in this context."""
    found = _innermost.get()
    while found is not None and found.is_over:  # a task that a call has started may outlive it
        found = found.above
    return found if found is not None and found.span is span else None


def facts(call: "Call", response: Any, error: BaseException | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is known of a call that has ended: X-Ray's `aws`, and the fields beside it."""
    answer = _mapping(response if response is not None else getattr(error, "response", None))
    meta = _mapping(answer.get("ResponseMetadata"))
    aws = given(call)
    _add_answer(aws, answer, meta)
    more: dict[str, Any] = {}
    if (status := meta.get("HTTPStatusCode")) is not None:
        more[_names.SEGMENT_HTTP] = {_names.SEGMENT_RESPONSE: {_names.SEGMENT_STATUS: status}}
        more |= _flags(status)
    if error is not None:
        more[_names.SEGMENT_CAUSE] = document.cause(error)
        if _names.ERROR not in more:
            more[_names.SEGMENT_FAULT] = True
    return aws, more


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def given(call: "Call") -> dict[str, Any]:
    """Return X-Ray's `aws` of a call, as far as it is known before it is answered."""
    aws: dict[str, Any] = {_names.OPERATION: call.operation}
    if call.region is not None:
        aws[_names.SEGMENT_REGION] = call.region
    for key, value in call.params.items():
        if key in _NAMES:
            if (name := resource_name(value)) is not None:
                aws[_NAMES[key]] = name
        elif key in _NUMBERS:
            if isinstance(value, int):
                aws[_NUMBERS[key]] = value
        elif key == "RequestItems":
            aws["table_names"] = [*value] if isinstance(value, Mapping) else []
        elif key == "Entries" and call.service == "sqs" and isinstance(value, list | tuple):
            aws["message_count"] = len(value)
    return aws


def _add_answer(aws: dict[str, Any], answer: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
    if (request_id := meta.get("RequestId")) is not None:
        aws[_names.SEGMENT_REQUEST_ID] = request_id
    if (retries := meta.get("RetryAttempts")) is not None:
        aws[_names.SEGMENT_RETRIES] = retries
    if (second_id := _mapping(meta.get("HTTPHeaders")).get("x-amz-id-2")) is not None:  # S3's
        aws["id_2"] = second_id
    for key, value in answer.items():
        if key in _ANSWERED:
            if isinstance(value, int | str):
                aws[_ANSWERED[key]] = value
        elif key in _COUNTED and isinstance(value, list):
            aws[_COUNTED[key]] = len(value)


def _flags(status: object) -> dict[str, bool]:
    """Return what a status means for a document.

    https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html#api-segmentdocuments-errors
    """
    if not isinstance(status, int) or status < _ERROR_LEAST:
        return {}
    if status >= _names.SERVER_ERROR_LEAST:
        return {_names.SEGMENT_FAULT: True}
    return {_names.ERROR: True, **({_names.SEGMENT_THROTTLE: True} if status == _TOO_MANY_REQUESTS else {})}
