"""`lambda-guard dlq try`: letters through a handler on this machine."""

import json
import sys
from collections.abc import Iterator
from functools import partial
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any

import click

from lambda_guard._printable import visible
from lambda_guard.tools.aws import CloudError
from lambda_guard.tools.dlq.commands.options import (
    Session,
    filter_options,
    log_options,
    nothing_matched,
    view_options,
    write_json,
)
from lambda_guard.tools.dlq.environment_file import read_environment
from lambda_guard.tools.dlq.errors import NoEventError
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.dlq.message import Message
from lambda_guard.tools.dlq.queue import Queue, Reading
from lambda_guard.tools.dlq.recognition import recognise
from lambda_guard.tools.dlq.render import counted
from lambda_guard.tools.dlq.report import filled
from lambda_guard.tools.dlq.streams import stream_event
from lambda_guard.tools.dlq.trying import Trial, Trials, event_of, invocations, local_function, run
from lambda_guard.tools.files import write_all
from lambda_guard.tools.logs.views.text import TextView
from lambda_guard.tools.progress import progress_bar
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import Palette, When, palette_for
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
    write = partial(_write, palette=palette_for(color), as_json=as_json, verbose=verbose)
    with local_function(handler, code, **settings) as function:
        session = Session(**selected)
        queue, trials = session.queue(queue_name), Trials()
        with Stop() as stop, TemporaryFile(prefix="lambda-guard-") as spool:
            reading, wanted = _spool(session, queue, limit, spool, stop)
            with progress_bar(f"trying {queue.name}", wanted) as progress:
                for line in spool:
                    if stop.requested:
                        break
                    letter = session.causes.explain(recognise(Message.from_document(json.loads(line))))
                    trial = _tried(session, function, letter, queue)
                    trials.add(trial)
                    write(trial)
                    progress(1)
    return _end(trials, wanted, reading, stop, as_json=as_json)


def _spool(
    session: Session, queue: Queue, limit: int | None, spool: IO[bytes], stop: Stop
) -> tuple[Reading, int]:
    """Keep letters in a file: the queue is released before the handler runs, however many there are."""
    wanted = 0
    with session.reading(queue, stop) as reading:
        for letter in session.letters(reading, limit):
            wanted += 1
            line = json.dumps(letter.message.as_document())
            write_all(spool.fileno(), f"{line}\n".encode("ascii"), gettempdir())
    spool.seek(0)
    return reading, wanted


def _tried(session: Session, function: Any, letter: Letter, queue: Queue) -> Trial:
    try:
        if letter.pointer is not None:
            event: Any = stream_event(letter.pointer, session.clients)
        else:
            event = event_of(letter, queue.arn)
    except (NoEventError, CloudError) as error:
        return Trial(letter.message_id, problem=str(error))
    return run(function, letter, event)


def _end(trials: Trials, wanted: int, reading: Reading, stop: Stop, *, as_json: bool) -> int:
    if reading.read and not wanted:
        return nothing_matched()
    if not as_json:
        sys.stdout.write(f"{trials.passed:,} of {counted(trials.count, 'letter')} would pass now\n")
        for sentence, count in trials.causes.most_common():
            sys.stdout.write(f"  {count:,} would die of {visible(sentence)}\n")
    if stop.requested:
        return 130
    return int(trials.passed < trials.count or reading.hidden > 0)


def _write(trial: Trial, palette: Palette, *, as_json: bool, verbose: bool) -> None:
    if as_json:
        write_json(_document(trial))
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(trial, palette, verbose=verbose))


def _lines(trial: Trial, palette: Palette, *, verbose: bool) -> Iterator[str]:
    """Draw a trial, and under it what the handler wrote, where that is wanted."""
    message_id = visible(trial.message_id)
    took = f"  {span(trial.duration_ms)}" if trial.duration_ms is not None else ""
    if trial.problem:
        yield f"{palette.paint('yellow', '… not run')}  {message_id}  {visible(trial.problem)}"
    elif trial.failure is None:
        yield f"{palette.paint('bold_green', '✓ passes')}  {message_id}{took}"
    else:
        mark = {True: "the same error: ", False: "another error: ", None: ""}[trial.same]
        told = visible(trial.failure.sentence)
        yield f"{palette.paint('bold_red', '✗ fails')}   {message_id}{took}  {mark}{told}"
        if verbose:
            view = TextView(palette)
            yield from (view.block(block).rstrip("\n") for block in invocations(trial.lines))


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
