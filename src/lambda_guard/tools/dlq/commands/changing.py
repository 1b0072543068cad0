"""`lambda-guard dlq replay` and `dlq discard`: the commands that change a queue, and what they share.

Letters go back to where they died, or are deleted; of both, the journal has each letter first.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click

from lambda_guard._printable import visible
from lambda_guard.tools.dlq.commands.options import (
    Session,
    filter_options,
    log_options,
    nothing_matched,
    say_hidden,
    view_options,
    write_json,
)
from lambda_guard.tools.dlq.journal import Journal, default_path, read_history
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.dlq.proving import Proof, Prover
from lambda_guard.tools.dlq.queue import Reading, now_ms
from lambda_guard.tools.dlq.render import LetterView
from lambda_guard.tools.dlq.replay import Pace, Planner, Replay, Tally, recover
from lambda_guard.tools.dlq.sending import Sender
from lambda_guard.tools.dlq.summary import (
    Plan,
    plan_document,
    plan_lines,
    proof_text,
    summary_document,
    summary_text,
)
from lambda_guard.tools.dlq.targets import SOURCE, TargetFinder
from lambda_guard.tools.options import added
from lambda_guard.tools.progress import progress_bar
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import When, palette_for, say
from lambda_guard.tools.times import duration_ms

HIDDEN_SECONDS = 30
"""How long a letter that was received is hidden, and so how long it takes to come back where this process is killed."""

REPLAY_EPILOG = """\b
Examples:
  lambda-guard dlq replay orders-dead                                    what would be done
  lambda-guard dlq replay orders-dead --limit 1 --yes
  lambda-guard dlq replay orders-dead --where error=KeyError --rate 20 --yes
  lambda-guard dlq replay unbilled --to function:billing:live --yes
  lambda-guard dlq replay orders-dead --logs /aws/lambda/orders --prove --yes
"""
DISCARD_EPILOG = """\b
Examples:
  lambda-guard dlq discard orders-dead --where 'age>10d'                 what would be deleted
  lambda-guard dlq discard orders-dead --where error=Duplicate --logs /aws/lambda/orders --yes
"""

acting_options = added(
    click.option("--yes", is_flag=True, help="Do it; without this, only show what would be done."),
    click.option(
        "--journal",
        metavar="FILE",
        help="Where to keep letters and what was done; by default in ./.lambda-guard/.",
    ),
)


Opened = tuple[Journal, Reading, Callable[[int], object]]
"""What is open while a command changes a queue, and who is told how many letters are done with."""


class Action:
    """A command that changes a queue: where its journal is, and how it ends."""

    def __init__(
        self,
        command: Literal["replay", "discard"],
        queue_name: str,
        *,
        journal: str | None,
        as_json: bool,
        color: When,
        **selected: Any,
    ) -> None:
        self.command = command
        self.session = Session(**selected)
        self.queue = self.session.queue(queue_name)
        self.journal_path = Path(journal) if journal else default_path(self.queue)
        self.as_json, self.color = as_json, color

    @contextmanager
    def opened(self, stop: Stop, limit: int | None) -> Iterator[Opened]:
        """Open the journal and the queue, in the order in which they must be closed."""
        queue = self.queue
        with (
            Journal(self.journal_path) as journal,
            progress_bar(
                f"{self.command}ing {queue.name}", min(queue.count, limit or queue.count)
            ) as progress,
            Reading(queue, self.session.clients("sqs"), stop=stop, seconds=HIDDEN_SECONDS) as reading,
        ):
            recovered = recover(reading, journal.history)
            if recovered:
                say(f"{queue.name}: going on where an earlier run ended ({recovered:,} in flight then)")
            journal.begin(self.command, queue)
            yield journal, reading, progress

    def run(self, work: Callable[[], Proof | None], tally: Tally, reading: Reading, stop: Stop) -> int:
        """Work, and say what became of everything, also where the work ends early; returns the exit code."""
        proof: Proof | None = None
        try:
            proof = work()
            tally.complete = not stop.requested
        finally:
            tally.interrupted, tally.hidden = stop.requested, reading.hidden
            code = self._end(tally, proof)
        return code

    def _end(self, tally: Tally, proof: Proof | None) -> int:
        if self.as_json:
            write_json(summary_document(tally, self.queue, str(self.journal_path), proof))
        else:
            palette = palette_for(self.color)
            sys.stdout.write(summary_text(tally, self.queue, palette, f"{self.command}ed"))
            sys.stdout.write(proof_text(proof, palette) if proof is not None else "")
            sys.stdout.write(f"journal {visible(str(self.journal_path))}\n")
        if tally.interrupted:
            say("lambda-guard: interrupted; the same command goes on from here")
        elif tally.read and tally.read == tally.passed_over:
            return nothing_matched()
        return tally.exit_code or (proof.exit_code if proof is not None else 0)


class Rate(click.FloatRange):
    """How many a second: `20`, or `20/s`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        number: Any = value.removesuffix("/s") if isinstance(value, str) else value
        return super().convert(number, param, ctx)


