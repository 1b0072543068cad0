"""Python source as data: parsed, never imported or run."""

import ast
import warnings
from pathlib import Path
from typing import Final

LARGEST: Final = 2_000_000
"""Bytes of a file that somebody wrote; what is larger was generated."""


def parsed(text: str | bytes) -> ast.Module | None:
    """Return the tree of a module; None where Python can't parse it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its literals and escapes: they are its author's
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def module_file(folder: Path, module: str) -> Path | None:
    """Return the file of a module below the folder that it is imported from, or None."""
    below = folder.joinpath(*module.split("."))
    try:
        return next((one for one in (below.with_suffix(".py"), below / "__init__.py") if one.is_file()), None)
    except (OSError, ValueError):
        return None
