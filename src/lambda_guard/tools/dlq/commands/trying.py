"""`lambda-guard dlq try`: letters through a handler on this machine."""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from lambda_guard.tools.aws import CloudError
from lambda_guard.tools.dlq.commands.options import (
    Session,
    filter_options,
    log_options,
    nothing_matched,
    view_options,
)
from lambda_guard.tools.dlq.environment_file import read_environment
from lambda_guard.tools.dlq.events import NoEventError, event_of
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.dlq.progress import progress_bar
from lambda_guard.tools.dlq.queue import Queue
from lambda_guard.tools.dlq.render import counted
from lambda_guard.tools.dlq.report import filled
from lambda_guard.tools.dlq.streams import RecordsGoneError, stream_event
from lambda_guard.tools.dlq.trying import Spool, Trial, Trials, local_function, run
from lambda_guard.tools.logs.invocation import invocations_of
from lambda_guard.tools.logs.reading.grouping import Grouper
from lambda_guard.tools.logs.reading.streams import Stream
from lambda_guard.tools.logs.views.text import TextView
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import Palette, When, palette_for, visible
from lambda_guard.tools.times import duration_ms, span

EPILOG = """\b
Examples:
  lambda-guard dlq try orders-dead --handler app.handler --code src
  lambda-guard dlq try orders-dead --handler app.handler --env-file .env --where error=KeyError --limit 20
"""


@click.command("try", epilog=EPILOG)
@click.argument("queue_name", metavar="QUEUE")
@click.option(
    "--handler", required=True, metavar="MODULE.FUNCTION", help="As in the function's configuration."
)
@click.option("--code", default=".", show_default=True, metavar="DIR", help="The directory of the code.")
@click.option("--timeout", default="30s", show_default=True, metavar="TIME", help="For each letter.")
@click.option("--env-file", metavar="FILE", help="The function's variables: KEY=VALUE lines, or JSON.")
@click.option(
    "--endpoint-url",
    metavar="URL",
    help="Where the handler's AWS calls go, such as a local cloud; by default nowhere: each call fails.",
)
@filter_options
@log_options
@click.option("--verbose", "-v", is_flag=True, help="Show what the handler writes for letters that fail.")
@view_options
def try_letters(  # noqa: PLR0917 - click passes options by name
    queue_name: str,
    handler: str,
    code: str,
    timeout: str,
    env_file: str | None,
    endpoint_url: str | None,
    limit: int | None,
    verbose: bool,
    as_json: bool,
    color: When,
    **selected: Any,
) -> int:
    """Run letters through a handler on this machine, and show which would pass now.

    The handler runs in a process of its own, through the real runtime client. The queue is read and
    released before the first letter is run; nothing in it changes.
    """
    variables = read_environment(env_file) if env_file else {}
    settings: dict[str, Any] = {"timeout": duration_ms(timeout) / 1_000.0, "environment": variables}
    if not settings["timeout"]:
        raise click.UsageError("--timeout 0 leaves a letter no time: use, for example, 30s")
    if endpoint_url:
        settings["endpoint_url"] = endpoint_url
    function = local_function(handler, code, **settings)
    session = Session.open(**selected)
    view = TrialView(palette_for(color), as_json=as_json, verbose=verbose)
    with function, Stop() as stop, Spool() as spool:
        queue, read = _spooled(session, queue_name, limit, spool, stop)
        trials = Trials()
        with progress_bar(f"trying {queue.name}", spool.count) as progress:
            for letter in spool.letters():
                if stop.requested:
                    break
                trial = _tried(session, function, session.causes.explain(letter), queue)
                trials.add(trial)
                sys.stdout.write(view.trial(trial))
                progress(1)
    return _end(trials, spool.count, read, stop, as_json=as_json)


def _spooled(session: Session, name: str, limit: int | None, spool: Spool, stop: Stop) -> tuple[Queue, int]:
    queue = session.queue(name)
    with session.reading(queue, stop) as reading:
        for letter in session.letters(reading, limit):
            spool.add(letter)
    return queue, reading.read


def _tried(session: Session, function: Any, letter: Letter, queue: Queue) -> Trial:
    try:
        event = _event(session, letter, queue)
    except (NoEventError, RecordsGoneError, CloudError) as error:
        return Trial(letter.message_id, problem=str(error))
    return run(function, letter, event)


def _event(session: Session, letter: Letter, queue: Queue) -> Any:
    if letter.pointer is not None:
        return stream_event(letter.pointer, session.clients)
    return event_of(letter, queue.arn)


def _end(trials: Trials, wanted: int, read: int, stop: Stop, *, as_json: bool) -> int:
    if read and not wanted:
        return nothing_matched()
    if not as_json:
        sys.stdout.write(f"{trials.passed:,} of {counted(trials.count, 'letter')} would pass now\n")
        for sentence, count in trials.causes.most_common():
            sys.stdout.write(f"  {count:,} would die of {visible(sentence)}\n")
    if stop.requested:
        return 130
    return int(trials.passed < trials.count)


class TrialView:
    """Draws trials, a line each, and under it what the handler wrote, where that is wanted."""

    def __init__(self, palette: Palette, *, as_json: bool, verbose: bool) -> None:
        self._paint = palette.paint
        self._text = TextView(palette)
        self._as_json = as_json
        self._verbose = verbose

    def trial(self, trial: Trial) -> str:
        """Draw one."""
        if self._as_json:
            return json.dumps(_document(trial), ensure_ascii=False) + "\n"
        return "\n".join(self._lines(trial)) + "\n"

    def _lines(self, trial: Trial) -> Iterator[str]:
        took = f"  {span(trial.duration_ms)}" if trial.duration_ms is not None else ""
        if trial.problem:
            yield f"{self._paint('yellow', '… not run')}  {trial.message_id}  {visible(trial.problem)}"
        elif trial.failure is None:
            yield f"{self._paint('bold_green', '✓ passes')}  {trial.message_id}{took}"
        else:
            mark = {True: "the same error: ", False: "another error: ", None: ""}[trial.same]
            told = visible(trial.failure.sentence)
            yield f"{self._paint('bold_red', '✗ fails')}   {trial.message_id}{took}  {mark}{told}"
            if self._verbose:
                yield from self._blocks(trial.lines)

    def _blocks(self, lines: Iterable[str]) -> Iterator[str]:
        """Draw what the handler wrote as `lambda-guard invocations` does."""
        grouper = Grouper()
        grouper.feed([line.encode() for line in lines], Stream("try", exact=True))
        grouper.finish()
        return (self._text.block(block).rstrip("\n") for block in invocations_of(grouper.take()))


def _document(trial: Trial) -> dict[str, Any]:
    failure = trial.failure
    document = {
        "message_id": trial.message_id,
        "passed": trial.passed,
        "duration_ms": trial.duration_ms,
        "error": failure
        and {"type": failure.type, "message": failure.message, "fingerprint": failure.fingerprint},
        "same_error": trial.same if failure else None,
        "problem": trial.problem,
    }
    return filled(document)
