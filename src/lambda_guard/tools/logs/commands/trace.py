"""`lambda-guard trace`: everything that belongs to an id, across functions."""

import sys

import click

from lambda_guard.tools.logs.commands.options import output_options, say_tally, source_options
from lambda_guard.tools.logs.readers import reader_for
from lambda_guard.tools.logs.reading.attempts import number_attempts
from lambda_guard.tools.logs.selection import Selection, Target
from lambda_guard.tools.logs.traces.collecting import INVOCATIONS_MOST, collect
from lambda_guard.tools.logs.traces.tree import Trace, build_traces
from lambda_guard.tools.logs.views.documents import trace_line
from lambda_guard.tools.logs.views.html.page_file import PageFile
from lambda_guard.tools.logs.views.waterfall import TraceView
from lambda_guard.tools.terminal import When, columns, palette_for, say, warn

EPILOG = """\b
Examples:
  lambda-guard trace 1-6742a1b5-0123456789abcdef01234567 orders.log billing.log
  lambda-guard trace 6f0c1d3e-5b51-4c55-9d9e-1f2c64d3a001 --stack shop --since 2h
  lambda-guard trace 059f36b4-87a3-44ab-83d2-661975830a7d *.log --html trace.html
"""


@click.command(epilog=EPILOG)
@click.argument("wanted", metavar="ID")
@source_options
@output_options
def trace(  # noqa: PLR0917 - click passes options by name
    wanted: str,
    target: Target,
    selection: Selection,
    as_json: bool,
    page: PageFile | None,
    color: When,
) -> int:
    """Show everything that belongs to ID, across functions: a tree with a waterfall.

    ID is an invocation id, a trace id or a message id. The tree is built from invocation records
    alone, without a trace backend, so nothing is missing because it wasn't sampled. SOURCE is a file (gzipped or
    not) or - for standard input.
    """
    with reader_for(target, selection) as reader:
        focus = collect(wanted, reader.read_naming)
    if len(focus.members) < INVOCATIONS_MOST:
        number_attempts(focus.members)
    invocations = [one for one in focus.members if selection.matches(one)]
    if len(invocations) >= INVOCATIONS_MOST:
        reader.tally.notes.append(
            f"more than {INVOCATIONS_MOST:,} invocations belong to it: the first are shown"
        )
    traces = build_traces(invocations, focus)
    if not traces:
        say_tally(reader.tally, 0, filtered=True)
        warn(
            f"nothing in these logs names {wanted}: is the id complete, and do --since and --until include it?"
        )
        return 1
    reader.tally.invocations, reader.tally.failed = len(invocations), sum(one.failed for one in traces)
    _write(traces, as_json=as_json, page=page, color=color)
    return say_tally(reader.tally, len(invocations), filtered=True)


def _write(traces: list[Trace], *, as_json: bool, page: PageFile | None, color: When) -> None:
    if page:
        from lambda_guard.tools.logs.views.html.page import write_page

        write_page(traces, page, title=f"Trace {traces[0].trace_id}")
        say(f"wrote {page.path}")
        return
    draw = trace_line if as_json else TraceView(palette_for(color), columns()).trace
    for one in traces:
        sys.stdout.write(draw(one))
