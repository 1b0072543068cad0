"""Every key, metric name, unit and environment variable, once.

The runtime writes these, the desk tools read them; nobody spells one out a second time.
The shapes behind the keys are in `docs/records.md`.
"""

from typing import Final

# --- Keys of every log line ------------------------------------------------------------------------------------
LEVEL: Final = "level"
LOCATION: Final = "location"
MESSAGE: Final = "message"
TIMESTAMP: Final = "timestamp"
SERVICE: Final = "service"
LOGGER_NAME: Final = "logger"
INVOCATION_ID: Final = "invocation_id"
XRAY_TRACE_ID: Final = "xray_trace_id"
FUNCTION_NAME: Final = "function_name"
FUNCTION_VERSION: Final = "function_version"
COLD_START: Final = "cold_start"
MESSAGE_ID: Final = "message_id"
MESSAGE_IDS: Final = "message_ids"
EXCEPTION: Final = "exception"
EXCEPTION_NAME: Final = "exception_name"
EXCEPTION_NOTES: Final = "exception_notes"
STACK_TRACE: Final = "stack_trace"
LINE_KEYS: Final = (INVOCATION_ID, XRAY_TRACE_ID, FUNCTION_NAME, FUNCTION_VERSION, COLD_START)

# --- Keys of the invocation record -----------------------------------------------------------------------------
RECORD: Final = "record"
RECORD_INVOCATION: Final = "invocation"
OUTCOME: Final = "outcome"
TRIGGER: Final = "trigger"
TRIGGER_TYPE: Final = "type"
TRIGGER_SOURCE: Final = "source"
TRIGGER_RECORDS: Final = "records"
SPAN_ID: Final = "span_id"
PARENT_ID: Final = "parent_id"
TRACE_ID: Final = "traceId"  # the name that CloudWatch Logs indexes by default
LAMBDA_TRACE_ID: Final = "lambda_trace_id"  # the function's own trace, where another one was adopted
UPSTREAMS: Final = "upstreams"
UPSTREAMS_MORE: Final = "upstreams_more"
SENT: Final = "sent"
SENT_MORE: Final = "sent_more"
CALLS: Final = "calls"
CALLS_MORE: Final = "calls_more"
RECORDS: Final = "records"
ATTEMPT: Final = "attempt"
FINAL_ATTEMPT: Final = "final_attempt"
MAX_RECEIVE_COUNT: Final = "max_receive_count"  # on the WARNING that an event is given up
QUEUE: Final = "queue"
ERROR: Final = "error"
STUCK: Final = "stuck"  # of an invocation that is about to be cut off
STUCK_STACK: Final = "stack"
STUCK_CALLS: Final = "calls"
STUCK_TASKS: Final = "tasks"
STUCK_THREADS: Final = "threads"
TIMEOUT_WARNED: Final = "timeout_warned"  # a record of outcome `timeout` went before this one
DURATION_MS: Final = "duration_ms"
REMAINING_MS: Final = "remaining_ms"
MEMORY_USED_MB: Final = "memory_used_mb"
MEMORY_LIMIT_MB: Final = "memory_limit_mb"
CPU_MS: Final = "cpu_ms"
INIT_MS: Final = "init_ms"

UPSTREAMS_MOST: Final = 20
MESSAGE_IDS_MOST: Final = 100
SENT_MOST: Final = 50
CALLS_MOST: Final = 100
FAILED_RECORDS_MOST: Final = 100
# Records of a batch that have documents of their own; failed ones have the same again.
RECORD_SPANS_MOST: Final = 100

# --- Outcomes --------------------------------------------------------------------------------------------------
SUCCESS: Final = "success"
FAILURE: Final = "error"
TIMEOUT: Final = "timeout"
TIMEOUT_TYPE: Final = "Timeout"  # in the place of an exception's type
SKIPPED: Final = "skipped"  # a record of a batch that wasn't begun: one before it failed, or the time ran out

# --- Triggers --------------------------------------------------------------------------------------------------
TRIGGERS: Final = (
    "sqs",
    "sns",
    "sns-sqs",
    "eventbridge",
    "eventbridge-sqs",
    "schedule",
    "kinesis",
    "dynamodb",
    "s3",
    "s3-sqs",
    "apigateway",
    "apigateway-v2",
    "websocket",
    "function-url",
    "alb",
    "lambda",
    "stepfunctions",
    "kafka",
    "mq",
    "firehose",
    "logs",
    "cognito",
    "appsync",
    "iot",
    "cloudformation",
    "codepipeline",
    "ses",
    "unknown",
)
QUEUE_TRIGGERS: Final = frozenset({"sqs", "sns-sqs", "eventbridge-sqs", "s3-sqs"})
BATCH_TRIGGERS: Final = QUEUE_TRIGGERS | {"kinesis", "dynamodb", "kafka", "mq"}

