"""Where a function's code is: a file, a folder, a zip, or what a template names."""

import csv
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from lambda_guard.errors import LambdaGuardError
from lambda_guard.templates.marks import read
from lambda_guard.templates.survey.model import Function
from lambda_guard.templates.survey.reading import survey
from lambda_guard.tools.python_source import LARGEST

_TEMPLATES: Final = {".json", ".template", ".yaml", ".yml"}
_LEFT_OUT: Final = {"__pycache__", "build", "cdk.out", "dist", "node_modules", "test", "tests", "venv"}
_OF_TESTS: Final = re.compile(r"(?:conftest|test_.*|.*_test)\.py")
_KNOWN: Final = {
    "aioboto3", "aiobotocore", "aws_lambda_powertools", "aws_xray_sdk", "awscrt", "boto3", "botocore", "lambda_guard",
    "s3transfer",
}  # fmt: skip
"""Packages that are AWS's own, or whose calls are known: no code of the function's."""

_FILES_MOST: Final = 10_000
_BYTES_MOST: Final = 200_000_000
_SDK: Final = (b"boto3", b"botocore")


@dataclass(slots=True)
class Sources:
    """A function's source.

    Attributes:
        files: path from where its modules are imported, with `/` → text.
        root: the name of their folder; empty where they are in none.
        start: the module of its handler; empty where that isn't known.
        beside: installed packages among them that use the SDK: they aren't read.
        installed: all that was installed there, by the names that it is imported by.
        unread: files that weren't read, each with why.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    root: str = ""
    start: str = ""
    beside: set[str] = field(default_factory=set)
    installed: set[str] = field(default_factory=set)
    unread: list[str] = field(default_factory=list)


def sources(path: Path, function: str) -> Sources:
    """Return the Python source at a path.

    Args:
        path: a file, folder, zip, or template.
        function: of a template, which function's code: by its name, its logical id, or the name that CloudFormation
            made of that.

    Raises:
        LambdaGuardError: there is none, or it can't be read.
        TemplateError: likewise, of a template.
    """
    if path.suffix in _TEMPLATES:
        return _of_template(path, function)
    try:
        found = _read(path)
    except (
        OSError,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
    ) as error:  # the last two: what zips hold
        why = getattr(error, "strerror", None) or error
        raise LambdaGuardError(f"{path}: the code can't be read: {why}") from error
    if not found.files:
        raise LambdaGuardError(f"{path}: there is no Python source in it")
    return found


def _of_template(path: Path, name: str) -> Sources:
    every = [one for one in survey(read(path)).functions if one.code is not None or one.inline is not None]
    meant = [one for one in every if _is_called(one, name)]
    if len(meant) != 1:
        there = ", ".join(one.logical_id for one in every) or "none with code beside the template"
        raise LambdaGuardError(
            f"{path}: which of its functions is {name} isn't known (there are: {there}): name the folder of its "
            "code, as in --code src/orders"
        )
    (function,) = meant
    handler = function.handler if isinstance(function.handler, str) else ""
    module = handler.rpartition(".")[0].replace("/", ".")
    if function.inline is not None:
        return Sources({"index.py": function.inline.encode()}, start=module)
    assert function.code is not None
    found = sources(function.code, name)
    found.start = module
    return found


def _is_called(function: Function, name: str) -> bool:
    """Whether a function has this name: CloudFormation makes one of stack, logical id and twelve characters or more."""
    if name in (function.logical_id, function.name):
        return True
    made = re.fullmatch(rf"(?:.+-)?{re.escape(function.logical_id)}-[A-Za-z0-9]{{12,}}", name)
    return made is not None and not isinstance(function.name, str)


def _read(path: Path) -> Sources:
    if path.is_dir():
        found = _taken({name: (file.stat().st_size, file.read_bytes) for name, file in _below(path)})
        found.root = path.resolve().name
        return found
    if not zipfile.is_zipfile(path):
        return Sources({path.name: path.read_bytes()})
    with zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if not one.is_dir()]
        return _taken({one.filename: (one.file_size, partial(archive.read, one)) for one in members})


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(it for it in folders if it not in _LEFT_OUT and not it.startswith("."))
        for name in sorted(files):
            file = Path(root, name)
            if (
                file.is_file()
                and (name.endswith(".py") or name == "RECORD")
                and not _OF_TESTS.fullmatch(name)
            ):
                yield file.relative_to(folder).as_posix(), file


def _taken(every: Mapping[str, tuple[int, Callable[[], bytes]]]) -> Sources:
    """Take what somebody wrote for the function: neither what was installed beside it, nor what is too large."""
    found, size = Sources(), 0
    installed = {
        line for name in every if name.endswith(".dist-info/RECORD") for line in _listed(name, *every[name])
    }
    found.installed = {_package(name) for name in installed}
    for name, (length, text) in every.items():
        package = _package(name)
        if not name.endswith(".py") or package in _KNOWN or ".." in PurePosixPath(name).parts:
            continue
        size += length
        if length > LARGEST or size > _BYTES_MOST or len(found.files) >= _FILES_MOST:
            found.unread.append(f"{name}: it is too large, or there is too much")
        elif name not in installed:
            found.files[name] = text()
        elif package not in found.beside and any(word in text() for word in _SDK):
            found.beside.add(package)
    return found


def _package(name: str) -> str:
    return name.partition("/")[0].removesuffix(".py")


def _listed(name: str, length: int, text: Callable[[], bytes]) -> Iterator[str]:
    """Yield the files of an installed distribution.

    https://packaging.python.org/en/latest/specifications/recording-installed-packages/
    """
    folder = name.rpartition("/")[0].rpartition("/")[0]
    for row in csv.reader(text().decode("utf-8", "replace").splitlines()) if length <= LARGEST else ():
        if row:
            yield f"{folder}/{row[0]}".lstrip("/")
