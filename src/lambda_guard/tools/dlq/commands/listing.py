"""`lambda-guard dlq list`: what is in dead-letter queues, and why."""

import sys
from typing import Any

import click

from lambda_guard.tools.dlq.commands.options import (
    Session,
    filter_options,
    log_options,
    nothing_matched,
    view_options,
    write_json,
)
from lambda_guard.tools.dlq.render import SAMPLES, LetterView
from lambda_guard.tools.dlq.report import Report
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import When, palette_for

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
def list_letters(
    queues: tuple[str, ...], limit: int | None, every: bool, as_json: bool, color: When, **selected: Any
) -> int:
    """Show what is in dead-letter queues, grouped by what the letters died of.

    QUEUE is a name, a URL or an ARN. With --logs, each letter is joined with the record of the invocation
    that failed. Reading hides letters while it lasts and raises their receive counts by one: there is no
    other way.
    """
    session = Session(**selected)
    view = LetterView(palette_for(color), None if every else SAMPLES)
    found = read = 0
    with Stop() as stop:
        for text in queues:
            queue = session.queue(text)
            report = Report(queue)
            with session.reading(queue, stop) as reading:
                for letter in session.letters(reading, limit):
                    report.add(letter)
            if as_json:
                write_json(report.as_document())
            else:
                sys.stdout.write(view.report(report))
            found, read = found + report.count, read + reading.read
    if stop.requested:
        return 130
    return nothing_matched() if read and not found else 0
