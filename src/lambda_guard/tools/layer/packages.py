"""The packages of a layer: installed for each target, and merged into one tree.

Wheels name their compiled modules by version and architecture, so that those of all targets stand side by side; the
rest is the same for each of them. A package of which that isn't true needs a layer for each target.
"""

import csv
import errno
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.parser import HeaderParser
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path
from typing import Final

from lambda_guard.errors import MissingExtraError
from lambda_guard.tools.layer.errors import LayerError
from lambda_guard.tools.layer.targets import Target

LOCK: Final = files("lambda_guard.tools.layer").joinpath("requirements.txt")
# The runtime has them: https://docs.aws.amazon.com/lambda/latest/dg/python-package.html#python-package-searchpath
OF_THE_RUNTIME: Final = ("boto3", "botocore", "s3transfer")
_NOT_NEEDED: Final = (
    ".lock",
    "bin",
    "*-stubs",
    "__pycache__",
    "*.c",
    "*.pyi",
    "RECORD",
    "WHEEL",
    "INSTALLER",
    "REQUESTED",
    "direct_url.json",
    "uv_cache.json",
)
_SBOMS: Final = "*.dist-info/sboms/*"
"""What is in a wheel's compiled modules: another one for each target. https://peps.python.org/pep-0770/"""
_AT_ONCE: Final = 4
FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A disk, a quota or the process's own limit."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the layer.

    Attributes:
        license: as its metadata says; None if they don't.
        sha256: of the paths and contents of its files in the layer.
    """

    name: str
    version: str
    license: str | None
    sha256: str


def install(
    chosen: Sequence[Target], additions: Sequence[str], work: Path, tree: Path, say: Callable[[str], None]
) -> list[Package]:
    """Install the locked packages and the additions for each target, and merge them.

    Args:
        chosen: the targets.
        additions: requirements, as pip takes them.
        work: an empty directory for the targets' own trees.
        tree: the directory to merge them into.
        say: is told of each target that is done.

    Returns:
        What the layer holds, by name.

    Raises:
        LayerError: a package has no wheel for a target, or the targets need different files of the same name.
        MissingExtraError: uv isn't installed.
    """
    uv = _uv()
    lock, excluded = work / "lock.txt", work / "excluded.txt"
    lock.write_text(LOCK.read_text("utf-8"), "utf-8")
    excluded.write_text("\n".join(OF_THE_RUNTIME), "utf-8")

    def one(target: Target) -> Path:
        own = work / f"{target.python}-{target.architecture}"
        common = [
            uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(own),
            "--python-platform", target.platform, "--python-version", target.python,
            "--only-binary", ":all:", "--no-compile",
        ]  # fmt: skip
        _run([*common, "--no-deps", "--require-hashes", "-r", str(lock)], target)
        if additions:
            _run([*common, "-c", str(lock), "--excludes", str(excluded), "--", *additions], target)
        say(f"{target}: packages installed")
        return own

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        trees = list(pool.map(one, chosen))
    for target, own in zip(chosen, trees, strict=True):
        _merge(own, tree, target)
    return _read_packages(trees, tree)


def _read_packages(trees: Sequence[Path], tree: Path) -> list[Package]:
    owned: dict[str, set[str]] = {}
    for own in trees:
        for record in own.glob("*.dist-info/RECORD"):
            lines = csv.reader(record.read_text("utf-8").splitlines())
            owned.setdefault(record.parent.name, set()).update(line[0] for line in lines)
    return [_package(tree, folder, owned[folder]) for folder in sorted(owned, key=str.lower)]


def _package(tree: Path, folder: str, paths: set[str]) -> Package:
    metadata = HeaderParser().parsestr((tree / folder / "METADATA").read_text("utf-8"))
    digest = hashlib.sha256()
    for path in sorted(paths):
        if (tree / path).is_file():
            digest.update(f"{path}\0".encode() + (tree / path).read_bytes())
    licence = metadata["License-Expression"] or metadata["License"]
    return Package(metadata["Name"], metadata["Version"], licence, digest.hexdigest())


def _merge(own: Path, tree: Path, target: Target) -> None:
    for path in sorted(own.rglob("*")):
        relative = path.relative_to(own)
        if path.is_dir() or not _is_needed(relative):
            continue
        there = tree / relative
        if not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, there)
        elif there.read_bytes() != path.read_bytes():
            raise LayerError(
                f"{relative.as_posix()} is another file for {target} than for the targets before it: "
                "build a layer for each, with --python and --arch"
            )


def _is_needed(path: Path) -> bool:
    if fnmatch(path.as_posix(), _SBOMS):
        return False
    return not any(fnmatch(part, pattern) for part in path.parts for pattern in _NOT_NEEDED)


def _run(command: Sequence[str], target: Target) -> None:
    done = subprocess.run(  # noqa: S603 - uv, with our arguments
        command, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        reason = done.stderr.strip() or f"uv ended with {done.returncode}"
        raise LayerError(f"the packages can't be installed for {target}:\n{reason}{_next_step(reason)}")


def _next_step(reason: str) -> str:
    if any(f"(os error {number})" in reason for number in FULL):
        return "\nmake room there, or set TMPDIR and UV_CACHE_DIR"
    if "wheel" in reason:
        return "\nleave this target out with --python and --arch, or name a version with --with that has a wheel for it"
    if "registry" in reason or "Failed to fetch" in reason:
        return "\ncheck the names given to --with and the connection; UV_INDEX=URL adds a package index of your own"
    if "Failed to parse" in reason:
        return "\nwrite --with as pip takes it, such as 'requests>=2'"
    if "unsatisfiable" in reason:
        return "\nask for another version with --with: the layer's own packages keep those of its lock"
    return ""


def _uv() -> str:
    try:
        from uv import find_uv_bin
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "layer build needs uv, which isn't installed: pip install 'aws-lambda-guard[layer]'", name="uv"
        ) from error
    return find_uv_bin()
