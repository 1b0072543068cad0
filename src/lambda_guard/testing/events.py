"""Sample events for testing functions: the event of each of Lambda's triggers.

```python
from lambda_guard.testing import events

def test_a_batch_of_two():
    handler(events.sqs({"order_id": "o-1"}, {"order_id": "o-2"}), context)
```

Each call returns a new dict of plain JSON values in the form that AWS documents, with the same ids and times
in every run. Fields without a parameter can be changed in the dict. A direct invocation needs no factory: any
JSON value will do.
"""

from lambda_guard.testing._bus_events import eventbridge, eventbridge_in_sqs, s3, s3_in_sqs, schedule
from lambda_guard.testing._queue_events import sns, sns_in_sqs, sqs
from lambda_guard.testing._request_events import alb, api_gateway, appsync, function_url, http_api, websocket
from lambda_guard.testing._service_events import (
    cloudformation,
    codepipeline,
    cognito,
    iot,
    ses,
    step_functions,
)
from lambda_guard.testing._stream_events import dynamodb, firehose, kafka, kinesis, logs, mq

__all__ = [
    "alb",
    "api_gateway",
    "appsync",
    "cloudformation",
    "codepipeline",
    "cognito",
    "dynamodb",
    "eventbridge",
    "eventbridge_in_sqs",
    "firehose",
    "function_url",
    "http_api",
    "iot",
    "kafka",
    "kinesis",
    "logs",
    "mq",
    "s3",
    "s3_in_sqs",
    "schedule",
    "ses",
    "sns",
    "sns_in_sqs",
    "sqs",
    "step_functions",
    "websocket",
]
