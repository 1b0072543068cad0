"""After a version got all traffic: the deployment fails if it had none while the alarms looked on."""

import os
import time
from datetime import UTC, datetime, timedelta

import boto3

from lambda_guard import logger, production

LONGEST = timedelta(hours=3)  # Linear10PercentEvery10Minutes takes an hour and a half
ASKED, PAUSE = 4, float(os.environ.get("PAUSE_SECONDS", "30"))  # a metric may be minutes late
codedeploy, cloudwatch = boto3.client("codedeploy"), boto3.client("cloudwatch")


@production
def handler(event, context):
    status = "Failed"  # also where a check can't be made: CodeDeploy would wait for an hour
    try:
        if os.environ["SHIFTING"] == "AllAtOnce" or had_traffic():
            status = "Succeeded"
        else:
            version = os.environ["NEW_VERSION"]
            logger.error("the new version saw no traffic: no alarm could have been red", version=version)
    finally:
        codedeploy.put_lifecycle_event_hook_execution_status(
            deploymentId=event["DeploymentId"],
            lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
            status=status,
        )


def had_traffic():
    for number in range(ASKED):
        if number:
            time.sleep(PAUSE)
        if invocations():
            return True
    return False


def invocations():
    """Count those that came through the alias while it shared its traffic; samples come past it, and don't count.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    """
    name, now = os.environ["FUNCTION"], datetime.now(UTC)
    dimensions = {
        "FunctionName": name,
        "Resource": f"{name}:{os.environ['ALIAS']}",
        "ExecutedVersion": os.environ["NEW_VERSION"],
    }
    found = cloudwatch.get_metric_statistics(
        Namespace="AWS/Lambda", MetricName="Invocations", Statistics=["Sum"], Period=60,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - LONGEST, EndTime=now,
    )  # fmt: skip
    return sum(point["Sum"] for point in found["Datapoints"])
