"""What an AWS call is about: the resources that its parameters name, and what else decides who may make it.

Pure functions over tables. The parameter names are those of the services' API references; only names of resources are
read, never their contents.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

from .. import _names

More: TypeAlias = tuple[tuple[str, str], ...]


class Named(NamedTuple):
    """One resource of a call.

    Attributes:
        resource: its name, ARN or URL; None if no parameter names one.
        more: keys of the record's `calls` and their values, e.g. `(("index", "by-date"),)`.
    """

    resource: str | None
    more: More = ()


UNNAMED: Final = Named(None)

_RESOURCES: Final = {
    "sqs": ("QueueUrl", "QueueName"),
    "sns": ("TopicArn", "TargetArn"),
    "dynamodb": ("TableName", "StreamArn"),
    "dynamodb-streams": ("StreamArn",),
    "s3": ("Bucket",),
    "lambda": ("FunctionName",),
    "sfn": ("stateMachineArn", "executionArn", "activityArn"),
    "eventbridge": ("EventBusName", "Name"),
    "eventbridgev2": ("EventBusArn", "Name"),
    "kinesis": ("ConsumerARN", "StreamARN", "StreamName"),
    "firehose": ("DeliveryStreamName",),
    "secrets-manager": ("SecretId",),
    "ssm": ("Name", "Path"),
    "kms": ("KeyId", "DestinationKeyId"),
    "cloudwatch": ("Namespace",),
    "cloudwatch-logs": ("logGroupName", "logGroupIdentifier"),
    "cognito-identity": ("IdentityPoolId",),
    "cognito-identity-provider": ("UserPoolId",),
    "scheduler": ("Name",),
    "athena": ("WorkGroup",),
    "rds-data": ("resourceArn",),
    "bedrock-runtime": ("modelId", "guardrailIdentifier"),
    "bedrock-agent-runtime": ("knowledgeBaseId", "agentId"),
    "iot-data-plane": ("topic", "thingName"),
    "ecs": ("taskDefinition", "cluster"),
    "ses": ("SourceArn",),
    "sesv2": ("FromEmailAddressIdentityArn",),
    "sts": ("RoleArn",),
}
"""Service → the parameters that name a resource; the first one present is used."""

_MORE: Final = {
    "bedrock-agent-runtime": ("agentAliasId", _names.CALL_QUALIFIER),
    "dynamodb": ("IndexName", _names.CALL_INDEX),
    "kinesis": ("ConsumerName", _names.CALL_CONSUMER),
    "kms": ("SourceKeyId", _names.SOURCE),
    "lambda": ("Qualifier", _names.CALL_QUALIFIER),
    "rds-data": ("secretArn", _names.CALL_SECRET),
    "s3": ("CopySource", _names.SOURCE),
    "sqs": ("QueueOwnerAWSAccountId", _names.CALL_ACCOUNT),
}
"""Service → a parameter that names something besides, and its key."""


def named(
    service: str,
    operation: str,
    params: Mapping[str, Any],
    response: Mapping[str, Any] | None = None,
    endpoint_url: str | None = None,
) -> list[Named]:
    """Return the resources that a call names, one at least.

    Args:
        service: the service's id with hyphens, e.g. `sqs`, `secrets-manager`.
        operation: e.g. `SendMessage`.
        params: the call's parameters, as given by the caller.
        response: the service's response, if there is one: KMS names there the key that it has decrypted with.
        endpoint_url: where the client sends its requests: a WebSocket API is named there alone.
    """
    found = None
    for name in _RESOURCES.get(service, ()):
        if (found := resource_name(params.get(name))) is not None:
            break
    if found is None and (several := _SEVERAL.get(service)) is not None:
        listed = list(several(operation, params, response or {}))
        return listed if len(listed) == 1 else list(dict.fromkeys(listed)) or [UNNAMED]
    if found is None and service == "apigatewaymanagementapi":
        return [Named(_websocket_api(endpoint_url))]
    if (besides := _MORE.get(service)) is None:
        return [Named(found)]
    parameter, key = besides
    value = params.get(parameter)
    if value is None and service == "kms" and response is not None:
        value = response.get(parameter)
    value = copied_from(value) if parameter == "CopySource" else resource_name(value)
    return [Named(found, () if value is None else ((key, value),))]


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


def copied_from(source: object) -> str | None:
    """Return the bucket or access point of S3's `CopySource`, which also has the object's key.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """
    if isinstance(source, Mapping):
        return resource_name(source.get("Bucket"))
    if not isinstance(source, str):
        return None
    from urllib.parse import unquote  # late: few functions copy

    source = unquote(source).lstrip("/")
    before, is_object, _ = source.partition("/object/")
    return resource_name(before if is_object and source.startswith("arn:") else source.partition("/")[0])


def account_of(resource: str) -> str | None:
    """Return the account in an ARN, in the URL of a queue or in the name of another account's function."""
    if resource.startswith("arn:"):
        fields = resource.split(":", 5)
        account = fields[4] if len(fields) > 5 else ""  # noqa: PLR2004 - an ARN has six fields
    elif resource.startswith(("https://", "http://")):
        account = resource.rpartition("/")[0].rpartition("/")[2]
    else:
        account = resource.partition(":")[0]
    return account if len(account) == _ACCOUNT and account.isdecimal() else None


_ACCOUNT: Final = 12  # digits


