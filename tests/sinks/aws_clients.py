"""Clients of AWS's services whose requests go nowhere: each gets the answer that a test gives it."""

import io
import json

import botocore.config
import botocore.session
from botocore.awsrequest import AWSResponse

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"
ITEM = {"id": {"S": "secret"}}
ENTRIES = [{"Id": "1", "MessageBody": "secret"}, {"Id": "2", "MessageBody": "secret"}]
IDS = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": "r-1", "x-amz-request-id": "r-1"}
SNS = "<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></PublishResponse>"
REFUSAL = {"__type": "Refused", "message": "no"}

# Service, operation, parameters, and the body of the answer.
CALLS = {
    "SQS SendMessage": (
        "sqs",
        "SendMessage",
        {"QueueUrl": QUEUE, "MessageBody": "secret", "DelaySeconds": 5},
        {"MessageId": "m-1"},
    ),
    "SQS SendMessageBatch": (
        "sqs",
        "SendMessageBatch",
        {"QueueUrl": QUEUE, "Entries": ENTRIES},
        {"Successful": [{"Id": "1", "MessageId": "m-1"}], "Failed": [{"Id": "2", "Code": "no"}]},
    ),
    "SQS ReceiveMessage": (
        "sqs",
        "ReceiveMessage",
        {"QueueUrl": QUEUE, "MaxNumberOfMessages": 2, "WaitTimeSeconds": 1},
        {"Messages": [{"MessageId": "m-1", "Body": "secret"}]},
    ),
    "SQS DeleteMessage": ("sqs", "DeleteMessage", {"QueueUrl": QUEUE, "ReceiptHandle": "secret"}, {}),
    "SNS Publish": ("sns", "Publish", {"TopicArn": TOPIC, "Message": "secret"}, SNS),
    "DynamoDB PutItem": ("dynamodb", "PutItem", {"TableName": "orders", "Item": ITEM}, {}),
    "DynamoDB GetItem": (
        "dynamodb",
        "GetItem",
        {"TableName": "orders", "Key": ITEM, "ConsistentRead": True},
        {},
    ),
    "DynamoDB Query": (
        "dynamodb",
        "Query",
        {
            "TableName": "orders",
            "IndexName": "by-day",
            "Limit": 3,
            "ScanIndexForward": False,
            "Select": "COUNT",
            "KeyConditionExpression": "id = :id",
            "ExpressionAttributeValues": {":id": {"S": "secret"}},
        },
        {"Count": 0},
    ),
    "DynamoDB Scan": (
        "dynamodb",
        "Scan",
        {"TableName": "orders", "Segment": 0, "TotalSegments": 2},
        {"Count": 1, "ScannedCount": 2},
    ),
    "DynamoDB ListTables": ("dynamodb", "ListTables", {"Limit": 5}, {"TableNames": ["a", "b"]}),
    "S3 GetObject": ("s3", "GetObject", {"Bucket": "photos", "Key": "secret"}, "secret"),
    "S3 PutObject": ("s3", "PutObject", {"Bucket": "photos", "Key": "secret", "Body": b"secret"}, ""),
    "S3 DeleteObject": ("s3", "DeleteObject", {"Bucket": "photos", "Key": "secret"}, ""),
    "Lambda Invoke": (
        "lambda",
        "Invoke",
        {
            "FunctionName": "billing",
            "InvocationType": "RequestResponse",
            "Qualifier": "live",
            "Payload": b"secret",
        },
        {},
    ),
}


def answered_sqs():
    """Make a client of SQS that sends nothing: `.sent` has the requests, `.answer` the status and body of what they get."""
    client = botocore.session.Session().create_client(
        "sqs", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.answer = 200, b'{"MessageId":"m-1","MD5OfMessageBody":"0cc175b9c0f1b6a831c399e269772661"}'
    client.sent = []

    def answer(request, **_):
        client.sent.append(request)
        status, body = client.answer
        return AWSResponse(request.url, status, IDS, _Raw(body))

    client.meta.events.register("before-send.sqs", answer)
    return client


class Clients:
    """One client for each service, made when it is first asked for."""

    def __init__(self):
        self._made = {}
        self.status, self.body = 200, ""

    def __getitem__(self, service):
        if service not in self._made:
            self._made[service] = botocore.session.Session().create_client(
                service,
                region_name="eu-west-1",
                aws_access_key_id="a",
                aws_secret_access_key="b",
                config=botocore.config.Config(retries={"total_max_attempts": 1}),
            )
            self._made[service].meta.events.register(f"before-send.{service}", self._answer)
        return self._made[service]

    def call(self, name, status=200):
        """Make a call of `CALLS`, which is answered with this status."""
        service, operation, parameters, body = CALLS[name]
        body = body if status < 400 else REFUSAL if not isinstance(body, str) else ""
        self.status, self.body = status, body if isinstance(body, str) else json.dumps(body)
        return self[service]._make_api_call(operation, parameters)

    def _answer(self, request, **_):
        headers = IDS | ({"x-amz-id-2": "second"} if ".s3." in request.url else {})
        return AWSResponse(request.url, self.status, headers, _Raw(self.body.encode()))


class _Raw(io.BytesIO):
    """An answer's body, as urllib3 has it."""

    def stream(self, **_):
        yield self.read()
