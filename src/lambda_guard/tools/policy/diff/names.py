"""What references in a template's policy become: names where they are settled, patterns where they aren't."""

import re
from typing import Final, NamedTuple

from lambda_guard.iam.resources import Place
from lambda_guard.templates.survey.functions import properties
from lambda_guard.templates.survey.nodes import Template, Text, Unknown

_REFERENCE: Final = re.compile(r"\$\{(\w+)(?:\.(\w+))?\}")
_INTRINSIC: Final = re.compile(r'"(Fn::\w+|Ref)"')


class _Kind(NamedTuple):
    """How resources of a type are named.

    Attributes:
        arn: with `{place}` for Region and account, and `{name}`.
        key: the property with the name; empty where there is none.
        reference: what `Ref` returns.
    """

    arn: str
    key: str
    reference: str = "name"


_KINDS: Final = {
    "AWS::Cognito::UserPool": _Kind("cognito-idp:{place}:userpool/{name}", ""),
    "AWS::DynamoDB::GlobalTable": _Kind("dynamodb:{place}:table/{name}", "TableName"),
    "AWS::DynamoDB::Table": _Kind("dynamodb:{place}:table/{name}", "TableName"),
    "AWS::Events::EventBus": _Kind("events:{place}:event-bus/{name}", "Name"),
    "AWS::Kinesis::Stream": _Kind("kinesis:{place}:stream/{name}", "Name"),
    "AWS::KinesisFirehose::DeliveryStream": _Kind(
        "firehose:{place}:deliverystream/{name}", "DeliveryStreamName"
    ),
    "AWS::KMS::Key": _Kind("kms:{place}:key/{name}", ""),
    "AWS::Lambda::Function": _Kind("lambda:{place}:function:{name}", "FunctionName"),
    "AWS::Logs::LogGroup": _Kind("logs:{place}:log-group:{name}:*", "LogGroupName"),
    "AWS::S3::Bucket": _Kind("s3:::{name}", "BucketName"),
    "AWS::SecretsManager::Secret": _Kind("secretsmanager:{place}:secret:{name}-??????", "Name", "arn"),
    "AWS::SNS::Topic": _Kind("sns:{place}:{name}", "TopicName", "arn"),
    "AWS::SQS::Queue": _Kind("sqs:{place}:{name}", "QueueName", "url"),
    "AWS::SSM::Parameter": _Kind("ssm:{place}:parameter/{name}", "Name"),
    "AWS::StepFunctions::StateMachine": _Kind(
        "states:{place}:stateMachine:{name}", "StateMachineName", "arn"
    ),
}
"""Types that policies name, as "Return values" on each type's page has them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""
_ARNS: Final = frozenset({"Arn", "TopicArn", "Id"})


class Names:
    """Names of a template's resources.

    Args:
        template: whose references are replaced.
        place: where it is deployed.
        used: ARNs of what was called: a name that CloudFormation makes, `STACK-LOGICALID-RANDOM`, is taken from these
            if a single one has that form.
    """

    def __init__(self, template: Template, place: Place, used: frozenset[str]) -> None:
        self._template = template
        self._used = used
        self._resources = {name: (kind, resource) for name, kind, resource in template.resources()}
        self._at = f"{place.region or '${AWS::Region}'}:{place.account or '${AWS::AccountId}'}"
        self._partition = place.partition

    def pattern(self, text: Text) -> str:
        """Return a text as a pattern of IAM's: what isn't settled in it is a variable, `${…}`."""
        if isinstance(text, Unknown) and (found := _INTRINSIC.search(text.text)):
            return f"${{{found[1]}}}"
        return _REFERENCE.sub(lambda it: self._named(it[0], it[1], it[2]), str(text))

    def _named(self, whole: str, logical_id: str, attribute: str | None) -> str:
        kind, resource = self._resources.get(logical_id, ("", {}))
        if (row := _KINDS.get(kind)) is None:
            return whole
        name = self._name(logical_id, row, kind, resource)
        wanted = "arn" if attribute in _ARNS else (attribute or row.reference)
        if wanted == "arn":
            return f"arn:{self._partition}:{row.arn.format(place=self._at, name=name)}"
        return name if wanted in {"name", row.key} else whole

    def _name(self, logical_id: str, row: _Kind, kind: str, resource: dict[str, object]) -> str:
        if row.key:
            it = properties(self._template, logical_id, kind, resource).at(row.key)
            if it.raw is not None:
                return str(it.text).removeprefix("/" if kind == "AWS::SSM::Parameter" else "")
        return self._made(logical_id, row) if row.key else f"${{{logical_id}}}"

    def _made(self, logical_id: str, row: _Kind) -> str:
        """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html."""
        before = row.arn.partition("{name}")[0].replace("{place}", "[^:]*:[^:]*")
        # What follows is an index, a version, a log stream, or the six characters of a secret.
        pattern = re.compile(
            rf"arn:[^:]+:{before}([a-z0-9-]+-{logical_id}-[a-z0-9]+)(?:[:/].*|-\?{{6}})?", re.IGNORECASE
        )
        names = {found[1] for one in self._used if (found := pattern.fullmatch(one))}
        return names.pop() if len(names) == 1 else f"${{{logical_id}}}"