def _of_dynamodb(_: str, params: Mapping[str, Any], __: Mapping[str, Any]) -> Iterable[Named]:
    if "Statement" in params:
        return (partiql(params["Statement"]),)
    if isinstance(items := params.get("RequestItems"), Mapping):
        return [Named(name) for name in map(resource_name, items) if name is not None]
    for list_of in ("Statements", "TransactStatements"):
        if list_of in params:
            return [partiql(item.get("Statement")) for item in _listed(params, list_of)]
    return _of_transaction(params)


def _of_transaction(params: Mapping[str, Any]) -> list[Named]:
    tables: dict[tuple[str, str], None] = {}  # a hundred items are of few
    for item in _listed(params, "TransactItems"):
        for kind, action in item.items():
            table = action.get("TableName") if kind in _ITEMS and isinstance(action, Mapping) else None
            if isinstance(table, str):
                tables[table, kind] = None
    found = ((resource_name(table), kind) for table, kind in tables)
    return [Named(name, ((_names.CALL_KIND, kind),)) for name, kind in found if name is not None]


_ITEMS: Final = ("Get", "Put", "Update", "Delete", "ConditionCheck")

_IDENTIFIER: Final = r'(?:"([A-Za-z0-9_.:/-]+)"|([A-Za-z0-9_-]+))'
_QUOTED: Final = """(?:'[^']*'|"[^"]*")"""
_PARTIQL: Final = (
    rf"""\s*(?:EXISTS\s*\(\s*)?(?:(SELECT)\b[^'"]*?(?:{_QUOTED}[^'"]*?)*?\bFROM|(INSERT)\s+INTO|(UPDATE)|(DELETE)\s+FROM)"""
    rf"\s+{_IDENTIFIER}(?:\s*\.\s*{_IDENTIFIER})?(?![^\s)({{\[;,?])"
)
_STATEMENT_MOST: Final = 8192
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExecuteStatement.html"""


def partiql(statement: object) -> Named:
    """Return the table of a PartiQL statement, its kind and its index.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
    """
    if not isinstance(statement, str) or len(statement) > _STATEMENT_MOST:
        return UNNAMED
    if (found := _pattern(_PARTIQL).match(statement)) is None:
        return UNNAMED
    select, insert, update, delete, table, plain, index, plain_index = found.groups()
    said = (_names.CALL_KIND, (select or insert or update or delete).capitalize())
    index = index or plain_index
    more = (said, (_names.CALL_INDEX, index)) if index and select else (said,)
    return Named(resource_name(table or plain), more)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern of rare calls when the first is made."""
    return re.compile(text, re.IGNORECASE)


def _of_eventbridge(operation: str, params: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Named]:
    for entry in _listed(params, "Entries") if operation == "PutEvents" else ():
        yield Named(resource_name(entry.get("EventBusName") or "default"))


def _of_ssm(_: str, params: Mapping[str, Any], __: Mapping[str, Any]) -> Iterator[Named]:
    yield from _names_in(params, "Names")


def _of_secrets(_: str, params: Mapping[str, Any], response: Mapping[str, Any]) -> Iterator[Named]:
    yield from _names_in(params, "SecretIdList")
    if "SecretIdList" not in params:  # found by filters
        yield from (Named(resource_name(it.get("ARN"))) for it in _listed(response, "SecretValues"))


def _of_kms(_: str, __: Mapping[str, Any], response: Mapping[str, Any]) -> Iterator[Named]:
    """No parameter has to name the key that decrypts: it stands in the ciphertext, and in the response."""
    if (key := resource_name(response.get("KeyId"))) is not None:
        yield Named(key)


def _of_logs(_: str, params: Mapping[str, Any], __: Mapping[str, Any]) -> Iterator[Named]:
    yield from _names_in(params, "logGroupNames")
    yield from _names_in(params, "logGroupIdentifiers")


def _of_athena(operation: str, _: Mapping[str, Any], __: Mapping[str, Any]) -> Iterator[Named]:
    """https://docs.aws.amazon.com/athena/latest/ug/manage-queries-control-costs-with-workgroups.html: the default."""
    if operation == "StartQueryExecution":
        yield Named("primary")


def _of_appconfig(_: str, params: Mapping[str, Any], __: Mapping[str, Any]) -> Iterator[Named]:
    parts = [resource_name(params.get(f"{name}Identifier")) for name in _APPCONFIG]
    if None not in parts:
        yield Named("/".join(filter(None, parts)))


_APPCONFIG: Final = ("Application", "Environment", "ConfigurationProfile")

_SEVERAL: Final[Mapping[str, Callable[[str, Mapping[str, Any], Mapping[str, Any]], Iterable[Named]]]] = {
    "appconfigdata": _of_appconfig,
    "athena": _of_athena,
    "cloudwatch-logs": _of_logs,
    "dynamodb": _of_dynamodb,
    "eventbridge": _of_eventbridge,
    "kms": _of_kms,
    "secrets-manager": _of_secrets,
    "ssm": _of_ssm,
}
"""Service → what its calls name that have none of the parameters above."""


def _listed(params: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    items = params.get(key)
    yield from (
        (item for item in items if isinstance(item, Mapping)) if isinstance(items, list | tuple) else ()
    )


def _names_in(params: Mapping[str, Any], key: str) -> Iterator[Named]:
    items = params.get(key)
    yield from (Named(resource_name(it)) for it in items) if isinstance(items, list | tuple) else ()


_WEBSOCKET: Final = r"https://([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.[a-z.]+/([^/?]+)/?"


def _websocket_api(endpoint_url: str | None) -> str | None:
    """Return `API/STAGE`; a domain of one's own doesn't tell them."""
    found = _pattern(_WEBSOCKET).fullmatch(endpoint_url or "")
    return f"{found[1]}/{found[2]}" if found is not None else None
