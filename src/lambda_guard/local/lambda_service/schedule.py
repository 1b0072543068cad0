"""Schedules: the events of EventBridge rules and of EventBridge Scheduler, and when they fire.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html,
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

import contextlib
import json
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from lambda_guard.local._errors import LocalCloudError
from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.local.lambda_service.activity import Clock
from lambda_guard.local.lambda_service.invoker import Invoker
from lambda_guard.local.runtime.settings import ACCOUNT
from lambda_guard.shapes.sample import fill
from lambda_guard.templates.stack import ScheduleDeclaration

SCHEDULED = {"DetailType": "Scheduled Event"}
_RATE = re.compile(r"^rate\(\s*(\d+)\s+(minute|hour|day)s?\s*\)$")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}


def interval(expression: str) -> float | None:
    """Return the seconds between two firings of `rate(…)`; None for any other expression."""
    found = _RATE.match(expression.strip())
    return float(found[1]) * _SECONDS[found[2]] if found else None


class Schedules:
    """Fires schedules, on demand and by themselves; a rule's targets are EventBridge's own affair."""

    def __init__(
        self,
        schedules: Sequence[ScheduleDeclaration],
        invoker: Invoker,
        clock: Clock,
        moto: MotoProcess,
    ) -> None:
        # a rule has an entry for each of its targets
        self._schedules = list({it.logical_id: it for it in schedules}.values())
        self._invoker = invoker
        self._clock = clock
        self._moto = moto
        for schedule in self._schedules:
            seconds = interval(schedule.expression)
            if seconds is not None and schedule.enabled:
                self._repeat(schedule, seconds)

    def fire(self, name: str) -> None:
        """Fire a schedule now; see `Cloud.fire`."""
        found = [schedule for schedule in self._schedules if name in {schedule.logical_id, schedule.name}]
        if not found:
            names = ", ".join(schedule.logical_id for schedule in self._schedules) or "none"
            raise LocalCloudError(f"there is no schedule {name!r}; schedules: {names}")
        for schedule in found:
            self._invoker.absent.refuse(schedule.target)  # whoever fires it is told
            self._fire(schedule)

    def _fire(self, schedule: ScheduleDeclaration) -> None:
        if schedule.source == "aws.events":
            entry = {"Source": schedule.source, **SCHEDULED, "Detail": "{}", "Resources": [schedule.arn]}
            self._moto.client("events").put_events(Entries=[entry])
            return
        event = schedule.payload
        if event is None:
            event = fill(
                "eventbridge",
                detail="{}",
                detail_type=SCHEDULED["DetailType"],
                source=schedule.source,
                event_id=str(uuid.uuid4()),
                time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                account=ACCOUNT,
                region=self._moto.region,
                resources=[schedule.arn],
            )
        if schedule.target.startswith("arn:"):
            states = self._moto.client("stepfunctions")
            states.start_execution(stateMachineArn=schedule.target, input=json.dumps(event))
            return
        self._invoker.invoke_later(schedule.target, json.dumps(event).encode())

    def _repeat(self, schedule: ScheduleDeclaration, seconds: float) -> None:
        def fire() -> None:
            with contextlib.suppress(BotoCoreError, ClientError, LocalCloudError):  # the cloud is closing
                self._fire(schedule)
            self._clock.after(seconds, fire)

        self._clock.after(seconds, fire)
