"""Files that the commands write: for their owner alone, and named by every error about them."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)  # Windows has no such flag
_BYTES_AS_THEY_ARE: Final = getattr(os, "O_BINARY", 0)  # Windows alone would make `\r\n` of each `\n`
_OF_THE_SYSTEM: Final = {"/dev", "/dev/fd", "/proc/self/fd"}
"""Where links are nobody else's: `/dev/stdout`, and `/dev/fd/63` for `--html >(gzip > page.gz)`."""


def is_of_the_system(path: str | Path) -> bool:
    """Return whether a path names a device or an open file of this process."""
    return os.path.dirname(os.path.abspath(path)) in _OF_THE_SYSTEM  # noqa: PTH100, PTH120 - follows no link


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Give an error of the system the file's name: those of a full disk have none.

    Raises:
        OSError: as it was, with a file name.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_all(file: int, data: bytes, path: str | Path) -> None:
    """Append to an open file, past any buffer: an error comes now, and not once more when the file is closed.

    Raises:
        OSError: the disk is full, say; it names the file.
    """
    with naming(path):
        while data:
            data = data[os.write(file, data) :]


def open_to_append(path: str | Path) -> int:
    """Open a file to read it and to append to it, or make one that its owner alone can read.

    Raises:
        OSError: it can't be opened.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _BYTES_AS_THEY_ARE, 0o600)


def write_private(path: str, parts: Iterable[bytes], *, follow: bool) -> None:
    """Write a file that its owner alone can read, also where it was there before.

    Args:
        path: the file; a pipe or a device stays as it is.
        parts: what it holds afterwards, one behind the other.
        follow: whether a link may lead to another file.

    Raises:
        OSError: it can't be written, isn't the caller's own, or is a link.
    """

    def opener(name: str, flags: int) -> int:
        file = os.open(name, flags if follow else flags | _NO_LINK, 0o600)
        if sys.platform != "win32" and stat.S_ISREG(os.fstat(file).st_mode):
            os.fchmod(file, 0o600)  # on Windows the folder's rights decide
        return file

    with naming(path), open(path, "wb", opener=opener) as file:
        file.writelines(parts)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a file to write in place of one: it takes the place when the block ends, and nothing half-written does.

    Args:
        path: the file. A pipe or a device, such as /dev/null, is written to, and stays what it is.

    Raises:
        OSError: the disk is full, say; it names the file.
    """
    if is_of_the_system(path) or (path.exists() and not path.is_file()):
        with naming(path):
            yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        with naming(path):
            yield unfinished
            if path.exists():
                unfinished.chmod(stat.S_IMODE(path.stat().st_mode))
        os.replace(unfinished, path)  # noqa: PTH105 - `Path.replace` says the same
    finally:
        unfinished.unlink(missing_ok=True)
