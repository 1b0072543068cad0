"""The file that a page or a picture is written to: what is there already isn't lost by a slip."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambda_guard.errors import LambdaGuardError
from lambda_guard.tools.files import is_of_the_system, write_private

GENERATORS: Final = {
    "--html": '<meta name="generator" content="lambda-guard">',
    "--map": 'data-generator="lambda-guard"',
}
"""What a page or a picture of ours has in its first lines, by the option that writes it."""

_HEAD_BYTES: Final = 1_024


class PageFileError(LambdaGuardError):
    """A page would overwrite something else; the message says what to type instead."""

    exit_code = 2


@dataclass(slots=True, frozen=True)
class PageFile:
    """Where a page or a picture goes.

    Attributes:
        force: whether it may replace anything, and go through a link.
        option: by which it was named.
    """

    path: str
    force: bool = False
    option: str = "--html"

    def check(self, sources: Iterable[str]) -> None:
        """Check that it is new, or an earlier page: before anything is read.

        Raises:
            PageFileError: it is something else, such as one of the sources, or a link.
        """
        if self.force or is_of_the_system(self.path):
            return
        path = Path(self.path)
        if path.is_symlink():
            raise PageFileError(
                f"{self.option} {self.path} is a link to {path.readlink()}: name the file itself, or add --force"
            )
        if not path.is_file() or self._is_earlier(path):
            return
        kind = "page" if self.option == "--html" else "picture"
        if path.stat().st_size or any(_holds(source, path) for source in sources):
            raise PageFileError(
                f"{self.option} {self.path} is there already, and isn't such a {kind}: "
                "name another file, or add --force"
            )

    def _is_earlier(self, path: Path) -> bool:
        with path.open("rb") as file:
            return GENERATORS[self.option].encode() in file.read(_HEAD_BYTES)

    def write(self, parts: Iterable[bytes]) -> None:
        """Write the page, whose parts follow each other, for the owner's eyes only.

        Raises:
            OSError: the file can't be written.
        """
        write_private(self.path, parts, follow=self.force or is_of_the_system(self.path))


def _holds(source: str, path: Path) -> bool:
    """Return whether a source is this file, or a directory that it is in."""
    place = Path(source)
    if source == "-" or not place.exists():
        return False
    return place.samefile(path) or (place.is_dir() and path.resolve().is_relative_to(place.resolve()))
