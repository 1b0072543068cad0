"""Every key, metric name, unit and environment variable, once.

The runtime writes these and the command-line tools read them; no other module spells them out.
The structure of their values is described in `docs/records.md`.
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
FUNCTION_ARN: Final = "function_arn"
FUNCTION_NAME: Final = "function_name"
FUNCTION_VERSION: Final = "function_version"
COLD_START: Final = "cold_start"
WORKER_PID: Final = "worker_pid"  # on Managed Instances, where several processes share an environment
MESSAGE_ID: Final = "message_id"
MESSAGE_IDS: Final = "message_ids"
EXCEPTION: Final = "exception"
EXCEPTION_NAME: Final = "exception_name"
EXCEPTION_NOTES: Final = "exception_notes"
STACK_INFO: Final = "stack_info"
STACK_TRACE: Final = "stack_trace"  # {type, value, module, frames: [{file, line, function}], exceptions}
VALUE: Final = "value"
MODULE: Final = "module"
FRAMES: Final = "frames"
FILE: Final = "file"
LINE: Final = "line"
FUNCTION: Final = "function"
EXCEPTIONS: Final = "exceptions"
LOST_LINES: Final = "lost_lines"  # how many a full standard output didn't take
AT: Final = "at"  # the frames of a failure of ours; the position of a thread
SAMPLING_RATE: Final = "sampling_rate"
TRUNCATED: Final = "truncated"  # the line was too long for a log event and was cut
# The keys under which log lines name their invocation: ours, Powertools', those of Lambda's JSON log format.
ID_KEYS: Final = (
    INVOCATION_ID, "function_request_id", "requestId", "AWSRequestId", "aws_request_id", "awsRequestId"
)  # fmt: skip
LINE_KEYS: Final = (INVOCATION_ID, XRAY_TRACE_ID, FUNCTION_NAME, FUNCTION_VERSION, COLD_START, WORKER_PID)

# --- Keys of the invocation record -----------------------------------------------------------------------------
RECORD: Final = "record"
RECORD_INVOCATION: Final = "invocation"
RECORD_INIT: Final = "init"  # of the zero-code entry
OUTCOME: Final = "outcome"
DURABLE: Final = "durable"  # {execution, name, replay}
EXECUTION: Final = "execution"
EXECUTION_NAME: Final = "name"
REPLAY: Final = "replay"  # of a line, too: a replay repeats it
SEVERITY_TEXT: Final = "severityText"  # the level again, under a name that is indexed like `traceId` below
TENANT_ID: Final = "tenant_id"
HTTP: Final = "http"  # {method, route, status}
METHOD: Final = "method"
ROUTE: Final = "route"
STATUS: Final = "status"
TRIGGER: Final = "trigger"  # {type, source, records}
TYPE: Final = "type"
SOURCE: Final = "source"
# In `trigger` a number; for a batch {total, failed, failures: [{message_id, attempt, outcome, error}]}.
RECORDS: Final = "records"
TOTAL: Final = "total"
FAILED: Final = "failed"
FAILURES: Final = "failures"
SPAN_ID: Final = "span_id"
PARENT_ID: Final = "parent_id"
# Indexed by default: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutIndexPolicy.html
TRACE_ID: Final = "traceId"
LAMBDA_TRACE_ID: Final = "lambda_trace_id"  # the function's own trace, if another one was adopted
UPSTREAMS: Final = "upstreams"  # [{trace_id, parent_id, message_ids}]
UPSTREAM_TRACE_ID: Final = "trace_id"
UPSTREAMS_MORE: Final = "upstreams_more"
SENT: Final = "sent"  # [{service, operation, target, message_id, span_id}]
OPERATION: Final = "operation"
TARGET: Final = "target"
SENT_MORE: Final = "sent_more"
CALLS: Final = "calls"  # [{service, operation, resource, …, count, errors, denied}]; in `stuck`, with for_ms
RESOURCE: Final = "resource"
CALL_REGION: Final = "region"
CALL_ACCOUNT: Final = "account"
CALL_KIND: Final = "kind"
CALL_INDEX: Final = "index"
CALL_SECRET: Final = "secret"  # noqa: S105 - the name of a key
CALL_QUALIFIER: Final = "qualifier"
CALL_CONSUMER: Final = "consumer"
CALL_PRESIGNED: Final = "presigned"
CALL_COUNT: Final = "count"
CALL_ERRORS: Final = "errors"
DENIED: Final = "denied"  # {count, action, resource, deny, policy_type, policy, authorization_id}
DENIED_ACTION: Final = "action"
DENIED_BY: Final = "deny"  # `explicit` or `implicit`
DENIED_POLICY_TYPE: Final = "policy_type"
DENIED_POLICY: Final = "policy"
AUTHORIZATION_ID: Final = "authorization_id"
CALLS_UNNAMED: Final = "calls_unnamed"  # the operator has resources left out
FOR_MS: Final = "for_ms"
CALLS_MORE: Final = "calls_more"
ATTEMPT: Final = "attempt"
FINAL_ATTEMPT: Final = "final_attempt"
MAX_RECEIVE_COUNT: Final = "max_receive_count"  # in the WARNING that an event is given up
QUEUE: Final = "queue"
ERROR: Final = "error"  # {type, message, fingerprint, stack}
FINGERPRINT: Final = "fingerprint"
STACK: Final = "stack"
STUCK: Final = (
    "stuck"  # for an invocation that is about to be killed: {stack, calls, tasks, threads: [{name, at}]}
)
TASKS: Final = "tasks"
THREADS: Final = "threads"
THREAD_NAME: Final = "name"
TIMEOUT_WARNED: Final = "timeout_warned"  # a record with outcome `timeout` was written before this one
OVERRUN: Final = "overrun"  # {outcome, ms}: what came of an invocation that went on after its deadline
OVERRUN_MS: Final = "ms"
DURATION_MS: Final = "duration_ms"
REMAINING_MS: Final = "remaining_ms"
MEMORY_USED_MB: Final = "memory_used_mb"
MEMORY_LIMIT_MB: Final = "memory_limit_mb"
CPU_MS: Final = "cpu_ms"
INIT_MS: Final = "init_ms"
TRIGGER_TYPE: Final = "trigger_type"  # the dimension `trigger`, since `trigger` itself is an object
# The top-level keys of a log line or an invocation record; all other keys are nested in these.
TOP_KEYS: Final = frozenset((
    LEVEL, LOCATION, MESSAGE, TIMESTAMP, SERVICE, LOGGER_NAME, *LINE_KEYS, MESSAGE_ID, MESSAGE_IDS, EXCEPTION,
    EXCEPTION_NAME, EXCEPTION_NOTES, STACK_INFO, STACK_TRACE, AT, TRUNCATED, RECORD, OUTCOME, SEVERITY_TEXT, TRIGGER,
    SPAN_ID, PARENT_ID, TRACE_ID, LAMBDA_TRACE_ID, UPSTREAMS, UPSTREAMS_MORE, SENT, SENT_MORE, CALLS, CALLS_MORE,
    RECORDS, ATTEMPT, FINAL_ATTEMPT, MAX_RECEIVE_COUNT, QUEUE, ERROR, STUCK, TIMEOUT_WARNED, OVERRUN, DURATION_MS,
    REMAINING_MS, MEMORY_USED_MB, MEMORY_LIMIT_MB, CPU_MS, INIT_MS, TRIGGER_TYPE, TENANT_ID, HTTP, DURABLE, REPLAY,
    SAMPLING_RATE, LOST_LINES, FUNCTION_ARN, CALLS_UNNAMED,
))  # fmt: skip

UPSTREAMS_MOST: Final = 20
MESSAGE_IDS_MOST: Final = 100
SENT_MOST: Final = 50
CALLS_MOST: Final = 100
FAILED_RECORDS_MOST: Final = 100
# Batch items that get documents of their own; this many more for failed ones.
RECORD_SPANS_MOST: Final = 100

SERVER_ERROR_LEAST: Final = 500  # from this status on it's the server that failed: RFC 9110, 15.6

# --- Outcomes --------------------------------------------------------------------------------------------------
SUCCESS: Final = "success"
FAILURE: Final = "error"
TIMEOUT: Final = "timeout"
SUSPENDED: Final = "suspended"  # a durable function waits: a later invocation goes on
NO_FAILURE: Final = (SUCCESS, SUSPENDED)
TIMEOUT_TYPE: Final = "Timeout"  # in place of an exception's type
SKIPPED: Final = "skipped"  # a batch item that wasn't started: one before it failed, or time ran out

# --- Metrics: name → unit --------------------------------------------------------------------------------------
PERCENT: Final = "Percent"
COUNT: Final = "Count"
MILLISECONDS: Final = "Milliseconds"
MEMORY_UTILIZATION: Final = "MemoryUtilization"
CPU_UTILIZATION: Final = "CpuUtilization"
ERRORS: Final = "Errors"
TIMEOUTS: Final = "Timeouts"
COLD_STARTS: Final = "ColdStarts"
INIT_DURATION: Final = "InitDuration"
RECORD_COUNT: Final = "Records"
RECORD_FAILURES: Final = "RecordFailures"
FINAL_ATTEMPTS: Final = "FinalAttempts"
SERVER_ERRORS: Final = "ServerErrors"
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
    INIT_DURATION: MILLISECONDS,
    RECORD_COUNT: COUNT,
    RECORD_FAILURES: COUNT,
    FINAL_ATTEMPTS: COUNT,
    SERVER_ERRORS: COUNT,
    GUARD_ERRORS: COUNT,
    MESSAGE_AGE: MILLISECONDS,
    INVOCATIONS: COUNT,
    DURATION: MILLISECONDS,
}
DEFAULT_NAMESPACE: Final = "LambdaGuard"
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
# {Timestamp, CloudWatchMetrics: [{Namespace, Dimensions, Metrics: [{Name, Unit, StorageResolution}]}]}
EMF: Final = "_aws"
EMF_TIMESTAMP: Final = "Timestamp"
EMF_DIRECTIVES: Final = "CloudWatchMetrics"
EMF_NAMESPACE: Final = "Namespace"
EMF_DIMENSIONS: Final = "Dimensions"
EMF_METRICS: Final = "Metrics"
EMF_NAME: Final = "Name"
EMF_UNIT: Final = "Unit"
EMF_RESOLUTION: Final = "StorageResolution"
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
ENV_HANDLER: Final = "LAMBDA_GUARD_HANDLER"  # read by `lambda_guard_handler`, which imports nothing
ENV_EXEC_WRAPPER: Final = "LAMBDA_GUARD_EXEC_WRAPPER"  # read by the layer's script
ENV_MAX_RECEIVE_COUNT: Final = "LAMBDA_GUARD_MAX_RECEIVE_COUNT"
ENV_REPLAYED_LINES: Final = "LAMBDA_GUARD_REPLAYED_LINES"
ENV_CALL_RESOURCES: Final = "LAMBDA_GUARD_CALL_RESOURCES"

# --- Environment: Powertools' and Lambda's ---------------------------------------------------------------------
ENV_PT_SERVICE: Final = "POWERTOOLS_SERVICE_NAME"
ENV_PT_NAMESPACE: Final = "POWERTOOLS_METRICS_NAMESPACE"
ENV_PT_LOG_LEVEL: Final = "POWERTOOLS_LOG_LEVEL"
ENV_PT_SAMPLE_RATE: Final = "POWERTOOLS_LOGGER_SAMPLE_RATE"
ENV_PT_LOG_EVENT: Final = "POWERTOOLS_LOGGER_LOG_EVENT"
ENV_PT_OLD_LOG_LEVEL: Final = "LOG_LEVEL"
ENV_PT_TRACE_DISABLED: Final = "POWERTOOLS_TRACE_DISABLED"
ENV_AWS_LOG_LEVEL: Final = "AWS_LAMBDA_LOG_LEVEL"
ENV_FUNCTION_NAME: Final = "AWS_LAMBDA_FUNCTION_NAME"
ENV_LOG_GROUP: Final = "AWS_LAMBDA_LOG_GROUP_NAME"
ENV_LOG_STREAM: Final = "AWS_LAMBDA_LOG_STREAM_NAME"
ENV_FUNCTION_VERSION: Final = "AWS_LAMBDA_FUNCTION_VERSION"
ENV_MEMORY_SIZE: Final = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
ENV_REGION: Final = "AWS_REGION"
ENV_INITIALIZATION_TYPE: Final = "AWS_LAMBDA_INITIALIZATION_TYPE"
SNAP_START: Final = "snap-start"
MANAGED_INSTANCES: Final = "lambda-managed-instances"
ENV_TRACE_HEADER: Final = "_X_AMZN_TRACE_ID"
ENV_DAEMON_ADDRESS: Final = "AWS_XRAY_DAEMON_ADDRESS"
ENV_XRAY_ENABLED: Final = "AWS_XRAY_SDK_ENABLED"

# --- Environment: OpenTelemetry's ------------------------------------------------------------------------------
# https://opentelemetry.io/docs/specs/otel/protocol/exporter/
ENV_OTEL_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
ENV_OTEL_TRACES_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
ENV_OTEL_PROTOCOL: Final = "OTEL_EXPORTER_OTLP_PROTOCOL"
ENV_OTEL_TRACES_PROTOCOL: Final = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
ENV_OTEL_HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"
ENV_OTEL_TRACES_HEADERS: Final = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
ENV_OTEL_SERVICE: Final = "OTEL_SERVICE_NAME"
ENV_OTEL_RESOURCE: Final = "OTEL_RESOURCE_ATTRIBUTES"
ENV_OTEL_SAMPLER: Final = "OTEL_TRACES_SAMPLER"

DURABLE_SDK: Final = "aws_durable_execution_sdk_python"

# --- Trace propagation -----------------------------------------------------------------------------------------
HTTP_TRACE_HEADER: Final = "X-Amzn-Trace-Id"
SQS_TRACE_ATTRIBUTE: Final = "AWSTraceHeader"
W3C_TRACE_HEADER: Final = "traceparent"

# --- X-Ray documents: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html ------------
SEGMENT_NAME: Final = "name"
SEGMENT_ID: Final = "id"
SEGMENT_TRACE_ID: Final = "trace_id"
SEGMENT_PARENT_ID: Final = "parent_id"
SEGMENT_TYPE: Final = "type"
SUBSEGMENT: Final = "subsegment"
SEGMENT_NAMESPACE: Final = "namespace"
SEGMENT_START_TIME: Final = "start_time"
SEGMENT_END_TIME: Final = "end_time"
SEGMENT_IN_PROGRESS: Final = "in_progress"
SEGMENT_ANNOTATIONS: Final = "annotations"
UPSTREAM_TRACE: Final = "upstream_trace_id"  # annotation of the function's own trace
SEGMENT_METADATA: Final = "metadata"
SEGMENT_LEFT_OUT: Final = "left_out_for_size"  # in our metadata
SEGMENT_SUBSEGMENTS: Final = "subsegments"
SEGMENT_LINKS: Final = "links"
SEGMENT_FAULT: Final = "fault"
SEGMENT_THROTTLE: Final = "throttle"
SEGMENT_HTTP: Final = "http"
SEGMENT_RESPONSE: Final = "response"
SEGMENT_STATUS: Final = "status"
SEGMENT_SQL: Final = "sql"
SEGMENT_AWS: Final = "aws"
SEGMENT_REGION: Final = "region"
SEGMENT_REQUEST_ID: Final = "request_id"
SEGMENT_RETRIES: Final = "retries"
# {working_directory, exceptions: [{id, type, message, remote, stack: [{path, line, label}], cause}]}
SEGMENT_CAUSE: Final = "cause"
SEGMENT_WORKING_DIRECTORY: Final = "working_directory"
SEGMENT_REMOTE: Final = "remote"
SEGMENT_PATH: Final = "path"
SEGMENT_LABEL: Final = "label"
