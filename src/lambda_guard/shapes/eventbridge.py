"""An event of EventBridge: https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html."""

from collections.abc import Sequence
from typing import Any

from .sample import fill


def event(
    detail: Any,
    *,
    detail_type: str,
    source: str,
    event_id: str,
    time: str,
    account: str,
    region: str,
    resources: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the event as a rule's target gets it.

    Args:
        detail: the event's own content.
        detail_type: what kind of event; `Scheduled Event` of a schedule.
        source: who sent it; `aws.events` or `aws.scheduler` of a schedule.
        event_id: the id that `PutEvents` gave.
        time: when it came about, as `2025-11-25T15:04:05Z`.
        account: the account's number.
        region: the region.
        resources: ARNs that it's about; of a schedule its own.
    """
    return fill("eventbridge", locals() | {"resources": list(resources)})
