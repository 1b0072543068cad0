"""`lambda-guard dlq status`: what became of the letters that were replayed."""

import sys
from collections.abc import Iterator
from typing import Any

import click

from lambda_guard._printable import visible
from lambda_guard.tools.dlq.causes import Logs
from lambda_guard.tools.dlq.commands.options import log_options, view_options, write_json
from lambda_guard.tools.dlq.errors import NOTHING_MATCHED
from lambda_guard.tools.dlq.queue import now_ms
from lambda_guard.tools.dlq.render import counted
from lambda_guard.tools.dlq.report import filled
from lambda_guard.tools.dlq.status import Fate, Status, statuses
from lambda_guard.tools.logs.commands.options import journal_option
from lambda_guard.tools.logs.views.text import short_name
from lambda_guard.tools.replays import read_replays
from lambda_guard.tools.terminal import Palette, When, palette_for, say
from lambda_guard.tools.times import moment_ms

SAMPLES = 10
EPILOG = """\b
Examples:
  lambda-guard dlq status --logs /aws/lambda/orders --since 3d
  lambda-guard dlq status --journal replays.jsonl --logs logs/ --json
"""
_STYLES = {
    "succeeded": "green",
    "delivered": "green",
    "discarded": "cyan",
    "not sent": "yellow",
    "no record": "yellow",
}
_ORDINALS = {2: "second", 3: "third"}


@click.command(epilog=EPILOG)
@journal_option
@log_options
@view_options
def status(journals: tuple[str, ...], logs: tuple[str, ...], since: str, as_json: bool, color: When) -> int:
    """Show what became of the letters of a journal: which were delivered, which succeeded, which died again.

    The journal knows what was sent, the records of the invocations how it went: name their logs with --logs. A
    letter that came back and was replayed again is one letter. Nothing is asked of the queues, and nothing changes.
    """
    places = Logs(logs, moment_ms(since, now_ms()))
    places.check()
    found = statuses(read_replays(journals), places)
    palette = palette_for(color)
    for one in found:
        if as_json:
            write_json(_document(one))
        else:
            sys.stdout.writelines(f"{line}\n" for line in _lines(one, palette))
    if not found:
        say("lambda-guard: no journal here has a letter: name one with --journal, or go where dlq replay ran")
        return NOTHING_MATCHED
    if not logs:
        say("lambda-guard: what became of those that were delivered, the logs know: name them with --logs")
    return int(not all(one.fine for one in found))


def summary(one: Status) -> str:
    """Say it in a sentence: `4 delivered, 3 succeeded, 1 after a second replay`."""
    states = one.states
    parts = [f"{one.delivered:,} delivered"]
    for state in ("succeeded", "died again", "no record", "unsure", "refused", "not sent", "discarded"):
        if states[state]:
            parts.append(f"{states[state]:,} {'without a record' if state == 'no record' else state}")
        if state == "succeeded":
            for replays, count in sorted(one.more_than_once.items()):
                after = f"a {_ORDINALS[replays]} replay" if replays in _ORDINALS else f"{replays} replays"
                parts.append(f"{count:,} after {after}")
    return ", ".join(parts)


def _lines(one: Status, palette: Palette) -> Iterator[str]:
    """Draw the sentence, and below it the letters that somebody has to look at."""
    name = palette.paint("bold", visible(short_name(one.queue) or "unknown queue"))
    yield f"{name}  {counted(len(one.fates), 'letter')}: {summary(one)}"
    left = [fate for fate in one.fates if fate.state not in {"succeeded", "delivered", "discarded"}]
    for fate in left[:SAMPLES]:
        state = palette.paint(_STYLES.get(fate.state, "red"), f"{fate.state:<10}")
        now = f" as {fate.new_id}" if fate.new_id else ""
        yield f"  {state}  {visible('  '.join(filter(None, (fate.letter.message_id + now, fate.reason))))}"
    if len(left) > SAMPLES:
        yield f"  and {len(left) - SAMPLES:,} more (--json has all)"


def _document(one: Status) -> dict[str, Any]:
    return {
        "queue": one.queue,
        "letters": len(one.fates),
        "delivered": one.delivered,
        "states": dict(one.states),
        "fates": [_fate_document(fate) for fate in one.fates],
    }


def _fate_document(fate: Fate) -> dict[str, Any]:
    return filled(
        {
            "message_id": fate.letter.message_id,
            "state": fate.state,
            "replays": fate.replays,
            "new_id": fate.new_id,
            "reason": fate.reason,
        }
    )
