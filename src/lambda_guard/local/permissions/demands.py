"""A call and its parameters → the actions and resources that it has to be granted. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambda_guard.iam.actions import asked_by, kinds_of
from lambda_guard.iam.resources import Place, UnknownResource, granted_on
from lambda_guard.propagation.called import named


@dataclass(frozen=True, slots=True)
class Demand:
    """One action on one resource.

    Attributes:
        action: e.g. `s3:GetObject`.
        resource: an ARN; `*` for an action that is granted on nothing narrower.
        keys: what is known of the request's context.
        pattern: whether `*` and `?` in the resource stand for what the parameters don't tell.
    """

    action: str
    resource: str
    keys: Mapping[str, Any] = field(default_factory=dict)
    pattern: bool = False


def demands(service: str, operation: str, parameters: Mapping[str, Any], place: Place) -> list[Demand] | None:
    """Return what a call has to be granted: all of it. None where no action is known for the operation.

    Args:
        service: its id with hyphens, e.g. `secrets-manager`.
        operation: e.g. `GetSecretValue`.
        parameters: as the service's API has them.
        place: the Region that is called, and the account.
    """
    asked = asked_by(service, operation)
    if asked is None:
        return None
    names = dict.fromkeys(it.resource for it in named(service, operation, parameters))
    return [
        demand
        for action in asked.actions
        for name in names
        for demand in _on(action, name, parameters, place)
    ]


def _on(action: str, name: str | None, parameters: Mapping[str, Any], place: Place) -> Iterator[Demand]:
    keys = {"aws:RequestedRegion": place.region}
    try:
        on = granted_on(action, name, place)
    except UnknownResource:
        yield Demand(action, "*", keys, pattern=True)
        return
    for condition in on.condition.values():
        keys |= condition
    # A secret's ARN is granted twice, since records may have it with its six characters or without.
    for arn in on.arns[:1] if action.startswith("secretsmanager:") else on.arns:
        untold = bool(kinds_of(action)) and ("*" in arn or "?" in arn)
        for exact in _exactly(action, arn, parameters):
            yield Demand(action, exact, keys, pattern=untold and exact == arn)


def _exactly(action: str, arn: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ARNs by what records don't have, and a request does: keys of objects, names of streams and indexes."""
    service = action.partition(":")[0]
    if service == "s3" and arn.endswith("/*"):
        several = (parameters.get("Delete") or {}).get("Objects") or ()
        objects = [parameters["Key"]] if "Key" in parameters else [each["Key"] for each in several]
        yield from (f"{arn[:-1]}{key}" for key in objects)
    elif service == "logs" and arn.endswith(":*"):
        yield f"{arn[:-1]}log-stream:{parameters.get('logStreamName', '')}"
    elif service == "dynamodb" and "IndexName" in parameters:
        yield f"{arn}/index/{parameters['IndexName']}"
    else:
        yield arn
