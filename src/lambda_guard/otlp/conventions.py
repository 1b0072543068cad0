"""What spans are called and say, by OpenTelemetry's semantic conventions 1.44.

Those of the invocation: https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/, of AWS calls:
https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/, of messages:
https://opentelemetry.io/docs/specs/semconv/messaging/, of errors:
https://opentelemetry.io/docs/specs/semconv/general/recording-errors/. What they have no name for is `lambda_guard.…`.
"""

from collections.abc import Mapping
from typing import Any, Final

from .. import _names
from .._version import __version__
from .span import CONSUMER, EXCEPTION, SERVER, Attributes, Event, Span

SCOPE: Final = {"name": "lambda_guard", "version": __version__}

_HTTP: Final = (
    "alb", "websocket", "function-url", "apigateway", "apigateway-v2", "appsync", "vpc-lattice", "alexa",
)  # fmt: skip
_PUBSUB: Final = ("sqs", "sns", "kinesis", "kafka", "mq", "eventbridge", "iot", "cloudwatch-alarm")
_FAAS_TRIGGERS: Final = {
    **dict.fromkeys(_HTTP, "http"),
    **dict.fromkeys(_PUBSUB, "pubsub"),
    **dict.fromkeys(("s3", "dynamodb", "codecommit"), "datasource"),
    "schedule": "timer",
}
_SYSTEMS: Final = {"sqs": "aws_sqs", "sns": "aws.sns", "kafka": "kafka"}
# What AWS's SDKs call services that they don't write as we do.
_SERVICES: Final = {
    "sqs": "SQS", "sns": "SNS", "s3": "S3", "dynamodb": "DynamoDB", "lambda": "Lambda", "sfn": "SFN",
    "eventbridge": "EventBridge", "kinesis": "Kinesis", "firehose": "Firehose", "ssm": "SSM", "kms": "KMS",
    "sts": "STS", "secrets-manager": "Secrets Manager", "cloudwatch-logs": "CloudWatch Logs", "sesv2": "SESv2",
}  # fmt: skip
# The attribute that holds the name of a service's resource.
_RESOURCES: Final = {
    "sqs": "aws.sqs.queue.url",
    "sns": "aws.sns.topic.arn",
    "s3": "aws.s3.bucket",
    "kinesis": "aws.kinesis.stream_name",
    "secrets-manager": "aws.secretsmanager.secret.arn",
    "sfn": "aws.step_functions.state_machine.arn",
    "lambda": "faas.invoked_name",
}
_SENDS: Final = frozenset((
    "Publish", "PublishBatch", "PutEvents", "PutRecord", "PutRecords", "SendMessage", "SendMessageBatch",
))  # fmt: skip


def resource(
    function: str, version: str, service: str, memory_mb: int | None, environ: Mapping[str, str]
) -> Attributes:
    """Return the attributes of a function's resource; those of `OTEL_RESOURCE_ATTRIBUTES` go before ours.

    https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
    """
    found: Attributes = {
        "service.name": service,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": SCOPE["name"],
        "telemetry.sdk.version": SCOPE["version"],
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "faas.name": function,
        "faas.version": version,
    }
    named = {"cloud.region": _names.ENV_REGION, "faas.instance": _names.ENV_LOG_STREAM}
    found |= {key: environ[name] for key, name in named.items() if environ.get(name)}
    if memory_mb is not None:
        found["faas.max_memory"] = memory_mb * 1024 * 1024
    if group := environ.get(_names.ENV_LOG_GROUP):
        found["aws.log.group.names"] = [group]
    found |= pairs(environ.get(_names.ENV_OTEL_RESOURCE, ""))
    if name := environ.get(_names.ENV_OTEL_SERVICE):
        found["service.name"] = name
    return found


def pairs(text: str) -> dict[str, str]:
    """Read `key=value,key=value`, the values percent-encoded, as OpenTelemetry's variables have it."""
    split = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    found = {key.strip(): value.strip() for key, _, value in split if key.strip()}
    if "%" in text:
        from urllib.parse import unquote  # late: hardly any value needs it

        found = {key: unquote(value) for key, value in found.items()}
    return found


