"""What is granted beside what was used: pure.

Of a statement, each action and each resource is looked at by itself: one that grants two actions on two resources isn't
wider where one action was used on each.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from lambda_guard.iam.matcher import Decision, Request, Statement, Verdict, decide, statements_of
from lambda_guard.iam.patterns import Pattern, literal, read
from lambda_guard.iam.service_reference import actions_of
from lambda_guard.tools.policy.diff.denials import Denial, request_for
from lambda_guard.tools.policy.diff.granted import Granted
from lambda_guard.tools.policy.diff.unseen import reason_of, sends
from lambda_guard.tools.policy.needs import Needs
from lambda_guard.tools.policy.statements import Need
from lambda_guard.tools.policy.statements import statements as statements_for

_WILD: Final = frozenset("*?")
_TO_WHERE: Final = (
    "unless Lambda sends failed events or results there: --dead-letters names such a queue or topic"
)


@dataclass(slots=True, kw_only=True)
class Finding:
    """A statement that grants more than was used.

    Attributes:
        unused_actions: patterns of which no call used any.
        unused_resources: likewise.
        wide_actions: patterns of which only some actions were used.
        wide_resources: patterns that match more than was used.
        used: what was used of the statement.
        unplaced: actions that were used on what isn't known, maybe by this statement, which names them by a wildcard.
        doubts: what may be said for the statement as it is.
        instead: the statements to write; none: remove it.
    """

    statement: Statement
    unused_actions: list[str] = field(default_factory=list)
    unused_resources: list[str] = field(default_factory=list)
    wide_actions: list[str] = field(default_factory=list)
    wide_resources: list[str] = field(default_factory=list)
    used: list[Need] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)
    doubts: dict[str, None] = field(default_factory=dict)
    instead: list[dict[str, Any]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.unused_actions or self.unused_resources or self.wide_actions or self.wide_resources)


class Answer(NamedTuple):
    """What the statements say about one thing that was used.

    Attributes:
        why: what asked for it, with the number of invocations; 0 where no call shows it.
    """

    need: Need
    decision: Decision
    why: Mapping[str, int]


@dataclass(slots=True)
class Difference:
    """What is granted beside what was used.

    Attributes:
        findings: statements that grant more, in the order of the policies.
        not_granted: what was used, and isn't granted or is denied.
        denied: what AWS denied, and why.
        undecided: what was used, where that depends on what isn't known.
        unplaced: actions that were used, on a resource that no record names, and that no statement grants at all.
        kept: why no call could show something that is granted, and the statement → its actions.
    """

    findings: list[Finding] = field(default_factory=list)
    not_granted: list[Answer] = field(default_factory=list)
    denied: list[Denial] = field(default_factory=list)
    undecided: list[Answer] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)
    kept: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        denied = any(it.differs for it in self.denied)
        return bool(self.findings or self.not_granted or self.unplaced or denied)

    def doubt(self, in_code: Mapping[str, str]) -> None:
        """Doubt what no invocation used and the code has a call for: an error path, say.

        Args:
            in_code: actions in lower case, each with the place of a call.
        """
        for finding in self.findings:
            for action in finding.unused_actions:
                pattern = read(action.lower())
                if place := next((it for one, it in in_code.items() if _is(pattern, one)), None):
                    told = f"{action}: the code has a call that no invocation made, at {place}"
                    finding.doubts[told] = None


def request_of(need: Need) -> Request:
    """Return the request that a need is."""
    return request_for(need.action, need.resource, json.loads(need.condition) if need.condition else None)


def difference(granted: Granted, needs: Needs, denied: Iterable[Denial] = ()) -> Difference:
    """Return what is granted beside what is needed; what is denied isn't listed as not granted once more."""
    found = Difference(denied=list(denied))
    told = {(it.request.action.lower(), it.request.resource) for it in found.denied if it.request}
    for need, why in needs.granted.items():
        decision = decide(granted.statements, request_of(need), granted.boundary)
        if decision.verdict is Verdict.UNDECIDED:
            found.undecided.append(Answer(need, decision, why))
        elif not decision.allowed and (need.action.lower(), need.resource) not in told:
            found.not_granted.append(Answer(need, decision, why))
    allowing = [one for one in granted.statements if one.allows]
    unplaced = sorted(needs.unplaced)
    found.unplaced = [it for it in unplaced if not any(_about(one, it) for one in allowing)]
    for statement in allowing:
        finding = _Look(statement, granted, needs, unplaced, found.kept).finding()
        if finding:
            found.findings.append(finding)
    right = [one for one in allowing if not any(one is it.statement for it in found.findings)]
    _narrow(found.findings, right, needs)
    return found


def _about(statement: Statement, action: str) -> bool:
    """Return whether a statement is about an action, or any of those that a pattern names."""
    asked = read(action.lower())
    fits = any(read(one.lower()).fits(asked) is not False for one in statement.actions)
    return fits != statement.all_but_actions


