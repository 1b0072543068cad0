"""The repository: what git knows, and the tree of a release, which stands apart from the one at work."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import ReleaseError


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository, or a tree of it.

    Attributes:
        root: its directory.
    """

    root: Path

    def git(self, *arguments: str) -> str:
        """Run git; return what it writes.

        Raises:
            ReleaseError: it fails; the reason is its own.
        """
        return run("git", *arguments, cwd=self.root)

    def succeeds(self, *arguments: str) -> bool:
        """Run git; return whether it succeeds."""
        try:
            self.git(*arguments)
        except ReleaseError:
            return False
        return True

    def tags(self) -> list[str]:
        """Return the names of all tags."""
        return self.git("tag", "--list").split()

    def seconds_of_commit(self) -> str:
        """Return when the commit was made, in seconds since 1970."""
        return self.git("show", "--no-patch", "--format=%ct", "HEAD").strip()

    @contextmanager
    def tree_of(self, commit: str) -> Iterator["Repository"]:
        """Have a tree of a commit in a directory of its own, on no branch, for as long as it is needed."""
        with tempfile.TemporaryDirectory(prefix="release-") as folder:
            tree = Path(folder) / "tree"
            self.git("worktree", "add", "--quiet", "--detach", str(tree), commit)
            try:
                yield Repository(tree)
            finally:
                self.git("worktree", "remove", "--force", str(tree))

    def adopt(self, commit: str, tag: str) -> None:
        """Tag a commit, and move the branch at work to it: both, or neither.

        Raises:
            ReleaseError: the branch has other commits by now, or the tree other content.
        """
        self.git("tag", "--annotate", "--message", tag, tag, commit)
        try:
            self.git("merge", "--quiet", "--ff-only", commit)
        except BaseException as error:
            self.git("tag", "--delete", tag)
            if isinstance(error, ReleaseError):
                raise ReleaseError(f"the branch has moved meanwhile, run it again ({error})") from error
            raise


def run(*command: str, cwd: Path, environ: Mapping[str, str] | None = None, quiet: bool = True) -> str:
    """Run a program.

    Args:
        command: the program and its arguments.
        cwd: where.
        environ: variables on top of those that are there.
        quiet: whether its output is caught; otherwise it goes where ours goes.

    Returns:
        What it wrote to standard output, if it was caught.

    Raises:
        ReleaseError: it failed.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environ or {})},
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or "").strip()
        raise ReleaseError(
            f"{' '.join(command)} ended with {done.returncode}" + (f":\n{said}" if said else "")
        )
    return done.stdout or ""
