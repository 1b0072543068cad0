"""What a release consists of, built from its commit: the same bytes each time.

The wheel is built from the sdist, and the layer's own code comes from the wheel: what is missing in one is missed here.
"""

import hashlib
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from . import changelog
from .errors import ReleaseError
from .repository import Repository, run

LOCK: Final = Path("requirements/dev.txt")
_SPECIFICATION: Final = "1.6"  # of CycloneDX


def build(
    tree: Repository, version: str, into: Path, *, all_pythons: bool, say: Callable[[str], None]
) -> None:
    """Build everything.

    Args:
        tree: a clean tree of the release's commit.
        version: the release's.
        into: an empty directory.
        all_pythons: whether a layer without the byte code of one of its Pythons is refused.
        say: is told of each step that is done.

    Raises:
        ReleaseError: something can't be built.
    """
    work = tree.root.parent / "work"
    work.mkdir()
    epoch = {"SOURCE_DATE_EPOCH": tree.seconds_of_commit()}
    _distributions(tree.root, into, epoch)
    wheel = _only(into, "*.whl")
    say("wheel and sdist built")
    layer = into / f"lambda-guard-layer-{version}.zip"
    without = _layer(wheel, work, layer)
    if without and all_pythons:
        raise ReleaseError(f"the layer would lack the byte code of {without}: install {without}")
    say("layer built" + (f", without the byte code of {without}, which isn't here" if without else ""))
    installed, merged = work / "installed", work / "merged"
    _install(tree.root, wheel, installed)
    _copy(layer, work / "opt", merged)
    for environment, of in ((installed, wheel.name.partition("-py3")[0]), (merged, layer.stem)):
        _bill_of_materials(tree.root, version, environment, into / f"{of}.cdx.json", epoch)
    say("bills of materials written, and valid")
    _checksums(into)
    (into / "release-notes.md").write_text(changelog.notes(tree.root, version), "utf-8")


def _uv(*arguments: str, cwd: Path, environ: dict[str, str] | None = None) -> None:
    from uv import find_uv_bin

    run(find_uv_bin(), *arguments, cwd=cwd, environ=environ)


def _distributions(tree: Path, into: Path, epoch: dict[str, str]) -> None:
    locked = ("--build-constraints", str(tree / LOCK), "--require-hashes")
    _uv("build", "--python", sys.executable, *locked, "--out-dir", str(into), ".", cwd=tree, environ=epoch)
    (into / ".gitignore").unlink(missing_ok=True)  # uv's


def _layer(wheel: Path, work: Path, layer: Path) -> str:
    """Build the layer; return the Pythons that aren't here, whose byte code it lacks."""
    code = work / "wheel"
    _unzip(wheel, code)
    command = (sys.executable, "-m", "lambda_guard.tools", "layer", "build", "--json", "-o", str(layer))
    built = json.loads(run(*command, cwd=work, environ={"PYTHONPATH": str(code)}))
    return ", ".join(f"Python {python}" for python, modules in built["byte_code"].items() if modules is None)


def _unzip(archive: Path, into: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(into)


def _install(tree: Path, wheel: Path, environment: Path) -> None:
    """Install the wheel and what it needs, in the versions that the tests ran with, and try it."""
    _uv("venv", "--python", sys.executable, str(environment), cwd=tree)
    python = environment / "bin/python"
    _uv("pip", "install", "--python", str(python), "-c", str(tree / LOCK), str(wheel), cwd=tree)
    run(str(python), "tests/smoke.py", cwd=tree)


def _copy(layer: Path, opt: Path, environment: Path) -> None:
    """Make an environment of what the layer holds, metadata included."""
    _unzip(layer, opt)
    _uv("venv", "--python", sys.executable, str(environment), cwd=opt)
    shutil.copytree(opt / "python", _only(environment, "lib/python*/site-packages"), dirs_exist_ok=True)


def _bill_of_materials(
    tree: Path, version: str, environment: Path, path: Path, epoch: dict[str, str]
) -> None:
    project = environment / "pyproject.toml"
    text = (tree / "pyproject.toml").read_text("utf-8")
    project.write_text(re.sub(r"^dynamic = .*", f'version = "{version}"', text, flags=re.MULTILINE), "utf-8")
    run(
        sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", str(project), "--mc-type", "library",
        "--spec-version", _SPECIFICATION, "--output-reproducible", "--validate", "-o", str(path), str(environment),
        cwd=tree, environ=epoch,
    )  # fmt: skip


def _checksums(into: Path) -> None:
    digests = ((hashlib.sha256(path.read_bytes()).hexdigest(), path.name) for path in sorted(into.iterdir()))
    (into / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for digest, name in digests), "utf-8")


def _only(folder: Path, pattern: str) -> Path:
    [found] = folder.glob(pattern)
    return found
