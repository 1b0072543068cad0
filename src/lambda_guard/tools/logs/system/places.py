"""The places of a system, as records name them: an ARN, a URL and a name may mean the same queue. Pure."""

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from lambda_guard import _names as names
from lambda_guard.shapes import arns

Kind = Literal["function", "queue", "topic", "bus", "stream", "machine", "source", "dead", "unknown"]

DEAD: Final = "dead-letter queue"
UNKNOWN: Final = "sender not in these logs"
DIRECT: Final = "invoked directly"
REPLAY: Final = "dlq replay"
EVENTS: Final = "events of"

_CARRIERS: Final[Mapping[str, tuple[Kind, str]]] = {
    "lambda": ("function", "function"),
    "sqs": ("queue", "SQS queue"),
    "sns": ("topic", "SNS topic"),
    "eventbridge": ("bus", "event bus"),
    "eventbridgev2": ("bus", "event bus"),
    "sfn": ("machine", "state machine"),
    "kinesis": ("stream", "Kinesis stream"),
    "firehose": ("stream", "Firehose stream"),
}
"""Service of a sent message → what takes it."""

_TRIGGERS: Final[Mapping[str, tuple[Kind, str]]] = {
    "sqs": _CARRIERS["sqs"],
    "sns-sqs": _CARRIERS["sqs"],
    "eventbridge-sqs": _CARRIERS["sqs"],
    "s3-sqs": _CARRIERS["sqs"],
    "sns": _CARRIERS["sns"],
    "kinesis": _CARRIERS["kinesis"],
    "firehose": _CARRIERS["firehose"],
    "stepfunctions": _CARRIERS["sfn"],
    "dynamodb": ("stream", "DynamoDB stream"),
    "kafka": ("stream", "Kafka"),
    "mq": ("queue", "MQ broker"),
    "eventbridge": ("source", EVENTS),
    "schedule": ("source", "schedule"),
    "apigateway": ("source", "REST API"),
    "apigateway-v2": ("source", "HTTP API"),
    "websocket": ("source", "WebSocket API"),
    "function-url": ("source", "function URL"),
    "alb": ("source", "load balancer"),
    "s3": ("source", "S3 bucket"),
    "logs": ("source", "log group"),
}
"""Type of a trigger → what invokes the function; others are called by their type."""

_OWN_NAME_FIRST: Final = frozenset({"broker", "cluster", "stream", "table", "targetgroup"})
"""Kinds of resources whose ARNs go on behind the name."""

_BETWEEN: Final = re.compile(r"[:/]")


class Key(NamedTuple):
    """Which place it is: `what` it is called, its name, and its account, as far as records tell that."""

    kind: Kind
    what: str
    name: str
    account: str = ""


def function_place(name: str) -> Key:
    """Return the place of a function, by its name or any ARN of it."""
    return Key("function", "function", arns.function(name)[0])


def target_place(sent: Mapping[str, object]) -> Key:
    """Return where a message was sent; a name that was left out is empty."""
    service, target = str(sent.get(names.SERVICE) or ""), str(sent.get(names.TARGET) or "")
    kind, what = _CARRIERS.get(service, ("source", service))
    return function_place(target) if kind == "function" else Key(kind, what, *_name_and_account(target))


def trigger_place(trigger: Mapping[str, object]) -> Key | None:
    """Return what invoked a function; None where no record tells, and for direct invocations."""
    kind_of_trigger = str(trigger.get(names.TYPE) or "")
    if kind_of_trigger in {"", "lambda"}:
        return None
    kind, what = _TRIGGERS.get(kind_of_trigger, ("source", kind_of_trigger))
    return Key(kind, what, *_name_and_account(str(trigger.get(names.SOURCE) or "")))


def _name_and_account(text: str) -> tuple[str, str]:
    """Take apart an ARN, or the URL of a queue, which ends in `/ACCOUNT/NAME`; other texts are names."""
    if "://" in text:
        *_, account, name = ["", "", *text.rstrip("/").split("/")]
        return name, account
    arn = arns.parse(text)
    if arn is None:
        return text, ""
    kind, *rest = _BETWEEN.split(arn.resource, maxsplit=1)
    if not rest:
        return kind, arn.account
    return (_BETWEEN.split(rest[0])[0] if kind in _OWN_NAME_FIRST else rest[0]), arn.account
