"""Whether a record's calls are as lambda_guard writes them: a record may be damaged, or anybody's. Pure."""

from collections.abc import Mapping
from typing import Final

from lambda_guard import _names as names

NAME_MOST: Final = 2_048
"""Characters of the longest ARN, hence of any name in it.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html, `ResourceArns`.
"""
_COUNT_MOST: Final = 1_000_000_000


def damage(record: Mapping[str, object]) -> str:
    """Return what is wrong with the calls that a record tells of; empty where nothing is."""
    calls = record.get(names.CALLS)
    if calls is not None and not isinstance(calls, list):
        return "calls isn't a list"
    if not _is_count(record.get(names.CALLS_MORE, 0)):
        return "calls_more isn't a number of calls"
    return next(filter(None, map(_damage_of_call, calls or ())), "")


def _damage_of_call(call: object) -> str:
    if not isinstance(call, Mapping):
        return "a call isn't an object"
    if not all(isinstance(call.get(key), str) and call[key] for key in (names.SERVICE, names.OPERATION)):
        return "a call has no service or no operation"
    resource = call.get(names.RESOURCE)
    if resource is not None and not isinstance(resource, str):
        return "a call's resource isn't text"
    if _is_long(call):
        return f"a call has a name of more than {NAME_MOST:,} characters"
    if not all(_is_count(call.get(key, 0)) for key in (names.CALL_COUNT, names.CALL_ERRORS)):
        return "a call's count isn't a number of calls"
    return ""


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _COUNT_MOST


def cut(call: Mapping[str, object]) -> Mapping[str, object]:
    """Return a call without names that are too long to be one: what is left of them is no name as AWS has them."""
    return {key: _short(value) for key, value in call.items()} if _is_long(call) else call


def _short(value: object) -> object:
    if isinstance(value, Mapping):
        return cut(value)
    return f"{value[:80]}…" if isinstance(value, str) and len(value) > NAME_MOST else value


def _is_long(call: Mapping[str, object]) -> bool:
    """Whether it, or what it says of a denial, has a text that is too long."""
    values = [
        *call.values(),
        *(denied.values() if isinstance(denied := call.get(names.DENIED), Mapping) else ()),
    ]
    return any(isinstance(text, str) and len(text) > NAME_MOST for text in values)
