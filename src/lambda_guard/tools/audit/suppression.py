"""Findings that `Metadata` silences: of a resource or of the template, each with a reason.

Metadata:
  LambdaGuard:
    Ignore:
      WG201: called by hand only
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lambda_guard.templates.survey.model import Survey
from lambda_guard.templates.survey.nodes import Place
from lambda_guard.tools.audit.checklist import BY_RULE, OF_TEMPLATE, UNUSED, WITHOUT_REASON
from lambda_guard.tools.audit.findings import Finding, reason_of

_Key = tuple[str | None, str]
RULES: Final = {
    WITHOUT_REASON: (
        "What Metadata silences has a reason",
        "Who reads it later can't tell a decision from an accident.",
    ),
    UNUSED: (
        "What Metadata silences is there",
        "It silences nothing today, and tomorrow what it wasn't meant for.",
    ),
}
"""Title and reason of the findings about silencing."""


def silence(survey: Survey, findings: list[Finding]) -> tuple[list[Finding], list[tuple[Finding, str]]]:
    """Return the findings that are left, those about silencing among them, and those silenced with their reasons."""
    entries = dict(_entries(survey))
    left, silenced, used = list[Finding](), list[tuple[Finding, str]](), set[_Key]()
    for finding in findings:
        key = next((key for key in _keys(finding) if reason_of(entries.get(key))), None)
        if key is None:
            left.append(finding)
        else:
            used.add(key)
            silenced.append((finding, reason_of(entries[key])))
    return left + list(_about(survey, entries, used)), silenced


def _keys(finding: Finding) -> Iterator[_Key]:
    """Yield who may silence a finding: the resource it stands in, its function, the template."""
    steps = finding.place.steps
    if steps[1:]:
        yield str(steps[1]), finding.rule
    yield finding.function, finding.rule
    yield None, finding.rule


def _entries(survey: Survey) -> Iterator[tuple[_Key, Any]]:
    for owner, entries in survey.ignored.items():
        yield from (((owner, str(rule)), reason) for rule, reason in entries.items())


def _about(survey: Survey, entries: Mapping[_Key, Any], used: set[_Key]) -> Iterator[Finding]:
    """Yield findings about entries without a reason, without a rule, or without use."""
    for (owner, rule), reason in entries.items():
        place = survey.places[owner]
        if rule not in BY_RULE:
            what = f"Metadata silences {rule}, which isn't a rule of the checklist"
            yield _finding(WITHOUT_REASON, owner, place, what, "use an id such as WG201")
        elif not reason_of(reason):
            what = f"Metadata silences {rule} without a reason"
            yield _finding(
                WITHOUT_REASON, owner, place, what, f"write the reason: {rule}: called by hand only"
            )
        elif (owner, rule) not in used and rule not in OF_TEMPLATE:
            what = f"Metadata silences {rule}, which finds nothing here"
            yield _finding(UNUSED, owner, place, what, "delete it")


def _finding(rule: str, owner: str | None, place: Place, what: str, mend: str) -> Finding:
    return Finding(rule=rule, function=owner, place=place, what=what, why=RULES[rule][1], mend=mend)
