"""Reacts to imports: modules of others are watched once somebody has imported them, and never imported by us.

While an awaited module is looked for, and only then, a loader of ours stands in front of its own: it gives its place
back before the module's code runs, so that what asks a module for its loader later never meets ours.
"""

import sys
from _thread import get_ident
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ._failsafe import attempt

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

React = Callable[[Any], object]


def when_imported(name: str, part: str, react: React) -> None:
    """Call `react(module)` when a module has been imported: now, if it has been already.

    Args:
        name: the module's. A second reaction to the same one takes the place of the first.
        part: what would be missing, as in `_failsafe.attempt`: what `react` raises doesn't affect the import.
        react: takes the module.
    """
    _awaited[name] = part, react
    if not any(type(each) is _Finder for each in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    module = sys.modules.get(name)
    if getattr(getattr(module, "__spec__", None), "_initializing", False):
        module = attempt(
            part, import_module, name
        )  # another thread has begun before we asked, and is waited for
    if module is not None:
        attempt(part, react, module)


_awaited: Final[dict[str, tuple[str, React]]] = {}
# Names that a thread is looking for: other finders may ask for them again.
_looking: Final[set[tuple[str, int]]] = set()


class _Finder:
    """Finds what the other finders find, and has our loader react to it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> "ModuleSpec | None":
        """Return the module's spec with our loader, or `None` for modules that nobody awaits."""
        if name not in _awaited or (here := (name, get_ident())) in _looking:
            return None
        _looking.add(here)
        try:
            spec = _found_by_others(name, path, target)
        finally:
            _looking.discard(here)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]  # it is one by its methods
        return spec


def _found_by_others(name: str, path: Any, target: Any) -> "ModuleSpec | None":
    for finder in sys.meta_path[:]:
        if type(finder) is _Finder:
            continue
        if not hasattr(finder, "find_spec"):
            return None  # it is of a kind that only Python 3.11 knows how to ask: nothing is watched
        if (spec := finder.find_spec(name, path, target)) is not None:
            return spec
    return None


class _Loader:
    """Loads a module as its own loader does, which has its place again from then on."""

    def __init__(self, theirs: Any) -> None:
        self._theirs = theirs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._theirs, name)

    def create_module(self, spec: "ModuleSpec") -> "ModuleType | None":
        """Return the module that its own loader makes."""
        made: ModuleType | None = self._theirs.create_module(spec)
        return made

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module's code, then react."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._theirs
        module.__loader__ = self._theirs
        self._theirs.exec_module(module)
        if (awaited := _awaited.get(module.__name__)) is not None:
            attempt(*awaited, module)
