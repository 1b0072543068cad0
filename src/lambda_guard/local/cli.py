"""`lambda-guard local`: a template, running on this machine."""

import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambda_guard._printable import visible
from lambda_guard.errors import LambdaGuardError
from lambda_guard.local._errors import CLOUD, require
from lambda_guard.local.hints import commands
from lambda_guard.local.printing import Printer, RawPrinter, listen
from lambda_guard.local.running import Running, chosen, registered

if TYPE_CHECKING:
    from lambda_guard.local.cloud import Cloud
    from lambda_guard.local.reloading import Reloader

_CONTINUED = "\n    "


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def local() -> None:
    """Run functions, queues and topics on this machine, without Docker and without AWS."""


@local.command()
@click.argument("template", type=click.Path(exists=True, path_type=Path), default=".")
@click.option(
    "--port",
    type=click.IntRange(0, 65_000),
    default=4566,
    show_default=True,
    help="Port of the endpoint; APIs take the next ones. 0 takes any free ones.",
)
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    help="The factor by which retries, returns to the queue and schedules come sooner than on AWS.",
)
@click.option(
    "--logs", type=click.Path(file_okay=False, path_type=Path), help="Directory for the functions' log files."
)
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A value for a parameter of the template; may be repeated.",
)
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME=PATH",
    help="A directory or zip archive for a layer: its name, ARN or logical id; may be repeated.",
)
@click.option(
    "--config-env",
    default="default",
    show_default=True,
    help="The environment of samconfig.toml whose parameter_overrides count.",
)
@click.option("--region", default="eu-west-1", show_default=True, help="Region of everything.")
@click.option(
    "--reload/--no-reload",
    default=True,
    show_default=True,
    help="Whether functions begin anew with the next invocation once their code or a layer has changed.",
)
@click.option("--raw", is_flag=True, help="Print the functions' lines as they come, not by invocation.")
@click.option("--quiet", is_flag=True, help="Don't print the functions' log lines.")
@click.option(
    "--enforce-policies",
    is_flag=True,
    help="Hold each function to its role's policies: deny what they don't grant, as AWS does.",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="FUNCTION=FILE",
    help="With --enforce-policies, a policy as JSON in place of a function's role's; may be repeated.",
)
@click.pass_obj
def up(  # noqa: PLR0917 - click passes options by name
    blocks: Callable[[], Printer] | None,
    template: Path,
    port: int,
    speed: float,
    logs: Path | None,
    parameters: tuple[str, ...],
    layers: tuple[str, ...],
    config_env: str,
    region: str,
    reload: bool,
    raw: bool,
    quiet: bool,
    enforce_policies: bool,
    policies: tuple[str, ...],
) -> None:
    """Start what TEMPLATE declares and run it until Ctrl-C.

    TEMPLATE is a SAM or CloudFormation template in YAML or JSON, or a directory: cdk.out, .serverless, or a project
    with one of them or template.yaml; by default the current one. A warning names each part that isn't honoured,
    and each function that can't run here; if nothing can, the command ends with 1.
    """
    with _ended_by_signals() as ended:
        cloud, template, said = _started(
            template,
            config_env,
            _pairs(parameters, "--parameter", "NAME=VALUE"),
            layers=_pairs(layers, "--layer", "NAME=PATH"),
            speed=speed,
            logs=logs,
            port=port,
            region=region,
            enforce_policies=enforce_policies,
            policies=_pairs(policies, "--policy", "FUNCTION=FILE"),
        )
        with ExitStack() as until, cloud:
            _describe(cloud, logs, said)
            _suggest(cloud, _register(cloud, template, until))
            if not quiet:
                until.callback(_printed(cloud, None if raw else blocks, ended).close)
            if reload:
                until.enter_context(_reloading(cloud, template, logs))
            ended.wait()
        click.echo("ended")


_ENV = """\b
Examples:
  eval "$(lambda-guard local env)"              this shell's SDKs, AWS CLI and lambda-guard use the local cloud
  eval "$(lambda-guard local env shop)"         the one whose template is in the directory shop
  eval "$(lambda-guard local env --port 4566)"
"""


@local.command(epilog=_ENV)
@click.argument("name", required=False)
@click.option("--port", type=click.IntRange(1, 65_535), help="The one whose endpoint has this port.")
def env(name: str | None, port: int | None) -> None:
    """Print the variables of a local cloud that runs, for a shell.

    NAME is the directory of its template; where one cloud runs, it needs none. The credentials are worthless
    elsewhere; AWS_PROFILE and AWS_SESSION_TOKEN are unset, so that they can't name others.
    """
    for variable, value in chosen(name, port).variables.items():
        click.echo(f"export {variable}={visible(shlex.quote(value))}")
    click.echo("unset AWS_PROFILE AWS_SESSION_TOKEN")


