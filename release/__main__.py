"""`make release`: a release of this project, whole or not at all."""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from . import artefacts, changelog, version
from .errors import ReleaseError
from .refusals import BRANCH, refusals
from .repository import Repository, run

ROOT: Final = Path(__file__).parents[1]
# Set by the `make` that runs us: the tests' own has nothing to do with it.
_OF_MAKE: Final = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "VERSION", "VIRTUAL_ENV")


def main() -> int:
    """Run the command; return 0 where there is a release."""
    options = _options()
    try:
        if options.command == "cut":
            _cut(Repository(ROOT), options.version, tested=options.tested)
        else:
            _build(Repository(ROOT), options.tag, all_pythons=options.all_pythons)
    except ReleaseError as error:
        sys.stderr.write("".join(f"no release: {reason}\n" for reason in error.reasons))
        return 1
    except OSError as error:
        sys.stderr.write(
            f"no release: {error.filename}: {error.strerror}\n"
            if error.filename
            else f"no release: {error}\n"
        )
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    cut = commands.add_parser("cut", help="changelog, version, artefacts, tests, commit and tag")
    cut.add_argument("version", help="three numbers, such as 1.4.0")
    cut.add_argument("--tested", action="store_true", help="CI has just run the tests of this commit: don't")
    build = commands.add_parser("build", help="the artefacts of a tag that is there")
    build.add_argument("tag", help="such as v1.4.0")
    build.add_argument(
        "--all-pythons",
        action="store_true",
        help="refuse a layer without the byte code of one of its Pythons",
    )
    return parser.parse_args()


def _cut(repository: Repository, wanted: str, *, tested: bool) -> None:
    """Make the release in a tree of its own; the branch and the tag move when all of it is there."""
    if reasons := refusals(repository, wanted):
        raise ReleaseError(*reasons)
    with repository.tree_of("HEAD") as tree, _whole(repository, wanted) as into:
        changelog.close(tree.root, wanted, datetime.now(UTC).date())
        version.write(tree.root, wanted)
        tree.git("commit", "--quiet", "--all", "--message", f"Version {wanted}")
        artefacts.build(tree, wanted, into, all_pythons=False, say=_say)
        if not tested:
            _test(tree)
        repository.adopt(tree.git("rev-parse", "HEAD").strip(), f"v{wanted}")
    _say(f"publish it with: git push --atomic origin {BRANCH} v{wanted}")


def _build(repository: Repository, tag: str, *, all_pythons: bool) -> None:
    """Build a release's artefacts again, or on another machine."""
    named = tag.removeprefix("v")
    if tag not in repository.tags():
        raise ReleaseError(f"there is no tag {tag}: git fetch --tags, or make release VERSION={named}")
    with repository.tree_of(tag) as tree, _whole(repository, named) as into:
        if (found := version.read(tree.root)) != named:
            raise ReleaseError(f"{tag} is on a commit whose version is {found}: make release moves both")
        artefacts.build(tree, named, into, all_pythons=all_pythons, say=_say)


@contextmanager
def _whole(repository: Repository, named: str) -> Iterator[Path]:
    """Have a directory that gets its name when what is in it is complete."""
    place = repository.root / "dist" / named
    unfinished = place.with_name(f"{named}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        shutil.rmtree(place, ignore_errors=True)
        unfinished.rename(place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    for path in sorted(place.iterdir()):
        _say(str(path.relative_to(repository.root)))


def _test(tree: Repository) -> None:
    """Run all tests of the release's own commit, on a clean checkout."""
    for name in _OF_MAKE:
        os.environ.pop(name, None)
    run("make", "test-all", f"PYTHON={sys.executable}", cwd=tree.root, quiet=False)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
