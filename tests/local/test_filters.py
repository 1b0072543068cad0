"""Filters of event sources: which records a function gets, and what becomes of the others."""

import json

import pytest

from lambda_guard.local import Cloud, LocalCloudError
from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.local.lambda_service.filtering import content
from lambda_guard.local.runtime.guardian import Guardian

ORDER = {"type": "order", "amount": 12, "tags": ["eu", "new"], "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 5}]}  # fmt: skip
PATTERNS = [
    ({"body": {"type": ["order"]}}, ORDER, True),
    ({"body": {"type": ["refund", "order"]}}, ORDER, True),
    ({"body": {"type": ["refund"]}}, ORDER, False),
    ({"body": {"amount": [{"numeric": [">", 10, "<=", 12]}]}}, ORDER, True),
    ({"body": {"amount": [{"numeric": ["<", 10]}]}}, ORDER, False),
    ({"body": {"amount": [12]}}, ORDER, True),
    ({"body": {"amount": ["12"]}}, ORDER, False),
    ({"body": {"type": [{"prefix": "ord"}]}}, ORDER, True),
    ({"body": {"type": [{"suffix": "er"}]}}, ORDER, True),
    ({"body": {"type": [{"equals-ignore-case": "ORDER"}]}}, ORDER, True),
    ({"body": {"type": [{"wildcard": "o*r"}]}}, ORDER, True),
    ({"body": {"type": [{"anything-but": ["refund"]}]}}, ORDER, True),
    ({"body": {"type": [{"anything-but": ["order"]}]}}, ORDER, False),
    ({"body": {"type": [{"anything-but": {"prefix": "ord"}}]}}, ORDER, False),
    ({"body": {"customer": [{"exists": False}]}}, ORDER, True),
    ({"body": {"customer": [{"exists": True}]}}, ORDER, False),
    ({"body": {"customer": {"id": [{"exists": False}]}}}, ORDER, True),
    ({"body": {"customer": [{"anything-but": ["x"]}]}}, ORDER, False),
    ({"body": {"tags": ["new"]}}, ORDER, True),
    ({"body": {"lines": {"sku": ["b"], "n": [{"numeric": [">", 3]}]}}}, ORDER, True),
    ({"body": {"lines": {"sku": ["a"], "n": [{"numeric": [">", 3]}]}}}, ORDER, False),
    ({"body": {"$or": [{"type": ["refund"]}, {"amount": [12]}]}}, ORDER, True),
    ({"body": {"$or": [{"type": ["refund"]}, {"amount": [13]}]}}, ORDER, False),
    ({"body": {"a.b": [1]}}, {"a.b": 1}, True),
    ({"body": {"a": {"b": [1]}}}, {"a.b": 1}, False),
    ({"body": {"x": [None]}}, {"x": None}, True),
    ({"body": {"x": [True]}}, {"x": 1}, False),
    ({"body": {"x": [1]}}, {"x": True}, False),
    ({"body": ["plain"]}, "plain", True),
    ({"body": ["plain"]}, "other", False),
    ({"body": ["plain"]}, ORDER, False),
    ({"body": {"type": ["order"]}}, "no JSON", False),
    ({"attributes": {"ApproximateReceiveCount": ["1"]}}, "no JSON", True),
    ({}, ORDER, True),
]  # fmt: skip


@pytest.fixture(scope="module")
def moto():
    """Return moto's process, alone."""
    guardian = Guardian()
    process = MotoProcess(guardian, "127.0.0.1:1", region="eu-west-1")
    yield process
    process.close()
    guardian.close()


@pytest.mark.parametrize(("pattern", "body", "passes"), PATTERNS)
def test_filters_are_patterns_of_eventbridge(moto, pattern, body, passes):
    """Each kind of rule passes what it should: JSON bodies, text, metadata, objects in arrays."""
    seen = content(body if isinstance(body, str) else json.dumps(body))
    document = {"body": seen, "attributes": {"ApproximateReceiveCount": "1"}}
    assert moto.matching([json.dumps(pattern)], [document]) == [passes]


@pytest.fixture(scope="module")
def cloud(functions, build):
    """Return a cloud with a queue and two filters."""
    criteria = {"Filters": [{"Pattern": json.dumps({"body": {"id": [each]}})} for each in "ab"]}
    events = {"Q": build.from_queue("Two", FilterCriteria=criteria)}
    template = build.template(Echo=build.function("worker.echo", events=events), Two=build.queue())
    with Cloud(template, root=functions) as cloud:
        assert not any("FilterCriteria" in warning for warning in cloud.warnings)
        yield cloud


def test_of_several_filters_one_is_enough(cloud, send):
    """A message that one filter passes is sent as it was; the others are deleted, and never invoke the function."""
    send(cloud, "Two", [{"id": each} for each in "abcabcabcc"])
    cloud.settle()

    events = [result.payload["event"]["Records"] for result in cloud.results("Echo")]
    assert sorted(json.loads(record["body"])["id"] for event in events for record in event) == list("aaabbb")
    assert all(isinstance(record["body"], str) for event in events for record in event)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("{", "Invalid JSON"),
        ('{"body": "x"}', "'body' must be an object or an array"),
        ('{"body": []}', "Empty arrays are not allowed"),
        ("[1]", "a pattern must be a JSON object"),
    ],
)
def test_a_wrong_pattern_is_refused(moto, pattern, reason):
    """A filter that isn't a pattern is an error that says what is wrong."""
    with pytest.raises(ValueError, match=reason):
        moto.matching([pattern], [])


def test_a_wrong_filter_stops_the_start(functions, build):
    """As AWS refuses the mapping, the cloud names the resource and the reason."""
    events = {"Q": build.from_queue("Queue", FilterCriteria={"Filters": [{"Pattern": "{"}]})}
    template = build.template(Echo=build.function("worker.echo", events=events), Queue=build.queue())
    with pytest.raises(LocalCloudError, match=r"resource EchoQ: FilterCriteria: .*Invalid JSON"):
        Cloud(template, root=functions)
