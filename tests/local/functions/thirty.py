"""Calls more than thirty services of AWS, one operation each; the event has the names that are known only at run time."""

import functools

import boto3

from lambda_guard import production

CALLS = {
    "acm": ("list_certificates", {}),
    "athena": ("get_work_group", {"WorkGroup": "primary"}),
    "cloudformation": ("list_exports", {}),
    "cloudtrail": ("describe_trails", {}),
    "cloudwatch": (
        "put_metric_data",
        {"Namespace": "Shop", "MetricData": [{"MetricName": "Orders", "Value": 1}]},
    ),
    "comprehend": ("detect_sentiment", {"Text": "good", "LanguageCode": "en"}),
    "cognito-idp": ("describe_user_pool", {"UserPoolId": "POOL"}),
    "dynamodb": (
        "query",
        {
            "TableName": "stock",
            "KeyConditionExpression": "id = :id",
            "ExpressionAttributeValues": {":id": {"S": "1"}},
        },
    ),
    "dynamodbstreams": ("describe_stream", {"StreamArn": "STREAM"}),
    "ec2": ("describe_regions", {}),
    "ecr": ("get_authorization_token", {}),
    "events": (
        "put_events",
        {"Entries": [{"Source": "shop", "DetailType": "order", "Detail": "{}", "EventBusName": "orders"}]},
    ),
    "firehose": ("put_record", {"DeliveryStreamName": "orders", "Record": {"Data": b"x"}}),
    "iot-data": ("publish", {"topic": "shop/orders", "payload": b"x"}),
    "kinesis": ("put_record", {"StreamName": "orders", "Data": b"x", "PartitionKey": "1"}),
    "kms": ("generate_data_key", {"KeyId": "KEY", "KeySpec": "AES_256"}),
    "lambda": ("invoke", {"FunctionName": "other", "Payload": b"{}"}),
    "logs": (
        "put_log_events",
        {"logGroupName": "audit", "logStreamName": "orders", "logEvents": [{"timestamp": 1, "message": "x"}]},
    ),
    "polly": ("describe_voices", {}),
    "rds-data": (
        "execute_statement",
        {
            "resourceArn": "arn:aws:rds:eu-west-1:123456789012:cluster:shop",
            "secretArn": "SECRET",
            "sql": "select 1",
        },
    ),
    "rekognition": ("detect_labels", {"Image": {"Bytes": b"x"}}),
    "s3": ("put_object", {"Bucket": "receipts", "Key": "2026/1.txt", "Body": b"x"}),
    "secretsmanager": ("get_secret_value", {"SecretId": "token"}),
    "ses": ("get_send_quota", {}),
    "sesv2": ("list_contact_lists", {}),
    "sns": (
        "publish_batch",
        {
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:placed",
            "PublishBatchRequestEntries": [{"Id": "1", "Message": "x"}],
        },
    ),
    "sqs": ("send_message_batch", {"QueueUrl": "QUEUE", "Entries": [{"Id": "1", "MessageBody": "x"}]}),
    "ssm": ("get_parameter", {"Name": "/shop/limit"}),
    "stepfunctions": (
        "start_execution",
        {"stateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:ship"},
    ),
    "sts": ("assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/other", "RoleSessionName": "shop"}),
    "textract": ("detect_document_text", {"Document": {"Bytes": b"x"}}),
    "transcribe": ("list_transcription_jobs", {}),
}

client = functools.cache(boto3.client)


@production
def handler(event, context):
    """Make all calls, those of the services whose names begin as `first` says before the others."""
    ordered = sorted(CALLS.items(), key=lambda it: not it[0].startswith(event["first"]))
    for service, (operation, parameters) in ordered:
        names = {
            key: event[value]
            for key, value in parameters.items()
            if isinstance(value, str) and value in event
        }
        getattr(client(service), operation)(**{**parameters, **names})
    return len(CALLS)
