"""The values of `Ref` and `Fn::GetAtt` for each type of resource.

"Return values" on each type's page of
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from collections.abc import Mapping
from dataclasses import dataclass

NAME_PROPERTY = {
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Lambda::Function": "FunctionName",
}
"""Type → the property that names a resource, where that isn't `Name`."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a stack is.

    Attributes:
        region: of ARNs.
        account: of ARNs.
        endpoint: the URL of SQS, for queue URLs.
    """

    region: str
    account: str
    endpoint: str

    def arn(self, service: str, rest: str) -> str:
        """Return an ARN of this region and account."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{rest}"

    def queue_url(self, name: str) -> str:
        """Return a queue's URL."""
        return f"{self.endpoint}/{self.account}/{name}"


def references(kind: str, logical_id: str, name: str, location: Location) -> Mapping[str | None, str] | None:
    """Return the attributes of a resource, its `Ref` under None; None for a type that isn't known here."""
    tables: dict[str, dict[str | None, str]] = {
        "AWS::SQS::Queue": {
            None: location.queue_url(name),
            "QueueUrl": location.queue_url(name),
            "Arn": location.arn("sqs", name),
            "QueueName": name,
        },
        "AWS::SNS::Topic": {
            None: location.arn("sns", name),
            "TopicArn": location.arn("sns", name),
            "TopicName": name,
        },
        "AWS::Lambda::Function": {None: name, "Arn": location.arn("lambda", f"function:{name}")},
        "AWS::Events::Rule": {None: name, "Arn": location.arn("events", f"rule/{name}")},
        "AWS::Scheduler::Schedule": {
            None: name,
            "Arn": location.arn("scheduler", f"schedule/default/{name}"),
        },
        "AWS::ApiGateway::RestApi": {None: logical_id.lower(), "RootResourceId": "root"},
        "AWS::ApiGatewayV2::Api": {None: logical_id.lower(), "ApiId": logical_id.lower()},
    }
    return tables.get(kind)
