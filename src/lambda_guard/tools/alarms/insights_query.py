"""The part of CloudWatch Metrics Insights that alarms use: one SELECT, with SCHEMA, WHERE, GROUP BY.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-metrics-insights-querylanguage.html
"""

import re
from dataclasses import dataclass
from typing import Final

from lambda_guard.tools.alarms.metric_math import UnreadError
from lambda_guard.tools.alarms.series import Dimensions, Sample, Series

_NAME: Final = r'(?:"[^"]+"|[A-Za-z_][\w.:/#-]*)'
_QUERY: Final = re.compile(
    rf"""\s*SELECT\s+(?P<function>AVG|COUNT|MAX|MIN|SUM)\s*\(\s*(?P<metric>{_NAME})\s*\)
    \s+FROM\s+(?:SCHEMA\s*\(\s*(?P<schema>{_NAME}(?:\s*,\s*{_NAME})*)\s*\)|(?P<namespace>{_NAME}))
    (?:\s+WHERE\s+(?P<where>.+?))?
    (?:\s+GROUP\s+BY\s+(?P<keys>{_NAME}(?:\s*,\s*{_NAME})*))?
    (?:\s+ORDER\s+BY\s+(?:AVG|COUNT|MAX|MIN|SUM)\s*\(\s*\)(?:\s+(?:ASC|DESC))?)?
    (?:\s+LIMIT\s+\d+)?\s*""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_CONDITION: Final = re.compile(
    rf"\s*(?P<key>{_NAME}(?:\.{_NAME})?)\s*(?P<operator>!?=)\s*'(?P<value>[^']*)'\s*"
)
_STATISTICS: Final = {
    "AVG": "Average",
    "COUNT": "SampleCount",
    "MAX": "Maximum",
    "MIN": "Minimum",
    "SUM": "Sum",
}


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read.

    Attributes:
        statistic: as metric statistics are named: `Sum`, `Maximum` …
        schema: the dimensions that a series must have, and no others; None for any.
        conditions: (dimension, whether equal or not, value).
        keys: the dimensions whose values make the contributors.
    """

    statistic: str
    metric: str
    namespace: str
    schema: frozenset[str] | None
    conditions: tuple[tuple[str, bool, str], ...]
    keys: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> "Query":
        """Read a query.

        Raises:
            UnreadError: it is none, or asks for tags, which logs don't have.
        """
        found = _QUERY.fullmatch(text)
        if found is None:
            raise UnreadError(f"the query isn't read here: {text.strip()}")
        names = [_bare(it) for it in re.findall(_NAME, found["schema"] or found["namespace"])]
        return cls(
            _STATISTICS[found["function"].upper()],
            _bare(found["metric"]),
            names[0],
            frozenset(names[1:]) if found["schema"] else None,
            tuple(map(_condition, re.split(r"\s+AND\s+", found["where"], flags=re.IGNORECASE)))
            if found["where"]
            else (),
            tuple(_bare(it) for it in re.findall(_NAME, found["keys"] or "")),
        )

    def contributors(self, series: Series) -> dict[str, list[Sample]]:
        """Return the samples of each contributor, by the values of its keys."""
        found: dict[str, list[Sample]] = {}
        for dimensions, samples in series.samples.get((self.namespace, self.metric), {}).items():
            if self._takes(dimensions):
                told = dict(dimensions)
                found.setdefault(", ".join(told[key] for key in self.keys), []).extend(samples)
        return found

    def _takes(self, dimensions: Dimensions) -> bool:
        told = dict(dimensions)
        if self.schema is not None and self.schema != told.keys():
            return False
        if not all(key in told for key in self.keys):
            return False
        return all((told.get(key) == value) is equal for key, equal, value in self.conditions)


def _condition(text: str) -> tuple[str, bool, str]:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise UnreadError(f"the condition isn't read here: {text}")
    if found["key"].lower().startswith(("tag.", "aws.")):
        raise UnreadError("logs don't have the tags of resources")
    return _bare(found["key"]), found["operator"] == "=", found["value"]


def _bare(name: str) -> str:
    return name.strip('"')
