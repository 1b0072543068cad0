"""Every trigger of Lambda in one row: how its events look, what they are, and where the sender's ids and trace are.

Shapes as in https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html and the pages that it links to.
A further trigger is a further row; what else is known of triggers is derived from the rows. Each costs every cold
start: those that few functions have are in `rare`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from lambda_guard._names import W3C_TRACE_HEADER
from lambda_guard.propagation.header import XRAY_NAMES

Path = tuple[str, ...]
Paths = tuple[Path, ...]
Names = tuple[str, ...]
Place = Path | Callable[[Any], str | None]
Places = tuple[Place, ...]
Test = Callable[[Any], bool]


def _places(where: str | Callable[[Any], str | None]) -> Places:
    return _paths(where) if isinstance(where, str) else (where,)


def _paths(where: str) -> Paths:
    """Return the paths that a text names: keys and indices with `/` between them, and `|` between paths."""
    if where.isidentifier():  # most are: a cold start reads them all
        return ((where,),)
    return tuple([tuple(path.split("/")) for path in where.split(" | ")]) if where else ()


class Shape:
    """How one kind of event of a trigger looks.

    Attributes:
        mark: without `tests`, what the first record of `Records` (or of a bare list, from EventBridge Pipes) has as its
            `eventSource`; with `tests`, the top-level key of the first, without which the event isn't looked at.
        tests: what must hold at which path.
        source: where the ARN or name of the source stands, in the first record or the event: the first path counts that
            leads to text; or a function of it.
        time: where the time stands at which a record, or else the event, was sent, likewise.
        records: the key of a list of records, or of a dict of such lists, where there are tests.
        method: of an HTTP request, where its method stands.
        route: of an HTTP request, where the template of its route stands, if the caller knows routes.
        chosen: whether somebody may have chosen a part of the source, as an execution's name or a secret's, so that an
            address may be in it.
    """

    method: Path = ()
    route: Path = ()
    chosen = False

    def __init__(
        self,
        look: str | Mapping[str, Test],
        *,
        source: str | Callable[[Any], str | None] = "",
        time: str = "",
        records: str = "",
    ) -> None:
        if isinstance(look, str):
            self.mark, self.tests = look, []
        else:
            self.tests = [(tuple(path.split("/")), test) for path, test in look.items()]
            self.mark = self.tests[0][0][0]
        self.source, self.time = _places(source), _paths(time)
        self.records: Path = (records,) if records else ()


class Row:
    """One trigger.

    Attributes:
        type: what it's called in the invocation record.
        shapes: how its events look, in the order in which they are tried.
        asynchronous: whether Lambda queues the event and retries it; None where the caller decides, or the shape.
        batch: whether an event source mapping polls it and invokes with several records at once, synchronously.
        envelopes: who may have wrapped the body of a queue's message; `sns` makes the type `sns-sqs`.
        queue: whether it's a queue, whose messages have system attributes and a body that may be an envelope.
        ids: where the id stands, in a record or else in the event, as the sender got it: the first path that
            leads to text, or a function of the record.
        carriers: the keys under which a record, or else the event, may hold the sender's trace header, in the order in
            which they count. `propagation._carriers` knows how each is read; a key of your own holds text or an object.
    """

    def __init__(
        self,
        type: str,  # noqa: A002 - the record's own word
        *shapes: Shape,
        asynchronous: bool | None = None,
        batch: bool = False,
        envelopes: Names = (),
        ids: str | Callable[[Any], str | None] = "",
        carriers: Names = (),
    ) -> None:
        self.type, self.shapes, self.asynchronous, self.batch = type, shapes, asynchronous, batch
        self.envelopes, self.queue = envelopes, bool(envelopes)
        self.carriers, self.carrier_keys = carriers, frozenset(carriers)
        self.ids = _places(ids)


RARE_MARKS: Final = frozenset((
    "CodePipeline.job", "LifecycleEventHookExecutionId", "Name", "Records", "SecretId", "agent", "alarmArn", "bot",
    "clickType", "configRuleArn", "context", "deviceEvent", "directive", "headObjectContext", "listObjectsContext",
    "listObjectsV2Context", "principalIdentifier", "protocolData", "raw_path", "requestContext", "session",
    "templateArn", "thingName", "typeName",
))  # fmt: skip
"""The marks of the shapes in `rare`, which is imported for events that have one and match nothing here."""


class Table:
    """What is derived from the rows, once.

    Attributes:
        types: every type there is.
        queues: the types whose messages come from a queue.
        batches: the types that an event source mapping polls.
        synchronous: the types that Lambda never retries by itself.
        with_records: the types whose events hold records.
        rows: the row of each type.
        event_sources: row and shape by `eventSource`.
        shapes: row and shape of the others, in the order in which they are tried.
        marks: the keys of all shapes: an event without any of them was sent by a person's code.
        record_ids: where the id of any record may stand.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        rows = list(rows)
        self.rows = {name: row for row in rows for name in _types(row)}
        self.types = tuple(self.rows)
        pairs = [(row, shape) for row in rows for shape in row.shapes]
        self.event_sources = {shape.mark: (row, shape) for row, shape in pairs if not shape.tests}
        self.shapes = [(row, shape) for row, shape in pairs if shape.tests]
        self.marks = {"Records", *RARE_MARKS, *[shape.mark for _, shape in self.shapes]}
        named = self.rows.items()
        self.queues = {name for name, row in named if row.queue}
        self.batches = {name for name, row in named if row.batch}
        self.synchronous = {name for name, row in named if row.batch or row.asynchronous is False}
        of_records = dict.fromkeys(row for row, shape in pairs if shape.records or not shape.tests)
        self.with_records = {name for name, row in named if row in of_records}
        self.record_ids = tuple(dict.fromkeys([each for row in of_records for each in row.ids]))


