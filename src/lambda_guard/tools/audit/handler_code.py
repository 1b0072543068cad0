"""What a handler's source says: whether it is decorated, and whether it answers with failed batch items.

The code is parsed, never imported. What isn't plain to see is left open.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambda_guard.templates.survey.model import Function
from lambda_guard.templates.survey.nodes import Unknown
from lambda_guard.tools.python_source import LARGEST, module_file, parsed

ANSWER: Final = "batchItemFailures"
_WITHOUT_CODE: Final = "lambda_guard_handler"
"""The module that wraps a handler whose code stays as it is, by `LAMBDA_GUARD_HANDLER`."""
_POWERTOOLS: Final = {
    "process_partial_response",
    "async_process_partial_response",
    "batch_processor",
    "async_batch_processor",
    "BatchProcessor",
    "AsyncBatchProcessor",
    "SqsFifoPartialProcessor",
}
_DEFINED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Code:
    """What is known of a handler's code; None where it can't be told.

    Attributes:
        unread: why the code wasn't read; empty if it was.
        guarded: whether it is decorated with `@production`, or wrapped by `lambda_guard_handler`.
        answers: whether its response names the batch items that failed.
        never_answers: whether it plainly returns something else, or nothing.
        imports: whether the module imports lambda_guard.
        file: the module.
    """

    unread: str = ""
    guarded: bool | None = None
    answers: bool | None = None
    never_answers: bool = False
    imports: bool = False
    file: Path | None = None


def read_code(function: Function) -> Code:
    """Return what a function's code says."""
    runtime, handler = function.runtime, function.handler
    if not function.image and not isinstance(runtime, str):
        return Code("its runtime isn't settled in the template")
    if function.image or not str(runtime).startswith("python"):
        return Code("it isn't Python in a zip")
    if not isinstance(handler, str) or "." not in handler:
        return Code("its handler isn't settled in the template")
    if handler.startswith(f"{_WITHOUT_CODE}."):
        inner = function.variable("LAMBDA_GUARD_HANDLER")
        if not isinstance(inner, str) or "." not in inner:
            return Code("LAMBDA_GUARD_HANDLER isn't settled in the template", guarded=True)
        found = _read(function, inner)
        return Code(found.unread, True, found.answers, found.never_answers, True, found.file)
    return _read(function, handler)


def _read(function: Function, handler: str) -> Code:
    module, name = handler.replace("/", ".").rsplit(".", 1)
    if function.inline is not None:
        return _said(function.inline, name, None)
    if function.code is None:
        return Code("its code isn't here")
    file = module_file(function.code, module)
    if file is None:
        return Code(f"there is no {module.replace('.', '/')}.py below {function.code}")
    try:
        if file.stat().st_size > LARGEST:
            return Code(f"{file} is too large to be a handler's source")
        return _said(file.read_bytes(), name, file)
    except OSError as error:
        return Code(f"{file} can't be read: {error.strerror}")


def _said(text: str | bytes, name: str, file: Path | None) -> Code:
    if (tree := parsed(text)) is None:
        return Code("its code can't be parsed", file=file)
    module = _Module(tree)
    handler = module.defined.get(name)
    if isinstance(handler, ast.ClassDef) or handler is None:
        return Code("the handler isn't a function of its module", imports=module.imports, file=file)
    return Code(
        guarded=module.guarded(handler),
        answers=module.answers(handler),
        never_answers=module.never_answers(handler),
        imports=module.imports,
        file=file,
    )


