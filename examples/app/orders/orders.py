"""Takes an order over HTTP and tells the others."""

import json
import os

import boto3

from lambda_guard import logger, metrics, production

sns = boto3.client("sns")


@production
def handler(event, context):
    order = json.loads(event["body"])
    logger.append_keys(order_id=order["id"])
    published = sns.publish(TopicArn=os.environ["TOPIC_ARN"], Message=json.dumps(order))
    metrics.add_metric(name="OrdersPlaced", unit="Count", value=1)
    logger.info("order placed", items=len(order["items"]))
    return {"statusCode": 202, "body": json.dumps({"id": order["id"], "message": published["MessageId"]})}
