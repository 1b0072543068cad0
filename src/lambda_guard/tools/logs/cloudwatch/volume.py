"""How much log groups hold of a time: what Logs Insights would scan, which is what it costs by."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from lambda_guard.tools.aws import CloudError, explained
from lambda_guard.tools.logs.cloudwatch.groups import LogGroup

_HOUR: Final = 3_600
_DAY: Final = 86_400
_POINTS_MOST: Final = 1_440
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html."""


def ingested(cloudwatch: Any, groups: Sequence[LogGroup], window_ms: tuple[float, float]) -> float:
    """Return the bytes that log groups took in, uncompressed: at least what is there, for some may have expired.

    `IncomingBytes`, https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html

    Raises:
        CloudError: that can't be known: AWS refuses, or a group is in another account, whose metrics are there.
    """
    begin, end = (ms / 1_000 for ms in window_ms)
    period = _HOUR if (end - begin) / _HOUR < _POINTS_MOST - 2 else _DAY
    since, until = begin // period * period, -(-end // period) * period
    size = 0.0
    for group in groups:
        if group.arn:
            raise CloudError(f"the size of the log group {group.arn} isn't known: it is in another account")
        with explained(f"ask for the size of the log group {group.name}"):
            answer = cloudwatch.get_metric_statistics(
                Namespace="AWS/Logs",
                MetricName="IncomingBytes",
                Dimensions=[{"Name": "LogGroupName", "Value": group.name}],
                StartTime=datetime.fromtimestamp(since, UTC),
                EndTime=datetime.fromtimestamp(until, UTC),
                Period=period,
                Statistics=["Sum"],
            )
            size += sum(point["Sum"] for point in answer["Datapoints"])
    return size
