"""`lambda-guard message`: a message's whole life."""

import sys
from collections.abc import Sequence
from dataclasses import replace

import click

from lambda_guard.tools.logs.commands.options import (
    journal_option,
    say_tally,
    source_options,
    wanted_argument,
    wanted_where,
)
from lambda_guard.tools.logs.invocation import Invocation, invocations_of
from lambda_guard.tools.logs.messages.finding import FOUND_MOST, matching, not_found
from lambda_guard.tools.logs.messages.life import Life, all_ids, life_of, messages_of
from lambda_guard.tools.logs.readers import Reader, reader_for
from lambda_guard.tools.logs.reading.attempts import merge_late, number_attempts
from lambda_guard.tools.logs.selection import Selection, Target, identities, lines_matching
from lambda_guard.tools.logs.views.lives import LifeView, life_line
from lambda_guard.tools.options import color_option, json_option
from lambda_guard.tools.replays import Replays, read_replays
from lambda_guard.tools.terminal import When, palette_for, warn

PASSES_MOST = 4

EPILOG = """\b
Examples:
  lambda-guard message 059f36b4-87a3-44ab-83d2-661975830a7d --stack shop --since 1d
  lambda-guard message --where order_id=o-6 logs/                     by what its lines say
  lambda-guard message 059f36b4-87a3-44ab-83d2-661975830a7d logs/ --journal replays.jsonl
"""


@click.command(epilog=EPILOG)
@wanted_argument
@wanted_where
@source_options
@journal_option
@json_option
@color_option
def message(  # noqa: PLR0917 - click passes options by name
    wanted: str,
    target: Target,
    selection: Selection,
    journals: tuple[str, ...],
    as_json: bool,
    color: When,
) -> int:
    """Show a message's whole life: who sent it, each attempt, dead-letter queues, replays, and how it ended.

    ID is a message's id, before or after a replay, or the request id of an asynchronous invocation; --where finds
    messages by what the records and lines of their invocations say. Replays are read from the journals of `dlq
    replay`. SOURCE is a file (gzipped or not) or - for standard input.
    """
    replays = read_replays(journals)
    with reader_for(target, selection) as reader:
        ids = [wanted] if wanted else _asked_for(reader, target, selection)
        selection = replace(selection, conditions=())
        found, lives = _lives(ids, reader, selection, replays)
        missing = "" if lives else not_found("message", wanted, reader, target, selection)
    draw = life_line if as_json else LifeView(palette_for(color)).life
    for life in lives:
        sys.stdout.write(draw(life))
    reader.tally.invocations, reader.tally.failed = len(found), sum(one.failed for one in found)
    code = say_tally(reader.tally, len(found), filtered=True)
    if missing:
        warn(missing)
    return 1 if missing else code


def _asked_for(reader: Reader, target: Target, selection: Selection) -> list[str]:
    """Return the messages that the conditions mean, in the order in which they were found."""
    found: dict[str, None] = {}
    for invocation in matching(reader, target, selection):
        found |= dict.fromkeys(
            sorted(messages_of(invocation, lines_matching(invocation, selection.conditions)))
        )
    if len(found) > FOUND_MOST:
        warn(f"{len(found):,} messages match: the first {FOUND_MOST} are shown")
    return list(found)[:FOUND_MOST]


def _lives(
    wanted: Sequence[str], reader: Reader, selection: Selection, replays: Replays
) -> tuple[list[Invocation], list[Life]]:
    """Read the sources until no new id of the messages turns up; a message under two ids has one life."""
    ids, read = frozenset(replays.ids_of(wanted)), list[Invocation]()
    for _ in range(PASSES_MOST if ids else 0):
        asked = ids
        read = [one for one in invocations_of(reader.read_naming(asked)) if asked & identities(one)]
        ids = all_ids(asked, read, replays)
        if ids == asked:
            break
    read = [one for one in merge_late(read) if selection.matches(one)]
    number_attempts(read)
    lives: list[Life] = []
    for one in wanted:
        life = None if any(one in known.ids for known in lives) else life_of(one, read, replays)
        lives += [life] if life is not None else []
    return read, lives