class _Look:
    """Looks at one statement."""

    def __init__(
        self,
        statement: Statement,
        granted: Granted,
        needs: Needs,
        unplaced: Sequence[str],
        kept: dict[tuple[str, str], list[str]],
    ) -> None:
        self._statement = statement
        self._sends = [read(one, {}) for one in granted.sends]
        self._unplaced = unplaced
        self._kept = kept
        served = [need for need in needs.granted if statement.applies(request_of(need))[0] is not False]
        self._finding = Finding(statement=statement, used=served)
        self._keeps = False

    def finding(self) -> Finding:
        if self._statement.all_but_actions:
            self._finding.wide_actions = [f"everything but {', '.join(self._statement.actions)}"]
            self._finding.unplaced = [it for it in self._unplaced if _about(self._statement, it)]
            self._keeps = bool(self._finding.unplaced)
        else:
            for action in self._statement.actions:
                self._look_at_action(action)
        if self._statement.all_but_resources:
            self._finding.wide_resources = [f"everything but {', '.join(self._statement.resources)}"]
        elif self._finding.used or not self._finding.unused_actions:
            for resource in self._statement.resources:
                self._look_at_resource(resource)
        return self._finding

    def _look_at_action(self, action: str) -> None:
        pattern = read(action.lower())
        used = {need.action.lower() for need in self._finding.used if _is(pattern, need.action)}
        unplaced = [it for it in self._unplaced if pattern.fits(read(it.lower())) is not False]
        self._keeps |= bool(unplaced)
        if _WILD & set(action):
            self._look_at_wildcard(action, used, unplaced)
        elif (reason := reason_of(action)) is not None:
            self._keep(action, reason)
        elif not used and not unplaced:
            self._look_at_sending(action)

    def _look_at_wildcard(self, action: str, used: set[str], unplaced: Sequence[str]) -> None:
        if used.issuperset(named := list(_named(action))):
            return
        self._finding.unplaced += unplaced
        (self._finding.wide_actions if used or unplaced else self._finding.unused_actions).append(action)
        for one in named:
            if one not in used and (reason := reason_of(one)) is not None:
                self._finding.doubts[f"{action} has actions that no call could show: {reason}"] = None

    def _look_at_sending(self, action: str) -> None:
        if any(_fit(one, it) for one in self._statement.resources for it in self._sends) and sends(action):
            self._keep(action, "Lambda sends failed events and results there")
            return
        self._finding.unused_actions.append(action)
        if sends(action):
            self._finding.doubts[f"{action}: {_TO_WHERE}"] = None

    def _keep(self, action: str, reason: str) -> None:
        self._keeps = True
        self._kept.setdefault((reason, str(self._statement)), []).append(action)

    def _look_at_resource(self, resource: str) -> None:
        """One that may serve an action which no call shows isn't said to be unused, or wide for it alone."""
        pattern = read(resource, {} if self._statement.variables else None)
        fitting: dict[str, list[Pattern]] = defaultdict(list)
        for need in self._finding.used:
            if not _stays(self._statement, need) and pattern.fits(on := read(need.resource)) is not False:
                fitting[need.action].append(on)
        if not fitting:
            if not self._keeps:
                self._finding.unused_resources.append(resource)
        elif not pattern.unread and not all(any(one.fits(pattern) for one in of) for of in fitting.values()):
            self._finding.wide_resources.append(resource)


def _is(pattern: Pattern, action: str) -> bool:
    return pattern.fits(literal(action.lower())) is True


def _fit(resource: str, target: Pattern) -> bool:
    return read(resource, {}).fits(target) is not False


def _named(pattern: str) -> Iterator[str]:
    """Yield the actions that a pattern names, in lower case; a star alone where its service isn't known."""
    service, _, name = pattern.lower().partition(":")
    of_service = actions_of(service)
    if not of_service:
        yield "*"
    wild = read(name)
    yield from (f"{service}:{one.lower()}" for one in of_service if wild.fits(literal(one.lower())))


def _narrow(findings: Iterable[Finding], right: Sequence[Statement], needs: Needs) -> None:
    """Add the statements to write instead; what other statements allow for sure, and rightly, isn't repeated."""
    allowing = list(right)
    for finding in findings:
        statement = finding.statement
        wanted = {
            need: needs.granted[need]
            for need in finding.used
            if not _stays(statement, need) and not decide(allowing, request_of(need)).allowed
        }
        limit = statement.condition
        for plain in (one.plain() for one in statements_for(wanted, draft=False)):
            own = plain.get("Condition", {})
            both = {it: {**limit.get(it, {}), **own.get(it, {})} for it in [*limit, *own]}
            finding.instead.append({**plain, **({"Condition": both} if both else {})})
        finding.instead += _staying(finding)
        allowing += statements_of({"Version": "2012-10-17", "Statement": finding.instead})


def _stays(statement: Statement, need: Need) -> bool:
    """Return whether a statement names an action by itself that no call shows: it stays as it stands."""
    return reason_of(need.action) is not None and any(
        one.lower() == need.action.lower() for one in statement.actions
    )


def _staying(finding: Finding) -> Iterator[dict[str, Any]]:
    """Yield the part of a statement that no call could show, or not on what, on the resources that it has."""
    statement = finding.statement
    gone = {*finding.unused_actions, *finding.wide_actions}
    gone |= {need.action for need in finding.used if not _stays(statement, need)}
    own = () if statement.all_but_actions else statement.actions
    actions = [one for one in own if one.lower() not in {it.lower() for it in gone}]
    if actions := sorted({*actions, *finding.unplaced}):
        yield {
            "Sid": statement.name if statement.name.isalnum() else "Unseen",
            "Effect": "Allow",
            "Action": actions,
            "NotResource" if statement.all_but_resources else "Resource": list(statement.resources),
            **({"Condition": dict(statement.condition)} if statement.condition else {}),
        }
