"""The syntax of a module → the names that it binds, and what it calls. Pure."""

import ast
from collections.abc import Iterable
from typing import Final

from lambda_guard.tools.policy.code.program import (
    FUNCTIONS,
    Annotated,
    Function,
    Given,
    Imported,
    Passed,
    Program,
    Scope,
    Use,
    terminal,
)

_PUT_INTO: Final = frozenset({"add", "append", "extend", "insert", "setdefault", "update"})


def index(program: Program, module: str, file: str, tree: ast.Module) -> None:
    """Put a module into a program.

    Raises:
        RecursionError: it is nested too deeply.
    """
    scope = program.modules[module] = Scope(module, file, tree)
    _Indexer(program, scope).visit_body(tree.body)


class _Indexer(ast.NodeVisitor):
    """Puts what it visits into the program."""

    def __init__(self, program: Program, scope: Scope) -> None:
        self._program = program
        self._scope = scope
        self._called: dict[int, ast.Call] = {}
        self._passed: set[int] = set()

    def visit_body(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    # --- Scopes

    def _within(self, node: ast.ClassDef | Function) -> Scope:
        """Open a scope and visit what is in it; defaults and decorators belong to the one around it."""
        inner = Scope(self._scope.module, self._scope.file, node, self._scope)
        outer, self._scope = self._scope, inner
        if isinstance(node, FUNCTIONS):
            self._bind_parameters(node, inner)
        if isinstance(node, ast.Lambda):
            inner.returned.append(node.body)
            self.visit(node.body)
        else:
            self.visit_body(node.body)
        self._scope = outer
        return inner

    def _bind_parameters(self, node: Function, inner: Scope) -> None:
        arguments = node.args
        plain = [*arguments.posonlyargs, *arguments.args]
        for one in (*plain, *arguments.kwonlyargs):
            inner.names[one.arg].append(Passed(inner, one.arg))
            if one.annotation is not None:
                inner.names[one.arg].append(Annotated(one.annotation, inner))
        outer = inner.parent or inner
        for parameter, default in zip(
            plain[len(plain) - len(arguments.defaults) :], arguments.defaults, strict=True
        ):
            inner.names[parameter.arg].append(Given(default, outer))
        for parameter, keyword in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if keyword is not None:
                inner.names[parameter.arg].append(Given(keyword, outer))

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Scope:
        self.visit_body(node.decorator_list)
        if isinstance(node, ast.ClassDef):
            self.visit_body([*node.bases, *node.keywords])
        else:
            self.visit(node.args)
        inner = self._within(node)
        self._scope.names[node.name].append(inner)
        return inner

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        inner = self._define(node)
        self._program.functions[node.name].append(inner)
        if isinstance(self._scope.node, ast.ClassDef) and _is_property(node):
            self._program.attributes[node.name].append(inner)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - as ast names it

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._define(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.args)
        self._program.lambdas[id(node)] = self._within(node)

    # --- Names

    def visit_Import(self, node: ast.Import) -> None:
        for one in node.names:
            self._program.imports[self._scope.module].add(one.name)
            name, path = (one.asname, one.name) if one.asname else (one.name.partition(".")[0],) * 2
            self._scope.names[name].append(Imported(path))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        path = self._absolute(node)
        for one in node.names:
            whole = f"{path}.{one.name}".strip(".")
            self._program.imports[self._scope.module] |= {path, whole} - {""}
            if one.name == "*":
                self._scope.stars.append(path)
            else:
                self._scope.names[one.asname or one.name].append(Imported(whole))

    def _absolute(self, node: ast.ImportFrom) -> str:
        """Return what a relative import is relative to, and its own path below that."""
        if not node.level:
            return node.module or ""
        is_package = self._scope.file.endswith("__init__.py")
        above = self._scope.module.split(".")
        above = above[: max(0, len(above) - node.level + is_package)]
        return ".".join([*above, *([node.module] if node.module else [])])

    def visit_Global(self, node: ast.Global) -> None:
        for name in node.names:
            self._scope.names[name] = self._scope.top.names[name]

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        for name in node.names:
            outer = self._scope.parent
            while outer is not None and name not in outer.names:
                outer = outer.parent
            if outer is not None:
                self._scope.names[name] = outer.names[name]

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Starred | ast.Subscript):
            self._bind(target.value, value)
        elif isinstance(target, ast.Name):
            self._scope.names[target.id].append(Given(value, self._scope))
        elif isinstance(target, ast.Attribute):
            self._program.attributes[target.attr].append(Given(value, self._scope))
        elif isinstance(target, ast.Tuple | ast.List):
            alike = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
            parts = (
                value.elts
                if alike and isinstance(value, ast.Tuple | ast.List)
                else [value] * len(target.elts)
            )
            for one, part in zip(target.elts, parts, strict=True):
                self._bind(one, part)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._bind(target, node.value)
            self._bind_in_class(target, Given(node.value, self._scope))
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._bind(node.target, node.value)
            self._bind_in_class(node.target, Given(node.value, self._scope))
        annotated = Annotated(node.annotation, self._scope)
        if isinstance(node.target, ast.Name):
            self._scope.names[node.target.id].append(annotated)
            self._bind_in_class(node.target, annotated)
        elif isinstance(node.target, ast.Attribute):
            self._program.attributes[node.target.attr].append(annotated)
        self.generic_visit(node)

    def _bind_in_class(self, target: ast.expr, bound: Given | Annotated) -> None:
        if isinstance(self._scope.node, ast.ClassDef) and isinstance(target, ast.Name):
            self._program.attributes[target.id].append(bound)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._bind(node.target, node.value)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._bind(node.target, node.value)
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.AsyncFor | ast.comprehension) -> None:
        self._bind(node.target, node.iter)
        self.generic_visit(node)

    visit_AsyncFor = visit_comprehension = visit_For  # noqa: N815 - as ast names it

    def visit_withitem(self, node: ast.withitem) -> None:
        if node.optional_vars is not None:
            self._bind(node.optional_vars, node.context_expr)
        self.generic_visit(node)

    # --- What is done with them

    def visit_Return(self, node: ast.Return | ast.Yield | ast.YieldFrom) -> None:
        if node.value is not None:
            self._scope.returned.append(node.value)
        self.generic_visit(node)

    visit_Yield = visit_YieldFrom = visit_Return  # noqa: N815 - as ast names it

    def visit_Call(self, node: ast.Call) -> None:
        self._called[id(node.func)] = node
        given = [*node.args, *(one.value for one in node.keywords)]
        self._passed |= set(map(id, given))
        self._program.calls[terminal(node.func)].append((node, self._scope))
        for place, one in enumerate(node.args):
            if name := terminal(one):
                self._program.passing[name].append((node, place, self._scope))
        for keyword in node.keywords:
            if name := terminal(keyword.value):  # Thread(target=work, args=(client,))
                self._program.passing[name].append((node, -1, self._scope))
            if keyword.arg and terminal(node.func)[:1].isupper():  # a dataclass, or the like
                self._program.attributes[keyword.arg].append(Given(keyword.value, self._scope))
        if isinstance(node.func, ast.Attribute) and node.func.attr in _PUT_INTO:
            for one in given:
                self._bind(node.func.value, one)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load):
            called = self._called.get(id(node))
            self._program.uses.append(Use(node, self._scope, called, id(node) in self._passed))
        self.generic_visit(node)


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in terminal(one) for one in node.decorator_list)
