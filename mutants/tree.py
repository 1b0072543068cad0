"""Copies of the repository, in which modules are changed and tests run."""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from .scope import PACKAGE, ROOT

T = TypeVar("T")
R = TypeVar("R")

PATIENCE: Final = 30.0  # seconds that any test may take, however busy the machine is
SLOWER: Final = 10  # times as long as it took alone: then it hangs
COLLECTING: Final = 120.0  # seconds until the first test begins

# In a fresh interpreter that a test starts, whatever its variables: the package's folder is on its path.
_MEASURE: Final = """
import os
if os.path.exists({now!r}):
    import atexit, coverage
    found = coverage.Coverage(data_file={data!r}, data_suffix=True, source=[{source!r}], config_file=False,
                              context=open({now!r}).read(), messages=False)
    found.start()
    atexit.register(lambda: (found.stop(), found.save()))
"""


class Tree:
    """A copy of the repository's files, as git knows them, changed ones included."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_folder = folder.with_name(f"{folder.name}-run")
        for old in (folder, self.run_folder):
            shutil.rmtree(old, ignore_errors=True)
        self.run_folder.mkdir(parents=True)
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(
            listed, cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.splitlines():
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)

    def measure(self, file: str) -> None:
        """Run a file's tests, noting what each executes, in processes of its own, too: `coverage*` in `run_folder`."""
        startup = self.folder / "src/sitecustomize.py"
        names = {
            "now": self.run_folder / "now",
            "data": self.run_folder / "coverage",
            "source": self.folder / PACKAGE,
        }
        startup.write_text(_MEASURE.format(**{name: str(path) for name, path in names.items()}))
        try:
            self._start([file], MUTANTS_MEASURE="1").wait()
        finally:
            startup.unlink()

    def run(self, file: str) -> list[tuple[str, float, bool]]:
        """Run a file's tests; return of each how long it took and whether it passed."""
        self._start([file]).wait()
        return self._results()

    def verdict(self, path: str, source: str, order: Sequence[str], seconds: Mapping[str, float]) -> str:
        """Run tests on a changed module until one fails; return what killed the mutant, or nothing."""
        before = (self.folder / path).read_text()
        (self.folder / path).write_text(source)
        try:
            process = self._start(sorted({name.partition("::")[0] for name in order}), order=order)
            return self._killer(process, seconds)
        finally:
            (self.folder / path).write_text(before)

    def _start(
        self, files: Sequence[str], *, order: Sequence[str] = (), **variables: str
    ) -> "subprocess.Popen[bytes]":
        for left in ("order", "now", "tests"):
            (self.run_folder / left).unlink(missing_ok=True)
        if order:
            (self.run_folder / "order").write_text(json.dumps(order))
        options = [
            "-p",
            "mutants.plugin",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            "--hypothesis-profile=mutants",
        ]
        environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.folder / "src"), str(self.folder)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MUTANTS_RUN": str(self.run_folder),
            "MUTANTS_SOURCE": str(self.folder / PACKAGE),
            **variables,
        }
        with (self.run_folder / "output").open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "pytest", *options, *(["-x"] if order else []), *files],
                cwd=self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _killer(self, process: "subprocess.Popen[bytes]", seconds: Mapping[str, float]) -> str:
        name, since = "", time.monotonic()
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
            if (now := self._now()) != name:
                name, since = now, time.monotonic()
            limit = PATIENCE + SLOWER * seconds[name] if name in seconds else COLLECTING
            if time.monotonic() - since > limit:
                _end(process)
                return f"hangs in {name or 'collection'}"
        if process.returncode == 0:
            return ""
        failed = [name for name, _, passed in self._results() if not passed]
        return (
            failed[0] if failed else f"pytest ends with {process.returncode}: {self._now() or 'collection'}"
        )

    def _now(self) -> str:
        with contextlib.suppress(OSError):
            return (self.run_folder / "now").read_text()
        return ""

    def _results(self) -> list[tuple[str, float, bool]]:
        with contextlib.suppress(OSError):
            return [tuple(json.loads(line)) for line in (self.run_folder / "tests").read_text().splitlines()]
        return []


class Trees:
    """As many copies as there are workers.

    Args:
        folder: where they are made.
        number: how many.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.all = [Tree(folder / f"tree-{index}") for index in range(number)]
        self._free: queue.SimpleQueue[Tree] = queue.SimpleQueue()
        for tree in self.all:
            self._free.put(tree)

    def map(self, work: Callable[[Tree, T], R], things: Sequence[T]) -> list[R]:
        """Do `work(tree, thing)` for each thing, one at a time in each copy; return what it returned, in order."""

        def in_a_free_one(thing: T) -> R:
            tree = self._free.get()
            try:
                return work(tree, thing)
            finally:
                self._free.put(tree)

        with ThreadPoolExecutor(len(self.all)) as pool:
            return list(pool.map(in_a_free_one, things))


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the run and what it has started; first so that it can clean up."""
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
