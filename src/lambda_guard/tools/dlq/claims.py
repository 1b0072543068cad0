"""Whether a letter that names its target by itself is what it claims to be.

Anyone who may send messages to a queue can write what a service writes there, and so have a function of their choice
invoked by whoever replays. They can't write the configuration of the one who failed, which names the queue.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from lambda_guard.shapes import arns
from lambda_guard.tools.aws import Clients
from lambda_guard.tools.dlq.errors import asked
from lambda_guard.tools.dlq.letter import Letter, Origin
from lambda_guard.tools.dlq.queue import Queue
from lambda_guard.tools.logs.model import as_mapping


class Claim(NamedTuple):
    """What a letter says of itself.

    Attributes:
        sender: the ARN of the rule or schedule that failed; for others, the function.
        target: where it was bound for, as the letter names it.
        stream: for stream mappings, the stream.
        topic: the topic through which it came; empty where it came directly.
    """

    origin: Origin
    sender: str
    target: str
    stream: str
    topic: str


def claim_of(letter: Letter, target: str) -> Claim:
    """Return what a letter says of itself."""
    attribute = _NAMED_BY.get(letter.origin, "")
    sender = letter.message.text(attribute) if attribute else target
    stream = letter.pointer.stream_arn if letter.pointer is not None else ""
    return Claim(letter.origin, sender, target, stream, letter.via)


def holds(claim: Claim, queue: Queue, clients: Clients) -> bool:
    """Return whether the configuration of the one who failed sends its failures to the queue.

    Raises:
        CloudError: the configuration may not be read, or there is none.
    """
    place = claim.topic or queue.arn
    if place not in _CONFIGURED[claim.origin](claim, queue, clients):
        return False
    return not claim.topic or _is_subscribed(queue, claim.topic, clients("sns"))


def _is_subscribed(queue: Queue, topic: str, sns: Any) -> bool:
    with asked(f"list the subscriptions of {topic}"):
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        return any(one.get("Endpoint") == queue.arn for page in pages for one in page["Subscriptions"])


def _of_a_function(claim: Claim, _queue: Queue, clients: Clients) -> Iterator[str]:
    with asked(f"read the configuration of {claim.target}"):
        found = clients("lambda").get_function_configuration(FunctionName=_unqualified(claim.target))
    yield str(as_mapping(found.get("DeadLetterConfig")).get("TargetArn"))


def _of_a_destination(claim: Claim, _queue: Queue, clients: Clients) -> Iterator[str]:
    """Version and alias have a configuration each; that one of them names the queue is enough."""
    with asked(f"list where {claim.target} sends its failures"):
        paginate = clients("lambda").get_paginator("list_function_event_invoke_configs").paginate
        for page in paginate(FunctionName=_unqualified(claim.target)):
            yield from map(_on_failure, page["FunctionEventInvokeConfigs"])


def _of_a_stream(claim: Claim, _queue: Queue, clients: Clients) -> Iterator[str]:
    with asked(f"list the event source mappings of {claim.stream}"):
        paginate = clients("lambda").get_paginator("list_event_source_mappings").paginate
        for page in paginate(EventSourceArn=claim.stream):
            for one in page["EventSourceMappings"]:
                ours = _unqualified(str(one.get("FunctionArn"))) == _unqualified(claim.target)
                if ours and one.get("EventSourceArn") == claim.stream:
                    yield _on_failure(one)


def _of_a_rule(claim: Claim, _queue: Queue, clients: Clients) -> Iterator[str]:
    """`rule/NAME` of the default bus, `rule/BUS/NAME` of any other."""
    bus, _, name = arns.resource_path(claim.sender).rpartition("/")
    with asked(f"list the targets of the rule {name}"):
        paginate = clients("events").get_paginator("list_targets_by_rule").paginate
        for page in paginate(Rule=name, EventBusName=bus or "default"):
            yield from (_dead_letters(one) for one in page["Targets"] if one.get("Arn") == claim.target)


def _of_a_schedule(claim: Claim, queue: Queue, clients: Clients) -> Iterator[str]:
    """`schedule/GROUP/NAME`, whose target is a queue or function, or the call of an API with its parameters."""
    group, _, name = arns.resource_path(claim.sender).rpartition("/")
    with asked(f"read the schedule {name}"):
        target = clients("scheduler").get_schedule(GroupName=group or "default", Name=name)["Target"]
    called = _parameters(str(target.get("Input")))
    known = {target["Arn"], called.get("FunctionName"), called.get("QueueUrl"), _url(target["Arn"], queue)}
    if claim.target in known:
        yield _dead_letters(target)


_NAMED_BY: Final = {Origin.RULE: "RULE_ARN", Origin.SCHEDULE: "SCHEDULE_ARN"}
_CONFIGURED: Final[Mapping[Origin, Callable[[Claim, Queue, Clients], Iterator[str]]]] = {
    Origin.FUNCTION: _of_a_function,
    Origin.DESTINATION: _of_a_destination,
    Origin.STREAM: _of_a_stream,
    Origin.RULE: _of_a_rule,
    Origin.SCHEDULE: _of_a_schedule,
}


def _on_failure(configuration: Mapping[str, Any]) -> str:
    failures = as_mapping(as_mapping(configuration.get("DestinationConfig")).get("OnFailure"))
    return str(failures.get("Destination"))


def _dead_letters(target: Mapping[str, Any]) -> str:
    return str(as_mapping(target.get("DeadLetterConfig")).get("Arn"))


def _unqualified(function: str) -> str:
    """Leave version and alias out of a function's ARN or name."""
    _, qualifier = arns.function(function)
    return function.removesuffix(f":{qualifier}") if qualifier else function


def _parameters(text: str) -> Mapping[str, Any]:
    try:
        return as_mapping(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _url(arn: str, queue: Queue) -> str:
    """Return the URL of a queue in this region: that of the dead-letter queue with another account and name."""
    parsed = arns.parse(arn)
    return f"{queue.url.rsplit('/', 2)[0]}/{parsed.account}/{parsed.resource}" if parsed is not None else ""
