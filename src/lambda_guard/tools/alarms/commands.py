"""`lambda-guard alarms`: the command-line group."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from lambda_guard import _names
from lambda_guard._printable import visible
from lambda_guard.templates.document import TemplateError
from lambda_guard.templates.writing import as_yaml
from lambda_guard.tools.alarms import cost, heartbeats, report, scheduled, series
from lambda_guard.tools.alarms.declared import Alarm, read_alarms
from lambda_guard.tools.alarms.fleet import Fleet, Queue, rows, template
from lambda_guard.tools.alarms.rehearsal import Rehearsed, rehearse, tuned
from lambda_guard.tools.aws import new_clients
from lambda_guard.tools.logs.commands.invocations import selected
from lambda_guard.tools.logs.commands.options import say_tally, source_options
from lambda_guard.tools.logs.invocation import Block
from lambda_guard.tools.logs.readers import reader_for
from lambda_guard.tools.logs.reading.streams import Tally
from lambda_guard.tools.logs.selection import Selection, Target
from lambda_guard.tools.options import json_option, output_option, pairs, parameters_option, put
from lambda_guard.tools.terminal import say, warn

_FLEET_EPILOG = """\b
Examples:
  lambda-guard alarms fleet -o alarms.yaml
  lambda-guard alarms fleet --namespace Shop --dead-letter-queue unshipped --queue tag:team=shop
  aws cloudformation deploy --template-file alarms.yaml --stack-name alarms \\
    --parameter-overrides PagingTopic=arn:aws:sns:eu-west-1:123456789012:on-call MemoryThreshold=90
"""
_HEARTBEATS_EPILOG = """\b
Examples:
  lambda-guard alarms heartbeats template.yaml
  lambda-guard alarms heartbeats --account -o heartbeats.yaml
"""
_REHEARSE_EPILOG = """\b
Examples:
  lambda-guard alarms rehearse alarms.yaml app.log
  lambda-guard alarms rehearse alarms.yaml --log-group '/aws/lambda/shop-*' --since 7d
  lambda-guard alarms rehearse alarms.yaml --function orders --since 30d --tune 1 --parameter MemoryThreshold=90
