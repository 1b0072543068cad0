"""The names of a program, and what each may stand for: an index of its syntax. Pure.

Order and branches don't count: a name stands for everything that is anywhere assigned to it. That finds more than any
one run does, which is what it is for.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

_ELSEWHERE: Final = sys.stdlib_module_names | {
    "", "aioboto3", "aiobotocore", "aws_lambda_powertools", "aws_xray_sdk", "boto3", "botocore", "lambda_guard",
}  # fmt: skip
_STUBS: Final = ("mypy_boto3", "types_aio", "types_boto")
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(eq=False, slots=True)
class Scope:
    """A module, a class or a function.

    Attributes:
        module: its dotted name.
        file: as shown.
        node: what it is.
        parent: the scope around it; None for a module.
        names: what is bound in it, by name.
        returned: what a function returns or yields.
        stars: modules of which it imports everything.
    """

    module: str
    file: str
    node: ast.Module | ast.ClassDef | Function
    parent: "Scope | None" = None
    names: dict[str, list["Bound"]] = field(default_factory=lambda: defaultdict(list))
    returned: list[ast.expr] = field(default_factory=list)
    stars: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of a class or a function; empty for any other."""
        return getattr(self.node, "name", "")

    @property
    def in_class(self) -> "Scope | None":
        """The class of which this function is a method."""
        return self.parent if self.parent is not None and isinstance(self.parent.node, ast.ClassDef) else None

    @property
    def starting(self) -> bool:
        """Whether its code runs when the module is imported."""
        return not isinstance(self.node, FUNCTIONS) and (self.parent is None or self.parent.starting)

    @property
    def top(self) -> "Scope":
        """The module."""
        return self if self.parent is None else self.parent.top


class Given(NamedTuple):
    """An expression, and the scope in which its names are looked up."""

    expression: ast.expr
    scope: Scope


class Imported(NamedTuple):
    """A module, or what is in it, by its dotted name."""

    path: str


class Annotated(NamedTuple):
    """What an annotation says that a name is."""

    annotation: ast.expr
    scope: Scope


class Passed(NamedTuple):
    """A parameter: whatever a caller passes."""

    function: Scope
    name: str


Bound: TypeAlias = Given | Imported | Annotated | Passed | Scope


class Use(NamedTuple):
    """An attribute that is read."""

    attribute: ast.Attribute
    scope: Scope
    call: ast.Call | None
    passed: bool


@dataclass(slots=True)
class Program:
    """All modules of a function's code.

    Attributes:
        root: the folder that they are in, which may be a package itself; empty where that isn't known.
        modules: by their dotted names.
        attributes: what is assigned to an attribute of this name, of whatever object.
        functions: functions, methods and lambdas that have a name.
        uses: attributes that are read.
        calls: all calls, by the last part of the name that is called; those in which a function is passed by that.
        sites: calls of a function under another name, as they are found, by the id of its scope.
        lambdas: by the id of their nodes.
        imports: modules that a module names, as they are written.
    """

    root: str = ""
    modules: dict[str, Scope] = field(default_factory=dict)
    attributes: dict[str, list[Given | Annotated | Scope]] = field(default_factory=lambda: defaultdict(list))
    functions: dict[str, list[Scope]] = field(default_factory=lambda: defaultdict(list))
    uses: list[Use] = field(default_factory=list)
    calls: dict[str, list[tuple[ast.Call, Scope]]] = field(default_factory=lambda: defaultdict(list))
    passing: dict[str, list[tuple[ast.Call, int, Scope]]] = field(default_factory=lambda: defaultdict(list))
    sites: dict[int, dict[int, tuple[ast.Call, Scope]]] = field(default_factory=lambda: defaultdict(dict))
    lambdas: dict[int, Scope] = field(default_factory=dict)
    imports: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def module(self, name: str) -> Scope | None:
        """Return a module by the name that it is imported by, which may leave out the folders above it."""
        name = name.removeprefix(f"{self.root}.") if self.root else name
        if name in self.modules or name.partition(".")[0] in _ELSEWHERE:
            return self.modules.get(name)
        return next((self.modules[one] for one in sorted(self.modules) if one.endswith(f".{name}")), None)


def terminal(expression: ast.expr) -> str:
    """Return the last part of a name, `c` of `a.b.c`; empty where it is no name."""
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


def looked_up(name: str, scope: Scope, program: Program) -> Iterator[Bound]:
    """Yield what a name may stand for, by the innermost scope that binds it; a class's names are its own alone."""
    at: Scope | None = scope
    while at is not None:
        if name in at.names and (at is scope or not isinstance(at.node, ast.ClassDef)):
            yield from at.names[name]
            return
        at = at.parent
    for star in scope.top.stars:
        module = program.module(star)
        if module is not None and module is not scope.top and name in module.names:
            yield from module.names[name]


def arguments(program: Program, function: Scope, name: str) -> Iterator[Given]:
    """Yield what callers pass for a parameter, wherever something of the function's name is called or passed on."""
    node = function.node
    if not isinstance(node, FUNCTIONS):
        return
    plain = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
    if function.in_class is not None and plain[:1] in (["self"], ["cls"]):
        plain = plain[1:]
    called = (
        function.in_class.name
        if function.name == "__init__" and function.in_class is not None
        else function.name
    )
    by_value = program.sites[id(function)].values()
    for call, scope in (*(program.calls.get(called, ()) if called else ()), *by_value):
        yield from _argument(call.args, call.keywords, plain, name, scope)
    for call, place, scope in program.passing.get(called, ()) if called else ():
        more = call.args[place + 1 :] if place >= 0 else _elements(call.keywords)
        yield from _argument(more, call.keywords, plain, name, scope)


def _argument(
    given: list[ast.expr], keywords: list[ast.keyword], plain: list[str], name: str, scope: Scope
) -> Iterator[Given]:
    if name in plain and plain.index(name) < len(given):
        yield Given(given[plain.index(name)], scope)
    yield from (Given(one.value, scope) for one in keywords if one.arg == name)


def _elements(keywords: list[ast.keyword]) -> list[ast.expr]:
    """Return what `args=(…)` holds."""
    found = next((one.value for one in keywords if one.arg == "args"), None)
    return found.elts if isinstance(found, ast.Tuple | ast.List) else []


def reached(program: Program, start: str) -> Mapping[str, Scope]:
    """Return a module and all that it imports, directly or not; every module where that can't be told."""
    first = program.module(start)
    named = {name.partition(".")[0] for found in program.imports.values() for name in found}
    if first is None or named & {"importlib", "pkgutil"}:
        return program.modules
    left, found = [first], dict[str, Scope]()
    while left:
        one = left.pop()
        if one.module not in found:
            found[one.module] = one
            above = [one.module.rsplit(".", up)[0] for up in range(1, one.module.count(".") + 1)]
            modules = (program.module(name) for name in (*program.imports[one.module], *above))
            left += [module for module in modules if module is not None]
    return found


def imported_from_elsewhere(program: Program, modules: Mapping[str, Scope]) -> set[str]:
    """Return what modules import that is neither of the program nor of Python, of AWS or of Powertools."""
    every = {name for module in modules for name in program.imports[module]}
    outside = {
        name.partition(".")[0]
        for name in every
        if program.module(name) is None and program.module(name.rpartition(".")[0]) is None
    }
    return {name for name in outside - _ELSEWHERE if not name.startswith(_STUBS) and not program.module(name)}
