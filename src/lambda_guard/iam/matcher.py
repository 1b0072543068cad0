"""What the policies of a role say about a request: which statement decides, or why none can be named. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html: identity policies and a
permissions boundary. Policies of resources, sessions and organizations aren't evaluated.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from lambda_guard.errors import LambdaGuardError
from lambda_guard.iam.conditions import both, either, holds, negated
from lambda_guard.iam.patterns import Keys, Pattern, literal, read


class PolicyError(LambdaGuardError):
    """A document isn't the policy of a role; the message names what is wrong, and where."""


class Verdict(StrEnum):
    """What policies say about a request."""

    ALLOWED = "allowed"
    DENIED = "denied"
    """By a statement whose effect is Deny."""
    NOT_GRANTED = "not granted"
    """No statement allows it."""
    UNDECIDED = "undecided"
    """It depends on what isn't known, such as a condition."""


@dataclass(slots=True, frozen=True)
class Request:
    """A request, or all requests that a pattern of resources matches.

    Attributes:
        action: e.g. `dynamodb:Query`.
        resource: an ARN; `*` for an action that is granted on nothing narrower.
        keys: what is known of its context, e.g. `{"aws:RequestedRegion": "eu-west-1"}`; None for a key that it doesn't
            have. A key that isn't here may have any value.
        pattern: whether `*` and `?` in the resource are wildcards; without that, the resource is taken literally.
    """

    action: str
    resource: str = "*"
    keys: Keys = field(default_factory=dict)
    pattern: bool = False


@dataclass(slots=True, frozen=True)
class Statement:
    """A statement of a role's policy.

    Attributes:
        policy: the name of its policy; may be empty.
        name: its Sid, or `#` and its place in the policy, counted from 1.
        allows: whether its effect is Allow.
        actions: patterns.
        resources: patterns.
        all_but_actions: whether the actions are those of `NotAction`.
        all_but_resources: likewise.
        condition: operator → key → value or values.
        variables: whether `${…}` is a variable.
    """

    policy: str
    name: str
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    all_but_actions: bool = False
    all_but_resources: bool = False
    condition: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variables: bool = True

    def __str__(self) -> str:
        return f"{self.name} of {self.policy}" if self.policy else self.name

    def has_action(self, action: str) -> bool:
        """Return whether it is about an action, whose case doesn't count."""
        asked = literal(action.lower())
        return self.all_but_actions != any(read(one.lower()).fits(asked) for one in self.actions)

    def applies(self, request: Request) -> tuple[bool | None, tuple[str, ...]]:
        """Return whether it is about a request, and, where that is None, what of it wasn't decided."""
        if not self.has_action(request.action):
            return False, ()
        keys = {key.lower(): value for key, value in request.keys.items()}
        wanted = read(request.resource) if request.pattern else literal(request.resource)
        patterns = [read(one, keys if self.variables else None) for one in self.resources]
        on = either(one.fits(wanted) for one in patterns)
        on = negated(on) if self.all_but_resources else on
        so, unread = holds(self.condition, keys, variables=self.variables)
        result = both((on, so))
        return result, (*_undecided(patterns, wanted, request.resource), *unread) if result is None else ()


def _undecided(patterns: Iterable[Pattern], wanted: Pattern, resource: str) -> list[str]:
    between = [one for one in patterns if one.fits(wanted) is None]
    variables = [name for one in between for name in one.unread]
    return variables or [f"which of {resource}"] * bool(between)


@dataclass(slots=True, frozen=True)
class Decision:
    """What policies say about one request, and why.

    Attributes:
        verdict: the answer.
        statement: the one that decided; None where none is about the request.
        undecided: what the answer depends on, such as `StringEquals aws:PrincipalTag/team`.
        bounded: whether it is the permissions boundary that doesn't grant it.
    """

    verdict: Verdict
    statement: Statement | None = None
    undecided: tuple[str, ...] = ()
    bounded: bool = False

    @property
    def allowed(self) -> bool:
        """Whether it is allowed, for sure."""
        return self.verdict is Verdict.ALLOWED


