"""`lambda-guard dlq discard`: letters deleted, with a copy in the journal."""

import time

import click

from lambda_guard.tools.dlq.commands.acting import HIDDEN_SECONDS, Action, acting_options
from lambda_guard.tools.dlq.commands.options import (
    Desk,
    filter_options,
    limited,
    log_options,
    say_read,
    view_options,
)
from lambda_guard.tools.dlq.errors import NOTHING_MATCHED
from lambda_guard.tools.dlq.journal import Journal
from lambda_guard.tools.dlq.progress import progress_bar
from lambda_guard.tools.dlq.queue import Reading
from lambda_guard.tools.dlq.render import LetterView
from lambda_guard.tools.dlq.replay import Tally, recover
from lambda_guard.tools.dlq.report import Report
from lambda_guard.tools.dlq.where import Filter
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import When, palette_for, say

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
def discard(  # noqa: PLR0917 - click passes options by name
    queue_name: str,
    conditions: tuple[str, ...],
    match: str | None,
    ids: tuple[str, ...],
    limit: int | None,
    logs: tuple[str, ...],
    since: str,
    yes: bool,
    journal: str | None,
    as_json: bool,
    color: When,
) -> int:
    """Delete letters that nobody needs; each one is written to the journal first, whole.

    Without --yes nothing is deleted: it says what would be.
    """
    desk = Desk.open(logs, since, Filter.parse(conditions, ids, match))
    action = Action.open(desk, queue_name, journal, as_json=as_json, color=color, verb="discarded")
    return _discard(action, limit) if yes else _plan(action, limit)


def _plan(action: Action, limit: int | None) -> int:
    import json
    import sys

    report = Report(action.queue)
    began = time.monotonic()
    with Stop() as stop, Reading(action.queue, action.desk.sqs, stop=stop) as reading:
        for letter in limited(action.desk.letters(reading), limit):
            report.add(letter)
    say_read(action.queue, reading, time.monotonic() - began, stop)
    document = {**report.as_document(), "dry_run": True}
    view = LetterView(palette_for(action.color))
    sys.stdout.write(json.dumps(document) + "\n" if action.as_json else view.report(report))
    if stop.requested:
        return 130
    nothing = reading.read and not report.count
    if nothing:
        say("lambda-guard: no letter matches")
    say("dry run: nothing was deleted; --yes does it")
    return NOTHING_MATCHED if nothing else 0


def _discard(action: Action, limit: int | None) -> int:
    queue, tally = action.queue, Tally()
    with (
        Stop() as stop,
        Journal(action.journal_path) as journal,
        progress_bar(f"discarding {queue.name}", min(queue.count, limit or queue.count)) as progress,
        Reading(queue, action.desk.sqs, stop=stop, seconds=HIDDEN_SECONDS) as reading,
    ):
        recover(reading, journal.memory)
        journal.begin("discard", queue)
        try:
            for batch in reading.batches():
                letters = [letter for message in batch if (letter := action.understand(message)) is not None]
                tally.read += len(batch)
                tally.passed_over += len(batch) - len(letters)
                letters = letters if limit is None else letters[: limit - tally.counts["delivered"]]
                journal.discarding(letters)
                refused = reading.delete([letter.message for letter in letters])
                journal.deleted(one.message_id for one in letters if one.message_id not in refused)
                for letter in letters:
                    undeleted = refused.get(letter.message_id)
                    tally.add("failed" if undeleted else "delivered", undeleted or "")
                gone = {one.message_id for one in letters}
                reading.keep([message for message in batch if message.message_id not in gone])
                progress(len(batch))
                if limit is not None and tally.counts["delivered"] >= limit:
                    break
            tally.complete = not stop.requested
        finally:
            tally.interrupted = stop.requested
            code = action.end(tally)
    return code
