"""A wide statement and the records of its functions → what to write instead. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lambda_guard.errors import LambdaGuardError
from lambda_guard.iam.on_behalf import INTERFACES, LOGGING, SENDING, TRACING
from lambda_guard.iam.patterns import literal
from lambda_guard.iam.patterns import read as pattern
from lambda_guard.iam.resources import Place
from lambda_guard.templates.marks import Written, read
from lambda_guard.templates.owned import Owned, made_by_stack, owned, sub_text
from lambda_guard.templates.policy_templates import policy_templates
from lambda_guard.templates.survey.model import Function, Statement, Survey
from lambda_guard.templates.survey.nodes import Unknown
from lambda_guard.tools.audit.auditing import Report
from lambda_guard.tools.audit.evidence import Records
from lambda_guard.tools.audit.findings import Finding, Instead
from lambda_guard.tools.policy.evidence import Evidence
from lambda_guard.tools.policy.formats.cloudformation import listed
from lambda_guard.tools.policy.limits import INLINE_MOST, size
from lambda_guard.tools.policy.needs import Needs, needs_of
from lambda_guard.tools.policy.statements import Need, statements

_MANAGED: Final = "WG905"
_RULES: Final = {"EG901", "WG902", "WG903", _MANAGED}
_SENDING: Final = {
    "AWS::SQS::Queue": SENDING["sqs"],
    "AWS::SNS::Topic": SENDING["sns"],
    "AWS::Lambda::Function": SENDING["lambda"],
    "AWS::Serverless::Function": SENDING["lambda"],
    "AWS::Events::EventBus": SENDING["events"],
}
_PARTIAL: Final = "a source couldn't be read whole"
_NOTHING: Final = "nothing that was called needs it; delete it, if that holds for what no record tells, too"


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one function."""

    needs: Needs
    evidence: Evidence
    place: Place
    doubts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What narrows the wide statements of one template or account.

    Attributes:
        template: as it is written; None for what is deployed.
        parameters: values in place of the template's defaults.
    """

    survey: Survey
    template: Written | None
    parameters: Mapping[str, str]
    records: Records

    def report(self, report: Report) -> Report:
        """Return a report whose findings about wide statements have what to write instead."""
        return replace(
            report,
            findings=tuple(
                replace(it, instead=self.instead(it)) if it.rule in _RULES else it for it in report.findings
            ),
        )

    def instead(self, finding: Finding) -> Instead:
        """Return what to write in place of a finding's statement."""
        if not finding.functions:
            return Instead(unknown="the template doesn't show which functions have this role")
        named = {it.logical_id: it for it in self.survey.functions}
        known: list[_Known] = []
        for name in finding.functions:
            found = self._known(named[name])
            if isinstance(found, str):
                return Instead(unknown=found)
            known.append(found)
        wide = [it for it in self.survey.statements if it.kind == "identity" and it.place == finding.place]
        # What is deployed has one place for all statements of a policy.
        wide = [it for it in wide if it.managed is None and finding.rule != _MANAGED]
        return _instead(wide, known, self._owned(known))

    def _evidence(self, function: Function) -> Evidence | str:
        """Return the evidence of a function, or why there is none."""
        names = sorted(it for it in self.records.by_name if _is(it, function))
        if len(names) != 1:
            why = f"{', '.join(names[:3])} in the records may be it" if names else "no record is of it"
            return f"{function.logical_id}: {why}"
        gathering = self.records.by_name[names[0]]
        if refusal := gathering.refusal():
            return refusal
        try:
            return gathering.chosen(self._given("AccountId"), self._given("Region"))
        except LambdaGuardError as error:
            return f"{str(error).partition('. ')[0]}: choose with -p AWS::AccountId=ID -p AWS::Region=NAME"

    def _given(self, name: str) -> str | None:
        return self.parameters.get(f"AWS::{name}")

    def _known(self, function: Function) -> _Known | str:
        """Return what is known of a function, or why nothing is."""
        evidence = self._evidence(function)
        if isinstance(evidence, str):
            return evidence
        place = evidence.place(self._given("Region"), self._given("AccountId"))
        needs = needs_of(evidence, place)
        if function.log_group is not None:
            own = f":log-group:/aws/lambda/{evidence.function}:*"
            needs.granted = {
                need: why for need, why in needs.granted.items() if not need.resource.endswith(own)
            }
        for action, resource, because in self._besides(function):
            needs.granted.setdefault(Need(action, resource), {})[because] = 0
        if "KmsKeyArn" in function.places:
            needs.unknown.append(
                "kms:Decrypt on the key of the environment's variables, which no record names"
            )
        doubts = evidence.doubts(self.records.least_invocations, self.records.least_days)
        return _Known(needs, evidence, place, [*doubts, *[_PARTIAL] * self.records.unread])

    def _besides(self, function: Function) -> Iterator[tuple[str, str, str]]:
        """Yield what the template shows that Lambda does in the function's name: action, resource, and why."""
        targets = [function.dead_letter, function.on_failure]
        targets += [it.on_failure for it in self.survey.sources_of(function)]
        for target in map(str, filter(None, targets)):
            logical_id = re.fullmatch(r"\$\{(\w+)(?:\.\w+)?\}", target)
            kind = self.survey.kinds.get(logical_id[1], "") if logical_id else ""
            action = _SENDING.get(kind) or SENDING.get("".join(target.split(":")[2:3]))
            if action:
                yield action, target, "Lambda sends failed events there"
        if "VpcConfig" in function.places:
            for action in INTERFACES:
                yield action, "*", "Lambda makes the network interfaces of its VPC"
        if function.tracing == "Active":
            for action in sorted(TRACING):
                yield action, "*", "it is traced"
        if function.log_group is not None:
            group = str(function.log_group)
            arn = f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:{group}:*"
            for action in LOGGING:
                yield action, arn, "Lambda writes the function's logs there"

    def _owned(self, known: Sequence[_Known]) -> Owned:
        """Return what the template owns, under the names of the stack that the functions' own names tell of."""
        arns = [need.resource for it in known for need in it.needs.granted]
        if self.template is None:
            found = Owned()
        else:
            stack = next((made_by_stack(it.evidence.function)[0] for it in known), "")
            made = [(*made_by_stack(name), name) for name in (re.split("[:/]", arn)[-1] for arn in arns)]
            physical = {logical_id: name for of, logical_id, name in made if stack and of == stack}
            place = known[0].place
            here = {
                "AWS::Region": place.region,
                "AWS::AccountId": place.account,
                "AWS::Partition": place.partition,
                "AWS::StackName": stack or None,
            }
            values = {**{key: value for key, value in here.items() if value is not None}, **self.parameters}
            found = owned(self.template, values, physical)
        found.texts.update(arn for arn in arns if "${" in arn)
        return found


