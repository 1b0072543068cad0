"""Expressions → values. Pure."""

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from lambda_guard.tools.policy.code.program import (
    FUNCTIONS,
    Annotated,
    Bound,
    Given,
    Imported,
    Program,
    Scope,
    arguments,
    looked_up,
    terminal,
)
from lambda_guard.tools.policy.code.sdk import Sdk
from lambda_guard.tools.policy.code.values import (
    CLIENT,
    MAKERS,
    RESOURCE,
    Client,
    Defined,
    Named,
    OfAws,
    Outside,
    Thing,
    Value,
    Values,
    Variable,
    Word,
    answered,
    attribute,
    from_outside,
    made,
    typed,
)

_NOTHING: Final[Values] = frozenset()
_DEEP: Final = 60
_ROUNDS: Final = 5
_MANY: Final = 50
"""Nobody has this many clients in one variable; of words there are soon thousands, if all names are followed."""
_SHOWN_MOST: Final = 80
_ENVIRONMENT: Final = Outside("os.environ")
_READING: Final = (Outside("os.environ.get"), Outside("os.getenv"))


class Evaluation:
    """Values of a program's expressions.

    Names may stand for each other in circles: each round begins with what the last one found, until nothing is new.
    """

    def __init__(self, program: Program, sdk: Sdk) -> None:
        self._program = program
        self._sdk = sdk
        self._known: dict[int, Values] = {}
        self._before: dict[int, Values] = {}
        self._open: set[int] = set()
        self._importing: set[str] = set()
        self._texts: dict[int, ast.expr] = {}

    def settle(self, expressions: Iterable[tuple[ast.expr, Scope]]) -> None:
        """Evaluate all of these, as often as it takes."""
        every = list(expressions)
        for _ in range(_ROUNDS):
            self._before, self._known = self._known, {}
            for expression, scope in every:
                self.of(expression, scope)
            if self._known == self._before:
                break

    def of(self, expression: ast.expr, scope: Scope) -> Values:
        """Return what an expression may be; nothing where it is nothing of AWS's, or can't be told."""
        key = id(expression)
        if key in self._known:
            return self._known[key]
        evaluate = _KINDS.get(type(expression))
        if evaluate is None or key in self._open or len(self._open) >= _DEEP:
            return self._before.get(key, _NOTHING)
        self._open.add(key)
        try:
            found = frozenset(evaluate(self, expression, scope))
        finally:
            self._open.discard(key)
        if len(found) > _MANY:
            found = frozenset(one for one in found if not isinstance(one, Word | Outside | Variable))
        self._known[key] = found
        return found

    def words(self, expression: ast.expr, scope: Scope) -> list[str]:
        """Return the strings that an expression may be."""
        return sorted(value.text for value in self.of(expression, scope) if isinstance(value, Word))

    def named(self, expression: ast.expr, scope: Scope) -> Named:
        """Return the name that an expression gives a resource."""
        values = [one for one in self.of(expression, scope) if isinstance(one, Word | Variable)]
        if len(values) == 1 and isinstance(values[0], Variable):
            return Named(f"${values[0].name}", "variable")
        if len(values) == 1 and isinstance(values[0], Word):
            return Named(values[0].text[:_SHOWN_MOST], "name")
        return Named(ast.unparse(expression)[:_SHOWN_MOST], "expression")

    # --- Names

    def _constant(self, expression: ast.Constant, _scope: Scope) -> Iterator[Value]:
        if isinstance(expression.value, str):
            yield Word(expression.value)

    def _name(self, expression: ast.Name, scope: Scope) -> Iterator[Value]:
        for bound in looked_up(expression.id, scope, self._program):
            yield from self._bound(bound)

    def _bound(self, bound: Bound) -> Iterator[Value]:
        if isinstance(bound, Scope):
            yield Defined(bound)
        elif isinstance(bound, Imported):
            yield from self._imported(bound.path)
        elif isinstance(bound, Annotated):
            yield from self._annotated(bound.annotation, bound.scope)
        else:
            given = (
                [bound] if isinstance(bound, Given) else arguments(self._program, bound.function, bound.name)
            )
            for one in given:
                yield from self.of(one.expression, one.scope)

    def _imported(self, path: str) -> Iterator[Value]:
        inside, _, name = path.rpartition(".")
        if (module := self._program.module(path)) is not None:
            yield Defined(module)
        elif (module := self._program.module(inside)) is None:
            yield MAKERS[name] if inside in {"boto3", "aioboto3"} and name in MAKERS else Outside(path)
        elif path not in self._importing:  # modules may import from each other
            self._importing.add(path)
            for bound in module.names.get(name, ()):
                yield from self._bound(bound)
            self._importing.discard(path)

    def _annotated(self, annotation: ast.expr, scope: Scope) -> Iterator[Value]:
        """`S3Client`, `"S3Client"`, `S3Client | None`, `Optional[S3Client]`."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            annotation = self._parsed(annotation)
        if isinstance(annotation, ast.BinOp):
            yield from self._annotated(annotation.left, scope)
            yield from self._annotated(annotation.right, scope)
        elif isinstance(annotation, ast.Subscript):
            yield from self._annotated(annotation.slice, scope)
        elif isinstance(annotation, ast.Name | ast.Attribute):
            paths = (one.path for one in self.of(annotation, scope) if isinstance(one, Outside))
            yield from filter(None, (typed(path, self._sdk) for path in paths))

    def _parsed(self, annotation: ast.Constant) -> ast.expr:
        if id(annotation) not in self._texts:
            try:
                self._texts[id(annotation)] = ast.parse(str(annotation.value), mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._texts[id(annotation)] = ast.Constant(None)
        return self._texts[id(annotation)]

    # --- What is made of others

    def _attribute(self, expression: ast.Attribute, scope: Scope) -> Iterator[Value]:
        values = self.of(expression.value, scope)
        for value in values:
            if isinstance(value, Defined) and isinstance(value.scope.node, ast.Module):
                for bound in value.scope.names.get(expression.attr, ()):
                    yield from self._bound(bound)
            elif (found := attribute(value, expression.attr, self._sdk)) is not None:
                yield found
        if not any(isinstance(value, OfAws | Outside) for value in values):
            yield from self._of_object(expression, scope)

    def _of_object(self, expression: ast.Attribute, scope: Scope) -> Iterator[Value]:
        """Yield what is assigned to attributes of this name: of `self` in its class, if that does so, else anywhere."""
        every = self._program.attributes.get(expression.attr, [])
        own = (
            _class_of(scope)
            if isinstance(expression.value, ast.Name) and expression.value.id in _SELF
            else None
        )
        here = [one for one in every if own is not None and _class_of(_home(one)) is own]
        yield from set(self._any_of(here)) or self._any_of(every)

    def _any_of(self, every: Iterable[Given | Annotated | Scope]) -> Iterator[Value]:
        for one in every:
            yield from self._returned(one) if isinstance(one, Scope) else self._bound(one)

    def _returned(self, function: Scope) -> Iterator[Value]:
        for expression in function.returned:
            yield from self.of(expression, function)

    def _subscript(self, expression: ast.Subscript, scope: Scope) -> Iterator[Value]:
        """Yield an environment variable, or whatever a container holds."""
        values = self.of(expression.value, scope)
        if _ENVIRONMENT in values:
            yield from map(Variable, self.words(expression.slice, scope))
        else:
            yield from values

    def _call(self, call: ast.Call, scope: Scope) -> Iterator[Value]:
        given = [*call.args, *(one.value for one in call.keywords)]
        receivers = self.of(call.func.value, scope) if isinstance(call.func, ast.Attribute) else _NOTHING
        if isinstance(call.func, ast.Attribute):
            named = self.named(given[0], scope) if given else None
            methods = (one for one in receivers if isinstance(one, Client | Thing))
            yield from filter(None, (answered(one, call.func.attr, named, self._sdk) for one in methods))
        functions = self.of(call.func, scope)
        for function in functions:
            yield from self._called(function, call, scope)
        if not functions and not any(isinstance(one, OfAws) for one in receivers):
            yield from self._called_by_name(call, scope)
            yield from self._passed_on(given, scope)

    def _called(self, function: Value, call: ast.Call, scope: Scope) -> Iterator[Value]:
        if isinstance(function, Defined) and isinstance(function.scope.node, FUNCTIONS):
            if terminal(call.func) != function.scope.name:
                self._program.sites[id(function.scope)][id(call)] = call, scope
            yield from self._returned(function.scope)
        elif isinstance(function, Outside):
            if function in _READING:
                yield from map(Variable, self.words(call.args[0], scope) if call.args else ())
            elif function in (CLIENT, RESOURCE):
                yield from made(function, self.services(call, scope))
            elif (value := from_outside(function.path)) is not None:
                yield value
            else:
                yield from self._passed_on([*call.args, *(one.value for one in call.keywords)], scope)

    def services(self, call: ast.Call, scope: Scope) -> list[str]:
        """Return the names of services that a call of `client` or `resource` is for; none where that can't be told."""
        keyword = next((one.value for one in call.keywords if one.arg == "service_name"), None)
        name = call.args[0] if call.args else keyword
        return self.words(name, scope) if name is not None else []

    def _called_by_name(self, call: ast.Call, scope: Scope) -> Iterator[Value]:
        """Yield what methods of this name return; a session that can't be told makes clients all the same."""
        if not isinstance(call.func, ast.Attribute):
            return
        if (maker := MAKERS.get(call.func.attr)) is not None:
            yield from made(maker, (one for one in self.services(call, scope) if self._sdk.service(one)))
        for function in self._program.functions.get(call.func.attr, ()):
            yield from self._returned(function)

    def _passed_on(self, given: Iterable[ast.expr], scope: Scope) -> Iterator[Value]:
        """Yield what a function that isn't here may return: what it was given, as `cast` and `enter_context` do."""
        for one in given:
            yield from (value for value in self.of(one, scope) if isinstance(value, OfAws))

    def _lambda(self, expression: ast.Lambda, _scope: Scope) -> Iterator[Value]:
        if (scope := self._program.lambdas.get(id(expression))) is not None:
            yield Defined(scope)