def describe(span: Span, function: str, trigger: str, source: str | None, count: int | None) -> None:
    """Give the span of an invocation, or of a batch item, its name, its kind, and what its trigger says.

    Args:
        span: the span.
        function: the function's name.
        trigger: the trigger's type, as in the invocation record.
        source: the trigger's source.
        count: the number of messages; `None` for a batch item, which is one.
    """
    kind = trigger.rpartition("-")[2] if trigger.endswith("-sqs") else trigger
    said = span.attributes
    said["faas.trigger"] = _FAAS_TRIGGERS.get(kind, "other")
    said["lambda_guard.trigger"] = trigger
    span.name, span.kind = function, SERVER
    system = _SYSTEMS.get(kind)
    if system is None:
        return
    said["messaging.system"] = system
    said["messaging.operation.type"] = said["messaging.operation.name"] = "process"
    if source is not None:
        said["messaging.destination.name"] = name = name_in(source)
        span.name = f"{name} process"
    if count is not None:
        said["messaging.batch.message_count"] = count
    span.kind = CONSUMER


def name_in(source: str) -> str:
    """Return the name in an ARN or a queue's URL; anything else as it is."""
    return source.rpartition("/" if "://" in source else ":")[2] if ":" in source else source


def http(span: Span, known: Mapping[str, Any]) -> None:
    """Note an HTTP request, in the form of the invocation record."""
    keys = (
        (_names.METHOD, "http.request.method"),
        (_names.ROUTE, "http.route"),
        (_names.STATUS, "http.response.status_code"),
    )
    span.attributes |= {name: known[key] for key, name in keys if known.get(key) is not None}
    if known.get(_names.ROUTE):
        span.name = known[_names.ROUTE]
    if known.get(_names.STATUS, 0) >= _names.SERVER_ERROR_LEAST:
        fail(span, str(known[_names.STATUS]))


def invoked(span: Span, arn: object) -> None:
    """Note the ARN that was invoked, with its alias, and the function's own."""
    if isinstance(arn, str) and arn.count(":") >= 6:  # noqa: PLR2004 - arn:aws:lambda:region:account:function:name
        fields = arn.split(":")
        span.attributes |= {
            "aws.lambda.invoked_arn": arn,
            "cloud.resource_id": ":".join(fields[:7]),
            "cloud.account.id": fields[4],
        }


def call(service: str, operation: str, region: str | None, resource: str | None) -> tuple[str, Attributes]:
    """Return the name and the attributes of the span of an AWS call.

    Args:
        service: the service's id with hyphens, e.g. `sqs`.
        operation: e.g. `SendMessage`.
        region: where.
        resource: what it named, as in the invocation record.
    """
    name = _SERVICES.get(service, service)
    said: Attributes = {"rpc.system": "aws-api", "rpc.service": name, "rpc.method": operation}
    if region is not None:
        said["cloud.region"] = region
    if resource is not None:
        said |= _of_resource(service, resource)
    if (system := _SYSTEMS.get(service)) is not None and operation in _SENDS:
        said |= {
            "messaging.system": system,
            "messaging.operation.name": operation,
            "messaging.operation.type": "send",
        }
        if resource is not None:
            said["messaging.destination.name"] = name_in(resource)
    return f"{name}.{operation}", said


def _of_resource(service: str, resource: str) -> Attributes:
    if service == "dynamodb":
        return {
            "db.system.name": "aws.dynamodb",
            "db.collection.name": resource,
            "aws.dynamodb.table_names": [resource],
        }
    key = _RESOURCES.get(service)
    return {key: resource} if key is not None else {"lambda_guard.resource": resource}


def fail(span: Span, kind: str, description: str = "") -> None:
    """Mark a span as failed, by an error of this kind."""
    span.failed, span.description = True, description
    span.attributes["error.type"] = kind


def failed(span: Span, kind: str, message: str, stack: str) -> None:
    """Mark a span as failed by an exception, which becomes its event."""
    fail(span, kind, message)
    said = {f"{EXCEPTION}.type": kind, f"{EXCEPTION}.message": message, f"{EXCEPTION}.stacktrace": stack}
    span.events.append(Event(span.end, EXCEPTION, {key: value for key, value in said.items() if value}))
