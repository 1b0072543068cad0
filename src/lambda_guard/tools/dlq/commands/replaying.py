"""`lambda-guard dlq replay`: letters back to where they died."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import click

from lambda_guard.tools.dlq.commands.acting import HIDDEN_SECONDS, Action, acting_options
from lambda_guard.tools.dlq.commands.options import Desk, filter_options, log_options, say_read, view_options
from lambda_guard.tools.dlq.delivery import Courier
from lambda_guard.tools.dlq.errors import NOTHING_MATCHED
from lambda_guard.tools.dlq.journal import Journal, read_memory
from lambda_guard.tools.dlq.plan import Plan, plan_text
from lambda_guard.tools.dlq.progress import progress_bar
from lambda_guard.tools.dlq.proving import Proof, Prover
from lambda_guard.tools.dlq.queue import Reading, now_ms
from lambda_guard.tools.dlq.replay import Judge, Pace, Replay, recover
from lambda_guard.tools.dlq.targets import SOURCE, Finder
from lambda_guard.tools.dlq.where import Filter
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import When, palette_for, say
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
@click.option("--again", is_flag=True, help="Letters that came back from an earlier replay, too.")
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
    conditions: tuple[str, ...],
    match: str | None,
    ids: tuple[str, ...],
    limit: int | None,
    rate: float | None,
    again: bool,
    prove: bool,
    wait: str,
    logs: tuple[str, ...],
    since: str,
    yes: bool,
    journal: str | None,
    as_json: bool,
    color: When,
) -> int:
    """Send letters back to where they died, and delete each one when its delivery is acknowledged.

    Without --yes nothing is sent: it says what would be done. Messages go back to their queue with all
    attributes, FIFO group and trace; events of functions are invoked asynchronously, so that retries and
    dead-letter queue apply again. Every step is in the journal: after a Ctrl-C or a crash the same
    command goes on, and sends nothing twice that is known to be delivered.
    """
    if prove and not logs:
        raise click.UsageError("--prove judges by the records of the replayed invocations: name --logs")
    desk = Desk.open(logs, since, Filter.parse(conditions, ids, match))
    action = Action.open(desk, queue_name, journal, as_json=as_json, color=color, verb="replayed")
    finder = Finder(action.queue, desk.clients, to)
    if not yes:
        return _plan(action, finder, limit, again=again)
    with Stop() as stop, started(action, finder, rate, stop, again=again, limit=limit) as (loop, reading):
        proof: Proof | None = None
        try:
            if prove:
                # The records to come are later than now; the minute is for clocks that differ.
                fresh = replace(desk.logs, since_ms=now_ms() - 60_000.0)
                proof = Prover(loop, fresh, duration_ms(wait) / 1_000.0, stop).run(limit)
            else:
                for _ in loop.send(limit):
                    pass
            loop.tally.complete = not stop.requested
        finally:
            loop.tally.interrupted = stop.requested
            code = action.end(loop.tally, proof)
        _say_unread(action, reading)
    return code


@contextmanager
def started(
    action: Action, finder: Finder, rate: float | None, stop: Stop, *, again: bool, limit: int | None
) -> Iterator[tuple[Replay, Reading]]:
    """Open what a replay needs, in the order in which it must be closed."""
    queue, desk = action.queue, action.desk
    with (
        Journal(action.journal_path) as journal,
        closing(Courier(desk.clients)) as courier,
        ThreadPoolExecutor(1, thread_name_prefix="journal") as background,
        progress_bar(f"replaying {queue.name}", min(queue.count, limit or queue.count)) as progress,
        Reading(queue, desk.sqs, stop=stop, seconds=HIDDEN_SECONDS) as reading,
    ):
        recovered = recover(reading, journal.memory)
        if recovered:
            say(f"{queue.name}: going on where an earlier run ended ({recovered:,} in hand then)")
        journal.begin("replay", queue)
        judge = Judge(finder, journal.memory, run=journal.run, again=again)
        yield (
            Replay(
                reading,
                action.understand,
                judge,
                journal,
                courier,
                Pace(rate, stop),
                stop,
                progress,
                background,
            ),
            reading,
        )


def _plan(action: Action, finder: Finder, limit: int | None, *, again: bool) -> int:
    """Say what would be done."""
    queue, desk = action.queue, action.desk
    judge = Judge(finder, read_memory(action.journal_path), again=again)
    plan = Plan(queue)
    began = time.monotonic()
    with Stop() as stop, Reading(queue, desk.sqs, stop=stop) as reading:
        for letter in desk.letters(reading):
            plan.add(letter, judge.decide(letter))
            if plan.sends == limit:
                break
    say_read(queue, reading, time.monotonic() - began, stop)
    sys.stdout.write(plan.as_json() if action.as_json else plan_text(plan, palette_for(action.color)))
    if stop.requested:
        return 130
    code = plan.exit_code(reading.read)
    if code == NOTHING_MATCHED:
        say("lambda-guard: no letter matches")
    say("dry run: nothing was sent; --yes does it")
    return code


def _say_unread(action: Action, reading: Reading) -> None:
    """Say what may be left that was not seen: in flight elsewhere, or behind others of a FIFO group."""
    unseen = action.queue.count - reading.read
    if reading.queue.fifo and unseen > 0 and reading.held:
        say(f"{action.queue.name}: FIFO: about {unseen:,} more wait behind letters that stay")
    elif unseen > 0 and reading.exhausted:
        say(
            f"{action.queue.name}: about {unseen:,} more are hidden now, by another reader or a run "
            f"that was killed; they come back by themselves"
        )
