"""The event that a function would get for a letter. Pure."""

from collections.abc import Mapping
from typing import Any

from lambda_guard.shapes import sqs
from lambda_guard.tools.dlq.errors import DeadLetterError
from lambda_guard.tools.dlq.letter import Letter, Origin
from lambda_guard.tools.dlq.message import SOURCE_ATTRIBUTE


class NoEventError(DeadLetterError):
    """A letter has no event to run a function with; the message says why."""


def event_of(letter: Letter, queue_arn: str) -> Any:
    """Build the event: a queue's message in a batch of one, as Lambda's poller gives it; others as they were.

    Args:
        letter: the letter; for streams, the records must be read from the stream instead.
        queue_arn: the queue that the message is said to come from, where the letter doesn't name it.

    Raises:
        NoEventError: there is none.
    """
    if letter.problem:
        raise NoEventError(letter.problem)
    if _is_for_a_queue(letter):
        message = letter.message
        record = sqs.record(
            letter.payload,
            queue_arn=letter.target if letter.target.startswith("arn:") else queue_arn,
            message_id=message.message_id,
            receipt_handle=message.receipt or "-",
            attributes={name: text for name, text in message.system.items() if name != SOURCE_ATTRIBUTE},
            message_attributes=message.attributes,
        )
        return {"Records": [record]}
    if letter.event is None and letter.payload.strip() != "null":
        raise NoEventError("its body isn't JSON, so that no function takes it")
    return letter.event


def _is_for_a_queue(letter: Letter) -> bool:
    if letter.origin is Origin.SUBSCRIPTION:
        return isinstance(letter.event, Mapping) and letter.event.get("Type") == "Notification"
    to_a_queue = ":sqs:" in letter.target or letter.target.startswith(("https://", "http://"))
    return letter.origin in {Origin.QUEUE, Origin.UNKNOWN} or to_a_queue
