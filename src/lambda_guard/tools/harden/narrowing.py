"""Wide statements of a template → what the records of their functions ask for, written in their place."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambda_guard.templates.marks import Steps, written
from lambda_guard.templates.survey.reading import survey
from lambda_guard.tools.audit.auditing import audit
from lambda_guard.tools.audit.evidence import Records
from lambda_guard.tools.audit.findings import Finding, Instead, Subject
from lambda_guard.tools.audit.narrowing import Narrowing
from lambda_guard.tools.harden.insertion import RefusedError
from lambda_guard.tools.harden.replacement import replaced

_OF_STATEMENTS: Final = {"EG901", "WG902", "WG903"}


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What came of it.

    Attributes:
        text: the new text.
        done: the findings whose statements were replaced, one for each statement.
        refused: those whose weren't, each with why.
        mended: how many findings the replaced statements had.
    """

    text: str
    done: tuple[Finding, ...] = ()
    refused: tuple[tuple[Finding, str], ...] = ()
    mended: int = 0


def narrow(path: Path, text: str, parameters: Mapping[str, str], records: Records) -> Narrowed:
    """Return a template's text with statements by evidence in place of wide ones.

    A statement is replaced wholly or not at all: not by a draft, and not where something that was called can't be in
    the new ones, since that would be denied from then on.

    Raises:
        TemplateError: it isn't a template.
    """
    template = written(str(path), text)
    subject = Subject(survey=survey(template, parameters))
    report = Narrowing(subject.survey, template, parameters, records).report(audit(subject))
    wide: dict[Steps, list[Finding]] = {}
    for finding in report.findings:
        if finding.instead is not None:
            wide.setdefault(finding.place.steps, []).append(finding)
    done: list[Finding] = []
    refused: list[tuple[Finding, str]] = []
    # From the end on, so that the steps to those before hold.
    for first, *_ in sorted(wide.values(), key=lambda it: it[0].place.line or 0, reverse=True):
        try:
            text = _replaced(text, first)
            done.append(first)
        except RefusedError as error:
            refused.append((first, str(error)))
    mended = sum(len(wide[it.place.steps]) for it in done)
    return Narrowed(text, tuple(reversed(done)), tuple(reversed(refused)), mended)


def _replaced(text: str, finding: Finding) -> str:
    """Return the text with a finding's statement replaced.

    Raises:
        RefusedError: it can't be, or shouldn't.
    """
    instead, steps = finding.instead or Instead(), finding.place.steps
    statements = json.loads(instead.document)
    if why := _unfit(finding, instead):
        raise RefusedError(why, steps, {"Statement": statements})
    return replaced(text, steps, instead.text, statements)


def _unfit(finding: Finding, instead: Instead) -> str:
    """Return why a statement shouldn't be replaced; empty where it may be."""
    if instead.unknown:
        return instead.unknown
    if finding.rule not in _OF_STATEMENTS:
        return "it is a managed policy, which may grant what no statement here tells"
    if "Statement" not in finding.place.steps:
        return "it is one of SAM's policy templates"
    if instead.draft:
        return f"this is a draft ({'; '.join(instead.draft)})"
    return "; ".join(instead.mind)
