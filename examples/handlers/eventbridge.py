"""An event from a bus: what happened stands in `detail`, and what kind of thing in `detail-type`."""

from lambda_guard import logger, metrics, production


@production(service="warehouse")
def handler(event, context):
    detail = event["detail"]
    with metrics.single_metric(name="Restocked", unit="Count", value=detail["count"]) as metric:
        metric.add_dimension(name="warehouse", value=detail["warehouse"])
    logger.info("restocked", kind=event["detail-type"], sku=detail["sku"], count=detail["count"])
    return {"sku": detail["sku"]}