_NOT_GRANTED: Final = Decision(Verdict.NOT_GRANTED)


def decide(
    statements: Sequence[Statement], request: Request, boundary: Sequence[Statement] | None = None
) -> Decision:
    """Return what a role's policies say about a request.

    Args:
        statements: of all its policies.
        request: asked for.
        boundary: the statements of its permissions boundary; None without one.
    """
    mine = _decided(statements, request)
    if boundary is None or mine.verdict in {Verdict.DENIED, Verdict.NOT_GRANTED}:
        return mine
    its = _decided(boundary, request)
    if its.verdict in {Verdict.DENIED, Verdict.NOT_GRANTED}:
        return Decision(its.verdict, its.statement, its.undecided, bounded=True)
    return its if mine.allowed and not its.allowed else mine


def _decided(statements: Iterable[Statement], request: Request) -> Decision:
    """A Deny wins; one that isn't decided leaves open what would be allowed otherwise."""
    best = _NOT_GRANTED
    doubtful: Decision | None = None
    for one in statements:
        result, undecided = one.applies(request)
        if result is False or (one.allows and best.allowed):
            continue
        if result is None:
            open_ = Decision(Verdict.UNDECIDED, one, undecided)
            if not one.allows:
                doubtful = doubtful or open_
            elif best is _NOT_GRANTED:
                best = open_
        elif one.allows:
            best = Decision(Verdict.ALLOWED, one)
        else:
            return Decision(Verdict.DENIED, one)
    return doubtful if doubtful is not None and best is not _NOT_GRANTED else best


def statements_of(document: Any, policy: str = "") -> tuple[Statement, ...]:
    """Return the statements of a policy.

    Args:
        document: as JSON has it.
        policy: its name, for messages.

    Raises:
        PolicyError: it isn't one that a role can have.
    """
    where = f"{policy}: " if policy else ""
    if not isinstance(document, Mapping) or "Statement" not in document:
        raise PolicyError(f"{where}it isn't a policy: there is no Statement")
    variables = document.get("Version") == "2012-10-17"
    return tuple(
        _statement(one, number, policy, where, variables)
        for number, one in enumerate(_listed(document["Statement"]), start=1)
    )


def _statement(one: Any, number: int, policy: str, where: str, variables: bool) -> Statement:
    if not isinstance(one, Mapping):
        raise PolicyError(f"{where}statement {number} isn't an object")
    sid = one.get("Sid")
    name = sid if isinstance(sid, str) and sid else f"#{number}"
    at = f"{where}statement {name}"
    if "Principal" in one or "NotPrincipal" in one:
        raise PolicyError(f"{at} has a Principal: it is the policy of a resource, or a role's trust policy")
    if (effect := one.get("Effect")) not in {"Allow", "Deny"}:
        raise PolicyError(f"{at}: Effect is {effect!r}, and may be Allow or Deny")
    all_but_actions, actions = _texts(one, "Action", at)
    all_but_resources, resources = _texts(one, "Resource", at)
    condition = one.get("Condition") or {}
    if not isinstance(condition, Mapping) or not all(isinstance(of, Mapping) for of in condition.values()):
        raise PolicyError(f"{at}: Condition isn't operators with keys")
    return Statement(
        policy,
        name,
        effect == "Allow",
        actions,
        resources,
        all_but_actions,
        all_but_resources,
        condition,
        variables,
    )


def _texts(statement: Mapping[str, Any], key: str, at: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether it is `NotAction` or `NotResource`, and the patterns."""
    negative = f"Not{key}"
    if (key in statement) == (negative in statement):
        raise PolicyError(f"{at} needs either {key} or {negative}")
    values = _listed(statement.get(key, statement.get(negative)))
    if not values or not all(isinstance(one, str) for one in values):
        raise PolicyError(f"{at}: {key} isn't a text or a list of texts")
    return negative in statement, tuple(values)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]
