"""Each call of a function against the policies that it is held to: let pass, or refused in AWS's words."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lambda_guard._printable import visible
from lambda_guard.iam.matcher import Decision, Request, Statement, Verdict, decide
from lambda_guard.iam.on_behalf import SENDING
from lambda_guard.iam.resources import Place
from lambda_guard.local.permissions.demands import Demand, demands
from lambda_guard.local.runtime.callers import FUNCTION_KEY
from lambda_guard.local.runtime.settings import ACCOUNT
from lambda_guard.shapes import arns

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """What a function is held to.

    Attributes:
        role: its role's name.
        statements: of all the role's policies.
        boundary: those of its permissions boundary; None without one.
    """

    role: str
    statements: Sequence[Statement]
    boundary: Sequence[Statement] | None = None


class Denial(NamedTuple):
    """What a function, or the Lambda service in its name, was refused.

    Attributes:
        function: its name.
        action: e.g. `sns:Publish`.
        resource: an ARN, or `*`.
        reason: in AWS's words, e.g. `because no identity-based policy allows the sns:Publish action`.
    """

    function: str
    action: str
    resource: str
    reason: str


class Permissions:
    """Decides what functions may; those that aren't held to anything may all.

    Attributes:
        place: where everything is.
    """

    def __init__(self, region: str) -> None:
        self.place = Place(region, ACCOUNT)
        self._held: dict[str, Held] = {}
        self._lock = threading.Lock()
        self._said: set[str] = set()
        self._denied: Counter[Denial] = Counter()

    def hold(self, function: str, held: Held) -> None:
        """Hold a function to policies from now on, in place of those before."""
        self._held[function] = held

    def held(self, function: str) -> Held | None:
        """Return what a function is held to; None where that is nothing."""
        return self._held.get(function)

    def refusal(self, asked: Mapping[str, Any]) -> str | None:
        """Return why a call with a function's key is refused, in AWS's words; None where it passes.

        Args:
            asked: the `key`, the `region` and, as far as they could be told, `service`, `operation` and `parameters`.
        """
        function = str(asked["key"]).removeprefix(FUNCTION_KEY)
        if (held := self._held.get(function)) is None:
            return None
        if "operation" not in asked:
            self._say(
                f"{function}: which operation {asked['path']} is can't be told, and so it isn't held to policies"
            )
            return None
        place = Place(str(asked["region"] or self.place.region), ACCOUNT)
        call = f"{asked['service']} {asked['operation']}"
        found = demands(asked["service"], asked["operation"], asked["parameters"], place)
        if found is None:
            self._say(f"{function}: no action is known for {call}, and so it isn't held to policies")
            return None
        return next(self._refused(function, held, found, call), None)

    def _refused(self, function: str, held: Held, wanted: Sequence[Demand], call: str) -> Iterator[str]:
        for demand in wanted:
            decision = self._decide(function, held, demand)
            if decision.verdict is Verdict.UNDECIDED:
                rests = (
                    f"{decision.statement} rests on what isn't known here: {', '.join(decision.undecided)}"
                )
                self._say(f"{function}: {call} passes, though {rests}")
            elif not decision.allowed:
                yield self._refuse(function, held, demand, decision)

    def _decide(self, function: str, held: Held, demand: Demand) -> Decision:
        keys = {
            **demand.keys,
            "aws:PrincipalAccount": ACCOUNT,
            "aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/{held.role}",
            "aws:SecureTransport": "true",  # as the call would be on AWS
            "lambda:SourceFunctionArn": self.place.arn("lambda", f"function:{function}"),
        }
        request = Request(demand.action, demand.resource, keys, pattern=demand.pattern)
        return decide(held.statements, request, held.boundary)

    def _refuse(self, function: str, held: Held, demand: Demand, decision: Decision) -> str:
        """Count a refusal, and return it as AWS writes it.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
        """
        action, resource = _as_told(demand)
        policy = "permissions boundary" if decision.bounded else "identity-based policy"
        if decision.verdict is Verdict.DENIED:
            reason = f"with an explicit deny in {'a' if decision.bounded else 'an'} {policy}"
        else:
            reason = f"because no {policy} allows the {action} action"
        denial = Denial(function, demand.action, demand.resource, reason)
        with self._lock:
            self._denied[denial] += 1
        self._say(f"{function} was denied {demand.action} on {demand.resource}, {reason}")
        user = f"arn:aws:sts::{ACCOUNT}:assumed-role/{held.role}/{function}"
        return f"User: {user} is not authorized to perform: {action} on resource: {resource} {reason}"

    def missing(self, function: str, actions: Sequence[str], resource: str) -> list[str]:
        """Return those of the actions that a function isn't granted on a resource, for sure."""
        held = self._held.get(function)
        if held is None:
            return []
        decided = {action: self._decide(function, held, Demand(action, resource)) for action in actions}
        return [
            action for action, it in decided.items() if not it.allowed and it.verdict is not Verdict.UNDECIDED
        ]

    @staticmethod
    def sending(arn: str) -> tuple[str, ...]:
        """Return the action that a destination asks for; none for another kind of resource."""
        target = arns.parse(arn)
        action = SENDING.get(target.service) if target is not None else None
        return () if action is None else (action,)

    def sends(self, function: str, arn: str) -> str | None:
        """Return why the Lambda service may not send to a destination in the function's name; None where it may."""
        held = self._held.get(function)
        if held is None:
            return None
        wanted = [Demand(action, arn) for action in self.sending(arn)]
        return next(self._refused(function, held, wanted, f"to {arn}"), None)

    def denials(self) -> dict[Denial, int]:
        """Return how often what was refused, in a stable order."""
        with self._lock:
            return dict(sorted(self._denied.items()))

    def sum_up(self) -> None:
        """Log what each function was denied, one line a function."""
        denials = self.denials()
        for function in dict.fromkeys(it.function for it in denials):
            listed = [
                f"{it.action} on {it.resource} ({count:,})"
                for it, count in denials.items()
                if it.function == function
            ]
            _log.warning("%s was denied in all: %s", function, visible(", ".join(listed)))

    def _say(self, sentence: str) -> None:
        """Log a sentence, once."""
        with self._lock:
            if sentence in self._said:
                return
            self._said.add(sentence)
        _log.warning("%s", visible(sentence))


def _as_told(demand: Demand) -> tuple[str, str]:
    """Return action and resource as the service's messages have them."""
    service, _, name = demand.action.partition(":")
    if service == "sqs":
        return demand.action.lower(), demand.resource
    if service == "sns":
        return f"SNS:{name}", demand.resource
    return demand.action, f'"{demand.resource}"' if service == "s3" else demand.resource