def _types(row: Row) -> list[str]:
    return [row.type, *[f"{envelope}-{row.type}" for envelope in row.envelopes]]


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _anything(_: Any) -> bool:
    return True


def _is(*kinds: type) -> Test:
    return lambda value: isinstance(value, kinds)


def _one_of(*words: str) -> Test:
    return lambda value: isinstance(value, str) and value in words


def _holding(part: str) -> Test:
    return lambda value: isinstance(value, str) and part in value


def _offset(record: Any) -> str | None:
    if not isinstance(record, dict):
        return None
    topic, partition, offset = record.get("topic"), record.get("partition"), record.get("offset")
    if isinstance(topic, str) and isinstance(partition, int) and isinstance(offset, int):
        return f"{topic}-{partition}@{offset}"
    return None


_OBJECT: Final = _is(dict)
_NAMES: Final = (*XRAY_NAMES, W3C_TRACE_HEADER)
_HTTP_CARRIERS: Final = ("headers", "multiValueHeaders", "body")

# In a state's input only what the author of the state machine put there names the execution: `$$`, `$$.Execution.Id`.
_EXECUTION: Final = _holding(":states:")
_CONTEXT_KEYS: Final = ("Context", "context", "$$")
_ARN_KEYS: Final = ("executionArn", "ExecutionArn", "executionId", "ExecutionId")
_DIRECT: Final = (*_NAMES, "headers", "Execution", *_CONTEXT_KEYS, "Input", "Payload")


def _api_of_authorizer(event: Any) -> str | None:
    """Return the API's id in `arn:…:API/STAGE/METHOD/PATH`: the path is the caller's."""
    arn = event["methodArn"]
    *_, resource = arn.split(":", 5) if isinstance(arn, str) and arn.startswith("arn:") else ("",)
    return resource.partition("/")[0]


def _chosen(shape: Shape) -> Shape:
    shape.chosen = True
    return shape


