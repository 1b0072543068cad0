"""`lambda-guard dlq replay`: letters back to where they died."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
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
from lambda_guard.tools.dlq.journal import read_history
from lambda_guard.tools.dlq.proving import Proof, Prover
from lambda_guard.tools.dlq.queue import Reading, now_ms
from lambda_guard.tools.dlq.replay import Pace, Planner, Replay
from lambda_guard.tools.dlq.sending import Sender
from lambda_guard.tools.dlq.summary import Plan, plan_document, plan_lines
from lambda_guard.tools.dlq.targets import SOURCE, TargetFinder
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import palette_for, say
from lambda_guard.tools.times import duration_ms

EPILOG = """\b
Examples:
  lambda-guard dlq replay orders-dead                                    what would be done
  lambda-guard dlq replay orders-dead --limit 1 --yes
  lambda-guard dlq replay orders-dead --where error=KeyError --rate 20 --yes
  lambda-guard dlq replay unbilled --to function:billing:live --yes
  lambda-guard dlq replay orders-dead --logs /aws/lambda/orders --prove --yes
"""


class Rate(click.FloatRange):
    """How many a second: `20`, or `20/s`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        number: Any = value.removesuffix("/s") if isinstance(value, str) else value
        return super().convert(number, param, ctx)


@click.command(epilog=EPILOG)
@click.argument("queue_name", metavar="QUEUE")
@click.option(
    "--to",
    default=SOURCE,
    show_default=True,
    metavar="TARGET",
    help="source (found by itself), a queue's URL or ARN, queue:NAME, function:NAME or its ARN.",
)
@filter_options
@click.option("--rate", type=Rate(min=0, min_open=True), metavar="N[/s]", help="At most N letters a second.")
@click.option("--again", is_flag=True, help="Replay letters that came back from an earlier replay, too.")
@click.option(
    "--prove", is_flag=True, help="One letter, then ten, then the rest; stop if the error comes back."
)
@click.option(
    "--wait",
    default="2m",
    show_default=True,
    metavar="TIME",
    help="With --prove: how long to wait for records.",
)
@log_options
@acting_options
@view_options
def replay(  # noqa: PLR0917 - click passes options by name
    queue_name: str,
    to: str,
    limit: int | None,
    rate: float | None,
    again: bool,
    prove: bool,
    wait: str,
    yes: bool,
    **options: Any,
) -> int:
    """Send letters back to where they died, and delete each one when its delivery is acknowledged.

    Without --yes nothing is sent: the dry run shows what would be done. Messages go back to their queue with all
    attributes, FIFO group and trace; events of functions are invoked asynchronously, so that retries and
    dead-letter queue apply again. Every step is in the journal: after a Ctrl-C or a crash the same
    command goes on, and sends nothing twice that is known to be delivered.
    """
    if prove and not options["logs"]:
        raise click.UsageError(
            "--prove reads the records of the replayed invocations: name their logs with --logs"
        )
    action = Action("replay", queue_name, **options)
    finder = TargetFinder(action.queue, action.session.clients, to)
    if not yes:
        return _plan(action, finder, limit, again=again)
    with Stop() as stop, started(action, finder, rate, stop, again=again, limit=limit) as loop:
        work = partial(_prove, action, loop, wait) if prove else partial(_send, loop)
        code = action.run(partial(work, limit), loop.tally, stop)
        _say_unread(loop.reading)
    return code


def _send(loop: Replay, limit: int | None) -> None:
    for _ in loop.send(limit):
        pass


def _prove(action: Action, loop: Replay, wait: str, limit: int | None) -> Proof:
    # The records to come are later than now; the minute is for clocks that differ.
    fresh = replace(action.session.logs, since_ms=now_ms() - 60_000.0)
    return Prover(loop, fresh, duration_ms(wait) / 1_000.0, loop.stop).run(limit)


@contextmanager
def started(
    action: Action, finder: TargetFinder, rate: float | None, stop: Stop, *, again: bool, limit: int | None
) -> Iterator[Replay]:
    """Open what a replay needs."""
    with (
        action.opened(stop, limit) as (journal, reading, progress),
        closing(Sender(action.session.clients)) as sender,
        ThreadPoolExecutor(1, thread_name_prefix="journal") as background,
    ):
        planner = Planner(finder, journal.history, run=journal.run, again=again)
        pace, understand = Pace(rate, stop), action.session.understand
        yield Replay(reading, understand, planner, journal, sender, pace, stop, progress, background)


def _plan(action: Action, finder: TargetFinder, limit: int | None, *, again: bool) -> int:
    """Show what would be done."""
    queue, session = action.queue, action.session
    planner = Planner(finder, read_history(action.journal_path), again=again)
    plan = Plan()
    with Stop() as stop, session.reading(queue, stop) as reading:
        for letter in session.letters(reading):
            plan.decided(planner.decide(letter))
            if plan.counts["delivered"] == limit:
                break
    if action.as_json:
        write_json(plan_document(plan, queue))
    else:
        sys.stdout.writelines(f"{line}\n" for line in plan_lines(plan, queue, palette_for(action.color)))
    if stop.requested:
        return 130
    code = nothing_matched() if reading.read and not plan.counts else plan.exit_code
    say("dry run: nothing was sent; --yes does it")
    return code


def _say_unread(reading: Reading) -> None:
    """Report what may be left that wasn't seen: in flight elsewhere, or behind others of a FIFO group."""
    queue = reading.queue
    unseen = queue.count - reading.read
    if queue.fifo and unseen > 0 and reading.held:
        say(f"{queue.name}: FIFO: about {unseen:,} more wait behind letters that stay")
    elif unseen > 0 and reading.exhausted:
        say(
            f"{queue.name}: about {unseen:,} more are hidden now, by another reader or a run "
            f"that was killed; they come back by themselves"
        )
