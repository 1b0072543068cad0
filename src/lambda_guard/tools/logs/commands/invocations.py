"""`lambda-guard invocations`: one block per invocation."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TypeVar

import click

from lambda_guard.tools.logs.causes import Causes
from lambda_guard.tools.logs.commands.options import output_options, say_tally, source_options
from lambda_guard.tools.logs.invocation import Block, Invocation, invocations_of
from lambda_guard.tools.logs.model import Stray
from lambda_guard.tools.logs.readers import Reader, reader_for
from lambda_guard.tools.logs.reading.attempts import number_attempts
from lambda_guard.tools.logs.reading.streams import Tally
from lambda_guard.tools.logs.selection import Selection, Target
from lambda_guard.tools.logs.time_order import in_order_of_time
from lambda_guard.tools.logs.views.causes import cause_block, cause_line
from lambda_guard.tools.logs.views.documents import block_pieces
from lambda_guard.tools.logs.views.html.page_file import PageFile
from lambda_guard.tools.logs.views.in_parallel import Draw, Drawn, counted, drawn, drawn_in_bulk
from lambda_guard.tools.logs.views.text import TextView
from lambda_guard.tools.options import where_option
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import Palette, When, columns, encoder, palette_for, say
from lambda_guard.tools.times import duration_ms
from lambda_guard.tools.where import Condition

EPILOG = """\b
Examples:
  lambda-guard invocations app.log old.log.gz
  sam logs --tail | lambda-guard invocations -
  lambda-guard invocations --function orders --failed --since 2h
  lambda-guard invocations --stack shop --since 12h --by cause           what failed last night, and why
  lambda-guard invocations --log-group '/aws/lambda/shop-*' --slower-than 2s --where trigger.type=sqs
  lambda-guard invocations app.log --where order_id=o-17 --html report.html
