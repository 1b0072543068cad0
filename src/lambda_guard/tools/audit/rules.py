"""The checklist as rules for cfn-lint: `cfn-lint template.yaml -a lambda_guard.tools.audit.rules`.

cfn-lint makes an object of every class here that is a rule; they are made of the checklist's rows. What a rule of
cfn-lint's own reports isn't reported again.

https://github.com/aws-cloudformation/cfn-lint/blob/main/docs/custom_rules.md
"""

from collections.abc import Iterator
from typing import Any, Final

from cfnlint.rules import CloudFormationLintRule, RuleMatch

from lambda_guard.templates.document import TemplateError
from lambda_guard.templates.marks import Written, read
from lambda_guard.templates.survey.reading import survey
from lambda_guard.tools.audit.auditing import Report, audit, runtimes
from lambda_guard.tools.audit.checklist import CHECKS
from lambda_guard.tools.audit.findings import Finding, Subject
from lambda_guard.tools.audit.suppression import RULES


class _Last:
    """The report on the template at hand: all rules ask for the same one."""

    template: Any = None
    report: Report | None = None


class _Matching:
    """What all rules have in common; not a rule itself."""

    id: str

    def match(self, cfn: Any) -> Iterator[Any]:
        """Yield the findings of this rule, each with its line."""
        for finding in _findings(cfn):
            if finding.rule == self.id:
                message = f"{finding.what}. {finding.why} To mend it: {finding.mend}"
                line = finding.place.line
                where = {} if line is None else {"location": (line - 1, 0, line - 1, 0)}
                yield RuleMatch(list(finding.place.steps), message, **where)


def _findings(cfn: Any) -> Iterator[Finding]:
    if _Last.template is not cfn:
        _Last.report = _audited(cfn)
        _Last.template = cfn
    report = _Last.report
    return (it for it in report.findings if it not in report.known) if report else iter(())


def _audited(cfn: Any) -> Report | None:
    """Audit the file that cfn-lint reads; of a template on standard input, what cfn-lint has read."""
    try:
        written = read(cfn.filename)
    except (TemplateError, TypeError):
        written = Written(str(cfn.filename), cfn.template)
    try:
        return audit(Subject(survey=survey(written), runtimes=runtimes()))
    except (AttributeError, LookupError, TypeError, ValueError):
        return None  # a property has another shape than CloudFormation takes, which cfn-lint reports


def _rules() -> Iterator[type]:
    described = [(it.rule, it.title, f"{it.why} {it.sees}", it.page) for it in CHECKS]
    described += [(rule, title, why, "") for rule, (title, why) in RULES.items()]
    for rule, title, description, page in described:
        about = {
            "id": rule,
            "shortdesc": title,
            "description": description,
            "source_url": page,
            "tags": ["lambda"],
        }
        yield type(rule, (_Matching, CloudFormationLintRule), about)


RULE_CLASSES: Final = {it.__name__: it for it in _rules()}
globals().update(RULE_CLASSES)
