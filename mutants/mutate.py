"""The mutants of a module: mutmut's operators, on the source as it is."""

import ast
import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from libcst import Module
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import create_mutations

from .scope import ROOT, modules


@dataclass(frozen=True)
class Mutant:
    """One small change of one module.

    Attributes:
        id: the same as long as the function and the changed expression are the same, whatever is around them.
        path: the module, below the repository.
        function: the function or class in which the change is, by its qualified name; empty at a module's top level.
        at_import: whether the module's import executes what is changed, and no call does.
        line: where the change begins.
        lines: those of the statement, by which the tests that execute it are found.
        code: the module as it is, and the change in it.
    """

    id: str
    path: str
    function: str
    at_import: bool
    line: int
    lines: range
    code: Module
    original: Any
    mutated: Any

    @cached_property
    def source(self) -> str:
        """The module with the change."""
        changed = self.code.deep_replace(self.original, self.mutated)
        assert isinstance(changed, Module)
        return changed.code

    @property
    def diff(self) -> str:
        """The change, as lines that begin with `-` and `+`."""
        lines = difflib.unified_diff(self.code.code.splitlines(), self.source.splitlines(), n=0, lineterm="")
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))

    def differs(self) -> bool:
        """Whether the change is one to the interpreter, and one that it can compile."""
        try:
            return ast.dump(ast.parse(self.source)) != ast.dump(ast.parse(self.code.code))
        except SyntaxError:
            return False


def every_mutant() -> Iterator[Mutant]:
    """All mutants of all modules."""
    for path in modules():
        yield from mutants_of(path)


def sample(seed: str, size: int) -> list[Mutant]:
    """Draw mutants; a small change of the code changes little of the sample."""
    by_chance = sorted(every_mutant(), key=lambda each: hashlib.sha256(f"{seed} {each.id}".encode()).digest())
    drawn: list[Mutant] = []
    for mutant in by_chance:
        if len(drawn) == size:
            break
        if mutant.differs():
            drawn.append(mutant)
    return drawn


def mutants_of(path: str) -> Iterator[Mutant]:
    """All mutants of a module that mean something when it runs."""
    source = (ROOT / path).read_text()
    module, mutations, *_ = create_mutations(path, source)
    positions = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    tree = ast.parse(source)
    idle = _lines_for_types(tree)
    seen: Counter[str] = Counter()
    for mutation in mutations:
        line = positions[mutation.original_node].start.line
        if line in idle:
            continue
        function = _function_at(tree, line)
        was, now = (
            " ".join(module.code_for_node(node).split())
            for node in (mutation.original_node, mutation.mutated_node)
        )
        text = f"{path} {function}: {was} -> {now}"
        seen[text] += 1
        identity = hashlib.sha256(f"{text} {seen[text]}".encode()).hexdigest()[:10]
        yield Mutant(
            identity,
            path,
            function,
            _is_run_at_import(tree, line),
            line,
            _statement_at(tree, line),
            module,
            mutation.original_node,
            mutation.mutated_node,
        )


def _lines_for_types(tree: ast.Module) -> set[int]:
    """Lines that only type checkers read: `if TYPE_CHECKING`, the types of `cast`, `TypeVar` and `ParamSpec`."""
    found: set[int] = set()
    for node in ast.walk(tree):
        of_types = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        named = isinstance(node, ast.Call) and ast.unparse(node.func) in ("cast", "TypeVar", "ParamSpec")
        if of_types or named:
            found.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))  # type: ignore[attr-defined]
    return found


def _function_at(tree: ast.Module, line: int) -> str:
    names: list[str] = []
    body: list[Any] = [tree]
    while body:
        node = body.pop()
        for child in ast.iter_child_nodes(node):
            if getattr(child, "lineno", 0) <= line <= (getattr(child, "end_lineno", 0) or 0):
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    names.append(child.name)
                body.append(child)
    return ".".join(names)


def _is_run_at_import(tree: ast.Module, line: int) -> bool:
    """Whether the line is in no function's body: at the top level of the module or of a class, or in a signature."""
    return not any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body[0].lineno <= line <= (node.end_lineno or 0)
        for node in ast.walk(tree)
    )


def _statement_at(tree: ast.Module, line: int) -> range:
    """The innermost statement's lines; of one that holds others, those of its head."""
    found = range(line, line + 1)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
            body = getattr(node, "body", None)
            end = body[0].lineno if isinstance(body, list) and body else (node.end_lineno or 0) + 1
            if line < max(end, node.lineno + 1):
                found = range(node.lineno, max(end, node.lineno + 1))
    return found
