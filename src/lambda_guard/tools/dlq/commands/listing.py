"""`lambda-guard dlq list`: what is in dead-letter queues, and why."""

import json
import sys
import time

import click

from lambda_guard.tools.dlq.commands.options import (
    Desk,
    filter_options,
    limited,
    log_options,
    say_read,
    view_options,
)
from lambda_guard.tools.dlq.errors import NOTHING_MATCHED
from lambda_guard.tools.dlq.queue import Reading
from lambda_guard.tools.dlq.render import SAMPLES, LetterView
from lambda_guard.tools.dlq.report import Report
from lambda_guard.tools.dlq.where import Filter
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import When, palette_for, say

EPILOG = """\b
Examples:
  lambda-guard dlq list orders-dead
  lambda-guard dlq list orders-dead unbilled --logs /aws/lambda/orders --since 3d
  lambda-guard dlq list orders-dead --logs app.log --where 'age>1h' --json
"""


@click.command("list", epilog=EPILOG)
@click.argument("queues", nargs=-1, required=True, metavar="QUEUE...")
@log_options
@filter_options
@click.option("--letters", "every", is_flag=True, help="Show every letter, not three of each group.")
@view_options
def list_letters(  # noqa: PLR0917 - click passes options by name
    queues: tuple[str, ...],
    logs: tuple[str, ...],
    since: str,
    conditions: tuple[str, ...],
    match: str | None,
    ids: tuple[str, ...],
    limit: int | None,
    every: bool,
    as_json: bool,
    color: When,
) -> int:
    """Show what is in dead-letter queues, grouped by what the letters died of.

    QUEUE is a name, a URL or an ARN. With --logs, each letter is joined with the record of the invocation
    that failed. Reading hides letters while it lasts and raises their receive counts by one: there is no
    other way.
    """
    desk = Desk.open(logs, since, Filter.parse(conditions, ids, match))
    view = LetterView(palette_for(color), None if every else SAMPLES)
    found = read = 0
    with Stop() as stop:
        for text in queues:
            report, count = _read(desk, text, limit, stop)
            sys.stdout.write(
                json.dumps(report.as_document(), ensure_ascii=False) + "\n"
                if as_json
                else view.report(report)
            )
            found, read = found + report.count, read + count
    if stop.requested:
        return 130
    if read and not found:
        say("lambda-guard: no letter matches")
        return NOTHING_MATCHED
    return 0


def _read(desk: Desk, text: str, limit: int | None, stop: Stop) -> tuple[Report, int]:
    queue = desk.queue(text)
    report = Report(queue)
    began = time.monotonic()
    with Reading(queue, desk.sqs, stop=stop) as reading:
        for letter in limited(desk.letters(reading), limit):
            report.add(letter)
    say_read(queue, reading, time.monotonic() - began, stop)
    return report, reading.read
