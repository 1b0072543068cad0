"""The conditions of a policy's statement, as far as they can be decided from what is known of a request. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from lambda_guard.iam.patterns import Keys, Pattern, literal, read


def both(parts: Iterable[bool | None]) -> bool | None:
    """Return whether all hold; None where that rests on one that isn't decided."""
    known = list(parts)
    return False if False in known else None if None in known else True


def either(parts: Iterable[bool | None]) -> bool | None:
    """Return whether any holds; None where that rests on one that isn't decided."""
    known = list(parts)
    return True if True in known else None if None in known else False


def negated(part: bool | None) -> bool | None:
    """Return whether it doesn't hold; None where it isn't decided."""
    return None if part is None else not part


def holds(
    condition: Mapping[str, Mapping[str, Any]], keys: Keys, *, variables: bool
) -> tuple[bool | None, tuple[str, ...]]:
    """Return whether a statement's condition holds, and what of it wasn't decided.

    Args:
        condition: operator → key → value or values.
        keys: what is known of the request.
        variables: whether `${…}` is a variable, as in policies of version 2012-10-17.
    """
    parts = {
        f"{operator} {key}": _holds(operator, key.lower(), _texts(values), keys, variables)
        for operator, of in condition.items()
        for key, values in of.items()
    }
    result = both(parts.values())
    return result, tuple(name for name, part in parts.items() if part is None) if result is None else ()


def _texts(values: Any) -> list[str]:
    """Return values as IAM compares them, which takes numbers and booleans for what they look like."""
    return [
        str(one).lower() if isinstance(one, bool) else str(one)
        for one in (values if isinstance(values, list) else [values])
    ]


def _holds(operator: str, key: str, wanted: Sequence[str], keys: Keys, variables: bool) -> bool | None:
    quantifier, _, rest = operator.lower().rpartition(":")
    name = rest.removesuffix("ifexists")
    if key not in keys:
        return None
    known = keys[key]
    if name == "null":
        return either(str(known is None).lower() == one.lower() for one in wanted)
    if (found := _OPERATORS.get(name)) is None:
        return None
    compare, negates = found
    if known is None:
        absent_is_enough = negates and quantifier != "foranyvalue"
        return absent_is_enough or name != rest or quantifier == "forallvalues"
    patterns = [read(one, keys if variables else None, wildcards=compare is _like) for one in wanted]
    has = [known] if isinstance(known, str) else known
    each: Iterator[bool | None] = (either(compare(pattern, value) for pattern in patterns) for value in has)
    if negates:
        each = map(negated, each)
    if quantifier == "foranyvalue" or (not quantifier and not negates):
        return either(each)
    return both(each)


def _equal(pattern: Pattern, value: str) -> bool | None:
    return None if pattern.unread else pattern.text == value


def _equal_ignoring_case(pattern: Pattern, value: str) -> bool | None:
    return None if pattern.unread else pattern.text.lower() == value.lower()


def _like(pattern: Pattern, value: str) -> bool | None:
    return pattern.fits(literal(value))


_OPERATORS: Final[Mapping[str, tuple[Callable[[Pattern, str], bool | None], bool]]] = {
    "arnequals": (_like, False),
    "arnlike": (_like, False),
    "arnnotequals": (_like, True),
    "arnnotlike": (_like, True),
    "bool": (_equal_ignoring_case, False),
    "stringequals": (_equal, False),
    "stringequalsignorecase": (_equal_ignoring_case, False),
    "stringlike": (_like, False),
    "stringnotequals": (_equal, True),
    "stringnotequalsignorecase": (_equal_ignoring_case, True),
    "stringnotlike": (_like, True),
}
"""Those that are decided, in lower case: how a value is compared, and whether that is negated; numbers, dates and
addresses are left undecided."""
