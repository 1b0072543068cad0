"""The alarms of a fleet, as a table: what each one watches, when it rings, what it means, and what to run first.

Lambda's own metrics: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html and
https://docs.aws.amazon.com/lambda/latest/dg/durable-monitoring.html; of queues and topics:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html and
https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from lambda_guard import _names

Severity = Literal["page", "ticket"]
"""`page` wakes somebody; `ticket` is read in the morning."""
Missing = Literal["notBreaching", "breaching", "missing", "ignore"]

OURS: Final = ""
"""The namespace of a row that watches a metric of lambda_guard's: each function may have one of its own."""
LAMBDA: Final = "AWS/Lambda"
SQS: Final = "AWS/SQS"
SNS: Final = "AWS/SNS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One alarm.

    Attributes:
        name: of the alarm and, in CloudFormation, its logical id.
        namespace: `OURS` or AWS's.
        statistic: of Metrics Insights: `SUM`, `MAX`, `AVG`.
        schema: the dimensions of the metric, all of them: Metrics Insights matches exactly this set.
        group_by: the dimension that makes each function, queue or topic a contributor; None for the one metric that
            covers a whole Region.
        threshold: the alarm rings above it.
        unit: of the threshold, for people.
        period: seconds.
        datapoints: how many of `periods` must be above the threshold.
        constant: whether the metric is written by every invocation; others cost nothing until they happen.
        meaning: what has happened, in a sentence.
        first: the command to run first.
    """

    name: str
    namespace: str
    metric: str
    statistic: str = "SUM"
    schema: tuple[str, ...]
    group_by: str | None
    threshold: float = 0
    unit: str = ""
    period: int = 60
    datapoints: int = 1
    periods: int = 1
    missing: Missing = "notBreaching"
    severity: Severity
    constant: bool = False
    meaning: str
    first: str


_FAILED: Final = "lambda-guard invocations --function NAME --failed --since 1h"
_SHOWN: Final = "lambda-guard invocations --function NAME --since 1h"


_ours: Final = partial(
    Row,
    namespace=OURS,
    schema=(_names.FUNCTION_NAME, _names.SERVICE),
    group_by=_names.FUNCTION_NAME,
    severity="page",
    first=_FAILED,
)
_lambda: Final = partial(
    Row, namespace=LAMBDA, schema=("FunctionName",), group_by="FunctionName", severity="page", first=_FAILED
)

FLEET: Final = (
    _lambda(
        name="Errors",
        metric="Errors",
        meaning="invocations fail, also of functions without lambda_guard, and those that were killed for their memory",
        datapoints=3,
        periods=5,
        constant=True,
    ),
    _lambda(
        name="Throttles",
        metric="Throttles",
        meaning="invocations are refused: the function's reserved concurrency, or the account's, is used up",
        datapoints=3,
        periods=5,
        constant=True,
        first="lambda-guard invocations --function NAME --since 1h (what holds the environments so long?)",
    ),
    _ours(
        name="Timeouts",
        metric=_names.TIMEOUTS,
        meaning="an invocation ran into its timeout; the record has the line it was stuck at",
    ),
    _ours(
        name="FinalAttempts",
        metric=_names.FINAL_ATTEMPTS,
        meaning="a message failed for the last time and goes to the dead-letter queue",
        first="lambda-guard dlq list QUEUE",
    ),
    _ours(
        name="RecordFailures",
        metric=_names.RECORD_FAILURES,
        meaning="records of batches fail one by one, which AWS/Lambda's Errors doesn't count",
        severity="ticket",
        datapoints=2,
        periods=2,
    ),
    _ours(
        name="ServerErrors",
        metric=_names.SERVER_ERRORS,
        meaning="requests are answered with a status from 500 on, though the invocations succeed",
        datapoints=3,
        periods=5,
    ),
    _ours(
        name="Memory",
        metric=_names.MEMORY_UTILIZATION,
        meaning="memory is nearly used up: at 100 % Lambda kills the process",
        severity="ticket",
        statistic="MAX",
        threshold=85,
        unit="%",
        period=300,
        datapoints=3,
        periods=3,
        constant=True,
        first=_SHOWN,
    ),
    _ours(
        name="Cpu",
        metric=_names.CPU_UTILIZATION,
        meaning="the function computes all the time that it runs: more memory brings more CPU, and may cost less",
        severity="ticket",
        statistic="AVG",
        threshold=90,
        unit="%",
        period=300,
        datapoints=3,
        periods=3,
        constant=True,
        first=_SHOWN,
    ),
    _ours(
        name="MessageAge",
        metric=_names.MESSAGE_AGE,
        meaning="messages wait long before they are processed, those included that come again and again",
        severity="ticket",
        statistic="MAX",
        threshold=900_000,
        unit="ms",
        datapoints=3,
        periods=3,
        first=_SHOWN,
    ),
    _ours(
        name="ColdStarts",
        metric=_names.INIT_DURATION,
        meaning="cold starts have become slow",
        severity="ticket",
        statistic="MAX",
        threshold=5_000,
        unit="ms",
        period=300,
        datapoints=3,
        periods=3,
        first="lambda-guard invocations --function NAME --where cold_start=true --since 1h",
    ),
    _ours(
        name="GuardErrors",
        metric=_names.GUARD_ERRORS,
        meaning="a part of lambda_guard failed; outcomes are the same, but something isn't recorded",
        severity="ticket",
        first="lambda-guard invocations --function NAME --where logger=lambda_guard --since 1h",
    ),
    _lambda(
        name="IteratorAge",
        metric="IteratorAge",
        meaning="a stream's consumer is late, or stuck at a record that keeps failing",
        statistic="MAX",
        threshold=60_000,
        unit="ms",
        datapoints=3,
        periods=3,
    ),
    _lambda(
        name="AsyncEventsDropped",
        metric="AsyncEventsDropped",
        meaning="events were dropped after their last attempt; "
        "without a dead-letter queue or destination they are lost",
    ),
    _lambda(
        name="DestinationDeliveryFailures",
        metric="DestinationDeliveryFailures",
        meaning="what failed couldn't be handed to its destination: "
        "look at the function's permissions and at size limits",
    ),
    _lambda(
        name="DeadLetterErrors",
        metric="DeadLetterErrors",
        meaning="what failed couldn't be sent to the dead-letter queue: look at the function's permissions",
    ),
    _lambda(
        name="DurableExecutionsFailed",
        metric="DurableExecutionFailed",
        meaning="durable executions failed",
    ),
    _lambda(
        name="DurableExecutionsTimedOut",
        metric="DurableExecutionTimedOut",
        meaning="durable executions ran into their timeout",
    ),
    Row(
        name="DeliveriesFailed",
        namespace=SNS,
        metric="NumberOfNotificationsFailed",
        schema=("TopicName",),
        group_by="TopicName",
        severity="page",
        meaning="messages of a topic reach no subscriber: permissions, a deleted queue or an endpoint that is down",
        first="aws sns list-subscriptions-by-topic --topic-arn ARN",
    ),
    Row(
        name="Concurrency",
        namespace=LAMBDA,
        metric="ClaimedAccountConcurrency",
        statistic="MAX",
        schema=(),
        group_by=None,
        threshold=800,
        unit="executions at once, of 1,000 where the quota wasn't raised",
        datapoints=3,
        periods=3,
        constant=True,
        severity="page",
        meaning="the account's concurrency is nearly used up: soon every function is throttled",
        first="aws lambda get-account-settings",
    ),
)
"""The alarms that need no name of a function, queue or topic."""

DEAD_LETTERS: Final = Row(
    name="DeadLetters",
    namespace=SQS,
    metric="ApproximateNumberOfMessagesVisible",
    statistic="MAX",
    schema=("QueueName",),
    group_by="QueueName",
    datapoints=2,
    periods=2,
    constant=True,
    severity="page",
    meaning="messages lie in a dead-letter queue, where nobody processes them, until they expire",
    first="lambda-guard dlq list QUEUE",
)
"""Of the dead-letter queues, which must be named: nothing in a queue's metrics says what it is for."""

QUEUE_AGE: Final = Row(
    name="QueueAge",
    namespace=SQS,
    metric="ApproximateAgeOfOldestMessage",
    statistic="MAX",
    schema=("QueueName",),
    group_by="QueueName",
    threshold=900,
    unit="s",
    datapoints=3,
    periods=3,
    constant=True,
    severity="page",
    meaning="a queue isn't emptied: its consumer is off, throttled or too slow",
    first=_SHOWN,
)
"""Of the queues that functions read. One received three times doesn't count here; `MessageAge` has it."""

TRAFFIC: Final = Row(
    name="Traffic",
    namespace=LAMBDA,
    metric="Invocations",
    schema=(),
    group_by=None,
    unit="standard deviations",
    threshold=3,
    period=300,
    datapoints=3,
    periods=3,
    missing="breaching",
    constant=True,
    severity="ticket",
    meaning="the Region has far more or far fewer invocations than usual at this hour, or none at all",
    first="lambda-guard invocations --since 1h",
)
"""Anomaly detection: the threshold is the width of its band."""
