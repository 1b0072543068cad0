"""A layer's zip as it is published: its bytes, and what its manifest says of it."""

import hashlib
import io
import zipfile
import zlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec

from lambda_guard.tools.layer.archive import UNZIPPED_MOST, UPLOAD_MOST
from lambda_guard.tools.layer.building import MANIFEST
from lambda_guard.tools.layer.errors import LayerError

_MB: Final = 1024 * 1024
_SMALLER: Final = "build it for fewer targets with --python and --arch, or with fewer additions"
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What `zipfile` raises at what isn't a whole zip, or an encrypted one."""


@dataclass(frozen=True, slots=True)
class Release:
    """A layer that can be published.

    Attributes:
        data: the zip.
        code_sha256: its digest, as Lambda's `CodeSha256`.
        version: of lambda_guard.
        runtimes: what it is compatible with, such as `python3.13`.
        architectures: likewise, such as `arm64`.
    """

    data: bytes
    code_sha256: str
    version: str
    runtimes: tuple[str, ...]
    architectures: tuple[str, ...]


class _Manifest(msgspec.Struct):
    version: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z.!+_-]{1,80}\Z")]
    compatible_runtimes: tuple[str, ...]
    compatible_architectures: tuple[str, ...]


def read(path: Path) -> Release:
    """Read a zip that `layer build` wrote, and check it against Lambda's limits.

    Raises:
        LayerError: it isn't there, isn't whole, isn't a layer of ours, or is too big.
        OSError: it can't be read.
    """
    if not path.exists():
        raise LayerError(f"{path} isn't there: build it first (lambda-guard layer build --output {path})")
    data = path.read_bytes()
    if len(data) > UPLOAD_MOST:
        raise LayerError(
            f"{path} is {len(data) / _MB:.1f} MB, and Lambda takes 50 MB in an upload: {_SMALLER}, or put it into S3 "
            "and publish it from there (aws lambda publish-layer-version)"
        )
    manifest = _manifest(path, data)
    digest = b64encode(hashlib.sha256(data).digest()).decode()
    return Release(
        data, digest, manifest.version, manifest.compatible_runtimes, manifest.compatible_architectures
    )


def _manifest(path: Path, data: bytes) -> _Manifest:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unzipped = sum(entry.file_size for entry in archive.infolist())
            if unzipped > UNZIPPED_MOST:
                raise LayerError(
                    f"{path} is {unzipped / _MB:.0f} MB unzipped, and Lambda takes 250 MB of a function and all its "
                    f"layers: {_SMALLER}"
                )
            if MANIFEST in archive.namelist() and archive.testzip() is None:
                return msgspec.json.decode(archive.read(MANIFEST), type=_Manifest)
    except (*_BROKEN, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LayerError(
            f"{path} can't be used ({error}): build it again (lambda-guard layer build --output {path})"
        ) from error
    raise LayerError(
        f"{path} isn't a whole layer of lambda_guard, with a {MANIFEST} in it: build it "
        f"(lambda-guard layer build --output {path})"
    )
