"""Which resource of a template an ARN is of, and how the template itself names it.

By the name that the template gives the resource, or by the one that its stack has it under. "Return values" on each
type's page of https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from lambda_guard.templates.document import ANYWHERE
from lambda_guard.templates.marks import Written
from lambda_guard.templates.survey.functions import PLAIN, SAM
from lambda_guard.templates.survey.nodes import Node, Template
from lambda_guard.templates.writing import in_sub


class Kind(NamedTuple):
    """A type of resources: the property that names one, its ARN after the partition, attributes for ARN and name.

    An empty attribute is `Ref`.

    None for `name` where nothing gives the name.
    """

    key: str
    rest: str
    arn: str = "Arn"
    name: str | None = ""


KINDS: Final[Mapping[str, Kind]] = {
    "AWS::Cognito::UserPool": Kind("", "cognito-idp:{here}:userpool/{name}"),
    "AWS::DynamoDB::GlobalTable": Kind("TableName", "dynamodb:{here}:table/{name}"),
    "AWS::DynamoDB::Table": Kind("TableName", "dynamodb:{here}:table/{name}"),
    "AWS::Events::EventBus": Kind("Name", "events:{here}:event-bus/{name}"),
    "AWS::KMS::Key": Kind("", "kms:{here}:key/{name}"),
    "AWS::Kinesis::Stream": Kind("Name", "kinesis:{here}:stream/{name}"),
    "AWS::KinesisFirehose::DeliveryStream": Kind(
        "DeliveryStreamName", "firehose:{here}:deliverystream/{name}"
    ),
    PLAIN: Kind("FunctionName", "lambda:{here}:function:{name}"),
    "AWS::Logs::LogGroup": Kind("LogGroupName", "logs:{here}:log-group:{name}:*"),
    "AWS::S3::Bucket": Kind("BucketName", "s3:::{name}"),
    "AWS::SNS::Topic": Kind("TopicName", "sns:{here}:{name}", arn="", name="TopicName"),
    "AWS::SQS::Queue": Kind("QueueName", "sqs:{here}:{name}", name="QueueName"),
    "AWS::SecretsManager::Secret": Kind(
        "Name", "secretsmanager:{here}:secret:{name}-??????", arn="", name=None
    ),
    SAM: Kind("FunctionName", "lambda:{here}:function:{name}"),
    "AWS::Serverless::SimpleTable": Kind("TableName", "dynamodb:{here}:table/{name}"),
    "AWS::Serverless::StateMachine": Kind("Name", "states:{here}:stateMachine:{name}", arn="", name="Name"),
    "AWS::StepFunctions::StateMachine": Kind(
        "StateMachineName", "states:{here}:stateMachine:{name}", arn="", name="Name"
    ),
}
"""Types that policies name."""
_GENERATED: Final = re.compile(r"(.+)-([A-Za-z0-9]+)-[A-Za-z0-9]{8,13}")
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?:\.([\w.]+))?\}")
_STREAM: Final = re.compile(r"/stream/[^/]+")
_TABLES: Final = {"AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table"}
_LOGS: Final = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/"


@dataclass(frozen=True, slots=True)
class _One:
    logical_id: str
    kind: str

    def refer(self, attribute: str) -> dict[str, Any]:
        return {"Fn::GetAtt": [self.logical_id, attribute]} if attribute else {"Ref": self.logical_id}

    def within(self, attribute: str) -> str:
        """Return it as a variable of `Fn::Sub`."""
        return f"${{{self.logical_id}{'.' * bool(attribute)}{attribute}}}"


@dataclass(slots=True)
class Owned:
    """The resources that a template owns.

    Attributes:
        file: the template's name; empty without one.
        roles: by the logical id of a function, what refers to its role's name.
        texts: what isn't an ARN, but written as for `Fn::Sub`, such as `${Orders.Arn}`.
    """

    file: str = ""
    roles: dict[str, Any] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)
    _by_arn: dict[str, _One | None] = field(default_factory=dict)
    _logical_ids: frozenset[str] = frozenset()

    def add(self, arn: str, one: _One) -> None:
        """Take a resource in; an ARN that two resources have belongs to neither."""
        self._by_arn[arn] = None if self._by_arn.get(arn, one) != one else one

    def reference(self, arn: str) -> Any:
        """Return how the template names an ARN; the ARN itself, if it isn't of a resource of the template."""
        if arn in self.texts:
            variable = _VARIABLE.fullmatch(arn)
            return {"Fn::Sub": arn} if variable is None else _One(variable[1], "").refer(variable[2] or "")
        if (whole := self._by_arn.get(arn)) is not None:
            return whole.refer(KINDS[whole.kind].arn)
        for end in (it.start() for it in re.finditer("[/:]", arn)):
            one = self._by_arn.get(arn[:end])
            if one is not None:
                rest, attribute = arn[end:], KINDS[one.kind].arn
                if one.kind in _TABLES and _STREAM.fullmatch(rest):
                    return one.refer("StreamArn")
                return {"Fn::Sub": f"{one.within(attribute)}{in_sub(rest)}"}
        return self._own_logs(arn)

    def _own_logs(self, arn: str) -> Any:
        """Return the log group that Lambda makes of a function's name."""
        group = re.fullmatch(r"(arn:[^:]+):logs:([^:]+:[^:]+):log-group:/aws/lambda/([^:]+):\*", arn)
        one = self._by_arn.get(f"{group[1]}:lambda:{group[2]}:function:{group[3]}") if group else None
        return arn if one is None else {"Fn::Sub": f"{_LOGS}{one.within('')}:*"}

    def argument(self, arn: str, value: str) -> Any:
        """Return an argument of a policy template whose resource is an ARN: the ARN itself, or its name."""
        one = self._by_arn.get(arn)
        if one is None or value == arn:
            return self.reference(value)
        name = KINDS[one.kind].name
        return value if name is None else one.refer(name)

    def role(self, function_arn: str) -> Any:
        """Return what refers to the name of a function's role; None where the template doesn't settle that."""
        one = self._by_arn.get(function_arn)
        return None if one is None else self.roles.get(one.logical_id)

    def unmatched(self, arn: str) -> str:
        """Return why an ARN stays as it is; empty where it is a resource of the template."""
        if not self.file or arn == "*" or self.reference(arn) != arn:
            return ""
        stack, logical_id = made_by_stack(re.split("[:/]", arn)[-1])
        if logical_id in self._logical_ids:
            return f"it looks like {logical_id} of a stack: name it with --stack {stack}"
        return f"{self.file} has no resource of this name"


