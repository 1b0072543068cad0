"""Whether a function's handler is there: its module is looked up and parsed, never imported."""

import ast
import warnings
from collections.abc import Iterable, Iterator
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from typing import Any, Final

_LOADERS: Final[tuple[tuple[Any, list[str]], ...]] = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)
_SHOWN_MOST: Final = 5
_MAKES_NAMES: Final = frozenset({"__getattr__", "exec", "globals", "locals", "setattr", "vars"})
"""Names whose use means that a module may have more names than can be read from it."""


def missing(handler: str, code: Path, elsewhere: Iterable[str]) -> str | None:
    """Return why a function has no such handler, for after the function's name; None where it has, or may have.

    Args:
        handler: `module.function`, where the module may be `folder/module`, as for the runtime client.
        code: the directory of the code.
        elsewhere: other directories on the function's path.
    """
    module, _, name = handler.rpartition(".")
    parts = [part for part in module.replace("/", ".").split(".") if part]
    spec = _found(parts, [str(code), *elsewhere])
    if spec is None or spec.loader is None or spec.origin is None:
        path = "/".join(parts)
        return f"the handler {handler} isn't there: '{code}' has no module {path}.py{_others(code)}"
    if not spec.origin.endswith(tuple(SOURCE_SUFFIXES)):
        return None
    return _missing_name(handler, name, Path(spec.origin))


def _missing_name(handler: str, name: str, file: Path) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its literals and escapes: they are its author's
            tree = ast.parse(file.read_bytes())
    except SyntaxError as error:
        return f"the handler {handler} can't be imported: '{file}' line {error.lineno}: {error.msg}"
    except (OSError, ValueError, RecursionError):  # the runtime says it, if it matters
        return None
    names = dict.fromkeys(_names(tree))
    if name in names or names.keys() & _MAKES_NAMES:
        return None
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return f"the handler {handler} isn't there: '{file}' defines no {name!r}{_listed('functions', functions)}"


def _found(parts: list[str], folders: list[str]) -> ModuleSpec | None:
    """Find a module as an import does, without the imports of the packages around it, and without its caches."""
    spec = None
    for part in parts:
        specs = [it for folder in folders if (it := FileFinder(folder, *_LOADERS).find_spec(part))]
        # a namespace package, which has no loader, is one only if no folder has a package of the name
        spec = next((it for it in specs if it.loader), specs[0] if specs else None)
        if spec is None:
            return None
        folders = list(spec.submodule_search_locations or ())
    return spec


def _names(tree: ast.AST) -> Iterator[str]:
    """Yield the names that a module's code binds, and those of `_MAKES_NAMES` that it uses."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.alias):
            yield "__getattr__" if node.name == "*" else node.asname or node.name.partition(".")[0]
        elif isinstance(node, ast.Global):
            yield from node.names
        elif isinstance(node, ast.Name) and (isinstance(node.ctx, ast.Store) or node.id in _MAKES_NAMES):
            yield node.id
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            yield from (
                name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names
            )
        else:
            yield from _names(node)


def _others(code: Path) -> str:
    try:
        return _listed("modules", sorted(path.name for path in code.glob("*.py")))
    except OSError:
        return ""


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return f", and no {what} at all" if what == "modules" else ""
    more = ", …" * (len(names) > _SHOWN_MOST)
    return f"; its {what}: {', '.join(names[:_SHOWN_MOST])}{more}"