class _Module:
    """A module's top-level definitions and what its imports call ours."""

    def __init__(self, tree: ast.Module) -> None:
        self.defined: dict[str, Any] = {node.name: node for node in tree.body if isinstance(node, _DEFINED)}
        self.imports = False
        self._ours: set[str] = set()
        self._packages: set[str] = set()
        self._powertools: set[str] = set()
        self._wrapped: dict[str, ast.expr] = {}
        for node in ast.walk(tree):
            self._note(node)
        for node in tree.body:
            if (
                isinstance(node, ast.Assign)
                and len(node.targets) == 1
                and isinstance(node.targets[0], ast.Name)
            ):
                self._assigned(node.targets[0].id, node.value)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if node.module.split(".")[0] == "lambda_guard":
                    self.imports = True
                    self._ours |= {alias.asname or alias.name} if alias.name == "production" else set()
                if "powertools" in node.module and alias.name in _POWERTOOLS:
                    self._powertools.add(alias.asname or alias.name)
        elif isinstance(node, ast.Import):
            ours = {a.asname or a.name for a in node.names if a.name.split(".")[0] == "lambda_guard"}
            self._packages |= ours
            self.imports = self.imports or bool(ours)

    def _assigned(self, name: str, value: ast.expr) -> None:
        """`handler = production(process)`: the handler is a function of the module, decorated by hand."""
        if isinstance(value, ast.Name) and value.id in self.defined:
            self.defined.setdefault(name, self.defined[value.id])
        elif isinstance(value, ast.Call) and value.args and isinstance(value.args[0], ast.Name):
            inner = self.defined.get(value.args[0].id)
            if inner is not None and name not in self.defined and not isinstance(inner, ast.ClassDef):
                self.defined[name] = inner
                self._wrapped[inner.name] = value.func

    def _decorators(self, handler: Any) -> list[ast.expr]:
        by_hand = self._wrapped.get(handler.name)
        return [*handler.decorator_list, *([] if by_hand is None else [by_hand])]

    def _production(self, handler: Any) -> ast.expr | None:
        for decorator in self._decorators(handler):
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            plain = isinstance(called, ast.Name) and called.id in self._ours
            below = isinstance(called, ast.Attribute) and called.attr == "production"
            if plain or (below and ast.unparse(called).rpartition(".")[0] in self._packages):
                return decorator
        return None

    def guarded(self, handler: Any) -> bool | None:
        """Whether it is decorated with ours; unknown where a decorator of another module may do so."""
        if self._production(handler) is not None:
            return True
        return None if self._decorators(handler) and self.imports else False

    def answers(self, handler: Any) -> bool | None:
        decorator = self._production(handler)
        if isinstance(decorator, ast.Call):
            options = {one.arg: one.value for one in decorator.keywords}
            value = options.get("report_batch_item_failures")
            if isinstance(value, ast.Constant):
                return bool(value.value)
            if value is not None:
                return None
        return any(self._names_failures(part) for part in self._reached(handler)) or None

    def _names_failures(self, part: ast.AST) -> bool:
        for node in ast.walk(part):
            keys = node.keys if isinstance(node, ast.Dict) else []
            if any(isinstance(key, ast.Constant) and key.value == ANSWER for key in keys):
                return True
            if isinstance(node, ast.Return) and node.value is not None and self._of_powertools(node.value):
                return True
        return False

    def _of_powertools(self, returned: ast.expr) -> bool:
        if not isinstance(returned, ast.Call) or not self._powertools:
            return False
        called = returned.func
        by_name = isinstance(called, ast.Name) and called.id in self._powertools
        return by_name or (isinstance(called, ast.Attribute) and called.attr == "response")

    def _reached(self, handler: Any) -> Iterator[ast.AST]:
        """Yield the handler and the definitions of its module that it names, and those that they name."""
        left, seen = [handler], set()
        while left:
            part = left.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            yield part
            names = (node.id for node in ast.walk(part) if isinstance(node, ast.Name))
            left += [self.defined[name] for name in names if name in self.defined]

    def never_answers(self, handler: Any) -> bool:
        """Whether all that it returns is plain to see, and isn't such an answer."""
        if isinstance(handler, ast.AsyncFunctionDef) or self.answers(handler):
            return False
        if any(one is not self._production(handler) for one in self._decorators(handler)):
            return False
        options = self._production(handler)
        if isinstance(options, ast.Call) and options.keywords:
            return False
        return all(_plain(value) for value in _returned(handler))


def _returned(handler: Any) -> Iterator[ast.expr | None]:
    left: list[ast.AST] = list(handler.body)
    while left:
        node = left.pop()
        if isinstance(node, ast.Return):
            yield node.value
        elif not isinstance(node, _DEFINED | ast.Lambda):
            left += list(ast.iter_child_nodes(node))


def _plain(value: ast.expr | None) -> bool:
    """Whether a returned value is written out; a name, a call or a sum may be anything."""
    if value is None or isinstance(value, ast.Constant):
        return True
    keys = value.keys if isinstance(value, ast.Dict) else [None]
    return all(isinstance(key, ast.Constant) and key.value != ANSWER for key in keys)


def dependency_named(function: Function) -> bool | None:
    """Return whether lambda_guard is among a function's dependencies; None where that can't be told."""
    layers = function.layers
    if isinstance(layers, Unknown) or layers or function.image:
        return None
    if function.code is None:
        return False if function.inline is not None else None
    try:
        return _in_files(function.code)
    except OSError:
        return None


def _in_files(code: Path) -> bool | None:
    """Look into the folder of the code and those around it, up to the repository's root."""
    if not code.is_dir() or (code / "Makefile").exists():
        return None
    if (code / "lambda_guard").is_dir():
        return True
    here = code.resolve()
    for folder in (here, *here.parents[:4]):
        for pattern in ("requirements*.txt", "pyproject.toml", "Pipfile", "setup.cfg", "setup.py", "*.lock"):
            if any(_names_us(file) for file in folder.glob(pattern)):
                return True
        if (folder / ".git").exists():
            break
    return False


def _names_us(file: Path) -> bool:
    text = file.read_text(encoding="utf-8", errors="replace")
    included = re.search(r"^\s*(?:-r|-e|--requirement|\.{1,2}/|https?:|git\+)", text, re.MULTILINE)
    return bool(included) or re.search(r"lambda[-_]guard", text) is not None
