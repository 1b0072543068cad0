"""What `Ref` and `GetAtt` give for each type of resource."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is.

    Attributes:
        region: of ARNs.
        account: of ARNs.
        endpoint: the URL of the services, for queue URLs.
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


def references(kind: str, logical_id: str, name: str, place: Place) -> Mapping[str | None, str] | None:
    """Return the attributes of a resource, its reference under None; None for a type not created here."""
    tables: dict[str, dict[str | None, str]] = {
        "AWS::SQS::Queue": {
            None: place.queue_url(name),
            "QueueUrl": place.queue_url(name),
            "Arn": place.arn("sqs", name),
            "QueueName": name,
        },
        "AWS::SNS::Topic": {
            None: place.arn("sns", name),
            "TopicArn": place.arn("sns", name),
            "TopicName": name,
        },
        "AWS::Lambda::Function": {None: name, "Arn": place.arn("lambda", f"function:{name}")},
        "AWS::Events::Rule": {None: name, "Arn": place.arn("events", f"rule/{name}")},
        "AWS::Scheduler::Schedule": {None: name, "Arn": place.arn("scheduler", f"schedule/default/{name}")},
        "AWS::ApiGateway::RestApi": {None: logical_id.lower(), "RootResourceId": "root"},
        "AWS::ApiGatewayV2::Api": {None: logical_id.lower(), "ApiId": logical_id.lower()},
    }
    return tables.get(kind)
