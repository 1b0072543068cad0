"""AWS calls as data: the resource of a call, and the totals of an invocation's calls.

Pure functions over tables. The parameter names are those of the services' API references; only names of resources are
read, never their contents.
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
    "eventbridgev2": ("EventBusArn", "Name"),
    "kinesis": ("StreamARN", "StreamName"),
    "firehose": ("DeliveryStreamName",),
    "secrets-manager": ("SecretId",),
    "ssm": ("Name", "Path"),
    "kms": ("KeyId",),
    "cloudwatch-logs": ("logGroupName",),
    "scheduler": ("Name",),
    "appconfigdata": ("ApplicationIdentifier",),
    "athena": ("WorkGroup",),
    "rds-data": ("resourceArn",),
    "bedrock-runtime": ("modelId",),
    "ecs": ("cluster",),
    "sts": ("RoleArn",),
}


class Call:
    """One AWS call in progress.

    Attributes:
        service: the service's id with hyphens, e.g. `sqs`.
        operation: e.g. `SendMessage`.
        endpoint: the service's name in traces, e.g. `sqs`, `states`.
        region: e.g. `eu-west-1`.
        params: the caller's parameters; never changed.
        header: the trace header that was sent with it, once it has been sent.
        tracer: the tracer that is notified of it; `span` is the tracer's own state.
        totals: the calls of the invocation that has begun it.
        environment: the trace header in the environment when it began; another invocation may change it meanwhile.
        given: the parameters that got the header, and their contents before.
        in_request: the name and value of the HTTP header, if we have set it.
    """

    __slots__ = (
        "endpoint", "environment", "given", "header", "in_request", "operation", "params", "region", "service", "span",
        "totals", "tracer",
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
        self.totals: AwsCalls | None = None
        self.environment: str | None = None
        self.given: tuple[dict[str, Any], dict[str, Any]] | None = None
        self.in_request: tuple[str, str] | None = None


class AwsCalls:
    """The AWS calls of one invocation, and the messages that they sent.

    Attributes:
        in_flight: calls without a response yet → `time.perf_counter` at their start.
        counts: (service, operation, resource) → [count, errors]; `more` counts the calls beyond the cap.
        sent: the messages sent, in the record's form; `sent_more` counts those beyond the cap.
    """

    def __init__(self) -> None:
        self.in_flight: dict[Call, float] = {}
        self.counts: dict[tuple[str, str, str | None], list[int]] = {}
        self.more = 0
        self.sent: list[dict[str, Any]] = []
        self.sent_more = 0

    def count(self, call: Call, *, failed: bool) -> None:
        """Count a call that has ended, once for each resource that it named."""
        for resource in resources(call.service, call.params):
            key = (call.service, call.operation, resource)
            if key not in self.counts and len(self.counts) >= _names.CALLS_MOST:
                self.more += 1
                continue
            count = self.counts.setdefault(key, [0, 0])
            count[0] += 1
            count[1] += failed


def resources(service: str, params: Mapping[str, Any]) -> list[str | None]:
    """Return the resources that a call names, or `[None]` if it names none.

    Args:
        service: the service's id with hyphens, e.g. `sqs`, `secrets-manager`.
        params: the call's parameters, as given by the caller.
    """
    for name in _RESOURCES.get(service, ()):
        if (value := resource_name(params.get(name))) is not None:
            return [value]
    if service == "dynamodb":
        return _tables(params) or [None]
    if service == "eventbridge":
        return _distinct(params.get("Entries"), "EventBusName", "default") or [None]
    return [None]


def resource_name(value: object) -> str | None:
    """Return the name or ARN that a parameter holds; `None` where that may be somebody's address.

    A query is cut off, and so is the id of a phone's endpoint or of an execution, which is whatever its caller chose.
    """
    if not isinstance(value, str):
        return None
    if ":e" in value:
        before, kind, rest = value.partition(":endpoint/")
        fields = value.split(":")
        if kind:
            value = f"{before}{kind}{rest.rpartition('/')[0]}/*"
        elif len(fields) > _MACHINE and fields[_MACHINE - 1] in ("execution", "express"):
            value = ":".join((*fields[: _MACHINE + 1], "*"))
    value = value.partition("?")[0] if "?" in value else value
    return None if "@" in value or value[:1] == "+" else value


_MACHINE: Final = 6  # where `arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME` has the state machine


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
