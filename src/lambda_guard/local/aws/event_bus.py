"""In moto's process: EventBridge's buses deliver events to the targets of their rules.

moto has some kinds of targets, neither functions nor topics, and no inputs, states of rules, dead letters or traces.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from moto.events.models import EventsBackend, Rule, events_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from lambda_guard.local.aws.deliveries import Functions, UndeliverableError, carried
from lambda_guard.local.aws.event_input import target_input
from lambda_guard.local.aws.replacing import replaces
from lambda_guard.propagation.header import parse
from lambda_guard.shapes import arns
from lambda_guard.shapes.sqs import text_attribute

Event = dict[str, Any]


def rules_deliver(functions: Functions) -> None:
    """AWS: a rule "sends matching events to targets for processing"; it delivers while it's enabled.

    What a target refuses goes to its dead-letter queue: a target that isn't there is never tried again, and others
    don't fail for a while here, so that retry policies have nothing to do.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rules.html,
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
    """

    @replaces(Rule, "send_to_targets")
    def send_to_targets(_original: Any, self: Any, event: Any, **_given: bool) -> None:
        event, ingested = _as_delivered(event)
        for target in self.targets if _is_for(self, event) else ():
            _send(functions, self, target, event, ingested)


def _is_for(rule: Any, event: Event) -> bool:
    """Whether an event is a rule's: what its schedule puts to the bus, or what its pattern matches."""
    if (event["source"], event["detail-type"]) == _SCHEDULED:
        return rule.arn in event["resources"]
    pattern = rule.event_pattern
    return rule.state == "ENABLED" and bool(pattern.get_pattern()) and pattern.matches_event(event)


def trace_headers_of_entries() -> None:
    """AWS, PutEventsRequestEntry, TraceHeader: "an AWS X-Ray trace header … To learn more about X-Ray trace headers".

    It counts before the request's own header, and "EventBridge passes the tracing header to targets".

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html,
    https://docs.aws.amazon.com/xray/latest/devguide/xray-services-eventbridge.html
    """

    @replaces(EventsBackend, "put_events")
    def put_events(original: Any, self: Any, events: list[dict[str, Any]]) -> Any:
        if len(events) != 1:
            refused = original(self, events) if len(events) > _ENTRIES_MOST else []
            return [*refused, *(entry for event in events for entry in self.put_events([event]))]
        header = events[0].get("TraceHeader")
        with carried(header if header and parse(header) else None):
            return original(self, events)


_ENTRIES_MOST: Final = 10
_SCHEDULED: Final = ("aws.events", "Scheduled Event")


def put(bus: Any, event: Event) -> None:
    """Put an event of an AWS service to a bus."""
    for rule in list(bus.rules.values()):
        rule.send_to_targets(event)


def _as_delivered(event: Mapping[str, Any]) -> tuple[Event, Any]:
    """Return an event as targets get it, its time as text, and when the bus got it."""
    delivered = dict(event)
    ingested = _text(delivered.pop("ingestion-time", datetime.now(UTC).timestamp()))
    return {**delivered, "time": _text(delivered["time"])}, ingested


def _text(time: Any) -> str:
    if isinstance(time, str):
        return time
    return datetime.fromtimestamp(float(time), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _send(functions: Functions, rule: Any, target: Mapping[str, Any], event: Event, ingested: str) -> None:
    reserved = {
        "aws.events.rule-arn": rule.arn,
        "aws.events.rule-name": rule.name,
        "aws.events.event.ingestion-time": ingested,
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.json": event,
    }
    arn = arns.parse(target["Arn"]) or arns.Arn("", "", "", "", target["Arn"])
    it = _Delivery(functions, rule, target, arn, event, target_input(target, event, reserved))
    try:
        TARGETS.get(arn.service, _to_nothing)(it)
    except Exception as error:
        _give_up(it, error)


@dataclass(frozen=True, slots=True)
class _Delivery:
    """An event on its way to a target, with the input that is made of it."""

    functions: Functions
    rule: Any
    target: Mapping[str, Any]
    arn: arns.Arn
    event: Event
    content: str


def _to_nothing(_it: _Delivery) -> None:
    raise UndeliverableError("INVALID_PARAMETER", "the local cloud has no such target")


def _to_a_function(it: _Delivery) -> None:
    try:
        json.loads(it.content)
    except ValueError:
        raise UndeliverableError("INVALID_JSON", "the target's input isn't JSON") from None
    it.functions.invoke(it.target["Arn"], it.content)


def _to_a_queue(it: _Delivery) -> None:
    group = (it.target.get("SqsParameters") or {}).get("MessageGroupId")
    backend = sqs_backends[it.arn.account][it.arn.region]
    backend.send_message(queue_name=it.arn.name, message_body=it.content, group_id=group)


def _to_a_topic(it: _Delivery) -> None:
    sns_backends[it.arn.account][it.arn.region].publish(arn=it.target["Arn"], message=it.content)


def _to_a_bus(it: _Delivery) -> None:
    if not it.arn.name:  # a rule of moto's own: an archive of the bus
        archive = arns.resource_path(json.loads(it.content)["archive-arn"])
        it.rule._send_to_events_archive(archive, it.event)  # noqa: SLF001 - moto has no public one
        return
    if it.arn.name == it.rule.event_bus_name:
        raise UndeliverableError("INVALID_PARAMETER", "a rule can't send to its own bus")
    put(events_backends[it.arn.account][it.arn.region].describe_event_bus(it.arn.name), it.event)


def _to_a_state_machine(it: _Delivery) -> None:
    from moto.stepfunctions.responses import get_backend

    get_backend(it.arn.account, it.arn.region).start_execution(
        it.target["Arn"], str(uuid.uuid4()), it.content
    )


def _to_a_log_group(it: _Delivery) -> None:
    from moto.logs.models import logs_backends

    backend, group = logs_backends[it.arn.account][it.arn.region], it.arn.resource.split(":")[1]
    stream = str(uuid.uuid4())
    backend.create_log_stream(group, stream)
    now = int(datetime.now(UTC).timestamp() * 1000)
    backend.put_log_events(group, stream, [{"timestamp": now, "message": it.content}])


TARGETS: Final[Mapping[str, Callable[[_Delivery], None]]] = {
    "lambda": _to_a_function,
    "sqs": _to_a_queue,
    "sns": _to_a_topic,
    "events": _to_a_bus,
    "logs": _to_a_log_group,
    "states": _to_a_state_machine,
}
"""What events are delivered to, by service."""


def _give_up(it: _Delivery, error: Exception) -> None:
    """Send an event to the target's dead-letter queue, as it was put; without one it is gone, as on AWS."""
    message = str(getattr(error, "message", None) or error)
    queue = arns.parse((it.target.get("DeadLetterConfig") or {}).get("Arn", ""))
    if queue is None:
        it.functions.say(f"an event of the rule {it.rule.name} is lost for {it.target['Arn']}: {message}")
        return
    said = {
        "RULE_ARN": it.rule.arn,
        "TARGET_ARN": it.target["Arn"],
        "ERROR_CODE": error.code if isinstance(error, UndeliverableError) else "NO_RESOURCE",
        "ERROR_MESSAGE": message,
        "RETRY_ATTEMPTS": "0",
    }
    attributes = {name: text_attribute(text) for name, text in said.items()}
    try:
        backend = sqs_backends[queue.account][queue.region]
        backend.send_message(queue.name, json.dumps(it.event), message_attributes=attributes)
    except Exception as refusal:
        it.functions.say(f"an event of the rule {it.rule.name} is lost: its dead-letter queue: {refusal}")
