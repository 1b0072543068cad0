"""A call and its parameters → the actions and resources that it has to be granted. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from lambda_guard.iam.actions import asked_by, kinds_of
from lambda_guard.iam.called import Called, grants_of
from lambda_guard.iam.resources import On, Place
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
    if asked_by(service, operation) is None:
        return None
    found: list[Demand] = []
    for one in named(service, operation, parameters):
        more: dict[str, Any] = dict(one.more)
        call = Called(service, operation, one.resource, **more)
        for grant in grants_of(call, place):
            found += _on(grant.action, grant.on, parameters, place)
    return found


def _on(action: str, on: On | None, parameters: Mapping[str, Any], place: Place) -> Iterator[Demand]:
    keys = {"aws:RequestedRegion": place.region}
    if on is None:
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
    """Yield the ARNs by what no record has, and a request does: keys of objects, names of log streams."""
    if action.startswith("s3:") and arn.endswith("/*") and (keys := _keys(action, parameters)):
        yield from (f"{arn[:-1]}{key}" for key in keys)
    elif action.startswith("logs:") and arn.endswith(":*"):
        yield f"{arn[:-1]}log-stream:{parameters.get('logStreamName', '')}"
    else:
        yield arn


def _keys(action: str, parameters: Mapping[str, Any]) -> list[str]:
    """Return the keys of the objects: of several, of the source of a copy, or the one.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
    """
    if "Delete" in parameters:
        return [str(each["Key"]) for each in parameters["Delete"].get("Objects", ())]
    if action == "s3:GetObject" and "CopySource" in parameters:
        source = unquote(str(parameters["CopySource"]).partition("?")[0]).lstrip("/")
        return [source.partition("/object/" if source.startswith("arn:") else "/")[2]]
    return [str(parameters["Key"])] if "Key" in parameters else []