"""
_TOPIC = "PagingTopic"
_NEWS_EVERY = 50_000


@click.group(name="alarms")
def alarms() -> None:
    """Make CloudWatch alarms that cover every function of a Region, the future ones too."""


@alarms.command(name="fleet", epilog=_FLEET_EPILOG)
@output_option
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    default=(_names.DEFAULT_NAMESPACE,),
    show_default=True,
    help="LAMBDA_GUARD_NAMESPACE of your functions; say it once for each. An alarm sees one namespace.",
)
@click.option(
    "--dead-letter-queue",
    "dead_letter_queues",
    multiple=True,
    metavar="QUEUE",
    help="Rings when a message lies in it: a name, URL or ARN, or tag:KEY=VALUE for all with a tag.",
)
@click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="QUEUE",
    help="Rings when a message waits in it for 15 minutes.",
)
@click.option(
    "--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Put on each alarm and sent with what it sends."
)
@click.option(
    "--functions",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="How many to work out the costs for.",
)
def fleet_command(  # noqa: PLR0917 - the options
    output: Path | None,
    namespaces: tuple[str, ...],
    dead_letter_queues: tuple[str, ...],
    queues: tuple[str, ...],
    tags: tuple[str, ...],
    functions: int,
) -> int:
    """Write one CloudFormation template with the alarms of a Region.

    Its alarms look at all functions by a query, so that a function has them from its first invocation on, and so do
    those that are older than the alarms. Thresholds and topics are parameters of the template. Each alarm says what it
    means, and the command to run first.

    Alarms on errors, throttles, dropped events and streams need nothing in the function; those on timeouts, failed
    records, last attempts, server errors, memory and CPU read the metrics of @production.
    """
    fleet = Fleet(
        namespaces=tuple(dict.fromkeys(namespaces)),
        dead_letter_queues=_queues(dead_letter_queues),
        queues=_queues(queues),
        tags=pairs(tags, "tag", "KEY=VALUE"),
    )
    made = template(fleet)
    _write(output, made)
    resources = made["Resources"]
    constant = {logical_id for logical_id, row, _ in rows(fleet) if row.constant}
    monthly = cost.of(resources, constant, functions)
    say(
        f"{len(resources)} alarms; for {functions:,} functions ${monthly.least:,.2f} a month if all goes well, "
        f"${monthly.most:,.2f} at most (prices of us-east-1)"
    )
    if not fleet.dead_letter_queues:
        say("no alarm looks at a dead-letter queue: name them with --dead-letter-queue")
    return 0


@alarms.command(name="heartbeats", epilog=_HEARTBEATS_EPILOG)
@click.argument("templates", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--account", is_flag=True, help="Of what is deployed in this account and Region.")
@output_option
def heartbeats_command(templates: tuple[Path, ...], account: bool, output: Path | None) -> int:
    """Write alarms on scheduled functions that fall silent, or never start.

    Of a template: resources to put into it, since they refer to its functions. Of the account: a template by itself.

    A schedule that was switched off, a permission that was lost, a function that was never called since its deploy: no
    metric is written, so that no other alarm sees it. Each alarm rings when its function wasn't invoked for longer than
    the schedule is ever silent.
    """
    if bool(templates) == account:
        raise click.UsageError("name a template, or say --account")
    if len(templates) > 1 and output is not None:
        raise click.UsageError(
            "-o takes the alarms of one template: they go into the template they are made from"
        )
    for path in templates:
        _say_left_out(made := heartbeats.made_for(scheduled.of_template(path), None))
        _write(output, {"Resources": made.resources})
    if account:
        _say_left_out(made := heartbeats.made_for(scheduled.of_account(new_clients()), {"Ref": _TOPIC}))
        _write(output, _standalone(made.resources))
    return 0


@alarms.command(name="rehearse", epilog=_REHEARSE_EPILOG)
@click.argument("template", metavar="TEMPLATE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@source_options
@parameters_option
@click.option(
    "--tune",
    type=click.IntRange(0),
    metavar="RINGS",
    help="For each alarm that rang more often than this, propose the nearest threshold at which it wouldn't have.",
)
@json_option
def rehearse_command(  # noqa: PLR0917 - click passes options by name
    template: Path,
    target: Target,
    selection: Selection,
    parameters: dict[str, str],
    tune: int | None,
    as_json: bool,
) -> int:
    """Tell which alarms of a template would have rung over past logs, when, and by which invocations.

    SOURCE is as for `lambda-guard invocations`. The metrics are made from the logs: of the EMF documents in them, and
    Invocations, Errors and Duration of AWS/Lambda. A metric that no series feeds is named: an alarm that looks into the
    wrong namespace never rings. The version of a template's own function is the newest one in the logs. Bands of
    anomaly detection, tags and composite alarms aren't rehearsed, and say so.
    """
    with reader_for(target, selection) as reader:
        found = series.gather(_counted(selected(reader.read(), selection, reader), reader.tally))
    functions = found.values_of("FunctionName") | found.values_of("function_name")
    declared = list(read_alarms(template, parameters, functions))
    rehearsed = [rehearse(it, found) for it in declared if isinstance(it, Alarm)]
    for problem in (it for it in declared if isinstance(it, TemplateError)):
        warn(f"not rehearsed: {problem}")
    if found.untimed:
        warn(
            f"invocations that count for nothing, since no line of them has a time: {found.untimed:,}. "
            "With LogFormat JSON, or read from their log group, they have one"
        )
    proposals = {} if tune is None else _proposals(rehearsed, found, tune)
    if as_json:
        click.echo(report.document(rehearsed, found, proposals))
    else:
        click.echo("\n".join(visible(line) for line in report.lines(rehearsed, found, proposals)))
    return say_tally(reader.tally, reader.tally.invocations, not selection.is_everything)


def _counted(blocks: Iterable[Block], tally: Tally) -> Iterator[Block]:
    for block in blocks:
        if tally.invocations % _NEWS_EVERY == _NEWS_EVERY - 1:
            say(f"{tally.invocations:,} invocations read")
        yield block


def _proposals(rehearsed: Iterable[Rehearsed], found: series.Series, most: int) -> dict[str, float | None]:
    """Return a threshold, or None where none helps, for each alarm that rang too often."""
    return {it.alarm.name: tuned(it.alarm, found, most) for it in rehearsed if len(it.rings) > most}


def _standalone(resources: dict[str, Any]) -> dict[str, Any]:
    topic = {"Type": "String", "Description": "ARN of the SNS topic that wakes somebody"}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Alarms on scheduled functions that fall silent.",
        "Parameters": {_TOPIC: topic},
        "Resources": resources,
    }


def _say_left_out(made: heartbeats.Heartbeats) -> None:
    for function, expression, why in made.left_out:
        warn(f"no heartbeat for {visible(function)}: its schedule {visible(expression)} {why}")
    say(f"{len(made.resources)} heartbeats")


def _write(output: Path | None, document: dict[str, Any]) -> None:
    put(as_yaml(document, short=False), output)
    if output is not None:
        say(f"wrote {output}")


def _queues(texts: Iterable[str]) -> tuple[Queue, ...]:
    return tuple(Queue.read(text) for text in dict.fromkeys(texts))