_SELF: Final = frozenset({"self", "cls"})


def _class_of(scope: Scope) -> Scope | None:
    at: Scope | None = scope
    while at is not None and not isinstance(at.node, ast.ClassDef):
        at = at.parent
    return at


def _home(bound: Given | Annotated | Scope) -> Scope:
    return bound if isinstance(bound, Scope) else bound.scope


def _of_parts(*parts: str) -> Callable[[Evaluation, Any, Scope], Iterator[Value]]:
    """Return how to evaluate what may be any of its parts."""

    def evaluate(self: Evaluation, expression: Any, scope: Scope) -> Iterator[Value]:
        for name in parts:
            part = getattr(expression, name)
            for one in part if isinstance(part, list) else [part]:
                if one is not None:
                    yield from self.of(one, scope)

    return evaluate


_KINDS: Final[dict[type[ast.expr], Callable[[Evaluation, Any, Scope], Iterator[Value]]]] = {
    ast.Attribute: Evaluation._attribute,  # noqa: SLF001 - its own table
    ast.Call: Evaluation._call,  # noqa: SLF001
    ast.Constant: Evaluation._constant,  # noqa: SLF001
    ast.Lambda: Evaluation._lambda,  # noqa: SLF001
    ast.Name: Evaluation._name,  # noqa: SLF001
    ast.Subscript: Evaluation._subscript,  # noqa: SLF001
    ast.Await: _of_parts("value"),
    ast.BoolOp: _of_parts("values"),
    ast.Dict: _of_parts("values"),
    ast.DictComp: _of_parts("value"),
    ast.GeneratorExp: _of_parts("elt"),
    ast.IfExp: _of_parts("body", "orelse"),
    ast.List: _of_parts("elts"),
    ast.ListComp: _of_parts("elt"),
    ast.NamedExpr: _of_parts("value"),
    ast.Set: _of_parts("elts"),
    ast.SetComp: _of_parts("elt"),
    ast.Starred: _of_parts("value"),
    ast.Tuple: _of_parts("elts"),
}
