"""`lambda-guard dlq replay`: letters back to where they died."""

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
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
    planner = partial(Planner, TargetFinder(action.queue, action.session.clients, to), again=again)
    if not yes:
        return _plan(action, planner, limit)
    return _replay(action, planner, limit, rate, wait if prove else None)


def _replay(
    action: Action, planner_of: partial[Planner], limit: int | None, rate: float | None, proving: str | None
) -> int:
    with (
        Stop() as stop,
        action.opened(stop, limit) as (journal, reading, progress),
        closing(Sender(action.session.clients)) as sender,
        ThreadPoolExecutor(1, thread_name_prefix="journal") as background,
    ):
        planner = planner_of(journal.history, run=journal.run)
        pace, understand = Pace(rate, stop), action.session.understand
        loop = Replay(reading, understand, planner, journal, sender, pace, stop, progress, background)
        code = action.run(lambda: _work(action, loop, limit, proving), loop.tally, stop)
        _say_unread(reading)
    return code


def _work(action: Action, loop: Replay, limit: int | None, proving: str | None) -> Proof | None:
    if proving is None:
        for _ in loop.send(limit):
            pass
        return None
    # The records to come are later than now; the minute is for clocks that differ.
    fresh = replace(action.session.logs, since_ms=now_ms() - 60_000.0)
    return Prover(loop, fresh, duration_ms(proving) / 1_000.0, loop.stop).run(limit)


def _plan(action: Action, planner_of: partial[Planner], limit: int | None) -> int:
    """Show what would be done."""
    queue, session = action.queue, action.session
    planner = planner_of(read_history(action.journal_path))
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
