"""`lambda-guard audit`: the command."""

from pathlib import Path

import click

from lambda_guard.templates.document import TemplateError
from lambda_guard.templates.survey.model import Survey
from lambda_guard.tools.audit.auditing import Report, runtimes
from lambda_guard.tools.audit.auditing import audit as audited
from lambda_guard.tools.audit.findings import Subject
from lambda_guard.tools.audit.gathering import surveyed, templates
from lambda_guard.tools.audit.table import table
from lambda_guard.tools.options import color_option
from lambda_guard.tools.terminal import When, palette_for, warn

_EPILOG = """\b
Examples:
  lambda-guard audit template.yaml
  lambda-guard audit infrastructure/ --fail-on error
  lambda-guard audit app.yaml fleet-alarms.yaml       alarms of one template count for all
  lambda-guard audit template.yaml --parameter Stage=prod

\b
A finding is silenced, with a reason, in the Metadata of a resource or of the template:
  Metadata:
    LambdaGuard:
      Ignore:
        WG201: called by hand only

\b
Exit codes:
  0  nothing at --fail-on or above
  1  findings
  2  a wrong command line, or a template that can't be read
"""
_LEVELS = {
    "error": ("error",),
    "warning": ("error", "warning"),
    "note": ("error", "warning", "note"),
    "never": (),
}


@click.command(name="audit", epilog=_EPILOG)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[TEMPLATE|FOLDER]...")
@click.option(
    "--parameter", "-p", "parameters", multiple=True, metavar="NAME=VALUE", help="In place of the default."
)
@click.option(
    "--fleet",
    "namespaces",
    multiple=True,
    metavar="NAMESPACE",
    help="Fleet alarms of the account watch this namespace, such as AWS/Lambda or LambdaGuard.",
)
@click.option(
    "--fail-on",
    type=click.Choice(list(_LEVELS)),
    default="warning",
    show_default=True,
    help="The exit code is 1 for findings from here on.",
)
@color_option
def audit(
    paths: tuple[Path, ...],
    parameters: tuple[str, ...],
    namespaces: tuple[str, ...],
    fail_on: str,
    color: When,
) -> int:
    """Hold SAM and CloudFormation templates against the checklist for production.

    Alarms, dead-letter queues, redrive and visibility, partial batch responses in code and template, traffic shifting,
    tracing, log retention, timeouts, runtimes, wildcards in IAM. What a template leaves open is reported as not known,
    never guessed. Each finding says why it matters and what to write.
    """
    if not paths:
        raise click.UsageError("name a template or a folder")
    values = dict(_parameter(text) for text in parameters)
    surveys, unread = _surveys(paths, values)
    reports = _reports(surveys, frozenset(namespaces))
    for line in table(reports, palette_for(color)):
        click.echo(line)
    if unread:
        return 2
    return int(any(it.severity in _LEVELS[fail_on] for report in reports for it in report.findings))


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--parameter {text}: write NAME=VALUE")
    return name, value


def _surveys(paths: tuple[Path, ...], values: dict[str, str]) -> tuple[list[Survey], int]:
    """Return what the templates say, and how many can't be read; each is reported."""
    surveys, unread = list[Survey](), 0
    for path in templates(paths):
        try:
            surveys.append(surveyed(path, values))
        except TemplateError as error:
            unread += 1
            warn(str(error))
    if unread or not surveys:
        warn(
            f"{unread} of {unread + len(surveys)} templates couldn't be read"
            if unread
            else "no template found"
        )
    return surveys, unread or (0 if surveys else 1)


def _reports(surveys: list[Survey], covered: frozenset[str]) -> list[Report]:
    dates = runtimes()
    return [
        audited(
            Subject(
                survey=it,
                others=tuple(one for one in surveys if one is not it and one.alarms),
                runtimes=dates,
                covered=covered,
            )
        )
        for it in surveys
    ]