def made_by_stack(name: str) -> tuple[str, str]:
    """Return the stack and the logical id in a name as CloudFormation makes it, `STACK-ID-RANDOM`; empty for others."""
    generated = _GENERATED.fullmatch(name)
    return (generated[1], generated[2]) if generated else ("", "")


def local_name(properties: Node, account: str | None) -> str | None:
    """Return the name that the local cloud gives what the template doesn't name; None elsewhere.

    Its account is the one of AWS's examples, which is nobody's.
    """
    if account != ANYWHERE.account:
        return None
    fifo = properties.at("FifoQueue").value is True or properties.at("FifoTopic").value is True
    return f"{properties.steps[1]}{'.fifo' * fifo}"


def sub_text(reference: Any) -> str:
    """Return a reference of `Owned` as `Fn::Sub` would write it, which is how a survey has what isn't settled."""
    if isinstance(reference, str):
        return reference
    ((name, value),) = reference.items()
    return value if name == "Fn::Sub" else f"${{{value if name == 'Ref' else '.'.join(value)}}}"


def owned(written: Written, here: Mapping[str, str], physical: Mapping[str, str]) -> Owned:
    """Return what a template owns.

    Args:
        written: the template.
        here: values of parameters, and of the pseudo parameters `AWS::Region`, `AWS::AccountId`, `AWS::Partition`.
        physical: physical ids by logical id, as the template's stack has them.
    """
    template = Template(written, here)
    resources = list(template.resources())
    found = Owned(written.file, _logical_ids=frozenset(name for name, _, _ in resources))
    for logical_id, kind, resource in resources:
        it = Node(template, resource, ("Resources", logical_id))
        if kind in KINDS and "Condition" not in resource:
            for arn in _arns(KINDS[kind], it, here, physical.get(logical_id)):
                found.add(arn, _One(logical_id, kind))
        if kind in {SAM, PLAIN} and (role := _role(it, kind)) is not None:
            found.roles[logical_id] = role
    return found


def _arns(kind: Kind, it: Node, here: Mapping[str, str], physical: str | None) -> Iterator[str]:
    """Yield the ARNs of a resource: with the name in the template, or the physical id, which may be an ARN or URL."""
    if physical is None:
        own = it.at("Properties")
        name = own.at(kind.key).text if kind.key else None
        if kind.key and own.at(kind.key).raw is None:
            name = local_name(own, here.get("AWS::AccountId"))
        if not isinstance(name, str):
            return
    elif physical.startswith("arn:"):
        yield physical
        if kind.rest.endswith("-??????"):
            yield f"{physical[:-6]}??????"
        return
    else:
        name = physical.rsplit("/", 1)[-1] if physical.startswith("https:") else physical
    place = f"{here.get('AWS::Region')}:{here.get('AWS::AccountId')}"
    yield f"arn:{here.get('AWS::Partition')}:{kind.rest.format(here=place, name=name)}"


def _role(it: Node, kind: str) -> Any:
    """Return what refers to the name of a function's role: of one in the template, of SAM's, or as text."""
    raw = it.at("Properties", "Role").raw
    if raw is None:
        return {"Ref": f"{it.steps[1]}Role"} if kind == SAM else None
    role = str(it.at("Properties", "Role").text)
    if own := re.fullmatch(r"\$\{(\w+)\.Arn\}", role):
        return {"Ref": own[1]}
    named = re.fullmatch(r"arn:[^:]+:iam::[0-9]{12}:role/(?:[^${}]+/)?([^/${}]+)", role)
    return named[1] if named else None
