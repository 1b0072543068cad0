"""`lambda-guard audit --rates`: the command."""

import json

import click

from lambda_guard._printable import visible
from lambda_guard.tools.audit import rates as told
from lambda_guard.tools.audit.checks.shifting import steps
from lambda_guard.tools.logs.commands.invocations import selected
from lambda_guard.tools.logs.commands.options import say_tally, source_options
from lambda_guard.tools.logs.invocation import invocations_of
from lambda_guard.tools.logs.readers import reader_for
from lambda_guard.tools.logs.selection import Selection, Target
from lambda_guard.tools.options import json_option
from lambda_guard.tools.terminal import warn

_EPILOG = """\b
Examples:
  lambda-guard audit --rates --function shipping --since 7d
  lambda-guard audit --rates --stack shop --since 2d --preference Linear10PercentEvery3Minutes
  lambda-guard audit --rates --log-group '/aws/lambda/shop-*' --since 7d --json
  lambda-guard audit --rates app.log old.log.gz --table
"""


@click.command(name="audit --rates", epilog=_EPILOG)
@source_options
@click.option(
    "--preference",
    default="Canary10Percent10Minutes",
    show_default=True,
    help="The deployment preference to judge; one of your own such as Canary20Percent60Minutes, too.",
)
@click.option("--table", is_flag=True, help="Show all of CodeDeploy's preferences for each function.")
@json_option
def rates(target: Target, selection: Selection, preference: str, table: bool, as_json: bool) -> int:
    """Tell from past logs whether a gradual deployment sees enough invocations to mean anything.

    SOURCE is as for `lambda-guard invocations`. For each function: the invocations a minute in the median and in the
    quietest hour of the day (UTC), how many of them the new version can expect before it gets all, how likely a version
    that fails for 100, 10 or 1 % of them is seen to fail at least once, and which preference would do.

    Read a day or more: an hour that the logs don't have isn't known. Invocations are taken to come by themselves: those
    of a schedule, or in bursts, meet the canary's minutes more seldom than that.
    """
    if not steps(preference):
        raise click.UsageError(
            f"--preference {preference!r} shifts nothing step by step: write Canary10Percent10Minutes, "
            "Linear10PercentEvery3Minutes or the like"
        )
    history = told.History()
    with reader_for(target, selection) as reader:
        for invocation in invocations_of(selected(reader.read(), selection, reader)):
            if not invocation.late:
                history.add(invocation)
    found = told.rates_of(history)
    if as_json:
        click.echo(json.dumps(told.document(history, found), indent=2))
    for it in () if as_json else found:
        for line in (*told.lines(it, preference), *(told.table(it) if table else ())):
            click.echo(visible(line))
    _say_unknown(history)
    return say_tally(reader.tally, reader.tally.invocations, not selection.is_everything)


def _say_unknown(history: told.History) -> None:
    known = len(history.minutes())
    if not known:
        warn("the logs span less than half an hour: nothing is known. Read a day or more, such as --since 7d")
    elif known < told.HOURS:
        warn(
            f"the logs have {known} of the {told.HOURS} hours of a day: a quieter one may be among the others. "
            "Read a day or more, such as --since 7d"
        )
    if history.untimed:
        warn(f"{history.untimed:,} invocations have no time, and aren't counted")
