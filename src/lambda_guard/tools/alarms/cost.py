"""What alarms cost a month, in US dollars.

Prices of us-east-1 from https://aws.amazon.com/cloudwatch/pricing/: an alarm costs by the metrics that it looks at; one
on a Metrics Insights query by those that the query matches; anomaly detection looks at three.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

METRIC: Final = 0.10
_OF_BAND: Final = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars a month.

    Attributes:
        least: if nothing happens but invocations: metrics of what happens seldom aren't there.
        most: if each of them is there for each function in every hour.
    """

    least: float
    most: float


def of(resources: dict[str, Any], constant: Collection[str], functions: int) -> Cost:
    """Return what the alarms of a template cost.

    Args:
        resources: of the template.
        constant: the logical ids of alarms whose metrics every function has.
        functions: how many there are in the Region; queues with a tag, and topics, are taken for as many.
    """
    least = most = 0.0
    for logical_id, resource in resources.items():
        metrics = resource["Properties"].get("Metrics")
        if metrics is None:
            least, most = least + METRIC, most + METRIC
        elif len(metrics) > 1:
            least, most = least + _OF_BAND * METRIC, most + _OF_BAND * METRIC
        else:
            most += functions * METRIC
            least += functions * METRIC if logical_id in constant else 0
    return Cost(least, most)
