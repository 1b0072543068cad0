"""AWS calls as data: which resource a call is about, and what an invocation's calls come to.

Pure, by tables. The parameter names are those of the services' API references; only names of resources are read,
never what is in them.
"""

from collections.abc import Mapping
from typing import Any, Final

from .. import _names

_RESOURCES: Final = {
    "sqs": ("QueueUrl", "QueueName"),
    "sns": ("TopicArn", "TargetArn"),
    "dynamodb": ("TableName", "StreamArn"),
    "s3": ("Bucket",),
    "lambda": ("FunctionName",),
    "sfn": ("stateMachineArn", "executionArn", "activityArn"),
    "eventbridge": ("EventBusName", "Name"),
    "kinesis": ("StreamARN", "StreamName"),
    "firehose": ("DeliveryStreamName",),
    "secrets-manager": ("SecretId",),
    "ssm": ("Name", "Path"),
    "kms": ("KeyId",),
    "cloudwatch-logs": ("logGroupName",),
    "scheduler": ("Name",),
    "ses": ("Source",),
    "appconfigdata": ("ApplicationIdentifier",),
    "athena": ("WorkGroup",),
    "rds-data": ("resourceArn",),
    "bedrock-runtime": ("modelId",),
    "ecs": ("cluster",),
    "sts": ("RoleArn",),
}


class Call:
    """One AWS call on its way.

    Attributes:
        service: the service's id with hyphens, e.g. `sqs`.
        operation: e.g. `SendMessage`.
        endpoint: the service's name in traces, e.g. `sqs`, `states`.
        region: e.g. `eu-west-1`.
        params: the parameters as the caller gave them; only ever read.
        header: the trace header that went with it, once it has gone.
        tracer: is told of it; `span` is the tracer's own.
        given: the parameters that got the header, and what was in them before.
        in_request: the name and value of the HTTP header, where it is ours.
    """

    __slots__ = (
        "endpoint", "given", "header", "in_request", "operation", "params", "region", "service", "span", "tracer",
    )  # fmt: skip

    def __init__(
        self, service: str, operation: str, endpoint: str, region: str | None, params: Mapping[str, Any]
    ) -> None:
        self.service = service
        self.endpoint = endpoint
        self.operation = operation
        self.region = region
        self.params = params
        self.header: str | None = None
        self.tracer: Any = None
        self.span: Any = None
        self.given: tuple[dict[str, Any], dict[str, Any]] | None = None
        self.in_request: tuple[str, str] | None = None


class AwsCalls:
    """The AWS calls of one invocation, and what they sent on.

    Attributes:
        in_flight: calls that have not been answered → `time.perf_counter` when they began.
        counts: (service, operation, resource) → [count, errors]; `more` counts the calls beyond the cap.
        sent: messages sent on, as the record has them; `sent_more` counts those beyond the cap.
    """

    def __init__(self) -> None:
        self.in_flight: dict[Call, float] = {}
        self.counts: dict[tuple[str, str, str | None], list[int]] = {}
        self.more = 0
        self.sent: list[dict[str, Any]] = []
        self.sent_more = 0

    def count(self, call: Call, *, failed: bool) -> None:
        """Count a call that has ended, by the resources that it named."""
        for resource in resources(call.service, call.params):
            key = (call.service, call.operation, resource)
            if key not in self.counts and len(self.counts) >= _names.CALLS_MOST:
                self.more += 1
                continue
            count = self.counts.setdefault(key, [0, 0])
            count[0] += 1
            count[1] += failed

    def note_sent(self, call: Call, span_id: str | None, response: Mapping[str, Any]) -> None:
        """Note the messages that a call has delivered.

        Args:
            call: as it went.
            span_id: of whoever sent them, as their trace header has it.
            response: what the service answered.
        """
        from .sent import sent  # late: most functions send nothing on

        for target, message_id in sent(call.service, call.operation, call.params, response):
            if len(self.sent) >= _names.SENT_MOST:
                self.sent_more += 1
                continue
            entry = {
                _names.SERVICE: call.service,
                _names.OPERATION: call.operation,
                _names.TARGET: target,
                _names.MESSAGE_ID: message_id,
            }
            if span_id is not None:
                entry[_names.SPAN_ID] = span_id
            self.sent.append(entry)


def resources(service: str, params: Mapping[str, Any]) -> list[str | None]:
    """Return the resources that a call names, `[None]` where it names none.

    Args:
        service: the service's id with hyphens, e.g. `sqs`, `secrets-manager`.
        params: the call's parameters, as the caller gave them.
    """
    for name in _RESOURCES.get(service, ()):
        if isinstance(value := params.get(name), str):
            return [value]
    if service == "dynamodb":
        return _tables(params) or [None]
    if service == "eventbridge":
        return _distinct(params.get("Entries"), "EventBusName", "default") or [None]
    return [None]


def _tables(params: Mapping[str, Any]) -> list[str | None]:
    if isinstance(items := params.get("RequestItems"), Mapping):
        return [name for name in items if isinstance(name, str)]
    found: dict[str | None, None] = {}
    for item in params.get("TransactItems") or ():
        for action in item.values() if isinstance(item, Mapping) else ():
            if isinstance(action, Mapping) and isinstance(action.get("TableName"), str):
                found[action["TableName"]] = None
    return list(found)


def _distinct(entries: Any, key: str, default: str) -> list[str | None]:
    if not isinstance(entries, list | tuple):
        return []
    return list(dict.fromkeys(entry.get(key) or default for entry in entries if isinstance(entry, Mapping)))
