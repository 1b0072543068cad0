"""A plain handler's own partial batch response: looked at, never changed, whatever it is made of.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from typing import Any

from . import _names
from ._scope import Scope
from .propagation.extract import record_message_id
from .sinks.log import final_attempt


def observe(scope: Scope, failures: list[Any]) -> None:
    """Note the failures for the invocation record, and say which messages are given up.

    Args:
        scope: of the invocation.
        failures: the answer's `batchItemFailures`.
    """
    identifiers = [
        _identifier(item) for item in list.copy(failures)
    ]  # past what a class of the user's makes of it
    if not identifiers:
        return
    scope.records = {
        "total": scope.invocation.trigger.records,
        "failed": len(identifiers),
        "failures": [
            {"message_id": message_id, "outcome": _names.FAILURE}
            for message_id in map(_message_id, identifiers[: _names.FAILED_RECORDS_MOST])
            if message_id is not None
        ],
    }
    if scope.messages:
        named = {identifier for identifier in identifiers if type(identifier) is str}
        final_attempt.count(scope, [each for each in scope.messages if record_message_id(each) in named])


def _identifier(item: Any) -> Any:
    found = dict.get(item, "itemIdentifier") if issubclass(type(item), dict) else None
    return str.__str__(found) if issubclass(type(found), str) else found


def _message_id(identifier: Any) -> str | None:
    """Return what a record is called elsewhere that an answer names: Kafka's by partition and offset."""
    if type(identifier) is dict:
        partition, offset = identifier.get("partition"), identifier.get("offset")
        return f"{partition}@{offset}" if type(partition) is str and type(offset) is int else None
    return identifier if type(identifier) is str else None
