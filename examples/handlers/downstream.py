"""Calls to AWS: each is a subsegment of the trace; what is sent on carries the trace with it."""

import json
import os

import boto3

from lambda_guard import logger, production

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
sqs = boto3.client("sqs")


@production(service="orders")
def handler(event, context):
    order = {"id": event["id"], "state": "placed"}
    table.put_item(Item=order)
    sent = sqs.send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=json.dumps(order))
    logger.info("order stored and sent on", order_id=order["id"], message_id=sent["MessageId"])
    return order
