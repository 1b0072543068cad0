"""What the events of each trigger look like, as data: one row a shape.

Shapes as in https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html and the pages that it links to.
A further trigger is a further row; the rows' order is the order in which they are tried.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

Path = tuple[str | int, ...]
Test = Callable[[Any], bool]


class RecordRow(NamedTuple):
    """How the records of one event source look; recognised by `eventSource` of the first record.

    Attributes:
        type: the trigger's type, one of `_names.TRIGGERS`.
        source: where the ARN or name of the source stands in a record: the first path that leads to text.
        time: where the time stands at which a record was handed over: the first path that leads somewhere.
    """

    type: str
    source: tuple[Path, ...] = ()
    time: tuple[Path, ...] = ()


class ShapeRow(NamedTuple):
    """How an event without such records looks.

    Attributes:
        type: the trigger's type, one of `_names.TRIGGERS`.
        mark: the top-level key without which the row isn't looked at.
        tests: what must hold at which path.
        source: where the ARN or name of the source stands, as in `RecordRow`.
        time: where the time stands at which the event came about, if the event is one message.
        records: where a list of records stands, or a dict of such lists; `time` is looked for in them then.
    """

    type: str
    mark: str
    tests: tuple[tuple[Path, Test], ...] = ()
    source: tuple[Path, ...] = ()
    time: tuple[Path, ...] = ()
    records: Path = ()


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _array(value: Any) -> bool:
    return isinstance(value, list)


def _array_or_object(value: Any) -> bool:
    return isinstance(value, list | dict)


def _one_of(*words: str) -> Test:
    return lambda value: isinstance(value, str) and value in words


def _holding(part: str) -> Test:
    return lambda value: isinstance(value, str) and part in value


_ARN: Final = ("eventSourceARN",)
_EXECUTION: Final = _holding(":states:")

# By `eventSource` (SNS: `EventSource`). EventBridge Pipes hand the same records over as a bare list, where
# those of Kinesis lie flat.
RECORD_ROWS: Final = {
    "aws:sqs": RecordRow("sqs", (_ARN,), (("attributes", "SentTimestamp"),)),
    "aws:sns": RecordRow("sns", (("Sns", "TopicArn"),), (("Sns", "Timestamp"),)),
    "aws:kinesis": RecordRow(
        "kinesis",
        (_ARN,),
        (("kinesis", "approximateArrivalTimestamp"), ("approximateArrivalTimestamp",)),
    ),
    "aws:dynamodb": RecordRow("dynamodb", (_ARN,), (("dynamodb", "ApproximateCreationDateTime"),)),
    "aws:s3": RecordRow("s3", (("s3", "bucket", "arn"), ("s3", "bucket", "name")), (("eventTime",),)),
    # No source: the event names the recipients, who are people, and not the rule.
    "aws:ses": RecordRow("ses", (), (("ses", "mail", "timestamp"),)),
    "aws:kafka": RecordRow("kafka", (("eventSourceArn",), ("topic",)), (("timestamp",),)),
    "SelfManagedKafka": RecordRow("kafka", (("bootstrapServers",), ("topic",)), (("timestamp",),)),
    "aws:mq": RecordRow("mq", (("eventSourceArn",),), (("timestamp",),)),
    "aws:amq": RecordRow("mq", (("eventSourceArn",),), (("timestamp",),)),
    "aws:rmq": RecordRow("mq", (("eventSourceArn",),)),
}

# Under which the context object or the ARN of the execution commonly goes into a state's input.
_CONTEXT_KEYS: Final = ("Context", "context", "$$")
_ARN_KEYS: Final = ("executionArn", "ExecutionArn", "executionId", "ExecutionId")

_REQUEST: Final = "requestContext"
_API: Final = ((_REQUEST, "apiId"),)

SHAPE_ROWS: Final = (
    # --- HTTP ---------------------------------------------------------------------------------------------
    ShapeRow("alb", _REQUEST, (((_REQUEST, "elb"), _object),), ((_REQUEST, "elb", "targetGroupArn"),)),
    ShapeRow(
        "websocket",
        _REQUEST,
        (
            ((_REQUEST, "connectionId"), _text),
            ((_REQUEST, "eventType"), _one_of("CONNECT", "MESSAGE", "DISCONNECT")),
        ),
        _API,
    ),
    ShapeRow(
        "function-url",
        _REQUEST,
        (((_REQUEST, "http"), _object), ((_REQUEST, "domainName"), _holding(".lambda-url."))),
        ((_REQUEST, "domainName"),),
    ),
    ShapeRow("apigateway-v2", _REQUEST, (((_REQUEST, "http"), _object), ((_REQUEST, "apiId"), _text)), _API),
    ShapeRow("apigateway", _REQUEST, (((_REQUEST, "httpMethod"), _text), ((_REQUEST, "apiId"), _text)), _API),
    ShapeRow("apigateway", "methodArn", ((("type",), _one_of("TOKEN", "REQUEST")),), (("methodArn",),)),
    ShapeRow(
        "appsync", _REQUEST, (((_REQUEST, "queryString"), _text), (("authorizationToken",), _text)), _API
    ),
    # VPC Lattice: an AWS event without a type of its own.
    ShapeRow("unknown", _REQUEST, (((_REQUEST, "serviceArn"), _text),), ((_REQUEST, "serviceArn"),)),
    # --- Events -------------------------------------------------------------------------------------------
    ShapeRow(
        "schedule",
        "detail-type",
        (
            (("detail-type",), _one_of("Scheduled Event")),
            (("source",), _one_of("aws.events", "aws.scheduler")),
        ),
        (("resources", 0),),
        (("time",),),
    ),
    ShapeRow(
        "eventbridge",
        "detail-type",
        ((("detail-type",), _text), (("source",), _text)),
        (("source",),),
        (("time",),),
    ),
    # --- Batches that aren't lists of records -------------------------------------------------------------
    ShapeRow(
        "kafka",
        "eventSource",
        ((("eventSource",), _one_of("aws:kafka", "SelfManagedKafka")), (("records",), _array_or_object)),
        (("eventSourceArn",), ("bootstrapServers",)),
        (("timestamp",),),
        ("records",),
    ),
    ShapeRow(
        "mq",
        "messages",
        ((("eventSource",), _one_of("aws:mq", "aws:amq")), (("messages",), _array)),
        (("eventSourceArn",),),
        (("timestamp",),),
        ("messages",),
    ),
    ShapeRow(
        "mq",
        "rmqMessagesByQueue",
        ((("rmqMessagesByQueue",), _object),),
        (("eventSourceArn",),),
        records=("rmqMessagesByQueue",),
    ),
    ShapeRow(
        "firehose",
        "deliveryStreamArn",
        ((("deliveryStreamArn",), _text), (("records",), _array)),
        (("deliveryStreamArn",),),
        (("approximateArrivalTimestamp",),),
        ("records",),
    ),
    # The source, which is the log group, is inside the compressed data: `_trigger` unpacks its beginning.
    ShapeRow("logs", "awslogs", ((("awslogs", "data"), _text),)),
    # --- Services that call -------------------------------------------------------------------------------
    ShapeRow(
        "cognito",
        "triggerSource",
        ((("triggerSource",), _text), (("userPoolId",), _text)),
        (("userPoolId",),),
    ),
    ShapeRow(
        "cognito",
        "datasetRecords",
        ((("identityPoolId",), _text), (("datasetRecords",), _object)),
        (("identityPoolId",),),
    ),
    ShapeRow(
        "appsync", "info", ((("info", "channelNamespace"), _object),), (("info", "channelNamespace", "name"),)
    ),
    ShapeRow(
        "appsync",
        "info",
        ((("info", "fieldName"), _text), (("info", "parentTypeName"), _text)),
        (("info", "fieldName"),),
    ),
    ShapeRow(
        "cloudformation",
        "ResponseURL",
        ((("ResponseURL",), _text), (("StackId",), _text), (("RequestType",), _text)),
        (("StackId",),),
    ),
    ShapeRow(
        "cloudformation",
        "transformId",
        ((("transformId",), _text), (("templateParameterValues",), _object)),
        (("transformId",),),
    ),
    ShapeRow("codepipeline", "CodePipeline.job", ((("CodePipeline.job",), _object),)),
    ShapeRow(
        "s3",
        "getObjectContext",
        ((("getObjectContext",), _object), (("configuration", "accessPointArn"), _text)),
        (("configuration", "accessPointArn"),),
    ),
    ShapeRow(
        "s3",
        "tasks",
        ((("invocationSchemaVersion",), _text), (("tasks", 0, "taskId"), _text)),
        (("tasks", 0, "s3BucketArn"), ("tasks", 0, "s3Bucket")),
    ),
    # --- IoT: what it sends of itself; a topic rule sends the bare payload, which is like a direct invocation
    ShapeRow(
        "iot",
        "templateArn",
        ((("templateArn",), _holding(":iot:")), (("certificateId",), _text)),
        (("templateArn",),),
    ),
    ShapeRow("iot", "protocolData", ((("protocolData",), _object), (("connectionMetadata",), _object))),
    ShapeRow(
        "iot",
        "thingName",
        ((("operation",), _text), (("eventType",), _holding("THING_"))),
        (("thingName",),),
    ),
    ShapeRow(
        "iot",
        "principalIdentifier",
        ((("clientId",), _text), (("eventType",), _text)),
        (("clientId",),),
    ),
    ShapeRow("iot", "clickType", ((("clickType",), _text), (("serialNumber",), _text)), (("serialNumber",),)),
    # --- Step Functions: only where the state's input names the execution (`$$`, `$$.Execution.Id`) -------
    ShapeRow(
        "stepfunctions",
        "Execution",
        ((("Execution", "Id"), _EXECUTION),),
        (("StateMachine", "Id"), ("Execution", "Id")),
    ),
    *(
        ShapeRow(
            "stepfunctions",
            mark,
            (((mark, "Execution", "Id"), _EXECUTION),),
            ((mark, "StateMachine", "Id"), (mark, "Execution", "Id")),
        )
        for mark in _CONTEXT_KEYS
    ),
    *(ShapeRow("stepfunctions", mark, (((mark,), _EXECUTION),), ((mark,),)) for mark in _ARN_KEYS),
)

# Where the ARN of an execution may stand in a state's input.
EXECUTION_ARNS: Final[tuple[Path, ...]] = (
    ("Execution", "Id"),
    *((mark, "Execution", "Id") for mark in _CONTEXT_KEYS),
    *((mark,) for mark in _ARN_KEYS),
)

# Types that have no row: `lambda` is what matches none, the others are read from the envelope in an SQS body.
ROWLESS: Final = ("lambda", "sns-sqs", "eventbridge-sqs", "s3-sqs")

# The keys that make a look at the rows worth while: an event without any of them was sent by a person's code.
MARKS: Final = frozenset(row.mark for row in SHAPE_ROWS) | {"Records"}
