"""The changelog: its sections, one of which a release closes (https://keepachangelog.com/en/1.1.0/)."""

import re
from datetime import date
from pathlib import Path
from typing import Final

from .errors import ReleaseError

PLACE: Final = Path("CHANGELOG.md")
_UNRELEASED: Final = "## [Unreleased]"
_NEXT: Final = re.compile(r"^## ", re.MULTILINE)


def unreleased(tree: Path) -> str:
    """Return what isn't released yet; empty if there are headings and nothing below them."""
    body = _section((tree / PLACE).read_text("utf-8"), _UNRELEASED)
    return "" if all(line.startswith("#") for line in body.split("\n") if line.strip()) else body


def close(tree: Path, version: str, day: date) -> None:
    """Give the section of what isn't released yet a version and a date, and begin a new one."""
    text = (tree / PLACE).read_text("utf-8")
    head = f"{_UNRELEASED}\n\n## [{version}] - {day.isoformat()}"
    (tree / PLACE).write_text(text.replace(_UNRELEASED, head, 1), "utf-8")


def notes(tree: Path, version: str) -> str:
    """Return a version's section as a release page shows it best: there, each line break is one."""
    body = _section((tree / PLACE).read_text("utf-8"), f"## [{version}]")
    lines: list[str] = []
    for line in body.split("\n"):
        if lines and lines[-1] and line.strip() and not re.match(r"#|\s*[-*] ", line + " "):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.rstrip())
    return "\n".join(lines) + "\n"


def _section(text: str, heading: str) -> str:
    found = re.search(rf"^{re.escape(heading)}.*$", text, re.MULTILINE)
    if found is None:
        raise ReleaseError(f"{PLACE} has no section {heading}")
    following = _NEXT.search(text, found.end())
    return text[found.end() : following.start() if following else None].strip()
