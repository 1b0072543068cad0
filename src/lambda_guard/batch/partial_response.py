"""A plain handler's own partial batch response: read, never changed, whatever its types.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from logging import WARNING
from typing import Any

from .. import _names
from .._scope import BatchCounts, Scope
from ..propagation.extract import record_message_id
from ..sinks.log import final_attempt, lines


def note(scope: Scope, failures: list[Any]) -> None:
    """Note the failures for the invocation record; for a queue, count and log final attempts as well.

    Args:
        scope: the invocation's scope.
        failures: the response's `batchItemFailures`.
    """
    # The built-in types' own methods: a user's subclass may override them.
    identifiers = [_identifier(item) for item in list.copy(failures)]
    if not identifiers:
        return
    scope.batch = BatchCounts(scope.invocation.trigger.records)
    for identifier in identifiers:
        message_id = _message_id(identifier)
        named = {_names.MESSAGE_ID: message_id, _names.OUTCOME: _names.FAILURE}
        scope.batch.add(named if message_id is not None else None)
    if scope.messages:
        final_attempt.count(scope, _given_back(scope.messages, identifiers))


def _given_back(messages: tuple[Any, ...], identifiers: list[Any]) -> list[Any]:
    """Return the messages that come back: those that are listed, or all if Lambda rejects the response."""
    known = {record_message_id(message): message for message in messages}
    named = {identifier for identifier in identifiers if type(identifier) is str}
    strangers = sum(type(identifier) is not str or identifier not in known for identifier in identifiers)
    if not strangers:
        return [message for message_id, message in known.items() if message_id in named]
    if lines.line_logger().isEnabledFor(WARNING):
        lines.warn(
            f"{strangers} of {len(identifiers)} itemIdentifiers in the answer belong{'s' * (strangers == 1)} to no "
            f"message of the batch: with ReportBatchItemFailures, Lambda takes all {len(messages)} messages for failed"
        )
    return list(messages)


def _identifier(item: Any) -> Any:
    found = dict.get(item, "itemIdentifier") if issubclass(type(item), dict) else None
    return str.__str__(found) if issubclass(type(found), str) else found


def _message_id(identifier: Any) -> str | None:
    """Return an item's message id, as used elsewhere, from its identifier: for Kafka, partition and offset."""
    if type(identifier) is dict:
        partition, offset = identifier.get("partition"), identifier.get("offset")
        return f"{partition}@{offset}" if type(partition) is str and type(offset) is int else None
    return identifier if type(identifier) is str else None
