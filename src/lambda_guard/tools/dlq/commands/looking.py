"""`lambda-guard dlq list` and `dlq show`: what is in dead-letter queues and why, and one letter whole."""

import sys
from typing import Any

import click

from lambda_guard.tools.dlq.causes import failures_of
from lambda_guard.tools.dlq.commands.options import (
    Session,
    filter_options,
    log_options,
    nothing_matched,
    view_options,
    write_json,
)
from lambda_guard.tools.dlq.errors import NoSuchLetterError
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.dlq.queue import Queue
from lambda_guard.tools.dlq.render import SAMPLES, LetterView, letter_document
from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.selection import identities
from lambda_guard.tools.logs.views.documents import as_document
from lambda_guard.tools.logs.views.text import TextView
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import When, columns, palette_for, say

LIST_EPILOG = """\b
Examples:
  lambda-guard dlq list orders-dead
  lambda-guard dlq list orders-dead unbilled --logs /aws/lambda/orders --since 3d
  lambda-guard dlq list orders-dead --logs app.log --where 'age>1h' --json
"""
SHOW_EPILOG = """\b
Examples:
  lambda-guard dlq show orders-dead 059f36b4-87a3-44ab-83d2-661975830a7d
  lambda-guard dlq show orders-dead 059f36b4-87a3-44ab-83d2-661975830a7d --logs /aws/lambda/orders --since 3d
"""


@click.command("list", epilog=LIST_EPILOG)
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
    found = read = hidden = 0
    with Stop() as stop:
        for text in queues:
            report, reading = session.report(session.queue(text), stop, limit)
            if as_json:
                write_json(report.as_document())
            else:
                sys.stdout.write(view.report(report))
            found, read, hidden = found + report.count, read + reading.read, hidden + reading.hidden
    if stop.requested:
        return 130
    return nothing_matched() if read and not found else int(hidden > 0)


@click.command(epilog=SHOW_EPILOG)
@click.argument("queue_name", metavar="QUEUE")
@click.argument("message_id", metavar="MESSAGE_ID")
@log_options
@view_options
def show(  # noqa: PLR0917 - click passes options by name
    queue_name: str, message_id: str, logs: tuple[str, ...], since: str, as_json: bool, color: When
) -> int:
    """Show a letter: why it died, its event, and with --logs the failed invocation's own lines.

    A queue can't be asked for one message: letters are read until it is found, and released.
    """
    session = Session(logs=logs, since=since, ids=(message_id,), read=False)
    queue = session.queue(queue_name)
    letter = _find(session, queue, message_id)
    invocations = _invocations(session, letter)
    for invocation in invocations:
        if invocation.failed:
            session.causes.add(invocation)
    letter = session.causes.explain(letter)
    if as_json:
        document = {
            **letter_document(letter, queue),
            "invocations": [as_document(one) for one in invocations],
        }
        write_json(document)
        return 0
    palette = palette_for(color)
    sys.stdout.write(LetterView(palette).letter(letter, queue) + "\n" * bool(invocations))
    blocks = TextView(palette, columns())
    for invocation in invocations:
        sys.stdout.write(blocks.block(invocation))
    if logs and not invocations:
        say("lambda-guard: these logs name no invocation of it: look further back (--since), or elsewhere")
    return 0


def _find(session: Session, queue: Queue, message_id: str) -> Letter:
    with Stop() as stop, session.reading(queue, stop) as reading:
        letter = next(session.letters(reading), None)
    if letter is None:
        raise NoSuchLetterError(
            f"no letter {message_id} among the {reading.read:,} that were read from {queue.name}"
        )
    return letter


def _invocations(session: Session, letter: Letter) -> list[Invocation]:
    ids = frozenset(letter.ids)
    found = session.logs.naming(ids)
    return [one for one in found if ids & (identities(one) | {key for key, _ in failures_of(one)})]
