"""A function's evidence → what it needs of IAM, and what can't be known of that. Pure."""

import json
from dataclasses import dataclass, field, replace
from typing import Final

from lambda_guard.iam.called import Called, asked_in, grants_of
from lambda_guard.iam.on_behalf import LISTING, LOGGING, POLLING, SENDING, TRACING
from lambda_guard.iam.resources import On, Place, UnknownResource, granted_on
from lambda_guard.iam.service_reference import actions_of
from lambda_guard.tools.policy.entries import Denied
from lambda_guard.tools.policy.evidence import Evidence
from lambda_guard.tools.policy.statements import Need

_POLLED_OTHERWISE: Final = frozenset({"kafka", "mq"})


@dataclass(slots=True)
class Needs:
    """What a function needs, as far as that is known.

    Attributes:
        granted: action, resource and condition, in the order in which they were found; each with what asked for it, and
            in how many invocations: in none where no call shows it.
        unseen: why something is granted that no call shows → the actions.
        unknown: what was called and can't be granted, each with why.
        unplaced: the actions that calls ask for on something that isn't known.
        wider: what is granted although less may do, each with why.
    """

    granted: dict[Need, dict[str, int]] = field(default_factory=dict)
    unseen: dict[str, list[str]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    unplaced: set[str] = field(default_factory=set)
    wider: list[str] = field(default_factory=list)

    def grant(self, action: str, resource: str | None, place: Place, why: str, invocations: int = 0) -> bool:
        """Grant an action on a call's resource, or note that it can't be known and return false."""
        try:
            self.add(action, granted_on(action, resource, place), why, invocations)
        except UnknownResource as reason:
            self.unknown.append(f"{action} ({why}): {reason}")
            self.unplaced.add(action)
            return False
        return True

    def add(self, action: str, on: On, why: str, invocations: int = 0) -> None:
        """Grant an action on what is known."""
        if on.wider:
            self.wider.append(f"{action} on {on.arns[-1]}: {on.wider}")
        condition = json.dumps(on.condition, sort_keys=True) if on.condition else ""
        for arn in on.arns:
            self.granted.setdefault(Need(action, arn, condition), {})[why] = invocations

    def grant_unseen(self, action: str, resource: str | None, place: Place, why: str) -> None:
        """Grant what no call shows."""
        if self.grant(action, resource, place, why):
            self.unseen.setdefault(why, []).append(action)


def needs_of(evidence: Evidence, place: Place, dead_letters: str | None = None) -> Needs:
    """Return what a function needs.

    Args:
        evidence: what its records tell.
        place: where resources without an ARN are.
        dead_letters: the ARN of the queue or topic that Lambda sends failed events to.
    """
    needs = Needs()
    for called in sorted(evidence.calls, key=repr):
        _add_call(needs, called, place, evidence)
    for called, denied in evidence.denied.items():
        _add_denied(needs, called, denied, place)
    _add_logs(needs, evidence, place)
    for kind, source in sorted(evidence.triggers):
        _add_polling(needs, kind, source, place)
    if dead_letters is not None:
        service = dead_letters.split(":")[2]
        needs.grant_unseen(SENDING[service], dead_letters, place, "Lambda sends failed events there")
    return needs


def _add_call(needs: Needs, called: Called, place: Place, evidence: Evidence) -> None:
    asked = asked_in(called)
    if asked is None:
        needs.unknown.append(f"{called}: no action is known for this operation")
        return
    needs.unplaced |= {action for action, _ in asked.besides}
    before = _FOLLOWING.get((called.service, called.operation))
    begun = [it for it in evidence.calls if _is_begun(it, called, before)] if called.resource is None else []
    for one in [replace(called, resource=it.resource) for it in begun] or [called]:
        for grant in grants_of(one, place):
            if grant.on is not None:
                needs.add(grant.action, grant.on, str(called), evidence.calls[called])
            else:
                needs.unknown.append(f"{grant.action} ({called}): {grant.why}")
                needs.unplaced.add(grant.action)
    needs.unknown += [f"{action} ({called}): {on}" for action, on in asked.besides]
    if asked.wider:
        needs.wider.append(f"{', '.join(asked.actions)} ({called}): {asked.wider}")


def _is_begun(one: Called, called: Called, before: str | None) -> bool:
    """Return whether one call may have been given the token that another names its resource by."""
    same = (one.service, one.operation, one.region) == (called.service, before, called.region)
    return same and one.resource is not None


_FOLLOWING: Final = {
    ("appconfigdata", "GetLatestConfiguration"): "StartConfigurationSession",
    **{
        ("athena", name): "StartQueryExecution"
        for name in ("GetQueryExecution", "GetQueryResults", "StopQueryExecution")
    },
    ("cloudwatch-logs", "GetQueryResults"): "StartQuery",
    ("dynamodb-streams", "GetRecords"): "GetShardIterator",
    ("kinesis", "GetRecords"): "GetShardIterator",
}
"""Operations that name what they are on by a token → the operation that the token is from."""


def _add_denied(needs: Needs, called: Called, denied: Denied, place: Place) -> None:
    """Add what AWS asked for in a call's name besides, such as the key that encrypts a bucket."""
    asked = {grant.action.lower() for grant in grants_of(called, place)}
    service, _, name = denied.action.partition(":")
    if denied.deny != "explicit" and denied.action.lower() not in asked and name in actions_of(service):
        why = f"AWS denied it to {called}"
        needs.grant_unseen(denied.action, denied.resource or None, called.place(place), why)


def _add_logs(needs: Needs, evidence: Evidence, place: Place) -> None:
    why = "Lambda writes the function's logs there, unless its LoggingConfig names another group"
    group = f"/aws/lambda/{evidence.function}"
    for action in LOGGING:
        needs.grant_unseen(action, group, place, why)
    if evidence.traced:
        for action in sorted(TRACING):
            needs.grant_unseen(action, None, place, "its records have spans")


def _add_polling(needs: Needs, kind: str, source: str, place: Place) -> None:
    why = f"Lambda polls its {kind} trigger"
    if kind in _POLLED_OTHERWISE:
        needs.unknown.append(f"{why} {source}: add what the trigger's page in Lambda's guide asks for")
    for action in sorted(POLLING.get(kind, ())):
        needs.grant_unseen(action, source if source.startswith("arn:") else None, place, why)
    if kind in LISTING:
        needs.grant_unseen(LISTING[kind], None, place, why)
