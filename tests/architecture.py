"""The page `docs/architecture.md` and the source of our modules, as the tests of the two read them."""

import re
from pathlib import Path

import lambda_guard

ROOT = Path(lambda_guard.__file__).parent
PAGE = (Path(__file__).parent.parent / "docs/architecture.md").read_text(encoding="utf-8")
FACE = "lambda_guard"


def table(*header, page=PAGE):
    """Return the rows of a page's table with this header, each a list of cells."""
    _, found, rest = page.partition(f"| {' | '.join(header)} |\n")
    assert found, f"the page has no table {header}"
    lines = rest.splitlines()[1:]
    ends = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:ends]]


def ticked(cell):
    """Return what a cell has between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def sources():
    """Return our modules by their names below the package: (text, whether it is a package)."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts) or FACE
        found[name] = (path.read_text(encoding="utf-8"), is_package)
    return found


SOURCES = sources()


def with_line(module, line):
    """Return our sources with a line more in one of them."""
    text, is_package = SOURCES.get(module, ("", False))
    return {**SOURCES, module: (f"{text}\n{line}\n", is_package)}
