"""Calls that AWS denied, and why: by AWS's own words, by the statements that are compared, and by its evaluation.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied-authorization-id.html
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from lambda_guard.iam.called import Called, grants_of
from lambda_guard.iam.matcher import Decision, Request, Verdict, decide
from lambda_guard.iam.resources import Place
from lambda_guard.tools.policy.diff.granted import Granted
from lambda_guard.tools.policy.entries import Denied
from lambda_guard.tools.policy.evidence import Evidence

_OWN: Final = frozenset({"", "identity-based", "permissions boundary"})
"""The types of the policies that are compared; a message may not tell."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,256}")
"""It comes to stand in a command line, for people to copy."""

Evaluated = Callable[[str, str | None], Sequence[str]]
"""Returns what AWS's evaluation says of an authorization id in a Region."""


@dataclass(slots=True, frozen=True)
class Denial:
    """Calls that AWS denied.

    Attributes:
        called: the call.
        count: how often.
        denied: what AWS said.
        request: what it was asked for; None where neither AWS nor the record tells.
        decision: what the compared statements say about it.
        region: where it was asked.
        evaluated: what AWS's evaluation says, a line for each requirement that wasn't met.
    """

    called: Called
    count: int
    denied: Denied
    request: Request | None
    decision: Decision | None
    region: str | None
    evaluated: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether it would be denied still, for all that is known."""
        elsewhere = self.denied.policy_type not in _OWN
        return elsewhere or self.decision is None or not self.decision.allowed


def denials(evidence: Evidence, granted: Granted, place: Place, evaluated: Evaluated) -> Iterator[Denial]:
    """Yield what was denied.

    Args:
        evidence: of the function.
        granted: what is compared.
        place: where the function is.
        evaluated: asks AWS about an authorization id.
    """
    for called, denied in evidence.denied.items():
        region = called.place(place).region
        id_ = denied.authorization_id if _ID.fullmatch(denied.authorization_id) else ""
        details = tuple(evaluated(id_, region)) if id_ else ()
        asked: list[Request | None] = [*_requests(called, denied, place)]
        for request in asked or [None]:
            decision = None if request is None else decide(granted.statements, request, granted.boundary)
            count = evidence.denials[called]
            yield Denial(
                called, count, replace(denied, authorization_id=id_), request, decision, region, details
            )


def _requests(called: Called, denied: Denied, place: Place) -> Iterator[Request]:
    """Yield what was denied by AWS's words, or what the call asks for."""
    if denied.action and denied.resource:
        yield request_for(denied.action, denied.resource)
        return
    for grant in grants_of(called, place):
        if grant.on is not None and grant.action.lower() == (denied.action or grant.action).lower():
            yield from (request_for(grant.action, arn, grant.on.condition) for arn in grant.on.arns)


def request_for(
    action: str, resource: str, condition: Mapping[str, Mapping[str, str]] | None = None
) -> Request:
    """Return a request, with what its resource and the call's own conditions tell of its context."""
    keys: dict[str, str] = {}
    for of in (condition or {}).values():
        keys |= of
    _, _, _, region, account, *_ = [*resource.split(":"), *[""] * 6]
    keys |= {"aws:RequestedRegion": region} if region not in {"", "*"} else {}
    keys |= {"aws:ResourceAccount": account} if account.isdigit() else {}
    return Request(action, resource, keys, pattern=resource != "*")


def because(decision: Decision) -> str:
    """Return which statement decides, or that none allows it."""
    if decision.verdict is Verdict.DENIED:
        return f"denied by {decision.statement}{', the permissions boundary' * decision.bounded}"
    if decision.verdict is Verdict.UNDECIDED:
        return f"{decision.statement} depends on {', '.join(decision.undecided)}"
    if decision.allowed:
        return f"{decision.statement} allows it"
    return f"no statement{' of the permissions boundary' * decision.bounded} allows it"


def lines_of(one: Denial) -> Iterator[str]:
    """Yield a denial for people: the call, what decides, AWS's words, and its evaluation or how to ask for it."""
    times = f"{one.count:,} time{'s' * (one.count != 1)}"
    on = f"{one.request.action} on {one.request.resource}" if one.request else "on what isn't known"
    yield f"{on}: {_reason(one)}"
    yield f"  {one.called}: denied {times}{one.denied}"
    yield from (f"  evaluated: {line}" for line in one.evaluated)
    if (id_ := one.denied.authorization_id) and not one.evaluated:
        region = f" --region {one.region}" if one.region else ""
        yield f"  ask: aws iam-toolbox get-request-authorization-details --authorization-id {id_}{region}"


def _reason(one: Denial) -> str:
    if one.decision is None:
        return "nothing is compared with it"
    if not one.decision.allowed:
        return because(one.decision)
    if one.denied.policy_type in _OWN:
        return f"{because(one.decision)}: it was denied before that, or by another role"
    return f"{because(one.decision)}, and a {one.denied.policy_type} policy didn't, which isn't compared"


def document_of(one: Denial) -> dict[str, Any]:
    """Return a denial as JSON has it."""
    statement = one.decision.statement if one.decision is not None else None
    return {
        "call": str(one.called),
        "count": one.count,
        "action": one.request.action if one.request else None,
        "resource": one.request.resource if one.request else None,
        "reason": _reason(one),
        "granted_now": not one.differs,
        "statement": None if statement is None else str(statement),
        "deny": one.denied.deny,
        "policy_type": one.denied.policy_type,
        "policy": one.denied.policy,
        "authorization_id": one.denied.authorization_id,
        "evaluated": list(one.evaluated),
    }


def evaluation(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield what an answer of `GetRequestAuthorizationDetails` says of each requirement that wasn't met."""
    for one in answer.get("evaluations", []):
        for check in one.get("checks", []):
            if (effect := check.get("evaluatedEffect")) not in {"EXPLICIT_DENY", "IMPLICIT_DENY"}:
                continue
            what = f"{one.get('action')} on {one.get('resource') or '*'}"
            kind = str(check.get("checkType")).replace("_", " ").lower()
            by = [
                f"{statement.get('sid')} of {policy.get('uri')}"
                for policy in check.get("matchedPolicies", [])
                for statement in policy.get("matchedStatements", [])
                if statement.get("evaluatedEffect") == "DENY"
            ]
            why = (
                f"denied by {', '.join(by) or 'a statement'}"
                if effect == "EXPLICIT_DENY"
                else "nothing allows it"
            )
            yield f"{what}: {kind}: {why}"
