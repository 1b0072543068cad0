"""Commands that work as they stand, for what a cloud has."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lambda_guard.shapes import arns

if TYPE_CHECKING:
    from lambda_guard.local.cloud import Cloud

_FUNCTIONS_MOST = 5
"""More would make a command that nobody reads."""


def commands(cloud: "Cloud") -> list[str]:
    """Return the commands: what sets something off, then what shows how it went and what died."""
    return [*_senders(cloud), *_readers(cloud)]


def _senders(cloud: "Cloud") -> Iterator[str]:
    stack = cloud.stack
    route = next((route for route in stack.routes if route.function is not None), None)
    if route is not None:
        method = "POST" if route.method == "ANY" else route.method
        data = "" if method in {"GET", "HEAD"} else " -H 'Content-Type: application/json' -d '{}'"
        path = "/" if route.path == "$default" else re.sub(r"\{\w+\+?\}", "1", route.path)
        yield f"curl -X {method} {cloud.apis[route.api]}{path}{data}"
    if stack.topics:
        yield f"aws sns publish --topic-arn {cloud.topic_arn(stack.topics[0].name)} --message '{{}}'"
    if stack.queues:
        url = cloud.queue_url(stack.queues[0].name)
        # Version 1 of the AWS CLI heeds AWS_ENDPOINT_URL for all services but this one.
        yield f"aws --endpoint-url {cloud.endpoint} sqs send-message --queue-url {url} --message-body '{{}}'"
    if cloud.functions:
        yield f"aws lambda invoke --function-name {cloud.functions[0].name} /dev/stdout"


def _readers(cloud: "Cloud") -> Iterator[str]:
    """Yield commands of ours; `trace` needs an id, which the functions' lines have."""
    functions = " ".join(f"--function {function.name}" for function in cloud.functions[:_FUNCTIONS_MOST])
    if functions:
        yield f"lambda-guard invocations {functions} --failed"
        yield f"lambda-guard trace TRACE_ID {functions}"
    for queue in _dead_letter_queues(cloud)[:1]:
        yield f"lambda-guard dlq list {queue}"
        yield f"lambda-guard dlq replay {queue} --yes"


def _dead_letter_queues(cloud: "Cloud") -> list[str]:
    """Return the names of the queues to which something sends what failed."""
    targets = [target for it in cloud.stack.functions for target in (it.dead_letter_arn, it.on_failure)]
    targets += [it.dead_letter_arn for it in cloud.stack.queues]
    parsed = [arns.parse(target) for target in targets if target]
    return list(dict.fromkeys(arn.resource for arn in parsed if arn is not None and arn.service == "sqs"))