def _pairs(texts: tuple[str, ...], option: str, form: str) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise click.BadParameter(f"{text!r} must be {form}", param_hint=option)
    return dict(text.split("=", 1) for text in texts)


def _started(
    path: Path, config_env: str, given: dict[str, str], **settings: Any
) -> tuple["Cloud", Path, list[str]]:
    """Start everything, or exit with the reason; return the template too, and what there is to say of the project."""
    try:
        require("the local cloud", *CLOUD, extra="local")
        from lambda_guard.local import projects
        from lambda_guard.local.cloud import Cloud

        template = projects.template_file(path)
        configured, said = projects.configured(template, config_env)
        cloud = Cloud(template, parameters={**configured, **given}, **settings)
        return cloud, template, [*said, *projects.newer_build(template)]
    except LambdaGuardError as error:
        click.secho(f"Error: {visible(str(error), _CONTINUED)}", fg="red", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        click.secho(f"Error: {visible(str(error))}: choose another --port, or 0", fg="red", err=True)
        sys.exit(1)


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set, so that everything is closed in order.

    A second Ctrl-C interrupts whatever is under way.
    """
    ended = threading.Event()

    def end(number: int, _frame: Any) -> None:
        if ended.is_set():
            raise KeyboardInterrupt(number)
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _describe(cloud: "Cloud", logs: Path | None, said: list[str]) -> None:
    stack = cloud.stack
    click.secho(f"Endpoint  {cloud.endpoint}", bold=True)
    for title, rows in (
        ("Functions", [(it.name, f"{it.handler} in {it.code}") for it in stack.functions]),
        ("Layers", [(it.logical_id or it.name, str(it.content)) for it in stack.layers]),
        ("Queues", [(it.name, cloud.queue_url(it.name)) for it in stack.queues]),
        ("Topics", [(it.name, cloud.topic_arn(it.name)) for it in stack.topics]),
        ("Schedules", [(it.name, f"{it.expression} → {it.target}") for it in stack.schedules]),
        (
            "Routes",
            [
                (f"{it.method} {it.path}", f"{cloud.apis[it.api]} → {it.function or 'CORS'}")
                for it in stack.routes
            ],
        ),
        ("Outputs", list(cloud.outputs.items())),
    ):
        _table(title, rows)
    for warning in (*said, *cloud.warnings):
        click.secho(f"Warning: {visible(warning, _CONTINUED)}", fg="yellow", err=True)
    if cloud.idle:
        click.secho("Error: nothing of the template runs here", fg="red", err=True)
        sys.exit(1)
    if logs is not None:
        click.echo(f"Log files under {visible(str(logs))}")


def _table(title: str, rows: list[tuple[str, str]]) -> None:
    if not rows:
        return
    click.secho(title, bold=True)
    shown = [(visible(name), visible(value)) for name, value in rows]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        click.echo(f"  {name:<{width}}  {value}")


def _suggest(cloud: "Cloud", variables: str) -> None:
    """Print commands that work as they stand, after the one that sets the variables that they need."""
    click.secho("Try, in another terminal", bold=True)
    for command in (variables, *commands(cloud)):
        click.echo(f"  {visible(command)}")
    click.echo("Ctrl-C ends it.")


def _printed(cloud: "Cloud", printer: Callable[[], Printer] | None, gone: threading.Event) -> Printer:
    """Have what functions log printed, also those that can't run here; by default as it comes."""
    names = [*(it.name for it in cloud.stack.functions), *(it.name for it in cloud.stack.absent)]
    prints = RawPrinter(names) if printer is None else printer()
    listen(cloud, names, prints, gone.set)
    return prints


def _reloading(cloud: "Cloud", template: Path, logs: Path | None) -> "Reloader":
    from lambda_guard.local.reloading import Reloader

    reloader = Reloader(
        cloud.functions, template, [] if logs is None else [logs], lambda text: click.echo(visible(text))
    )
    reloader.start()
    return reloader


def _register(cloud: "Cloud", template: Path, until: ExitStack) -> str:
    """Make a cloud known to `local env`; return the command that sets its variables."""
    known = Running.of(cloud.endpoint, cloud.region, template)
    try:
        until.enter_context(registered(known))
    except OSError as error:
        said = f"Warning: lambda-guard local env doesn't find this cloud: {visible(str(error))}"
        click.secho(said, fg="yellow", err=True)
        return "export " + " ".join(f"{name}={value}" for name, value in known.variables.items())
    return f'eval "$(lambda-guard local env --port {known.port})"'
