"""CloudWatch's metric math, as far as alarms use it, over series of periods.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html. Its expressions are written as
Python's are, but for `AND`, `OR`, `&&`, `||` and `^`, so that Python's parser reads them; nothing is run.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias

Values: TypeAlias = dict[int, float]
"""The start of a period, in seconds since 1970 → its value; a period without one isn't there."""
Value: TypeAlias = float | Values | list[Values]

_SPELT: Final = (
    (re.compile(r"&&|\bAND\b", re.IGNORECASE), " and "),
    (re.compile(r"\|\||\bOR\b", re.IGNORECASE), " or "),
    (re.compile(r"\^"), "**"),
)
_OPERATORS: Final[dict[type[ast.AST], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: lambda one, other: bool(one) and bool(other),
    ast.Or: lambda one, other: bool(one) or bool(other),
}
_OVER_TIME: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "AVG": lambda values: sum(values) / len(values),
    "MAX": max,
    "MIN": min,
    "SUM": sum,
}
_EACH: Final[dict[str, Callable[[float], float]]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
}


class UnreadError(Exception):
    """An expression uses what isn't evaluated here; the message names it."""


class MetricMath:
    """Evaluates expressions.

    Args:
        known: the metrics and expressions by id.
        grid: the starts of all periods, in order.
        reach: for how many seconds `FILL(…, REPEAT)` repeats a value: an alarm sees no further back.
    """

    def __init__(self, known: Mapping[str, Value], grid: Sequence[int], *, reach: float = math.inf) -> None:
        self._known, self._grid, self._reach = known, grid, reach

    def evaluate(self, text: str) -> Values:
        """Return the series of an expression.

        Raises:
            UnreadError: it uses what isn't evaluated here.
        """
        for pattern, spelt in _SPELT:
            text = pattern.sub(spelt, text)
        try:
            found = self._value(ast.parse(text.strip(), mode="eval").body)
        except (SyntaxError, RecursionError, ValueError, OverflowError) as error:
            raise UnreadError(f"{text!r} isn't read: {error}") from error
        if isinstance(found, list):
            raise UnreadError(f"{text!r} gives several series")
        return found if isinstance(found, dict) else dict.fromkeys(self._grid, float(found))

    def _value(self, node: ast.AST) -> Value:  # noqa: PLR0911 - a case for each kind of expression
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name) if name in self._known:
                return self._known[name]
            case ast.List(elts=elements):
                return [self._as_series(self._value(it)) for it in elements]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._combined(operator.sub, 0.0, self._value(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return self._combined(_OPERATORS[type(op)], self._value(left), self._value(right))
            case ast.BoolOp(op=op, values=[first, *others]):
                found = self._value(first)
                for other in others:
                    found = self._combined(_OPERATORS[type(op)], found, self._value(other))
                return found
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                return self._combined(_OPERATORS[type(op)], self._value(left), self._value(right))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name.upper(), arguments)
        raise UnreadError(f"{ast.unparse(node)} isn't evaluated here")

    def _combined(self, how: Callable[[float, float], float], one: Value, other: Value) -> Value:
        """Combine two values period by period; where one has none, or the result is no number, there is none."""
        if isinstance(one, list) or isinstance(other, list):
            raise UnreadError("arithmetic with several series at once isn't evaluated here")
        if isinstance(one, float) and isinstance(other, float):
            return _number(how, one, other) or 0.0
        first, second = self._as_series(one), self._as_series(other)
        told = {at: _number(how, first[at], second[at]) for at in first if at in second}
        return {at: value for at, value in told.items() if value is not None}

    def _as_series(self, value: Value) -> Values:
        if isinstance(value, list):
            raise UnreadError("several series stand where one is meant")
        return value if isinstance(value, dict) else dict.fromkeys(self._grid, value)

    def _call(self, name: str, arguments: list[ast.expr]) -> Value:  # noqa: PLR0911 - a case for each function
        if name == "FILL" and len(arguments) == 2:  # noqa: PLR2004 - of a series and with what
            return self._filled(self._as_series(self._value(arguments[0])), arguments[1])
        if name == "METRICS" and not arguments:
            return [it for it in self._known.values() if isinstance(it, dict)]
        given = [self._value(it) for it in arguments]
        match name, given:
            case "IF", [condition, then]:
                return self._chosen(self._as_series(condition), then, None)
            case "IF", [condition, then, otherwise]:
                return self._chosen(self._as_series(condition), then, otherwise)
            case "RATE", [dict() as series]:
                return self._differences(series, per_second=True)
            case "DIFF", [dict() as series]:
                return self._differences(series, per_second=False)
            case _, [list() as several] if name in _OVER_TIME:
                return self._across(_OVER_TIME[name], several)
            case _, [dict() as series] if name in _OVER_TIME:
                return float(_OVER_TIME[name](list(series.values()))) if series else 0.0
            case _, [dict() as series] if name in _EACH:
                return {at: float(_EACH[name](value)) for at, value in series.items()}
        raise UnreadError(f"the function {name} isn't evaluated here")

    def _filled(self, series: Values, how: ast.expr) -> Values:
        """Fill periods without a value: with a number, another series, or what was there before."""
        if isinstance(how, ast.Name) and how.id.upper() == "REPEAT":
            found, latest = dict[int, float](), -math.inf
            for at in self._grid:
                latest = at if at in series else latest
                if at - latest <= self._reach and latest in series:
                    found[at] = series[int(latest)]
            return found
        return self._as_series(self._value(how)) | series

    def _chosen(self, condition: Values, then: Value, otherwise: Value | None) -> Values:
        yes = self._as_series(then)
        no: Values = {} if otherwise is None else self._as_series(otherwise)
        sides = {at: yes if condition[at] else no for at in condition}
        return {at: side[at] for at, side in sides.items() if at in side}

    def _differences(self, series: Values, *, per_second: bool) -> Values:
        times = sorted(series)
        return {
            now: (series[now] - series[before]) / (now - before if per_second else 1)
            for before, now in pairwise(times)
        }

    def _across(self, how: Callable[[Sequence[float]], float], several: list[Values]) -> Values:
        told = {at: [series[at] for series in several if at in series] for at in self._grid}
        return {at: float(how(values)) for at, values in told.items() if values}


def _number(how: Callable[[Any, Any], Any], one: float, other: float) -> float | None:
    try:
        found = float(how(one, other))
    except (ArithmeticError, TypeError):
        return None
    return found if math.isfinite(found) else None
