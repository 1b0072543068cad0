"""Templates in the manner of public ones: each is audited without a crash, and finds what the list beside it says.

The lists are of lines: rule, functions, line, what was found; `?` what isn't known; then what is silenced, with the reason.
"""

from pathlib import Path

import pytest

from lambda_guard.templates.marks import read
from lambda_guard.tools.audit.auditing import audit
from lambda_guard.tools.audit.findings import Subject
from lambda_guard.tools.audit.gathering import surveyed

from .auditing import RUNTIMES, TODAY, golden

HERE = Path(__file__).parent / "templates"
TEMPLATES = sorted(path for path in HERE.iterdir() if path.suffix in {".yaml", ".json"})


def lines(path):
    """Audit a template; return the list of what was found."""
    report = audit(Subject(survey=surveyed(path, {}), today=TODAY, runtimes=RUNTIMES))
    notes = [f"note {note}" for note in report.survey.notes]
    return [line.replace(f"{HERE}/", "").replace(str(HERE), "this folder") for line in golden(report)] + notes


@pytest.mark.parametrize("path", TEMPLATES, ids=[path.stem for path in TEMPLATES])
def test_everything_that_is_found_is_expected(path):
    """No more, no less, each at its line."""
    assert lines(path) == path.with_suffix(".txt").read_text().splitlines()


def test_there_are_many():
    """Sixty at least, of every type of event, in SAM, in plain CloudFormation and as the CDK writes it."""
    assert len(TEMPLATES) >= 60
    text = "".join(path.read_text() for path in TEMPLATES)
    for kind in (
        "SQS", "SNS", "S3", "Schedule", "ScheduleV2", "EventBridgeRule", "CloudWatchEvent", "CloudWatchLogs", "IoTRule", "Kinesis", "DynamoDB", "MSK",
        "SelfManagedKafka", "MQ", "DocumentDB", "Api", "HttpApi", "AlexaSkill", "Cognito",
    ):  # fmt: skip
        assert f"Type: {kind}\n" in text or f"Type: {kind}," in text, kind


@pytest.mark.parametrize("path", TEMPLATES, ids=[path.stem for path in TEMPLATES])
def test_a_line_is_where_its_value_is(path):
    """The line of every entry of a mapping holds its key."""
    written = read(path)
    text = path.read_text().splitlines()
    for steps, line in written.lines.items():
        if steps and isinstance(steps[-1], str) and not steps[-1].startswith("Fn::"):
            assert steps[-1] in text[line - 1] or _merged(text, steps[-1]), steps


def _merged(text, key):
    """Whether a key stands in what an anchor marks."""
    return any("&" in line for line in text) and any(key in line for line in text)
