"""The layer's size, and what a cold start from it costs against the installed package.

    python -m benchmarks.layer        # about a minute

Instructions, as in `benchmarks.budgets`: whole processes that import, decorate and answer a first sampled call, less
what the interpreter needs. Both have the same versions of everything, and AWS's SDK beside them. The installed package
has its byte code, as after pip; the layer has what it ships.

The entry's own part is what it takes to find a handler by it, decorated, more than by the runtime client and the
decorator: 2 ms are some 4 million instructions.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from uv import find_uv_bin

from lambda_guard.tools.layer.building import build
from lambda_guard.tools.layer.packages import LOCK
from lambda_guard.tools.layer.targets import PLATFORMS, PYTHONS, targets

from . import budgets, processes

MB = 1024 * 1024
ZIPPED_MOST = 6.0
UNZIPPED_MOST = 20.0
COLD_MOST = 1.05
ENTRY_MOST = 2.0  # million instructions
ENTRY = """
import os, sys
from awslambdaric import bootstrap
name = os.environ["LAMBDA_GUARD_HANDLER"] = "json.loads"  # any function
if sys.argv[1] == "entry":
    import lambda_guard_handler
else:
    found = bootstrap._get_handler(name)
    import lambda_guard
    lambda_guard.production(found)
"""
ROOT = Path(__file__).parent.parent


def main():
    """Print the table; end with 1 where a budget is missed."""
    with tempfile.TemporaryDirectory(prefix="layer-") as folder:
        place = Path(folder)
        layers = [_built(place / name) for name in ("one.zip", "two.zip")]
        archive = layers[0].archive
        print(
            f"{budgets.machine()}\n{len(PYTHONS)} Pythons, {len(PLATFORMS)} architectures, in {archive.files:,} files"
        )
        print(
            f"byte code: {', '.join(python for python, modules in layers[0].compiled.items() if modules)}\n"
        )
        rows = [
            ("zipped, in MB", archive.zipped / MB, ZIPPED_MOST),
            ("unzipped, in MB", archive.unzipped / MB, UNZIPPED_MOST),
            ("files that differ between two builds", _differences(place / "one.zip", place / "two.zip"), 0),
            *_cold_rows(place),
        ]
    missed = 0
    print(f"{'what':66}{'measured':>10}{'budget':>8}")
    for what, measured, most in rows:
        missed += most is not None and measured > most
        verdict = "" if most is None else f"{most:8.2f}  {'met' if measured <= most else 'MISSED'}"
        print(f"{what:66}{measured:10.3f}{verdict}")
    return 1 if missed else 0


def _built(path):
    return build(path, targets(PYTHONS, tuple(PLATFORMS)), (), lambda _: None)


def _differences(one, other):
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        names = {*first.namelist(), *second.namelist()}
        of = [{entry.filename: entry.CRC for entry in archive.infolist()} for archive in (first, second)]
    return sum(of[0].get(name) != of[1].get(name) for name in names) or one.read_bytes() != other.read_bytes()


def _cold_rows(place):
    if not processes.has_valgrind():
        print("Without valgrind no instructions are counted, and the cold path isn't judged.")
        return
    ways = _ways(place)
    with processes.daemon() as port:
        environment = {**processes.environment(port, "traced"), "PYTHONDONTWRITEBYTECODE": "1"}
        interpreter = _count("interpreter", ways["installed"], environment)
        counts = {
            name: _count("lambda_guard", path, environment) - interpreter for name, path in ways.items()
        }
        entry, bare = (_count(way, ways["layer"], environment, ENTRY) for way in ("entry", "bare"))
    installed = counts["installed"]
    what = "cold path from the layer"
    yield f"{what}, against the installed package", counts["layer"] / installed, COLD_MOST
    yield f"{what}, its byte code taken away, against the same", counts["source"] / installed, None
    yield "the installed package's cold path, in millions of instructions", installed / 1e6, None
    yield "the entry's own part, in millions of instructions", (entry - bare) / 1e6, ENTRY_MOST


def _ways(place):
    """Return the search paths: of the installed package, of the layer, and of the layer without its byte code."""
    installed, sdk = place / "installed", place / "sdk"
    _install(installed, "--no-deps", "--require-hashes", "-r", str(LOCK))
    _install(installed, "--no-deps", str(ROOT))
    _install(sdk, "boto3", "awslambdaric")
    for name in ("layer", "source"):
        with zipfile.ZipFile(place / "one.zip") as archive:
            archive.extractall(place / name)
    for cache in sorted((place / "source").rglob("__pycache__")):
        shutil.rmtree(cache)
    homes = {"installed": installed, "layer": place / "layer/python", "source": place / "source/python"}
    return {name: f"{home}:{sdk}:{ROOT}" for name, home in homes.items()}


def _install(folder, *what):
    uv = [find_uv_bin(), "pip", "install", "--quiet", "--python", sys.executable]
    subprocess.run([*uv, "--target", folder, "--compile-bytecode", *what], check=True)


def _count(name, path, environment, code=processes.COLD):
    # Without site-packages, in which lambda_guard is, too.
    environment = {**environment, "PYTHONPATH": path}
    return processes.cold_instructions(code, name, environment=environment, options=("-S",))


if __name__ == "__main__":
    sys.exit(main())
