"""Which letters: the filters of the command line as one value. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from lambda_guard.tools.dlq.errors import DeadLetterError
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.times import duration_ms
from lambda_guard.tools.where import ORDERS, Condition

_ATTRIBUTE: Final = "attribute."
_NUMBERS: Final = ("age", "receives")
_TEXTS: Final[dict[str, Callable[[Letter], tuple[str, ...]]]] = {
    "error": lambda one: (one.failure.type, one.failure.sentence, one.failure.cause),
    "fingerprint": lambda one: (one.failure.fingerprint,),
    "message": lambda one: (one.failure.message,),
    "code": lambda one: (one.failure.code,),
    "function": lambda one: (one.function[0],),
    "version": lambda one: (one.failure.version,),
    "origin": lambda one: (one.origin.value,),
    "target": lambda one: (one.target,),
    "id": lambda one: (one.message_id,),
    "invocation": lambda one: (one.invocation_id,),
    "trace": lambda one: (one.failure.trace_id, one.trace_header),
    "group": lambda one: (one.message.group,),
    "body": lambda one: (one.message.body,),
}
NEED_LOGS: Final = frozenset({"fingerprint"})
"""Keys that only the invocation record has."""

UNTOLD: Final = frozenset({"error", "message", "function", "version", "invocation"})
"""Keys that a message moved by a redrive policy doesn't have by itself."""


@dataclass(slots=True, frozen=True)
class Filter:
    """All filters together: a letter is meant if every one lets it pass.

    Attributes:
        ids: message ids; none for any.
        match: a compiled JMESPath expression that must be true of the event; None for any.
    """

    conditions: tuple[Condition, ...] = ()
    ids: frozenset[str] = frozenset()
    match: Any = None

    @classmethod
    def parse(cls, conditions: Iterable[str], ids: Iterable[str] = (), match: str | None = None) -> "Filter":
        """Read what was typed.

        Raises:
            DeadLetterError: letters aren't selected by that.
            ConditionFormatError: a condition can't be read.
            TimeFormatError: an age can't be read.
        """
        return cls(
            tuple(map(_condition, conditions)),
            frozenset(ids),
            _compiled(match) if match else None,
        )

    @property
    def needs_logs(self) -> bool:
        """Whether something is asked that only the logs know."""
        return any(condition.key in NEED_LOGS for condition in self.conditions)

    @property
    def untold(self) -> list[str]:
        """The conditions' keys that a queue's messages don't have without logs."""
        return sorted({condition.key for condition in self.conditions} & UNTOLD)

    def passes(self, letter: Letter, now_ms: float) -> bool:
        """Check whether a letter is meant."""
        return (
            (not self.ids or letter.message_id in self.ids)
            and all(_holds(condition, letter, now_ms) for condition in self.conditions)
            and (self.match is None or _is_true(_searched(self.match, letter.event)))
        )


def _condition(text: str) -> Condition:
    """Read a condition, and check that letters can be selected by it."""
    condition = Condition.parse(text)
    key, operator, value = condition.key, condition.operator, condition.value
    if key in _NUMBERS:
        if operator == "~":
            raise DeadLetterError(f"{key} is a number: compare it with =, !=, <, <=, > or >=")
        if key == "age":
            duration_ms(value)
        elif not value.isdecimal():
            raise DeadLetterError(f"invalid condition {text!r}: {key} counts, so write a whole number")
    elif key not in _TEXTS and not key.startswith(_ATTRIBUTE):
        known = ", ".join([*_NUMBERS, *_TEXTS, "attribute.NAME"])
        raise DeadLetterError(f"unknown key {key!r}: letters are selected by {known}")
    elif operator in ORDERS:
        raise DeadLetterError(f"{key} is text: compare it with =, != or ~ (contains), not {operator}")
    return condition


def _holds(condition: Condition, letter: Letter, now_ms: float) -> bool:
    if condition.key == "receives":
        return condition.holds([letter.message.receives])
    if condition.key == "age":
        sent = letter.message.sent_ms
        return sent is not None and condition.holds([now_ms - sent])
    if condition.key.startswith(_ATTRIBUTE):
        return condition.holds([letter.message.text(condition.key.removeprefix(_ATTRIBUTE))])
    return condition.holds(_TEXTS[condition.key](letter))


def _compiled(expression: str) -> Any:
    import jmespath  # type: ignore[import-untyped]
    from jmespath.exceptions import JMESPathError  # type: ignore[import-untyped]

    try:
        return jmespath.compile(expression)
    except JMESPathError as error:
        first = str(error).splitlines()[0]
        raise DeadLetterError(
            f"invalid JMESPath expression {expression!r} for --match ({first}): use, for example, items[?price > `100`]"
        ) from error


def _searched(match: Any, event: Any) -> Any:
    """Return None for an event of another shape than the expression expects: it isn't meant, which isn't an error."""
    from jmespath.exceptions import JMESPathError

    try:
        return match.search(event)
    except JMESPathError:
        return None


def _is_true(value: Any) -> bool:
    """JMESPath's own truth: false, null, and empty strings, lists and objects are not; 0 is."""
    return value is not None and value is not False and value not in ("", [], {})
