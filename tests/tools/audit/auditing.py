"""Audits a template that a test has as text."""

import textwrap
from datetime import date
from pathlib import Path

from lambda_guard.templates.marks import written
from lambda_guard.templates.survey.reading import survey
from lambda_guard.tools.audit.auditing import audit
from lambda_guard.tools.audit.findings import Subject

TODAY = date(2026, 11, 1)
RUNTIMES = {"python3.9": date(2025, 12, 15), "python3.10": date(2027, 1, 31), "python3.13": date(2029, 6, 30)}


def surveyed(text, folder=Path(), parameters=None):
    """Survey a template that stands in a folder, where its code may be, too."""
    return survey(written(str(folder / "template.yaml"), textwrap.dedent(text)), parameters)


def reported(text, *others, folder=Path(), parameters=None, **settings):
    """Audit a template; `others` are the texts of templates that are audited with it."""
    subject = Subject(
        survey=surveyed(text, folder, parameters),
        others=tuple(surveyed(other) for other in others),
        today=TODAY,
        runtimes=RUNTIMES,
        **settings,
    )
    return audit(subject)


def rules(text, *others, **settings):
    """Return the rules of the findings, sorted."""
    return sorted(finding.rule for finding in reported(text, *others, **settings).findings)


def golden(report):
    """Return a report as a list of lines: rule, functions, line and what was found; what is open; what is silenced."""
    found = [
        f"{it.rule} {','.join(it.functions) or '-'} {it.place.line}: {it.what}" for it in report.findings
    ]
    left = [f"? {check.rule} {it.function}: {it.what}" for check, it in report.open]
    silenced = [f"silenced {it.rule}: {reason}" for it, reason in report.silenced]
    return found + left + silenced
