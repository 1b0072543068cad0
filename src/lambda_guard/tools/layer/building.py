"""A layer from start to end: packages, our code, byte code, manifest, zip."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from lambda_guard.tools.layer import archive, byte_code, own_code
from lambda_guard.tools.layer.errors import LayerError
from lambda_guard.tools.layer.packages import FULL, Package, install
from lambda_guard.tools.layer.targets import Target

MANIFEST: Final = "lambda-guard-layer.json"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that was built.

    Attributes:
        archive: its zip.
        version: ours.
        packages: the others'.
        compiled: by version of Python, the number of modules with byte code; None if that Python isn't here.
    """

    archive: archive.Archive
    version: str
    packages: list[Package]
    compiled: dict[str, int | None]


def build(
    path: Path, chosen: Sequence[Target], additions: Sequence[str], say: Callable[[str], None]
) -> Layer:
    """Build a layer.

    Args:
        path: the zip.
        chosen: what it is for.
        additions: requirements of a team's own, as pip takes them.
        say: is told of each step that is done.

    Raises:
        LayerError: it can't be built; the zip is what it was.
    """
    pythons = dict.fromkeys(target.python for target in chosen)
    archive.check(path)
    with _room_named(), tempfile.TemporaryDirectory(prefix="layer-") as folder:
        work, opt = Path(folder) / "work", Path(folder) / "opt"
        tree = opt / "python"
        work.mkdir()
        tree.mkdir(parents=True)
        packages = install(chosen, additions, work, tree, say)
        version = own_code.copy(opt)
        compiled = {python: byte_code.compile_for(python, tree) for python in pythons}
        _write_manifest(opt / MANIFEST, version, chosen, packages, compiled)
        say("byte code written")
        return Layer(archive.write(opt, path), version, packages, compiled)


@contextmanager
def _room_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not isinstance(error, shutil.Error) and error.errno not in FULL:
            raise
        reason = error.args[0][0][-1] if isinstance(error, shutil.Error) else error.strerror
        where = tempfile.gettempdir()
        raise LayerError(
            f"can't build the layer in {where}: {reason}: make room there, or set TMPDIR"
        ) from error


def _write_manifest(
    path: Path,
    version: str,
    chosen: Sequence[Target],
    packages: list[Package],
    compiled: dict[str, int | None],
) -> None:
    manifest = {
        "name": "lambda_guard",
        "version": version,
        "compatible_runtimes": [f"python{python}" for python in compiled],
        "compatible_architectures": sorted({target.architecture for target in chosen}),
        "byte_code": [python for python, modules in compiled.items() if modules is not None],
        "packages": [asdict(package) for package in packages],
    }
    path.write_text(json.dumps(manifest, indent=2) + "\n", "utf-8", newline="\n")
