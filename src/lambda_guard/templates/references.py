"""The values of `Ref` and `Fn::GetAtt` for each type of resource.

"Return values" on each type's page of
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lambda_guard.shapes.sample import fill

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


def references(kind: str, logical_id: str, name: str, location: Location) -> Mapping[str, str] | None:
    """Return the attributes of a resource, and what `Ref` gives; None for a type that isn't known here."""
    known = fill("resource-references", location=location, name=name, api_id=logical_id.lower())
    return known.get(kind)
