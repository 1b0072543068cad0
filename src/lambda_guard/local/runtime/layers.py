"""A function's layers, in a directory that stands for `/opt`; and its code, where that is a zip archive.

https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html,
https://docs.aws.amazon.com/lambda/latest/dg/configuration-function-zip.html
"""

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from lambda_guard.local._errors import LocalCloudError

_MOST = 250 * 1024 * 1024  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html

_DAMAGE = (OSError, RuntimeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


class _RefusedError(Exception):
    """A layer or an archive can't be used; the message goes on after its name."""


def unpack(function: str, layers: Iterable[Path], opt: Path) -> None:
    """Put the layers into `opt` in their order: a file of a later one replaces an earlier one's.

    Args:
        function: the function's name, for the message.
        layers: directories or zip archives whose content Lambda puts into `/opt`.
        opt: an empty directory.

    Raises:
        LocalCloudError: a layer is neither, is damaged, leads out of `opt`, or is too large for Lambda.
    """
    left = _MOST
    for layer in layers:
        try:
            left = _copy(layer, opt, left) if layer.is_dir() else _extract(layer, opt, left)
        except _RefusedError as error:
            raise LocalCloudError(f"function {function}: the layer '{layer}' {error}") from error
        except _DAMAGE as error:
            message = f"function {function}: the layer '{layer}' can't be unpacked: {error}"
            raise LocalCloudError(message) from error


def unpack_code(archive: Path, directory: Path) -> None:
    """Put a zip archive of a function's code into an empty directory.

    Raises:
        LocalCloudError: it isn't one, is damaged, leads out of the directory, also by a link, or is too large for
            Lambda; the message goes on after the archive's name.
    """
    try:
        _extract(archive, directory, _MOST, "/var/task")
        _check_links(directory)
    except _RefusedError as error:
        raise LocalCloudError(str(error)) from error
    except _DAMAGE as error:
        raise LocalCloudError(f"can't be unpacked: {error}") from error


def _check_links(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(directory.resolve()):
            raise _RefusedError(f"leads out of /var/task, by the link {str(path.relative_to(directory))!r}")


def _copy(layer: Path, opt: Path, left: int) -> int:
    """Put a directory into `opt`; return how many bytes are left then."""
    files = []
    for name, file in _files(layer, layer.resolve(), (layer.resolve(),)):
        left = _rest(left, file.lstat().st_size)
        files.append((name, file))
    for name, file in files:
        place = _place(name, opt)
        if file.is_symlink() and _is_within(file, layer.resolve()):
            place.symlink_to(file.readlink())
        else:
            shutil.copy2(file, place)
    return left


def _files(folder: Path, layer: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """Yield all files with their names in the layer; what a link leads to outside of it counts as part of it, too."""
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or (path.is_symlink() and _is_within(path, layer)):
            yield path.name, path
            continue
        real = path.resolve()
        if real in above:
            raise _RefusedError(f"holds itself, by the link '{path}'")
        for name, file in _files(path, layer, (*above, real)):
            yield f"{path.name}/{name}", file


def _is_within(link: Path, layer: Path) -> bool:
    return not link.readlink().is_absolute() and link.resolve().is_relative_to(layer)


def _extract(layer: Path, opt: Path, left: int, root: str = "/opt") -> int:
    """Put a zip archive into `opt`, which stands for `root`; return how many bytes are left then."""
    if not (layer.is_file() and zipfile.is_zipfile(layer)):
        raise _RefusedError("isn't a directory or a zip archive")
    with zipfile.ZipFile(layer) as archive:
        entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
        left = _rest(left, sum(entry.file_size for entry in entries))
        for entry in entries:
            place, mode = _place(entry.filename, opt, root), entry.external_attr >> 16
            if stat.S_ISLNK(mode):
                target = os.fsdecode(archive.read(entry))
                inside = target.removeprefix(f"{root}/")
                place.symlink_to(target if inside == target else opt / inside)
                continue
            with archive.open(entry) as source, place.open("wb") as file:
                shutil.copyfileobj(source, file)
            if mode & 0o777:  # a wrapper must be executable; a zip from Windows has no modes
                place.chmod(mode & 0o777 | 0o600)
    return left


def _rest(left: int, size: int) -> int:
    if size > left:
        raise _RefusedError("is too large: Lambda takes 250 MB of a function and all its layers, unzipped")
    return left - size


def _place(name: str, opt: Path, root: str = "/opt") -> Path:
    """Return where a file goes: the directories above it are there, and an earlier layer's file isn't."""
    place = opt / name.lstrip("/")
    # Not by its name, and not over a link that a layer has brought.
    if ".." in place.parts or not place.parent.resolve().is_relative_to(opt.resolve()):
        raise _RefusedError(f"leads out of {root}: {name!r}")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    return place
