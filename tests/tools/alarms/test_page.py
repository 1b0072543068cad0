"""docs/alarms.md has the alarms as they are made."""

from pathlib import Path

from lambda_guard.tools.alarms.catalogue import DEAD_LETTERS, FLEET, OURS, QUEUE_AGE, TRAFFIC

PAGE = Path(__file__).parents[3] / "docs" / "alarms.md"


def line(row):
    """Return the row as the page has it."""
    namespace = "LambdaGuard" if row.namespace == OURS else row.namespace
    unit = f" {row.unit}" if row.unit else ""
    how = f"{row.datapoints} of {row.periods} × {row.period} s"  # noqa: RUF001 - as people write it
    watched = f"`{namespace}` `{row.metric}` ({row.statistic})"
    return f"| {row.name} | {watched} | {row.threshold:,g}{unit} | {how} | {row.severity} | {row.meaning} |"


def test_the_table_of_the_page_is_that_of_the_code():
    """A reader who trusts the page has the right threshold."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("| alarm | watches | rings above | in | severity | it means |") + 2
    assert lines[start : lines.index("", start)] == [
        line(row) for row in (*FLEET, DEAD_LETTERS, QUEUE_AGE, TRAFFIC)
    ]
