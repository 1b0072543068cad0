"""`--where`: one language of conditions for all commands, which docs/cli.md describes. Pure."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from lambda_guard.errors import LambdaGuardError
from lambda_guard.tools.times import TimeFormatError, duration_ms

MISSING: Final = object()
"""What `at_path` finds where there is nothing."""

ORDERS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FORM: Final = re.compile(r"\s*([^=~<>\s][^=~<>]*?)\s*(!=|<=|>=|[=~<>])\s*(.*?)\s*", re.DOTALL)


class ConditionFormatError(LambdaGuardError, ValueError):
    """A `--where` was typed in a way that can't be read."""

    exit_code = 2


@dataclass(frozen=True)
class Condition:
    """One `--where`.

    Attributes:
        key: dots lead into objects: `trigger.type`.
        operator: `=`, `!=`, `~` (contains, whatever the case), `<`, `<=`, `>` or `>=`.
        value: as typed.
    """

    key: str
    operator: str
    value: str

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read a condition such as `trigger.type=sqs`, `message~declined` or `duration_ms>2s`.

        Raises:
            ConditionFormatError: it isn't one.
        """
        form = _FORM.fullmatch(text)
        if form is None:
            raise ConditionFormatError(
                f"invalid condition {text!r}: write KEY=VALUE, KEY!=VALUE, KEY~PART, KEY<NUMBER or KEY>NUMBER"
            )
        condition = cls(*form.groups())
        if condition.operator in ORDERS and condition.number is None:
            raise ConditionFormatError(
                f"invalid condition {text!r}: {condition.operator} compares numbers and durations: "
                "write 3, 0.5, 250ms, 2s or 1h"
            )
        return condition

    @cached_property
    def number(self) -> float | None:
        """The value as a number, a duration in milliseconds; None where it is neither."""
        try:
            return float(self.value)
        except ValueError:
            pass
        try:
            return duration_ms(self.value)
        except TimeFormatError:
            return None

    def holds(self, found: Iterable[object]) -> bool:
        """Check whether one of the values found under the key agrees; for `!=`, whether none is equal."""
        return any(map(self._agrees, found)) != (self.operator == "!=")

    def _agrees(self, found: object) -> bool:
        if found is MISSING:
            return False
        if isinstance(found, list):
            return any(map(self._agrees, found))
        number = found if isinstance(found, int | float) and not isinstance(found, bool) else None
        if self.operator in ORDERS:
            wanted = self.number
            return number is not None and wanted is not None and ORDERS[self.operator](number, wanted)
        if self.operator == "~":
            return self.value.lower() in _as_typed(found).lower()
        return self.value == _as_typed(found) or (number is not None and number == self.number)


def at_path(document: object, path: str) -> object:
    """Follow dots into objects, and into each object of a list; a key that has dots itself is tried whole first."""
    if isinstance(document, Mapping):
        if path in document:
            return document[path]
        head, dot, tail = path.partition(".")
        return at_path(document[head], tail) if dot and head in document else MISSING
    if isinstance(document, list):
        found = [value for entry in document if (value := at_path(entry, path)) is not MISSING]
        return found or MISSING
    return MISSING


def _as_typed(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return "null" if value is None else str(value)
    except RecursionError:  # nested more deeply than anybody would type
        return ""
