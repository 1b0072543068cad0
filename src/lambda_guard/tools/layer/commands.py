"""`lambda-guard layer`: the command-line group."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from lambda_guard._printable import visible
from lambda_guard.tools.layer import accounts, byte_code, grants, release, report
from lambda_guard.tools.layer.archive import UPLOAD_MOST
from lambda_guard.tools.layer.building import Layer, build
from lambda_guard.tools.layer.errors import LayerOptionError
from lambda_guard.tools.layer.listing import Listed, Report, look
from lambda_guard.tools.layer.parameters import reserved
from lambda_guard.tools.layer.places import AT_ONCE, INTERRUPTED, everywhere
from lambda_guard.tools.layer.publishing import Published, Publishing, Wish
from lambda_guard.tools.layer.targets import PLATFORMS, PYTHONS, targets
from lambda_guard.tools.options import added, color_option, json_option
from lambda_guard.tools.stopping import Stop
from lambda_guard.tools.terminal import When, palette_for, say, warn

_MB = 1024 * 1024
_ZIP: Final = Path("lambda-guard-layer.zip")
_UPLOADED_AT_ONCE: Final = 64 * _MB
"""How much of zips is sent at a time: each is in memory four times over while it is."""
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,140}")
_FINISHING: Final = "lambda-guard: finishing what has begun; Ctrl-C again ends it at once"
_EPILOG = """\b
Examples:
  lambda-guard layer build
  lambda-guard layer build --python 3.13 --arch arm64 --output build/arm.zip
  lambda-guard layer build --with requests --with 'pydantic>=2'
"""


_PUBLISH_EPILOG = """\b
Examples:
  lambda-guard layer publish --dry-run
  lambda-guard layer publish --region eu-west-1,us-east-1 --share-with o-a1b2c3d4e5
  lambda-guard layer publish --profile staging --profile production --cloudformation
  lambda-guard layer publish build/arm.zip --name lambda-guard-arm --role arn:aws:iam::123456789012:role/publisher
"""

_LIST_EPILOG = """\b
Examples:
  lambda-guard layer list
  lambda-guard layer list --region eu-west-1,us-east-1 --profile staging --profile production
  lambda-guard layer list --all-versions --json
