"""`lambda-guard dlq discard`: letters deleted, with a copy in the journal."""

import sys
from typing import Any

import click

from lambda_guard.tools.dlq.commands.acting import Action, acting_options
from lambda_guard.tools.dlq.commands.options import (
    filter_options,
    log_options,
    nothing_matched,
    view_options,
    write_json,
)
from lambda_guard.tools.dlq.journal import Journal
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.dlq.queue import Reading
from lambda_guard.tools.dlq.render import LetterView
from lambda_guard.tools.dlq.replay import Tally
from lambda_guard.tools.dlq.report import Report
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import palette_for, say

EPILOG = """\b
Examples:
  lambda-guard dlq discard orders-dead --where 'age>10d'                 what would be deleted
  lambda-guard dlq discard orders-dead --where error=Duplicate --logs /aws/lambda/orders --yes
"""


@click.command(epilog=EPILOG)
@click.argument("queue_name", metavar="QUEUE")
@filter_options
@log_options
@acting_options
@view_options
def discard(queue_name: str, limit: int | None, yes: bool, **options: Any) -> int:
    """Delete letters that nobody needs; each one is written to the journal first, whole.

    Without --yes nothing is deleted: the dry run shows what would be.
    """
    action = Action("discard", queue_name, **options)
    return _discard(action, limit) if yes else _plan(action, limit)


def _plan(action: Action, limit: int | None) -> int:
    report = Report(action.queue)
    with Stop() as stop, action.session.reading(action.queue, stop) as reading:
        for letter in action.session.letters(reading, limit):
            report.add(letter)
    document = {**report.as_document(), "dry_run": True}
    if action.as_json:
        write_json(document)
    else:
        sys.stdout.write(LetterView(palette_for(action.color)).report(report))
    if stop.requested:
        return 130
    code = nothing_matched() if reading.read and not report.count else 0
    say("dry run: nothing was deleted; --yes does it")
    return code


def _discard(action: Action, limit: int | None) -> int:
    tally = Tally()

    def work() -> None:
        for batch in reading.batches():
            letters = tally.select(batch, action.session.understand)
            chosen = letters if limit is None else letters[: limit - tally.counts["delivered"]]
            _delete(chosen, journal, reading, tally)
            gone = {letter.message_id for letter in chosen}
            reading.keep([message for message in batch if message.message_id not in gone])
            progress(len(batch))
            if tally.counts["delivered"] == limit:
                return

    with Stop() as stop, action.opened(stop, limit) as (journal, reading, progress):
        return action.run(work, tally, stop)


def _delete(letters: list[Letter], journal: Journal, reading: Reading, tally: Tally) -> None:
    journal.discarding(letters)
    refused = reading.delete([letter.message for letter in letters])
    journal.deleted(letter.message_id for letter in letters if letter.message_id not in refused)
    for letter in letters:
        reason = refused.get(letter.message_id, "")
        tally.add("failed" if reason else "delivered", reason)
