"""`lambda-guard audit`: the command."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from lambda_guard.templates.document import TemplateError
from lambda_guard.templates.survey.model import Survey
from lambda_guard.tools.audit.auditing import Report, runtimes
from lambda_guard.tools.audit.auditing import audit as audited
from lambda_guard.tools.audit.deployed import deployed
from lambda_guard.tools.audit.documents import FORMATS
from lambda_guard.tools.audit.evidence import Records, evidence_options
from lambda_guard.tools.audit.findings import Subject
from lambda_guard.tools.audit.gathering import surveyed, templates
from lambda_guard.tools.audit.narrowing import narrowed
from lambda_guard.tools.audit.rates_command import rates
from lambda_guard.tools.audit.table import table
from lambda_guard.tools.options import color_option, output_option, parameters_option, put
from lambda_guard.tools.terminal import Palette, When, palette_for, warn

_EPILOG = """\b
Examples:
  lambda-guard audit template.yaml
  lambda-guard audit infrastructure/ --fail-on error
  lambda-guard audit app.yaml fleet-alarms.yaml       alarms of one template count for all
  lambda-guard audit template.yaml --parameter Stage=prod
  lambda-guard audit --stack orders                   what is deployed, with its parameters
  lambda-guard audit --account --state audit.state    every function, older ones too
  lambda-guard audit template.yaml --format sarif -o audit.sarif
  lambda-guard audit template.yaml --evidence app.log        what to write in place of a wildcard
  lambda-guard audit --rates --function orders --since 7d    would a canary see enough?
  cfn-lint template.yaml -a lambda_guard.tools.audit.rules

\b
A finding is silenced, with a reason, in the Metadata of a resource or of the template:
  Metadata:
    LambdaGuard:
      Ignore:
        WG201: called by hand only

\b
Exit codes:
  0  nothing at --fail-on or above
  1  findings, or a source of --evidence that can't be read
  2  a wrong command line, or a template that can't be read
"""
_LEVELS = {
    "error": ("error",),
    "warning": ("error", "warning"),
    "note": ("error", "warning", "note"),
    "never": (),
}


class _Audit(click.Command):
    """With an option of `modes`, another command, which takes other options."""

    modes: Final[dict[str, click.Command]] = {"--rates": rates}

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        for option, mode in self.modes.items():
            if option in args:
                others = [it for it in args if it != option]
                return mode.make_context(f"{info_name} {option}", others, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(name="audit", epilog=_EPILOG, cls=_Audit)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[TEMPLATE|FOLDER]...")
@click.option("--stack", "stacks", multiple=True, metavar="NAME", help="The template of a deployed stack.")
@click.option(
    "--account", "whole", is_flag=True, help="All functions that are deployed in this account and Region."
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep AWS's answers here, and go on from there after an interruption; deleted at the end.",
)
@parameters_option
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
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", *FORMATS]),
    default="table",
    show_default=True,
    help="Of the report.",
)
@evidence_options
@output_option
@click.option(
    "--rates",
    is_flag=True,
    expose_value=False,
    help="Read logs instead: does a canary see enough? `lambda-guard audit --rates --help`.",
)
@color_option
def audit(
    *,
    paths: tuple[Path, ...],
    stacks: tuple[str, ...],
    whole: bool,
    state: Path | None,
    parameters: dict[str, str],
    namespaces: tuple[str, ...],
    fail_on: str,
    form: str,
    records: Records | None,
    output: Path | None,
    color: When,
) -> int:
    """Hold SAM and CloudFormation templates against the checklist for production.

    Alarms, dead-letter queues, redrive and visibility, partial batch responses in code and template, traffic shifting,
    tracing, log retention, timeouts, runtimes, wildcards in IAM. What a template leaves open is reported as not known,
    never guessed. Each finding says why it matters and what to write.

    With --stack and --account it reads what is deployed, and changes nothing there. Where a permission is missing, what
    it would show is reported as not known, and the rest is done.
    """
    if not (paths or stacks or whole):
        raise click.UsageError("name a template or a folder, or say --stack NAME or --account")
    surveys, unread = _surveys(paths, parameters)
    if stacks or whole:
        surveys += deployed(stacks, state, whole=whole)
    reports = _reports(surveys, frozenset(namespaces))
    if records is not None:
        reports = [narrowed(it, parameters, records) for it in reports]
    text = _formatted(form, reports, unread, palette_for("never" if output else color))
    put(f"{text}\n", output)
    if unread:
        return 2
    return int(any(it.severity in _LEVELS[fail_on] for report in reports for it in report.findings))


def _surveys(paths: Sequence[Path], values: dict[str, str]) -> tuple[list[Survey], list[str]]:
    """Return what the templates say, and why others can't be read, which is reported at once."""
    surveys, unread = list[Survey](), list[str]()
    for path in templates(paths):
        try:
            surveys.append(surveyed(path, values))
        except TemplateError as error:
            unread.append(str(error))
            warn(str(error))
    if unread and len(unread) + len(surveys) > 1:
        warn(f"{len(unread):,} of {len(unread) + len(surveys):,} templates couldn't be read")
    if paths and not unread and not surveys:
        unread.append(f"no template in {', '.join(map(str, paths))}")
        warn(unread[0])
    return surveys, unread


def _reports(surveys: Sequence[Survey], covered: frozenset[str]) -> list[Report]:
    dates, beside = runtimes(), [it for it in surveys if it.alarms or it.unread]
    return [
        audited(
            Subject(
                survey=it,
                others=tuple(one for one in beside if one is not it),
                runtimes=dates,
                covered=covered,
            )
        )
        for it in surveys
        if it.kinds or it.deployed
    ]


def _formatted(form: str, reports: Sequence[Report], unread: Sequence[str], palette: Palette) -> str:
    return FORMATS[form](reports, unread) if form in FORMATS else "\n".join(table(reports, palette))
