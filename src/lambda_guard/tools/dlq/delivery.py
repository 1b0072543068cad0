"""A delivery: a dead letter on its way to its target, and what came of it. Pure."""

import json
from dataclasses import dataclass
from typing import Final, Literal

from lambda_guard.shapes import sns
from lambda_guard.tools.dlq.letter import Letter, Origin
from lambda_guard.tools.dlq.message import Attributes
from lambda_guard.tools.dlq.targets import Target

_WITH_OWN_ATTRIBUTES: Final = frozenset({Origin.QUEUE, Origin.UNKNOWN})


@dataclass(slots=True, frozen=True)
class Delivery:
    """A dead letter on its way.

    Attributes:
        number: which replay of this letter it is, from 1; a repeated attempt of unknown outcome keeps its
            number.
        unsure: whether an earlier attempt may have been delivered.
    """

    letter: Letter
    target: Target
    number: int
    unsure: bool = False

    @property
    def message_id(self) -> str:
        """The id in the dead-letter queue."""
        return self.letter.message_id

    @property
    def body(self) -> str:
        """The message's body, or the function's event."""
        if self.target.kind == "function" and self.target.subscription:
            return _as_sns_event(self.letter, self.target.subscription)
        return self.letter.payload

    @property
    def attributes(self) -> Attributes:
        """The message's own attributes; those that another service wrote about the failure stay behind."""
        return self.letter.message.attributes if self.letter.origin in _WITH_OWN_ATTRIBUTES else {}

    @property
    def group(self) -> str:
        """The FIFO group to deliver to; empty where the target keeps no order."""
        return (self.letter.message.group or self.message_id) if self.target.fifo else ""


@dataclass(slots=True, frozen=True)
class Result:
    """What came of a delivery.

    Attributes:
        state: `unknown` where no answer came: it may have arrived.
        new_id: the message's or the invocation's id at the target.
        passing: the failure is the service's own and may pass.
        final: the target takes nothing at all, so that there is no point in going on.
        repeated: the SDK sent it again by itself after a try without an answer, which may have arrived.
    """

    delivery: Delivery
    state: Literal["delivered", "failed", "unknown"]
    new_id: str = ""
    reason: str = ""
    passing: bool = False
    final: bool = False
    repeated: bool = False


def _as_sns_event(letter: Letter, subscription: str) -> str:
    """Return the event that SNS would have sent a function: a dead letter may hold the bare notification."""
    event = letter.event
    if not isinstance(event, dict) or event.get("Type") != "Notification":
        return letter.payload
    return json.dumps(sns.event(event, subscription_arn=subscription))
