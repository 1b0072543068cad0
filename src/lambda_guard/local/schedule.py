"""Schedules: the events of EventBridge rules and of EventBridge Scheduler, and when they fire."""

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from lambda_guard.local.stack import ScheduleDeclaration

_RATE = re.compile(r"^rate\(\s*(\d+)\s+(minute|hour|day)s?\s*\)$")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}


def interval(expression: str) -> float | None:
    """Return the seconds between two firings of `rate(…)`; None for any other expression."""
    found = _RATE.match(expression.strip())
    return float(found[1]) * _SECONDS[found[2]] if found else None


def scheduled_event(schedule: ScheduleDeclaration, *, account: str, region: str) -> Any:
    """Return the event that the function gets."""
    if schedule.payload is not None:
        return schedule.payload
    detail: Any = {} if schedule.source == "aws.events" else "{}"
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": schedule.source,
        "account": account,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [schedule.arn],
        "detail": detail,
    }
