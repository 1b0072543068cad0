"""Reloading: functions whose code or layers have changed on disk begin anew with their next invocation."""

import contextlib
import importlib.util
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, TypeAlias

from lambda_guard.local._errors import LocalCloudError
from lambda_guard.local.runtime.function import Function
from lambda_guard.local.runtime.layers import unpack

_PAUSE_SECONDS: Final = 0.2
_PAUSE_FACTOR: Final = 9  # a tenth of the time is spent on looking, at most
_IGNORED_FOLDERS: Final = {"__pycache__", "node_modules", "venv"}
_IGNORED_ENDINGS: Final = ("~", ".log", ".pyc", ".swp", ".swx")
_NAMED_MOST: Final = 3
Files: TypeAlias = dict[str, tuple[int, int]]
"""Files by path: when they were last changed, in nanoseconds, and how large they are."""


class Reloader(AbstractContextManager["Reloader"]):
    """Looks at the files of functions a few times a second, until it is closed.

    A function is reloaded once its files have stayed the same from one look to the next: a file that is being written
    is left alone, and a branch that is checked out is one change.

    Args:
        functions: whose code and layers are looked at.
        template: a file whose change is said, for it takes a new cloud.
        ignored: files and folders that are no code, wherever they are.
        say: called with a sentence.
    """

    def __init__(
        self,
        functions: Sequence[Function],
        template: Path,
        ignored: Iterable[Path],
        say: Callable[[str], object],
    ) -> None:
        self._functions = functions
        self._template = template
        self._say = say
        self._ignored = {str(path.resolve()) for path in (*ignored, template)}
        self._opt = tempfile.TemporaryDirectory(prefix="opt-")
        roots = [root for it in functions for root in (it.settings.code, *it.settings.layers)]
        self._seen = {root: self._look_at(root) for root in dict.fromkeys((*roots, template))}
        self._pending: dict[Path, set[str]] = {}
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._watch, name="reloading", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        pause = _PAUSE_SECONDS
        while not self._closed.wait(pause):
            began = time.monotonic()
            self.look()
            pause = max(_PAUSE_SECONDS, _PAUSE_FACTOR * (time.monotonic() - began))

    def look(self) -> None:
        """Look once; reload what had changed by the last look and hasn't since."""
        settled = True
        for root, before in self._seen.items():
            now = self._seen[root] = self._look_at(root)
            if changed := {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}:
                self._pending.setdefault(root, set()).update(changed)
                settled = False
        if settled and self._pending:
            changed_roots, self._pending = self._pending, {}
            self._reload(changed_roots)

    def _reload(self, changed: dict[Path, set[str]]) -> None:
        if changed.pop(self._template, None):
            self._say(f"{_shown(self._template)} has changed: Ctrl-C, and start it again to apply it")
        files = sorted(set().union(*changed.values()))
        _forget_bytecode(files)
        reloaded = list[str]()
        opts = dict[tuple[Path, ...], Path]()  # functions with the same layers share them
        for it in self._functions:
            layers = it.settings.layers
            if not changed.keys() & {it.settings.code, *layers}:
                continue
            try:
                if changed.keys() & set(layers) and layers not in opts:
                    opts[layers] = self._layers(it)
                it.reload(opts.get(layers))
                reloaded.append(it.name)
            except LocalCloudError as error:
                self._say(f"not reloaded: {error}")
        if reloaded:
            more = f" and {len(files) - _NAMED_MOST} more" if len(files) > _NAMED_MOST else ""
            named = ", ".join(_shown(Path(file)) for file in files[:_NAMED_MOST])
            self._say(f"reloaded {', '.join(reloaded)}: {named}{more} changed")

    def _layers(self, function: Function) -> Path:
        opt = Path(tempfile.mkdtemp(dir=self._opt.name))
        unpack(function.name, function.settings.layers, opt)
        return opt

    def _look_at(self, root: Path) -> Files:
        if root.is_dir():
            return dict(_files(str(root), self._ignored, _outputs()))
        with contextlib.suppress(OSError):
            told = root.stat()
            return {str(root): (told.st_mtime_ns, told.st_size)}
        return {}

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
        self._opt.cleanup()

    def __exit__(self, *_: object) -> None:
        self.close()


def _files(
    folder: str, ignored: set[str], seen: set[tuple[int, int]]
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the files below a folder, each with its time and size; what goes meanwhile is left out."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.path in ignored:
                    continue
                told = entry.stat()
                if (told.st_dev, told.st_ino) in seen:  # also a link that leads back
                    continue
                if entry.is_dir():
                    if not entry.name.startswith(".") and entry.name not in _IGNORED_FOLDERS:
                        seen.add((told.st_dev, told.st_ino))
                        yield from _files(entry.path, ignored, seen)
                elif not entry.name.endswith(_IGNORED_ENDINGS):
                    yield entry.path, (told.st_mtime_ns, told.st_size)


def _outputs() -> set[tuple[int, int]]:
    """Return the devices and numbers of the files to which this process writes: each reload would change them."""
    found = set[tuple[int, int]]()
    for number in (1, 2):
        with contextlib.suppress(OSError):
            told = os.fstat(number)
            found.add((told.st_dev, told.st_ino))
    return found


def _forget_bytecode(files: Iterable[str]) -> None:
    """Remove the bytecode of changed modules.

    Python takes it for that of the new source where time and size are the same, and knows times in whole seconds:
    https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation
    """
    for file in files:
        if file.endswith(".py"):
            with contextlib.suppress(OSError):
                Path(importlib.util.cache_from_source(file)).unlink(missing_ok=True)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
