"""The fields of a log line: the user's keys and arguments, as JSON.

Most lines have a few plain ones, written down as they are; the way through a mapping is for all others.
"""

from typing import TYPE_CHECKING, Any, Final

from ... import _json, _names, _scope
from ..._scope import Defaults
from ...failure import exceptions

if TYPE_CHECKING:
    from contextvars import ContextVar

_OURS: Final = frozenset((
    *_names.LINE_KEYS, _names.LEVEL, _names.LOCATION, _names.MESSAGE, _names.TIMESTAMP, _names.SERVICE,
    _names.LOGGER_NAME, _names.RECORD, _names.EMF, _names.EMF_DIRECTIVES,
))  # fmt: skip
ITEM_KEYS: Final = (_names.MESSAGE_ID, _names.ATTEMPT)
_OURS_IN_ITEM: Final = _OURS.union(ITEM_KEYS)


def fields_text(
    extra: dict[str, Any] | None,
    scope: _scope.Scope | None,
    item: _scope.Work | None,
    exc_info: Any,
    stack_info: str | None,
) -> str:
    """Return the fields of a line as JSON, from the comma on."""
    if (
        exc_info is None
        and not stack_info
        and not Defaults.keys
        and (scope is None or (not scope.user_keys and scope.durable is None))
        and (item is None or not item.user_keys)
        and not thread_keys()
        and (said := _plainly(extra)) is not None
    ):
        return said
    fields = all_fields(extra, scope, item, exc_info, stack_info)
    if scope is not None and scope.durable is not None:
        scope.durable.mark(fields)
    return f",{_json.encode(fields)[1:-1]}" if fields else ""


_known_names: Final[
    dict[str, str]
] = {}  # of fields whose names aren't taken, as JSON, from the comma to the colon
_NAMES_MOST: Final = 256
_NAME_MOST: Final = 64  # characters


def _plainly(extra: dict[str, Any] | None) -> str | None:
    """Return fields as JSON like `fields_text`; `None` where a name or value needs more than being written down."""
    said = ""
    for key, value in (extra or {}).items():
        name = _known_names.get(key) or _known(key)
        kind = type(value)
        if name is None:
            return None
        if kind is str:
            said += f"{name}{_json.quote_text(value)}"
        elif kind is int and -(2**63) <= value < 2**63:
            said += f"{name}{value}"
        elif kind is bool:
            said += f"{name}{'true' if value else 'false'}"
        else:
            return None
    return said


def _known(key: str) -> str | None:
    if type(key) is not str or len(key) > _NAME_MOST or key in _OURS_IN_ITEM:
        return None
    if len(_known_names) >= _NAMES_MOST:  # names that were made of data
        _known_names.clear()
    _known_names[key] = name = f",{_json.quote_text(key)}:"
    return name


def all_fields(
    extra: dict[str, Any] | None,
    scope: _scope.Scope | None,
    item: _scope.Work | None,
    exc_info: Any,
    stack_info: str | None,
) -> dict[str, Any]:
    """Return the fields of a line: what was appended, from the outermost on, then `extra` and the exception's."""
    of_thread = thread_keys()
    ours = _OURS if item is None else _OURS_IN_ITEM
    fields: dict[str, Any] = {}
    if Defaults.keys:
        _merge(fields, Defaults.keys, ours)
    if scope is not None and scope.user_keys:
        _merge(fields, scope.user_keys, ours)
    if item is not None and item.user_keys:
        _merge(fields, item.user_keys, ours)
    if of_thread:
        _merge(fields, of_thread, ours)
    if extra:
        _merge(fields, extra, ours)
    if exc_info is not None:
        fields.update(exceptions.fields(exc_info))
    if stack_info:
        fields[_names.STACK_INFO] = stack_info
    return fields


def _merge(fields: dict[str, Any], more: dict[str, Any], ours: frozenset[str]) -> None:
    """Add the user's fields; one whose name is taken by a key of ours gets an underscore instead of getting lost."""
    known: dict[str, Any] | None = None
    for key, value in more.items():
        if value is None:
            fields.pop(key, None)  # as with Powertools, `None` takes a key away
        elif key not in ours or (key == _names.RECORD and not _json.marks_a_record(value)):
            fields[key] = value
        else:
            known = _scope.current_keys() if known is None else known
            # What is ours is on its way back, on another handler's record.
            if not _is_same(known.get(key), value):
                fields[f"{key}_"] = value


def _is_same(ours: Any, theirs: Any) -> bool:
    try:
        return bool(ours == theirs)
    except Exception:  # a value that can't be compared is the user's
        return False


class ThreadKeys:
    """Where the keys of a thread or task are kept: in one variable, ours or Powertools', for all loggers."""

    variable: "ContextVar[dict[str, Any]] | None" = None  # until somebody may have set one


def thread_keys() -> dict[str, Any] | None:
    """Return the keys of this thread or task, if there are any."""
    variable = ThreadKeys.variable
    return variable.get() if variable is not None else None


def share_thread_keys(formatter: Any) -> None:
    """Share the variable with Powertools' loggers: theirs, or ours, if that has been in use before they were imported.

    Args:
        formatter: `aws_lambda_powertools.logging.formatter`.
    """
    if ThreadKeys.variable is not None:
        formatter.THREAD_LOCAL_KEYS = ThreadKeys.variable
    else:
        ThreadKeys.variable = getattr(formatter, "THREAD_LOCAL_KEYS", None)
