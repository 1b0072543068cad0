"""`lambda-guard layer`: the command-line group."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from lambda_guard._printable import visible
from lambda_guard.tools.layer import byte_code
from lambda_guard.tools.layer.archive import UPLOAD_MOST
from lambda_guard.tools.layer.building import Layer, build
from lambda_guard.tools.layer.targets import PLATFORMS, PYTHONS, targets
from lambda_guard.tools.options import json_option
from lambda_guard.tools.terminal import say, warn

_MB = 1024 * 1024
_EPILOG = """\b
Examples:
  lambda-guard layer build
  lambda-guard layer build --python 3.13 --arch arm64 --output build/arm.zip
  lambda-guard layer build --with requests --with 'pydantic>=2'
"""


@click.group(name="layer")
def layer() -> None:
    """Build the Lambda layer that functions use in place of the dependency."""


@layer.command(name="build", epilog=_EPILOG)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("lambda-guard-layer.zip"),
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
