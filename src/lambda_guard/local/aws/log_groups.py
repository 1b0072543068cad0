"""In moto's process: subscription filters of log groups, with functions as destinations."""

import json
from base64 import b64encode
from gzip import compress
from typing import Any

from moto.logs.exceptions import InvalidParameterException
from moto.logs.models import LogsBackend, LogStream

from lambda_guard.local.aws.deliveries import Functions, UndeliverableError
from lambda_guard.local.aws.filter_patterns import matcher
from lambda_guard.local.aws.replacing import replaces
from lambda_guard.shapes import arns
from lambda_guard.shapes.sample import fill

_OF_FUNCTIONS = "/aws/lambda/"


def log_groups_deliver(functions: Functions) -> None:
    """AWS: CloudWatch Logs sends what a filter's pattern matches, "base64 encoded and compressed with gzip".

    moto sends everything, whatever the pattern, and its functions run in Docker.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#LambdaFunctionExample
    """

    @replaces(LogStream, "_send_log_events")
    def send(original: Any, self: Any, **given: Any) -> None:
        subscription = self.log_group.subscription_filters[given["filter_name"]]
        matches = matcher(subscription.filter_pattern)
        given["log_events"] = [event for event in given["log_events"] if matches(event["message"])]
        if not given["log_events"]:
            return
        if given["service"] != "lambda":
            original(self, **given)
            return
        event = _event(self, subscription.name, given["log_events"])
        try:
            functions.invoke(subscription.destination_arn, json.dumps(event))
        except UndeliverableError as error:
            functions.say(f"log events of {self.log_group.name} are lost: {error}")


def functions_are_destinations() -> None:
    """AWS: PutSubscriptionFilter takes "a Lambda function belonging to the same account", whichever moto knows of.

    A function's own log group would be a loop, which AWS lets happen.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutSubscriptionFilter.html
    """

    @replaces(LogsBackend, "put_subscription_filter")
    def put(original: Any, self: Any, group: str, *given: Any) -> None:
        name, pattern, arn, role = given
        if group.startswith(_OF_FUNCTIONS) and group not in self.groups:
            self.create_log_group(group, {})  # a function's, which is there from the start
        if ":lambda:" not in arn:
            original(self, group, *given)
            return
        if group == f"{_OF_FUNCTIONS}{arns.function(arn)[0]}":
            raise InvalidParameterException(
                f"{group} is the function's own: each line would cause the next ones"
            )
        try:
            matcher(pattern)
        except ValueError as error:
            raise InvalidParameterException(f"Invalid filter pattern: {error}") from error
        self._find_log_group(log_group_name=group).put_subscription_filter(name, pattern, arn, role)


def _event(stream: Any, filter_name: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    data = fill(
        "logs",
        log_group=stream.log_group.name,
        log_stream=stream.log_stream_name,
        owner=stream.account_id,
        filter=filter_name,
        events=[{**each, "id": f"{each['id']:056}"} for each in events],  # moto's are numbers
    )
    return {"awslogs": {"data": b64encode(compress(json.dumps(data).encode())).decode()}}
