"""The messages that an AWS call has sent, and their targets. Pure functions over a table.

The parameter names are those of the services' API references; only names of resources and ids are read.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from .. import _names
from .called import resource_name
from .calls import AwsCalls, Call
from .header import parse


class Send(NamedTuple):
    """The parameters and response keys that hold a call's targets and results.

    Attributes:
        target: the parameters that name the target; the first one present is used.
        answers: the key of the response that lists the results, or `""` if the call sends only one message.
        message_id: the key of a message's id, in the response or in one of its results.
        entries: the parameter that lists the messages, if each of them names its own target.
        entry_target: the key that names it.
    """

    target: tuple[str, ...]
    answers: str = ""
    message_id: str = "MessageId"
    entries: str = ""
    entry_target: str = ""


SENDS: Final = {
    ("sqs", "SendMessage"): Send(("QueueUrl",)),
    ("sqs", "SendMessageBatch"): Send(("QueueUrl",), "Successful"),
    ("sns", "Publish"): Send(("TopicArn", "TargetArn")),
    ("sns", "PublishBatch"): Send(("TopicArn",), "Successful"),
    ("eventbridge", "PutEvents"): Send((), "Entries", "EventId", "Entries", "EventBusName"),
    ("eventbridgev2", "PutEvents"): Send(("EventBusArn",), "Entries", "EventId"),
    ("eventbridgev2", "PutRawEvents"): Send(("EventBusArn",), "Entries", "EventId"),
    ("sfn", "StartExecution"): Send(("stateMachineArn",), message_id="executionArn"),
    ("sfn", "StartSyncExecution"): Send(("stateMachineArn",), message_id="executionArn"),
    ("lambda", "Invoke"): Send(("FunctionName",), message_id=""),
    ("kinesis", "PutRecord"): Send(("StreamARN", "StreamName"), message_id="SequenceNumber"),
    ("kinesis", "PutRecords"): Send(("StreamARN", "StreamName"), "Records", "SequenceNumber"),
    ("firehose", "PutRecord"): Send(("DeliveryStreamName",), message_id="RecordId"),
    ("firehose", "PutRecordBatch"): Send(("DeliveryStreamName",), "RequestResponses", "RecordId"),
}


def note_sent(totals: AwsCalls, call: Call, response: Mapping[str, Any]) -> None:
    """Note the messages that a call has delivered, with the sender's span, as their trace header names it.

    Args:
        totals: where to note them.
        call: the call that was made.
        response: the service's response.
    """
    if (call.service, call.operation) not in SENDS:
        return
    header = parse(call.header)
    for target, message_id in sent(call.service, call.operation, call.params, response):
        if len(totals.sent) >= _names.SENT_MOST:
            totals.sent_more += 1
            continue
        entry = {
            _names.SERVICE: call.service,
            _names.OPERATION: call.operation,
            _names.TARGET: None if totals.unnamed else target,
            _names.MESSAGE_ID: message_id,
        }
        if header is not None and header.parent is not None:
            entry[_names.SPAN_ID] = header.parent
        totals.sent.append(entry)


def sent(
    service: str, operation: str, params: Mapping[str, Any], response: Mapping[str, Any]
) -> Iterator[tuple[str | None, str | None]]:
    """Yield (target, message id) of each message that a call has delivered.

    Args:
        service: as in `resources`.
        operation: e.g. `SendMessageBatch`.
        params: the call's parameters.
        response: the service's response.
    """
    send = SENDS.get((service, operation))
    if send is None:
        return
    names = (resource_name(params.get(name)) for name in send.target)
    target = next((name for name in names if name is not None), None)
    if not send.answers:
        yield target, _message_id(send, response)
        return
    entries = params.get(send.entries) or ()
    for index, answer in enumerate(response.get(send.answers) or ()):
        if message_id := answer.get(send.message_id):  # an entry that failed has none
            own = entries[index].get(send.entry_target) if index < len(entries) else None
            yield own or target or ("default" if service == "eventbridge" else None), str(message_id)


def _message_id(send: Send, response: Mapping[str, Any]) -> str | None:
    if send.message_id:
        return response.get(send.message_id)
    request_id = (response.get("ResponseMetadata") or {}).get("RequestId")
    return request_id if isinstance(request_id, str) else None