@click.command(epilog=REPLAY_EPILOG)
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
        return _plan_replay(action, planner, limit)
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
        code = action.run(lambda: _work(action, loop, limit, proving), loop.tally, reading, stop)
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


def _plan_replay(action: Action, planner_of: partial[Planner], limit: int | None) -> int:
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
    code = code or int(reading.hidden > 0)
    say("dry run: nothing was sent; --yes does it")
    return code


def _say_unread(reading: Reading) -> None:
    """Report what may be left that wasn't seen: in flight elsewhere, or behind others of a FIFO group."""
    queue = reading.queue
    unseen = queue.count - reading.read
    if reading.hidden:
        say_hidden(reading)
    elif queue.fifo and unseen > 0 and reading.held:
        say(f"{queue.name}: FIFO: about {unseen:,} more wait behind letters that stay")
    elif unseen > 0 and reading.exhausted:
        say(
            f"{queue.name}: about {unseen:,} more are hidden now, by another reader or a run "
            f"that was killed; they come back by themselves"
        )


@click.command(epilog=DISCARD_EPILOG)
@click.argument("queue_name", metavar="QUEUE")
@filter_options
@log_options
@acting_options
@view_options
def discard(queue_name: str, limit: int | None, yes: bool, **options: Any) -> int:
    """Delete letters that nobody needs; each one is written to the journal first, whole.

    Without --yes nothing is deleted: the dry run shows what would be.
    """
    action = Action("discard", queue_name, **options)
    return _discard(action, limit) if yes else _plan_discard(action, limit)


def _plan_discard(action: Action, limit: int | None) -> int:
    with Stop() as stop:
        report, reading = action.session.report(action.queue, stop, limit)
    document = {**report.as_document(), "dry_run": True}
    if action.as_json:
        write_json(document)
    else:
        sys.stdout.write(LetterView(palette_for(action.color)).report(report))
    if stop.requested:
        return 130
    code = nothing_matched() if reading.read and not report.count else int(reading.hidden > 0)
    say("dry run: nothing was deleted; --yes does it")
    return code


def _discard(action: Action, limit: int | None) -> int:
    tally = Tally()

    def work() -> None:
        for batch in reading.batches():
            letters = tally.select(batch, action.session.understand)
            chosen = letters if limit is None else letters[: limit - tally.counts["delivered"]]
            _delete(chosen, journal, reading, tally)
            gone = {letter.message_id for letter in chosen}
            reading.keep([message for message in batch if message.message_id not in gone])
            progress(len(batch))
            if tally.counts["delivered"] == limit:
                return

    with Stop() as stop, action.opened(stop, limit) as (journal, reading, progress):
        code = action.run(work, tally, reading, stop)
        if reading.hidden:
            say_hidden(reading)
    return code


def _delete(letters: list[Letter], journal: Journal, reading: Reading, tally: Tally) -> None:
    journal.discarding(letters)
    refused = reading.delete([letter.message for letter in letters])
    journal.deleted(letter.message_id for letter in letters if letter.message_id not in refused)
    for letter in letters:
        reason = refused.get(letter.message_id, "")
        tally.add("failed" if reason else "delivered", reason)
