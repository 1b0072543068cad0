from lambda_guard import logger, production


@production(service="orders")
def handler(event, context):
    logger.info("order accepted", order_id=event["id"])
    return {"id": event["id"]}
