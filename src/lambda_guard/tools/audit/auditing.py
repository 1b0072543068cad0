"""The checklist, held against one template or account."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.util import find_spec
from pathlib import Path

from lambda_guard.templates.survey.model import Survey
from lambda_guard.tools.audit.checklist import CHECKS, Check
from lambda_guard.tools.audit.findings import Finding, Found, Open, Subject
from lambda_guard.tools.audit.suppression import silence


@dataclass(frozen=True, slots=True)
class Report:
    """What came of an audit.

    Attributes:
        findings: in the order of the file's lines; the whole template's first.
        silenced: findings with the reason that `Metadata` gives.
        open: what can't be known: the check's group, and what isn't settled.
        known: findings that cfn-lint reports, too, by its rule.
    """

    survey: Survey
    findings: tuple[Finding, ...] = ()
    silenced: tuple[tuple[Finding, str], ...] = ()
    open: tuple[tuple[Check, Open], ...] = ()
    known: Mapping[Finding, str] = field(default_factory=dict)


def audit(subject: Subject) -> Report:
    """Return what all checks yield of a subject."""
    found: list[Finding] = []
    left_open: list[tuple[Check, Open]] = []
    known: dict[Finding, str] = {}
    for check in CHECKS:
        for it in check.look(subject):
            if isinstance(it, Open):
                left_open.append((check, it))
                continue
            finding = _finding(check, it)
            found.append(finding)
            if it.known is not None:
                known[finding] = it.known
    left, silenced = silence(subject.survey, found)
    left.sort(key=lambda finding: (finding.place.file, finding.place.line or 0))
    return Report(subject.survey, tuple(dict.fromkeys(left)), tuple(silenced), tuple(left_open), known)


def _finding(check: Check, found: Found) -> Finding:
    return Finding(
        rule=check.rule,
        function=found.functions[0] if len(found.functions) == 1 else None,
        functions=found.functions,
        place=found.place,
        what=found.what,
        why=check.why,
        mend=check.mend,
    )


def runtimes() -> dict[str, date]:
    """Return the dates from which runtimes get no more security updates, as cfn-lint's data has them.

    cfn-lint itself isn't imported, which takes a second.
    """
    spec = find_spec("cfnlint")
    dates: dict[str, date] = {}
    for folder in spec.submodule_search_locations or () if spec else ():
        file = Path(folder, "data", "AdditionalSpecs", "LmbdRuntimeLifecycle.json")
        if file.exists():
            dates.update(_dates(json.loads(file.read_text(encoding="utf-8"))))
    return dates


def _dates(document: Mapping[str, Mapping[str, str | None]]) -> Iterator[tuple[str, date]]:
    for name, phases in document.items():
        if (text := phases.get("deprecated")) is not None:
            yield name, date.fromisoformat(text)