def _http(
    name: str,
    tests: Mapping[str, Test],
    *shapes: Shape,
    source: str = "apiId",
    method: str = "",
    route: str = "",
    asynchronous: bool | None = False,
) -> Row:
    """Return the row of a request, which is recognised by its `requestContext`."""
    known = {f"requestContext/{key}": test for key, test in tests.items()}
    first = Shape(known, source=f"requestContext/{source}")
    if method:
        first.method, first.route = tuple(method.split("/")), (route,) if route else ()
    return Row(name, first, *shapes, asynchronous=asynchronous, carriers=_HTTP_CARRIERS)


ROWS: Final = (
    Row(
        "sqs",
        Shape("aws:sqs", source="eventSourceARN", time="attributes/SentTimestamp"),
        batch=True,
        envelopes=("sns", "eventbridge", "s3"),
        ids="messageId",
        carriers=("attributes", "messageAttributes", "body"),
    ),
    Row(
        "sns",
        Shape("aws:sns", source="Sns/TopicArn", time="Sns/Timestamp"),
        asynchronous=True,
        ids="Sns/MessageId",
        carriers=("Sns",),
    ),
    # Pipes send the records of Kinesis flat. The id is the sequence number, which the sender got and which a partial
    # batch response names; `eventID` is the same behind the shard's id.
    # https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html
    Row(
        "kinesis",
        Shape(
            "aws:kinesis",
            source="eventSourceARN",
            time="kinesis/approximateArrivalTimestamp | approximateArrivalTimestamp",
        ),
        batch=True,
        ids="kinesis/sequenceNumber | sequenceNumber",
        carriers=(*_NAMES, "data"),
    ),
    Row(
        "dynamodb",
        Shape("aws:dynamodb", source="eventSourceARN", time="dynamodb/ApproximateCreationDateTime"),
        batch=True,
        ids="eventID",
        carriers=(*_NAMES, "dynamodb"),
    ),
    # Kafka and MQ send no list of records but lists by topic and partition, or by queue; pipes send a list.
    Row(
        "kafka",
        Shape("aws:kafka", source="eventSourceArn | topic", time="timestamp"),
        Shape("SelfManagedKafka", source="bootstrapServers | topic", time="timestamp"),
        Shape(
            {"eventSource": _one_of("aws:kafka", "SelfManagedKafka"), "records": _is(list, dict)},
            source="eventSourceArn | bootstrapServers",
            time="timestamp",
            records="records",
        ),
        batch=True,
        ids=_offset,
        carriers=(*_NAMES, "headers", "value"),
    ),
    Row(
        "mq",
        Shape("aws:mq", source="eventSourceArn", time="timestamp"),
        Shape("aws:amq", source="eventSourceArn", time="timestamp"),
        Shape("aws:rmq", source="eventSourceArn"),
        Shape(
            {"messages": _is(list), "eventSource": _one_of("aws:mq", "aws:amq")},
            source="eventSourceArn",
            time="timestamp",
            records="messages",
        ),
        Shape({"rmqMessagesByQueue": _OBJECT}, source="eventSourceArn", records="rmqMessagesByQueue"),
        batch=True,
        ids="messageID | basicProperties/messageId",
        carriers=(*_NAMES, "properties", "basicProperties", "data"),
    ),
    # Notifications come asynchronously, calls of Object Lambda and Batch Operations don't.
    Row(
        "s3",
        Shape("aws:s3", source="s3/bucket/arn | s3/bucket/name", time="eventTime"),
        Shape(
            {"getObjectContext": _OBJECT, "configuration/accessPointArn": _text},
            source="configuration/accessPointArn",
        ),
        Shape(
            {"tasks/0/taskId": _text, "invocationSchemaVersion": _text},
            source="tasks/0/s3BucketArn | tasks/0/s3Bucket",
        ),
        ids="responseElements/x-amz-request-id",
    ),
    # No source: the event names the recipients, who are people, and not the rule.
    Row("ses", Shape("aws:ses", time="ses/mail/timestamp"), ids="ses/mail/messageId"),
    Row(
        "firehose",
        Shape(
            {"deliveryStreamArn": _text, "records": _is(list)},
            source="deliveryStreamArn",
            time="approximateArrivalTimestamp",
            records="records",
        ),
        asynchronous=False,
        ids="recordId",
    ),
    _http("alb", {"elb": _OBJECT}, source="elb/targetGroupArn", method="httpMethod"),
    _http("websocket", {"connectionId": _text, "eventType": _one_of("CONNECT", "MESSAGE", "DISCONNECT")}),
    _http(
        "function-url",
        {"http": _OBJECT, "domainName": _holding(".lambda-url.")},
        source="domainName",
        method="requestContext/http/method",
    ),
    _http(
        "apigateway-v2",
        {"http": _OBJECT, "apiId": _text},
        method="requestContext/http/method",
        route="routeKey",
    ),
    _http(
        "apigateway",
        {"httpMethod": _text, "apiId": _text},
        Shape({"methodArn": _anything, "type": _one_of("TOKEN", "REQUEST")}, source=_api_of_authorizer),
        method="httpMethod",
        route="resource",
    ),
    Row(
        "appsync",
        Shape(
            {"requestContext/queryString": _text, "authorizationToken": _text},
            source="requestContext/apiId",
        ),
        Shape({"info/channelNamespace": _OBJECT}, source="info/channelNamespace/name"),
        Shape({"info/fieldName": _text, "info/parentTypeName": _text}, source="info/fieldName"),
        asynchronous=False,
        carriers=("request", "requestHeaders"),
    ),
    Row(
        "schedule",
        Shape(
            {"detail-type": _one_of("Scheduled Event"), "source": _one_of("aws.events", "aws.scheduler")},
            source="resources/0",
            time="time",
        ),
        asynchronous=True,
        ids="id",
        carriers=(*_NAMES, "detail"),
    ),
    Row(
        "eventbridge",
        Shape({"detail-type": _text, "source": _text}, source="source", time="time"),
        asynchronous=True,
        ids="id",
        carriers=(*_NAMES, "detail"),
    ),
    # The source, which is the log group, is inside the compressed data: `read` unpacks its beginning.
    Row("logs", Shape({"awslogs/data": _text}), asynchronous=True),
    Row(
        "cognito",
        Shape({"triggerSource": _text, "userPoolId": _text}, source="userPoolId"),
        Shape({"datasetRecords": _OBJECT, "identityPoolId": _text}, source="identityPoolId"),
        asynchronous=False,
    ),
    Row(
        "cloudformation",
        Shape({"ResponseURL": _text, "StackId": _text, "RequestType": _text}, source="StackId"),
        Shape({"transformId": _text, "templateParameterValues": _OBJECT}, source="transformId"),
        ids="RequestId | requestId",
    ),
    Row(
        "stepfunctions",
        _chosen(Shape({"Execution/Id": _EXECUTION}, source="StateMachine/Id | Execution/Id")),
        *[
            _chosen(
                Shape(
                    {f"{key}/Execution/Id": _EXECUTION},
                    source=f"{key}/StateMachine/Id | {key}/Execution/Id",
                )
            )
            for key in _CONTEXT_KEYS
        ],
        *[_chosen(Shape({key: _EXECUTION}, source=key)) for key in _ARN_KEYS],
        ids=" | ".join(("Execution/Id", *(f"{key}/Execution/Id" for key in _CONTEXT_KEYS), *_ARN_KEYS)),
        carriers=_DIRECT,
    ),
    # Any JSON value that no service gives a shape, and what nobody knows.
    Row("lambda", carriers=_DIRECT),
    Row("unknown", carriers=_HTTP_CARRIERS),
)

TABLE: Final = Table(ROWS)
