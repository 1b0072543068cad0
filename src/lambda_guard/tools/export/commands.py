"""`lambda-guard export`: the command-line group."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from lambda_guard import _names as names
from lambda_guard.errors import LambdaGuardError
from lambda_guard.otlp.conventions import pairs as pairs_of
from lambda_guard.tools.export.delivery import Delivery, Way, to_endpoint, to_file
from lambda_guard.tools.export.receiver import Receiver
from lambda_guard.tools.files import replacing
from lambda_guard.tools.logs.commands.invocations import selected
from lambda_guard.tools.logs.commands.options import say_tally, source_options
from lambda_guard.tools.logs.invocation import Block, invocations_of
from lambda_guard.tools.logs.readers import reader_for
from lambda_guard.tools.logs.selection import Selection, Target
from lambda_guard.tools.options import pairs
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import progress, say, warn
from lambda_guard.tools.times import date_and_clock

_EPILOG = """\b
Examples:
  lambda-guard export otlp app.log --endpoint http://localhost:4318
  lambda-guard export otlp --stack shop --since 1h --endpoint https://otlp.example.com --header api-key=KEY
  lambda-guard export otlp --function orders --since 2026-11-23T15:04:05Z --endpoint http://localhost:6006 --protobuf
  lambda-guard export otlp *.log.gz -o spans.jsonl

\b
Exit codes:
  0  every span was delivered
  1  spans were rejected, the receiver refused or couldn't be reached, Ctrl-C, or a source couldn't be read
  2  a wrong command line, or an endpoint that isn't an address
"""


@click.group()
def export() -> None:
    """Hand invocation records to other systems."""


@export.command(name="otlp", epilog=_EPILOG)
@source_options
@click.option(
    "--endpoint",
    metavar="URL",
    help="The receiver's address; /v1/traces is added, unless it ends so. By default "
    f"{names.ENV_OTEL_TRACES_ENDPOINT} or {names.ENV_OTEL_ENDPOINT}.",
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME=VALUE",
    callback=lambda _context, _parameter, texts: pairs(texts, "header", "NAME=VALUE"),
    help=f"An HTTP header, such as a key; those of {names.ENV_OTEL_HEADERS} go along.",
)
@click.option("--protobuf", is_flag=True, help="Send protobuf instead of JSON.")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a file of OTLP JSON lines instead of sending.",
)
def otlp(  # noqa: PLR0917 - click passes options by name
    target: Target,
    selection: Selection,
    endpoint: str | None,
    headers: dict[str, str],
    protobuf: bool,
    output: Path | None,
) -> int:
    """Make OpenTelemetry's spans of invocation records, and send them to any receiver of OTLP over HTTP.

    They are those that LAMBDA_GUARD_TRACING=otlp sends from within a function, of every invocation, sampled or not,
    without anything in the function. A record has no times of its AWS calls, so their spans last as long as the
    invocation's. Ids are the same each time. SOURCE is as for `lambda-guard invocations`.

    A run that ends early says from when the next one has to go on with --since; so does one that ends well.
    """
    if output is not None and (endpoint or protobuf):
        raise click.UsageError("--output writes a file, in JSON: leave --endpoint and --protobuf out")
    with (
        Stop("finishing what was read; again to end at once") as stop,
        _way(endpoint, headers, protobuf, output, stop) as way,
    ):
        delivery = Delivery(way, os.environ)
        with reader_for(target, selection) as reader:
            failed = _deliver(delivery, selected(reader.read(), selection, reader), stop)
    _say(delivery, output, whole=failed is None and not stop.requested)
    if failed is not None:
        warn(str(failed))
    code = say_tally(reader.tally, delivery.reached.invocations, not selection.is_everything)
    return max(code, failed is not None, stop.requested, delivery.reached.rejected > 0)


@contextmanager
def _way(
    endpoint: str | None, headers: dict[str, str], binary: bool, output: Path | None, stop: Stop
) -> Iterator[Way]:
    if output is not None:
        with replacing(output) as unfinished, unfinished.open("w", encoding="utf-8") as file:
            yield to_file(file)
        return
    where = (
        endpoint or os.environ.get(names.ENV_OTEL_TRACES_ENDPOINT) or os.environ.get(names.ENV_OTEL_ENDPOINT)
    )
    if not where:
        raise click.UsageError(
            f"nowhere to send to: name --endpoint, {names.ENV_OTEL_ENDPOINT}, or --output for a file"
        )
    known = os.environ.get(names.ENV_OTEL_TRACES_HEADERS) or os.environ.get(names.ENV_OTEL_HEADERS, "")
    yield to_endpoint(Receiver(where, {**pairs_of(known), **headers}, stop.wait), binary=binary)


def _deliver(delivery: Delivery, blocks: Iterator[Block], stop: Stop) -> LambdaGuardError | None:
    """Deliver invocations until there are no more, or the receiver takes no more; return why it doesn't."""
    try:
        for one in invocations_of(blocks):
            if not one.late:
                before = delivery.reached.invocations
                delivery.add(one)
                if delivery.reached.invocations != before:
                    _show(delivery)
            if stop.requested:
                break
        delivery.deliver()
    except LambdaGuardError as error:
        return error
    finally:
        progress("")
    return None


def _show(delivery: Delivery) -> None:
    reached = delivery.reached
    to = date_and_clock(reached.newest_ms)
    progress(f"{reached.spans:,} spans of {reached.invocations:,} invocations, up to {to} UTC")


def _say(delivery: Delivery, output: Path | None, *, whole: bool) -> None:
    reached = delivery.reached
    done = f"wrote {output}" if output is not None else "sent"
    say(f"{done}: {reached.spans:,} spans of {reached.invocations:,} invocations")
    if delivery.untimed:
        say(f"  {delivery.untimed:,} invocations have no time, and no span")
    if reached.rejected:
        warn(f"{reached.rejected:,} spans were rejected{': ' if delivery.why else ''}{delivery.why}")
    since = reached.since(whole=whole)
    if since is not None:
        say(f"  the next run can go on with --since {since}")
    elif not whole:
        say(
            "  the next run has to begin again"
            + " (the logs aren't in order of time)" * bool(reached.invocations)
        )