# --- Metrics: name → unit --------------------------------------------------------------------------------------
PERCENT: Final = "Percent"
COUNT: Final = "Count"
MILLISECONDS: Final = "Milliseconds"
MEMORY_UTILIZATION: Final = "MemoryUtilization"
CPU_UTILIZATION: Final = "CpuUtilization"
ERRORS: Final = "Errors"
TIMEOUTS: Final = "Timeouts"
COLD_STARTS: Final = "ColdStarts"
RECORD_COUNT: Final = "Records"
RECORD_FAILURES: Final = "RecordFailures"
FINAL_ATTEMPTS: Final = "FinalAttempts"
GUARD_ERRORS: Final = "GuardErrors"
MESSAGE_AGE: Final = "MessageAge"
INVOCATIONS: Final = "Invocations"
DURATION: Final = "Duration"
UNITS: Final = {
    MEMORY_UTILIZATION: PERCENT,
    CPU_UTILIZATION: PERCENT,
    ERRORS: COUNT,
    TIMEOUTS: COUNT,
    COLD_STARTS: COUNT,
    RECORD_COUNT: COUNT,
    RECORD_FAILURES: COUNT,
    FINAL_ATTEMPTS: COUNT,
    GUARD_ERRORS: COUNT,
    MESSAGE_AGE: MILLISECONDS,
    INVOCATIONS: COUNT,
    DURATION: MILLISECONDS,
}
DEFAULT_NAMESPACE: Final = "LambdaGuard"
EMF: Final = "_aws"
EMF_METRICS_MOST: Final = 100
EMF_VALUES_MOST: Final = 100
EMF_DIMENSIONS_MOST: Final = 30

# --- Environment: ours -----------------------------------------------------------------------------------------
ENV_SERVICE: Final = "LAMBDA_GUARD_SERVICE"
ENV_NAMESPACE: Final = "LAMBDA_GUARD_NAMESPACE"
ENV_LOG_LEVEL: Final = "LAMBDA_GUARD_LOG_LEVEL"
ENV_METRICS: Final = "LAMBDA_GUARD_METRICS"
ENV_CAPTURE_PRINT: Final = "LAMBDA_GUARD_CAPTURE_PRINT"
ENV_TRACING: Final = "LAMBDA_GUARD_TRACING"
ENV_DISABLED: Final = "LAMBDA_GUARD_DISABLED"
ENV_MAX_RECEIVE_COUNT: Final = "LAMBDA_GUARD_MAX_RECEIVE_COUNT"

# --- Environment: Powertools' and Lambda's ---------------------------------------------------------------------
ENV_PT_SERVICE: Final = "POWERTOOLS_SERVICE_NAME"
ENV_PT_NAMESPACE: Final = "POWERTOOLS_METRICS_NAMESPACE"
ENV_PT_LOG_LEVEL: Final = "POWERTOOLS_LOG_LEVEL"
ENV_PT_TRACE_DISABLED: Final = "POWERTOOLS_TRACE_DISABLED"
ENV_AWS_LOG_LEVEL: Final = "AWS_LAMBDA_LOG_LEVEL"
ENV_FUNCTION_NAME: Final = "AWS_LAMBDA_FUNCTION_NAME"
ENV_FUNCTION_VERSION: Final = "AWS_LAMBDA_FUNCTION_VERSION"
ENV_MEMORY_SIZE: Final = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
ENV_INITIALIZATION_TYPE: Final = "AWS_LAMBDA_INITIALIZATION_TYPE"
ENV_TRACE_HEADER: Final = "_X_AMZN_TRACE_ID"
ENV_DAEMON_ADDRESS: Final = "AWS_XRAY_DAEMON_ADDRESS"

# --- Trace propagation -----------------------------------------------------------------------------------------
HTTP_TRACE_HEADER: Final = "X-Amzn-Trace-Id"
SQS_TRACE_ATTRIBUTE: Final = "AWSTraceHeader"
W3C_TRACE_HEADER: Final = "traceparent"