"""

place_options = added(
    click.option(
        "--name", default="lambda-guard", show_default=True, metavar="NAME", help="The layer's name."
    ),
    click.option(
        "--region",
        "regions",
        multiple=True,
        metavar="REGION",
        help="A Region, or several with commas between; by default that of the credentials or the profile.",
    ),
    click.option(
        "--profile",
        "profiles",
        multiple=True,
        metavar="NAME",
        help="An account, by a profile of ~/.aws/config.",
    ),
    click.option(
        "--role",
        "roles",
        multiple=True,
        metavar="ARN",
        help="An account, by a role to assume with the credentials in use.",
    ),
)


@click.group(name="layer")
def layer() -> None:
    """Build the Lambda layer that functions use in place of the dependency, publish it, and show what uses it."""


@layer.command(name="build", epilog=_EPILOG)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    default=_ZIP,
    show_default=True,
    help="The zip to write.",
)
@click.option(
    "--python",
    "pythons",
    multiple=True,
    type=click.Choice(PYTHONS),
    help="For this version; by default for all.",
)
@click.option(
    "--arch",
    "architectures",
    multiple=True,
    type=click.Choice(list(PLATFORMS)),
    help="For this architecture; by default for both.",
)
@click.option(
    "--with",
    "additions",
    multiple=True,
    metavar="REQUIREMENT",
    help="A package of your own besides, as pip takes it.",
)
@json_option
def build_command(
    output: Path,
    pythons: tuple[str, ...],
    architectures: tuple[str, ...],
    additions: tuple[str, ...],
    as_json: bool,
) -> int:
    """Build one zip for all versions of Python and both architectures.

    The packages come as wheels, in the versions of the lock that lambda_guard ships, checked by their hashes; nothing
    is compiled or emulated. The same input gives the same bytes, so that Lambda's CodeSha256 tells whether a layer is
    new. boto3 and botocore are left out: the runtime has them.

    Byte code is written for every Python that is found here. Without it, a cold start compiles what it imports.
    """
    chosen = targets(pythons or PYTHONS, architectures or tuple(PLATFORMS))
    built = build(output, chosen, additions, lambda text: None if as_json else say(text))
    for python, modules in built.compiled.items():
        if modules is None:
            warn(
                f"Python {python} isn't on this machine: its byte code is left out, and cold starts on it take "
                f"longer. Install it ({byte_code.how_to_get(python)}) and build again"
            )
    if built.archive.zipped > UPLOAD_MOST:
        warn(
            f"the zip is {built.archive.zipped / _MB:.0f} MB, and Lambda takes 50 MB in an upload: put it into S3 and "
            "publish it from there, or build it for fewer targets with --python and --arch, or with fewer additions"
        )
    click.echo(_document(built) if as_json else _text(built))
    return 0


@layer.command(name="publish", epilog=_PUBLISH_EPILOG)
@click.argument("zip_path", metavar="[ZIP]", type=click.Path(path_type=Path), default=_ZIP)
@place_options
@click.option(
    "--share-with",
    "shared",
    multiple=True,
    metavar="WHOM",
    help="Who else may use it: an account (123456789012), an organization (o-…), or public, which is everybody.",
)
@click.option("--no-parameters", is_flag=True, help="Write no parameters to Systems Manager.")
@click.option("--dry-run", is_flag=True, help="Only read, and show what would be done.")
@json_option
@click.option("--cloudformation", is_flag=True, help="Write the ARNs as a mapping for a template.")
@click.option("--terraform", is_flag=True, help="Write the ARNs as locals for Terraform.")
@color_option
def publish_command(  # noqa: PLR0917 - click passes options by name
    zip_path: Path,
    name: str,
    regions: tuple[str, ...],
    profiles: tuple[str, ...],
    roles: tuple[str, ...],
    shared: tuple[str, ...],
    no_parameters: bool,
    dry_run: bool,
    as_json: bool,
    cloudformation: bool,
    terraform: bool,
    color: When,
) -> int:
    """Publish a layer's zip, by default lambda-guard-layer.zip, in many Regions and accounts at once.

    In each place it looks first, and does only what is missing: publish a version, unless one has the same content;
    share it; and, once both were read back, let the parameters /NAME/layer/VERSION and /NAME/layer/latest name it. A
    place that fails doesn't stop the others, and the same command goes on where it ended. Nothing is ever deleted.
    """
    _check_format(as_json, cloudformation, terraform, dry_run=dry_run)
    _check_name(name, parameters=not no_parameters)
    wanted, names = grants.parse(shared), accounts.parse_regions(regions)
    wish = Wish(release.read(zip_path), name, wanted, not no_parameters, dry_run)
    if grants.PUBLIC in wanted:
        warn(grants.PUBLIC_WARNING)
    found = _found(profiles, roles, names)
    with Stop(_FINISHING) as stop:
        outcomes = [Published(one.source, problem=one.problem) for one in found.unreached]
        outcomes += everywhere(
            found.places,
            lambda place: Publishing(place, wish, stop).run(),
            lambda place, problem: Published(str(place), place.account, place.region, problem=problem),
            _progress(len(found.places), lambda one: report.steps(one, dry_run=dry_run)),
            stop=stop,
            at_once=max(1, min(AT_ONCE, _UPLOADED_AT_ONCE // len(wish.release.data))),
        )
    if as_json:
        click.echo(json.dumps(report.document(outcomes, wish)))
    elif cloudformation or terraform:
        click.echo((report.cloudformation if cloudformation else report.terraform)(outcomes, name))
    else:
        click.echo("\n".join(report.lines(outcomes, palette_for(color), dry_run=dry_run)))
    return _end([one.problem for one in outcomes], "goes on from here")


@layer.command(name="list", epilog=_LIST_EPILOG)
@place_options
@click.option(
    "--all-versions",
    is_flag=True,
    help="Look at published versions of functions, too, which aliases may lead to.",
)
@json_option
@color_option
def list_command(  # noqa: PLR0917 - click passes options by name
    name: str,
    regions: tuple[str, ...],
    profiles: tuple[str, ...],
    roles: tuple[str, ...],
    all_versions: bool,
    as_json: bool,
    color: When,
) -> int:
    """Show what of the layer is where: its versions, the functions that use them, and which are behind the latest.

    A layer of another account, which a function uses, has a latest version that is known only if that account is listed
    as well.
    """
    _check_name(name, parameters=False)
    found = _found(profiles, roles, accounts.parse_regions(regions))
    with Stop(_FINISHING) as stop:
        listed = [Listed(one.source, problem=one.problem) for one in found.unreached]
        listed += everywhere(
            found.places,
            lambda place: look(place, name, all_versions=all_versions),
            lambda place, problem: Listed(str(place), place.account, place.region, problem=problem),
            _progress(len(found.places), lambda one: f"functions that use it: {len(one.uses)}"),
            stop=stop,
        )
    shown = Report(name, listed)
    click.echo(json.dumps(shown.document()) if as_json else "\n".join(shown.lines(palette_for(color))))
    return _end([one.problem for one in listed], "lists all")


def _check_format(as_json: bool, cloudformation: bool, terraform: bool, *, dry_run: bool) -> None:
    if as_json + cloudformation + terraform > 1 or (dry_run and (cloudformation or terraform)):
        raise click.UsageError(
            "choose one of --json, --cloudformation and --terraform; --dry-run only takes --json"
        )


def _check_name(name: str, *, parameters: bool) -> None:
    if not _NAME.fullmatch(name):
        raise LayerOptionError(
            f"invalid --name {name!r}: write the layer's name alone, in letters, digits, - and _, not its ARN; "
            "--profile, --role and --region say where"
        )
    if parameters and reserved(name):
        raise LayerOptionError(
            f"invalid --name {name!r}: Systems Manager takes no parameter /{name}/…: choose another name, or publish "
            "with --no-parameters"
        )


def _found(profiles: tuple[str, ...], roles: tuple[str, ...], regions: tuple[str, ...]) -> accounts.Accounts:
    found = accounts.find(profiles, roles, regions)
    for one in found.unreached:
        warn(f"{one.source}: {one.problem}")
    for note in found.notes:
        say(note)
    return found


def _progress(total: int, in_words: Callable[[Any], str]) -> Callable[[Any], None]:
    """Return what writes a line for each place that is done, with its problem or what `in_words` makes of it."""
    done = 0

    def show(one: Any) -> None:
        nonlocal done
        done += 1
        say(f"{done}/{total}  {one.where}  {one.problem or in_words(one)}")

    return show


def _end(problems: list[str], again: str) -> int:
    """Say how it ended, and what running it again would do; returns the exit code."""
    failed = sum(map(bool, problems))
    if INTERRUPTED in problems:
        say(f"lambda-guard: interrupted; the same command {again}")
        return 130
    if failed:
        warn(f"{failed} of {len(problems)} failed: mend that, and the same command {again}")
    return int(failed > 0)


def _text(built: Layer) -> str:
    zipped = built.archive
    packages = visible(", ".join(f"{it.name} {it.version}" for it in built.packages))
    return (
        f"wrote {visible(str(zipped.path))}: {zipped.zipped / _MB:.2f} MB, {zipped.unzipped / _MB:.1f} MB unzipped, "
        f"{zipped.files:,} files\n"
        f"SHA-256 {zipped.sha256}\n"
        f"lambda_guard {built.version}, {packages}"
    )


def _document(built: Layer) -> str:
    return json.dumps(
        {
            **asdict(built.archive),
            "path": str(built.archive.path),
            "version": built.version,
            "packages": [asdict(it) for it in built.packages],
            "byte_code": built.compiled,
        }
    )