"""

SomeBlock = TypeVar("SomeBlock", bound=Block | None)


@click.command(epilog=EPILOG)
@source_options
@click.option(
    "--failed",
    is_flag=True,
    help="Only errors, server errors, timeouts, killed invocations, and batches that failed in part.",
)
@click.option("--slower-than", metavar="TIME", help="Only those that ran longer: 250ms, 2s.")
@click.option("--cold", is_flag=True, help="Only cold starts.")
@where_option(
    "Only those with this in their record or in a line: KEY=VALUE, !=, ~ for contains, <, >; dots lead into "
    "objects; several must all hold."
)
@click.option("--id", "ids", multiple=True, metavar="ID", help="Only this invocation, trace or message.")
@click.option(
    "--by",
    type=click.Choice(["cause"]),
    help="Only what failed, one row for each cause: how often, first and last, where, an example. One cause is one "
    "fingerprint, or type of error where no record has one.",
)
@click.option("--follow", "-f", is_flag=True, help="Keep reading as logs come in, until Ctrl-C.")
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(min=1),
    metavar="N",
    help="Stop after this many invocations; with --by, show this many causes.",
)
@output_options
def invocations(  # noqa: PLR0917 - click passes options by name
    target: Target,
    selection: Selection,
    failed: bool,
    slower_than: str | None,
    cold: bool,
    conditions: tuple[str, ...],
    ids: tuple[str, ...],
    by: str | None,
    follow: bool,
    limit: int | None,
    as_json: bool,
    files: dict[str, PageFile],
    color: When,
) -> int:
    """Show logs grouped by invocation: how each went, then its own lines.

    SOURCE is a file (gzipped or not) or - for standard input. Lines of environments that ran at the
    same time are separated. Lambda's own START, END and REPORT lines are folded in; lines that belong to no
    invocation are shown as such. All sources together are shown in order of time, if what is shown are at most 16 MB
    of log; more is shown stream by stream, as it is read, and so is what is followed.
    """
    selection = replace(
        selection,
        failed=failed or by is not None,
        cold=cold,
        slower_than_ms=duration_ms(slower_than) if slower_than is not None else None,
        conditions=tuple(Condition.parse(text) for text in conditions),
        ids=frozenset(ids),
    )
    if follow and (files or by):
        raise click.UsageError(f"{next(iter(files), '--by')} is done when reading ends: leave --follow out")
    with reader_for(target, selection) as reader, Stop() if follow else nullcontext() as stop:
        sort = not (by or follow or (files and limit is None))  # others have an order of their own
        found = reader.read_with_pauses() if sort else reader.read(follow=stop)
        chosen = _chosen(found, selection, reader, None if by else limit, sort=sort)
        if files:
            whole = selection.is_everything and limit is None
            shown = _write_files(chosen, files, reader, whole=whole, by_cause=by is not None)
        elif by:
            shown = _write_causes(chosen, limit, as_json=as_json, palette=palette_for(color))
        else:
            pieces = block_pieces if as_json else TextView(palette_for(color), columns()).pieces
            draw = encoder(pieces, sys.stdout.encoding, sys.stdout.errors or "strict")
            waits = follow or target.in_the_cloud or "-" in target.paths
            shown = _write(chosen, draw, reader, in_bulk=not waits)
    return say_tally(reader.tally, shown.invocations, not selection.is_everything, shown.failed)


@dataclass(slots=True)
class Shown:
    """How many invocations were shown, and how many of them failed."""

    invocations: int = 0
    failed: int = 0

    def add(self, some: Drawn, tally: Tally) -> None:
        """Count what is shown, and note in the tally what is odd about it."""
        self.invocations += some.invocations
        self.failed += some.failed
        tally.broken += some.broken
        tally.clock_jumps += some.clock_jumps


def _chosen(
    blocks: Iterator[Block | None], selection: Selection, reader: Reader, limit: int | None, *, sort: bool
) -> Iterator[Block]:
    """Yield what is to be shown, in order of time if it is to be sorted."""
    found = selected(blocks, selection, reader)
    if not sort:
        return limited(found, limit)
    if limit is not None and reader.in_order:  # the first ones are those that come first: no more is read
        return in_order_of_time(limited(found, limit), reader.tally.notes.append)
    return limited(in_order_of_time(found, reader.tally.notes.append), limit)


def selected(blocks: Iterable[SomeBlock], selection: Selection, reader: Reader) -> Iterator[SomeBlock]:
    """Let the selected invocations through and keep count; stray lines and pauses pass where no filter is set."""
    everything = selection.is_everything
    for block in blocks:
        if not isinstance(block, Invocation):
            if everything or block is None:
                yield block
            continue
        reader.tally.invocations += not block.late
        reader.tally.failed += block.failed and not block.late
        if everything or selection.matches(block):
            yield block


def limited(blocks: Iterator[Block | None], limit: int | None) -> Iterator[Block]:
    """Stop after this many invocations."""
    there: Iterator[Block] = filter(None, blocks)
    if limit is None:
        yield from there
        return
    for block in there:
        yield block
        limit -= isinstance(block, Invocation)
        if limit <= 0:
            return


def _write(blocks: Iterator[Block], draw: Draw, reader: Reader, *, in_bulk: bool) -> Shown:
    """Write the blocks, each at once where someone may be looking on; in bulk, only the first."""
    shown, at_once = Shown(), not in_bulk or sys.stdout.isatty()
    output = sys.stdout.buffer
    for some in drawn_in_bulk(blocks, draw) if in_bulk else drawn(blocks, draw):
        output.write(some.text)
        if at_once or not shown.invocations:
            output.flush()
        shown.add(some, reader.tally)
    return shown


def _write_causes(blocks: Iterator[Block], limit: int | None, *, as_json: bool, palette: Palette) -> Shown:
    causes, count = Causes(), 0
    for invocation in invocations_of(blocks):
        count += bool(causes.add(invocation)) and not invocation.late
    rows = causes.rows()
    for cause in rows[:limit]:
        sys.stdout.write(cause_line(cause) if as_json else cause_block(cause, palette))
    if len(rows) > (limit or len(rows)):
        say(f"{len(rows):,} causes; the {limit:,} most frequent are shown")
    return Shown(count, count)


def _write_files(
    blocks: Iterator[Block], files: dict[str, PageFile], reader: Reader, *, whole: bool, by_cause: bool
) -> Shown:
    from lambda_guard.tools.logs.traces.tree import build_traces
    from lambda_guard.tools.logs.views.html.page import INVOCATIONS_MOST, write_files
    from lambda_guard.tools.logs.views.html.room import Room

    room, shown = Room(), Shown()
    invocations, strays = list[Invocation](), list[Stray]()
    for block in limited(blocks, INVOCATIONS_MOST):
        shown.add(counted([block]), reader.tally)
        if isinstance(block, Stray):
            strays.append(block)
            continue
        room.take(block)
        invocations.append(block)
    more = len(invocations) == INVOCATIONS_MOST and next(invocations_of(blocks), None) is not None
    if whole and not more:
        number_attempts(invocations)
    traces = build_traces(invocations)
    left_out = write_files(traces, files, title="Invocations", strays=strays, by_cause=by_cause)
    if more:
        say(f"  it has the first {INVOCATIONS_MOST:,} only: select with --failed, --since or --where")
    if left_out:
        say(f"  {left_out}: select with --failed, --since or --where")
    return shown
