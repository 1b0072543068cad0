"""Which functions a schedule calls: of a template, or of what is deployed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lambda_guard.shapes import arns
from lambda_guard.templates.document import ANYWHERE, load, without_default
from lambda_guard.templates.reading import read_stack
from lambda_guard.templates.template import Template
from lambda_guard.tools.alarms.heartbeats import Scheduled
from lambda_guard.tools.aws import Clients, NotPermittedError, explained
from lambda_guard.tools.terminal import warn

_FUNCTION: Final = ":function:"


def of_template(path: Path) -> Iterator[Scheduled]:
    """Yield the functions that a template's rules and schedules call, by logical id: the alarms go into the template.

    Raises:
        TemplateError: it can't be read.
    """
    _, document = load(path)
    # Names don't matter here, since the alarms refer to the functions.
    stack = read_stack(Template(path, ANYWHERE, parameters=dict.fromkeys(without_default(document), "1")))
    logical_ids = {function.name: function.logical_id for function in stack.functions}
    for schedule in stack.schedules:
        if schedule.enabled and (logical_id := logical_ids.get(schedule.target)) is not None:
            yield Scheduled(logical_id, {"Ref": logical_id}, schedule.expression)


def of_account(clients: Clients) -> Iterator[Scheduled]:
    """Yield the functions that the rules and schedules of this account and Region call, by name.

    What may not be read is said, and the rest is yielded.

    Raises:
        CloudError: AWS can't be reached.
    """
    for found in (_rules(clients), _schedules(clients)):
        try:
            yield from found
        except NotPermittedError as error:
            warn(f"{error}; functions that these call have no heartbeat here")


def _rules(clients: Clients) -> Iterator[Scheduled]:
    events = clients("events")
    for rule in _all(events, "list_rules", "Rules", "list the rules of EventBridge"):
        if rule.get("ScheduleExpression") and rule.get("State") != "DISABLED":
            about = {"Rule": rule["Name"]}
            for target in _all(events, "list_targets_by_rule", "Targets", "list a rule's targets", **about):
                yield from _calling(target["Arn"], rule["ScheduleExpression"])


def _schedules(clients: Clients) -> Iterator[Scheduled]:
    scheduler = clients("scheduler")
    for entry in _all(
        scheduler, "list_schedules", "Schedules", "list the schedules of EventBridge Scheduler"
    ):
        if entry.get("State") != "DISABLED" and _FUNCTION in str((entry.get("Target") or {}).get("Arn")):
            with explained("read a schedule"):
                known = scheduler.get_schedule(Name=entry["Name"], GroupName=entry["GroupName"])
            yield from _calling(known["Target"]["Arn"], known["ScheduleExpression"])


def _calling(arn: str, expression: str) -> Iterator[Scheduled]:
    if _FUNCTION in arn:
        name = arns.function(arn)[0]
        yield Scheduled(name, name, expression)


def _all(client: Any, operation: str, key: str, what: str, **request: Any) -> Iterator[Any]:
    with explained(what):
        for page in client.get_paginator(operation).paginate(**request):
            yield from page.get(key, [])
