"""A function's layers, in a directory that stands for `/opt`.

https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html
"""

import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from lambda_guard.local._errors import LocalCloudError


def unpack(function: str, layers: Iterable[Path], opt: Path) -> None:
    """Put the layers into `opt` in their order: a file of a later one replaces an earlier one's.

    Args:
        function: the function's name, for the message.
        layers: directories or zip archives whose content Lambda puts into `/opt`.
        opt: an empty directory.

    Raises:
        LocalCloudError: a layer is neither.
    """
    for layer in layers:
        if layer.is_dir():
            shutil.copytree(layer, opt, symlinks=True, dirs_exist_ok=True)
        elif zipfile.is_zipfile(layer):
            _extract(layer, opt)
        else:
            raise LocalCloudError(
                f"function {function}: the layer '{layer}' isn't a directory or a zip archive"
            )


def _extract(layer: Path, opt: Path) -> None:
    with zipfile.ZipFile(layer) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, opt))  # never outside of `opt`, whatever the entry's name
            # `extract` leaves the mode out, and a wrapper must be executable.
            if mode := (entry.external_attr >> 16) & 0o777:
                path.chmod(mode | 0o600)
