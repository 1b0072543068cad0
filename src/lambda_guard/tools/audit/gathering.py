"""From the paths of a command line to the templates that they mean."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from lambda_guard.templates.document import TemplateError
from lambda_guard.templates.marks import read
from lambda_guard.templates.survey.model import Survey
from lambda_guard.templates.survey.reading import survey

_SUFFIXES: Final = {".yaml", ".yml", ".json", ".template"}
_LEFT_OUT: Final = {"node_modules", "venv", "site-packages", "__pycache__", "build", "dist"}
_MARKS: Final = (b"AWS::", b"Resources")
_LARGEST: Final = 10_000_000


def templates(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the templates: files as given, and of folders what looks like one, hidden folders left out."""
    for path in paths:
        if path.is_dir():
            yield from sorted(_below(path))
        else:
            yield path


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = [it for it in folders if it not in _LEFT_OUT and not it.startswith(".")]
        yield from (it for name in files if (it := Path(root, name)).suffix in _SUFFIXES and _looks_like(it))


def _looks_like(path: Path) -> bool:
    try:
        if path.stat().st_size > _LARGEST:
            return False
        text = path.read_bytes()
    except OSError:
        return False
    return all(mark in text for mark in _MARKS)


def surveyed(path: Path, parameters: Mapping[str, str]) -> Survey:
    """Return what a template says.

    Raises:
        TemplateError: it can't be read, also where a property has a shape that CloudFormation wouldn't take.
    """
    written = read(path)
    try:
        return survey(written, parameters)
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        message = f"{path}: a property isn't what CloudFormation has there: {type(error).__name__}: {error}"
        raise TemplateError(message) from error
