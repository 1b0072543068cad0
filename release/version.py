"""Versions: what may be one, and the place in the code that names it."""

import re
from pathlib import Path
from typing import Final

from .errors import ReleaseError

PLACE: Final = Path("src/lambda_guard/_version.py")
# What PEP 440 and SemVer both take: they spell pre-releases differently.
_SHAPE: Final = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")
_LINE: Final = re.compile(r'^__version__ = "([^"]*)"$', re.MULTILINE)


def parsed(version: str) -> tuple[int, ...] | None:
    """Return the three numbers of a version, which compare as versions do; None if it isn't one."""
    found = _SHAPE.fullmatch(version)
    return tuple(map(int, found.groups())) if found else None


def read(tree: Path) -> str:
    """Return the version of a source tree."""
    if found := _LINE.search((tree / PLACE).read_text("utf-8")):
        return found[1]
    raise ReleaseError(f'{PLACE} has no line __version__ = "…"')


def write(tree: Path, version: str) -> None:
    """Set the version of a source tree."""
    text = (tree / PLACE).read_text("utf-8")
    (tree / PLACE).write_text(_LINE.sub(f'__version__ = "{version}"', text), "utf-8")
