"""An HTTP API (API Gateway v2, a function URL): a client's mistake is an answer, ours is an exception."""

import json

from lambda_guard import current_invocation, logger, metrics, production


@production(service="orders", dimensions=("function_version",))
def handler(event, context):
    try:
        order = json.loads(event["body"])
        items = order["items"]
    except (KeyError, TypeError, ValueError) as error:
        logger.warning("order refused", reason=type(error).__name__)
        return answer(400, message="an order has items")
    metrics.add_metric(name="OrdersPlaced", unit="Count", value=1)
    logger.info("order placed", items=len(items))
    return answer(202, id=current_invocation().invocation_id)


def answer(status, **body):
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
