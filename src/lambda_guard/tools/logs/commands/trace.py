"""`lambda-guard trace`: everything that belongs to an id, across functions."""

import sys
from dataclasses import replace
from itertools import chain

import click

from lambda_guard.tools.logs.commands.options import (
    journal_option,
    output_options,
    say_tally,
    source_options,
    wanted_argument,
    wanted_where,
)
from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.messages.finding import FOUND_MOST, matching, not_found
from lambda_guard.tools.logs.readers import Reader, reader_for
from lambda_guard.tools.logs.reading.attempts import number_attempts
from lambda_guard.tools.logs.selection import Selection, Target
from lambda_guard.tools.logs.traces.collecting import INVOCATIONS_MOST, collect
from lambda_guard.tools.logs.traces.membership import Focus
from lambda_guard.tools.logs.traces.tree import Trace, build_traces
from lambda_guard.tools.logs.views.documents import trace_line
from lambda_guard.tools.logs.views.html.page_file import PageFile
from lambda_guard.tools.logs.views.waterfall import TraceView
from lambda_guard.tools.replays import read_replays
from lambda_guard.tools.terminal import When, columns, palette_for, say, warn

EPILOG = """\b
Examples:
  lambda-guard trace 1-6742a1b5-0123456789abcdef01234567 orders.log billing.log
  lambda-guard trace 6f0c1d3e-5b51-4c55-9d9e-1f2c64d3a001 --stack shop --since 2h
  lambda-guard trace --where order_id=o-6 logs/
  lambda-guard trace 059f36b4-87a3-44ab-83d2-661975830a7d *.log --html trace.html
"""


@click.command(epilog=EPILOG)
@wanted_argument
@wanted_where
@source_options
@journal_option
@output_options
def trace(  # noqa: PLR0917 - click passes options by name
    wanted: str,
    target: Target,
    selection: Selection,
    journals: tuple[str, ...],
    as_json: bool,
    files: dict[str, PageFile],
    color: When,
) -> int:
    """Show everything that belongs to ID, across functions: a tree with a waterfall.

    ID is an invocation id, a trace id or a message id; --where finds traces by what records and lines say. The tree
    is built from invocation records alone, without a trace backend, so nothing is missing because it wasn't sampled.
    What a replay sent is marked, as the journals of `dlq replay` have it. SOURCE is a file (gzipped or not) or -
    for standard input.
    """
    replays = read_replays(journals)
    with reader_for(target, selection) as reader:
        focuses = _focuses(wanted, reader, target, selection)
        selection = replace(selection, conditions=())
        found = [(focus, _members(focus, selection, reader)) for focus in focuses]
        traces = [one for focus, members in found for one in build_traces(members, focus, replays)]
        missing = "" if traces else not_found("trace", wanted, reader, target, selection)
    count = sum(len(members) for _, members in found)
    if traces:
        reader.tally.invocations, reader.tally.failed = count, sum(one.failed for one in traces)
        _write(traces, as_json=as_json, files=files, color=color)
    code = say_tally(reader.tally, count if traces else 0, filtered=True)
    if missing:
        warn(missing)
    return 1 if missing else code


def _focuses(wanted: str, reader: Reader, target: Target, selection: Selection) -> list[Focus]:
    """Collect what belongs to the id, or to each invocation that the conditions mean and that isn't there yet."""
    if wanted:
        return [collect(wanted, reader.read_naming)]
    ids = dict.fromkeys(one.invocation_id for one in matching(reader, target, selection))
    found: list[Focus] = []
    for one in ids:
        if any(one in focus.ids for focus in found):
            continue
        if len(found) == FOUND_MOST:
            reader.tally.notes.append(f"more than {FOUND_MOST} traces match: the first are shown")
            break
        found.append(collect(one, reader.read_naming))
    return found


def _members(focus: Focus, selection: Selection, reader: Reader) -> list[Invocation]:
    if len(focus.members) < INVOCATIONS_MOST:
        number_attempts(focus.members)
    members = [one for one in focus.members if selection.matches(one)]
    if len(members) >= INVOCATIONS_MOST:
        reader.tally.notes.append(
            f"{INVOCATIONS_MOST:,} invocations that belong to it are shown; there may be more"
        )
    return members


def _write(traces: list[Trace], *, as_json: bool, files: dict[str, PageFile], color: When) -> None:
    if files:
        from lambda_guard.tools.logs.views.html.page import write_files
        from lambda_guard.tools.logs.views.html.room import Room

        room = Room()
        for invocation in chain.from_iterable(one.invocations for one in traces):
            room.take(invocation)
        left_out = write_files(traces, files, title=f"Trace {traces[0].trace_id}")
        if left_out:
            say(f"  {left_out}")
        return
    draw = trace_line if as_json else TraceView(palette_for(color), columns()).trace
    for one in traces:
        sys.stdout.write(draw(one))
