"""The layer's zip: the same bytes for the same files, whatever the machine's clock, umask and order of files."""

import hashlib
import tempfile
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambda_guard.tools.files import replacing
from lambda_guard.tools.layer.errors import LayerError

_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_MB: Final = 1024 * 1024
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
UNZIPPED_MOST: Final = 250 * _MB
UPLOAD_MOST: Final = 50 * _MB


@dataclass(frozen=True, slots=True)
class Archive:
    """A layer that was written.

    Attributes:
        path: the zip.
        zipped: its size in bytes.
        unzipped: the size of its files.
        files: their number.
        sha256: of the zip, in hexadecimal digits.
        code_sha256: the same as Lambda's `CodeSha256`, in Base64.
    """

    path: Path
    zipped: int
    unzipped: int
    files: int
    sha256: str
    code_sha256: str


def check(path: Path) -> None:
    """Check that a zip can be written, before all the work.

    Raises:
        LayerError: it can't; the message says what to do.
    """
    with _in_words(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise LayerError(
            f"can't write {path}: {reason}: choose another place with --output, or make room"
        ) from error


def write(opt: Path, path: Path) -> Archive:
    """Write a directory as a zip, first beside its place: nothing half-written stands there.

    Args:
        opt: what becomes `/opt`.
        path: the zip.

    Raises:
        LayerError: the files are more than Lambda takes, or it can't be written; the zip is what it was.
    """
    files = sorted((file.relative_to(opt).as_posix(), file) for file in opt.rglob("*") if file.is_file())
    unzipped = sum(file.stat().st_size for _, file in files)
    if unzipped > UNZIPPED_MOST:
        raise LayerError(
            f"the layer would be {unzipped / _MB:.0f} MB unzipped, and Lambda takes 250 MB of a function and all "
            "its layers: build it for fewer targets with --python and --arch, or with fewer additions"
        )
    with (
        _in_words(path),
        replacing(path) as unfinished,
        zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
    ):
        for name, file in files:
            archive.writestr(_entry(name), file.read_bytes())
    digest = hashlib.sha256(path.read_bytes())
    return Archive(
        path,
        path.stat().st_size,
        unzipped,
        len(files),
        digest.hexdigest(),
        b64encode(digest.digest()).decode(),
    )


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.create_system = 3  # Unix: otherwise the modes mean nothing
    entry.external_attr = (0o100755 if "/" not in name and "." not in name else 0o100644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
