"""Stack frames as values: whose code they belong to, and how they are formatted."""

import os
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

Frame = tuple[str, int, str]  # file, line, function

FRAMES_MOST: Final = 50
_OURS: Final = __file__.rpartition(f"{os.sep}failure{os.sep}")[0] + os.sep
_INSTALLED: Final = (
    *("site-packages", "dist-packages", "/opt/python/", "/lib/python3", "/var/runtime/"),
    f"{sys.base_prefix}\\Lib\\",  # on Windows
)


def is_ours(frame: Frame) -> bool:
    """Return whether a frame belongs to lambda_guard."""
    return frame[0].startswith(_OURS)


def is_installed(file: str) -> bool:
    """Return whether a file belongs to Python, a layer, the runtime or a package, and not to the function itself.

    Packages installed next to the handler, in the deployment package, are recognised by their metadata.
    """
    if file.startswith("<") or any(part in file for part in _INSTALLED):
        return True
    root = os.environ.get("LAMBDA_TASK_ROOT")
    if not root or not file.startswith(root + os.sep):
        return False
    return file[len(root) + 1 :].partition(os.sep)[0] in _packages(root)


def base(file: str) -> str:
    """Return a file's name without its folder."""
    return file.rpartition(os.sep)[2]


def own(frames: list[Frame]) -> list[Frame]:
    """Return the frames of the function's own code, or all frames if there are none."""
    return [frame for frame in frames if not is_installed(frame[0])] or frames


def said(frames: Iterable[Frame]) -> list[str]:
    """Return frames in the format of records: `file:line in function`."""
    return [f"{base(file)}:{line} in {function}" for file, line, function in frames]


def shortened(frames: list[Frame]) -> list[Frame]:
    """Return the outermost and innermost frames of a long stack."""
    if len(frames) <= FRAMES_MOST:
        return frames
    return frames[: FRAMES_MOST // 5] + frames[-FRAMES_MOST * 4 // 5 :]


@lru_cache(1)
def _packages(root: str) -> frozenset[str]:
    """Return the names directly below `root` that belong to installed packages.

    https://packaging.python.org/en/latest/specifications/recording-installed-packages/
    """
    return frozenset(_recorded(root))


def _recorded(root: str) -> Iterator[str]:
    try:
        folders = [entry.path for entry in os.scandir(root) if entry.name.endswith(".dist-info")]
    except OSError:
        return
    for folder in folders:
        try:
            with open(f"{folder}/RECORD", encoding="utf-8", errors="replace") as record:  # noqa: PTH123 - not loaded
                yield from {line.partition(",")[0].partition("/")[0] for line in record}
        except OSError:
            yield os.path.basename(folder).partition("-")[0].lower()  # noqa: PTH119 - as above