def narrowed(report: Report, parameters: Mapping[str, str], records: Records) -> Report:
    """Return a report whose findings about wide statements have what to write instead.

    Args:
        report: of a template that can be read, or of what is deployed.
        parameters: values in place of the template's defaults.
        records: the evidence.
    """
    file = Path(report.survey.file)
    template = read(file) if file.is_file() else None
    return Narrowing(report.survey, template, parameters, records).report(report)


def _is(name: str, function: Function) -> bool:
    """Return whether a function of the records is one of the template: by its name, or as CloudFormation makes it."""
    if isinstance(function.name, str):
        return name == function.name
    return name == function.logical_id or made_by_stack(name)[1] == function.logical_id


def _instead(wide: Sequence[Statement], known: Sequence[_Known], own: Owned) -> Instead:
    granted: dict[Need, dict[str, int]] = {}
    for it in known:
        for need, asked in it.needs.granted.items():
            granted.setdefault(need, {}).update(asked)
    fits = {need for need in granted if not wide or any(_covers(it, need, own) for it in wide)}
    covered = {need: asked for need, asked in granted.items() if need in fits}
    evidence = tuple(line for it in known for line in it.evidence.lines())
    unsettled = next(filter(None, (_unsettled(it, granted, own) for it in wide)), "")
    if why := unsettled or _NOTHING * (not covered):
        return Instead(unknown=why, evidence=evidence)
    doubts = tuple(dict.fromkeys(doubt for it in known for doubt in it.doubts))
    made = [
        (it.why, {**it.plain(), "Resource": [own.reference(arn) for arn in it.resources]})
        for it in statements(covered, draft=bool(doubts))
    ]
    statement = [plain for _, plain in made]
    return Instead(
        document=json.dumps(statement),
        text=listed(made),
        evidence=evidence,
        draft=doubts,
        mind=tuple(dict.fromkeys(_mind(wide, known, size({"Statement": statement})))),
    )


def _mind(wide: Sequence[Statement], known: Sequence[_Known], characters: int) -> Iterator[str]:
    """Yield what isn't in the statements, or keeps them from being written as they are."""
    for it in known:
        yield from (f"not in it: {line}" for line in it.needs.unknown)
    if any(it.conditioned for it in wide):
        yield "its Condition isn't in it: add it to each statement"
    if characters > INLINE_MOST:
        yield f"it has {characters:,} characters, and a role's inline policies may have {INLINE_MOST:,}"


def _unsettled(wide: Statement, granted: Iterable[Need], own: Owned) -> str:
    """Return why it isn't known what a statement allows; empty where the template settles it."""
    if wide.all_but_actions or wide.all_but_resources:
        return "it names what it doesn't allow: name the actions and resources that it is for"
    for one in wide.resources:
        if isinstance(one, Unknown) and not any(
            _fits(str(one), name) for it in granted for name in _names(it, own)
        ):
            return f"its resource {one} isn't settled, so that it isn't known what it is for"
    return ""


def _names(need: Need, own: Owned) -> tuple[str, str]:
    return need.resource, sub_text(own.reference(need.resource))


def _covers(wide: Statement, need: Need, own: Owned) -> bool:
    """Return whether a statement allows what is needed, as far as the template settles it."""
    action = any(_fits(one.lower(), need.action.lower()) for one in _actions(wide))
    resource = any(_fits(str(one), name) for one in wide.resources for name in _names(need, own))
    return action and resource


def _fits(wildcards: str, text: str) -> bool:
    return pattern(wildcards).fits(literal(text)) is True


def _actions(wide: Statement) -> Iterator[str]:
    """Yield the actions of a statement, and those of a policy template of SAM's."""
    for one in map(str, wide.actions):
        template = policy_templates().get(one)
        yield from [one] if template is None else (action for action, _ in template.grants)
