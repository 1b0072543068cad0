"""What speaks against a release, all of it at once."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Final

from . import changelog, version
from .repository import Repository

BRANCH: Final = "main"
_SHOWN: Final = 5


def refusals(repository: Repository, wanted: str) -> list[str]:
    """Return the reasons not to release this version from this tree: what is wrong, and what to do."""
    if missing := list(_tools(repository)):
        return missing  # without git, nothing else is known
    return [*_version(repository, wanted), *_tree(repository), *_changelog(repository)]


def _tools(repository: Repository) -> Iterator[str]:
    for program in ("git", "make"):
        if shutil.which(program) is None:
            yield f"{program} isn't installed"
            return
    for module in ("uv", "cyclonedx_py"):
        if find_spec(module) is None:
            yield f"{module} isn't installed: make install"
    if not repository.succeeds("rev-parse", "HEAD"):
        yield "this isn't a git repository: clone it"
    elif not repository.succeeds("var", "GIT_COMMITTER_IDENT"):
        yield "git doesn't know who you are: git config user.name …; git config user.email …"


def _version(repository: Repository, wanted: str) -> Iterator[str]:
    numbers = version.parsed(wanted)
    if numbers is None:
        yield f"invalid version {wanted!r}: use three numbers, such as 1.4.0 (PEP 440 and SemVer both take that)"
        return
    tags = repository.tags()
    if f"v{wanted}" in tags:
        yield f"the tag v{wanted} exists: choose a higher version, or, if it was never pushed: git tag -d v{wanted}"
        return
    for known in (version.read(repository.root), *(tag.removeprefix("v") for tag in tags)):
        if (version.parsed(known) or ()) >= numbers:
            yield f"{wanted} isn't higher than {known}, which there is already: choose a higher version"
            return


def _tree(repository: Repository) -> Iterator[str]:
    branch = repository.git("branch", "--show-current").strip()
    if branch != BRANCH:
        yield f"a release is made on {BRANCH}, not on {branch or 'a detached HEAD'}: git switch {BRANCH}"
    changes = repository.git("status", "--porcelain").splitlines()
    if changes:
        more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
        names = ", ".join(change[3:] for change in changes[:_SHOWN])
        yield f"there are changes that aren't committed: commit or stash {names}{more}"
    if repository.succeeds("rev-parse", "@{upstream}"):
        behind = repository.git("rev-list", "--count", "HEAD..@{upstream}").strip()
        if behind != "0":
            yield f"{branch} is behind its upstream by {behind}: git pull"


def _changelog(repository: Repository) -> Iterator[str]:
    if not changelog.unreleased(repository.root):
        yield f"the section [Unreleased] of {changelog.PLACE} is empty: say what is new for users"
