"""What a rule's target gets of an event."""

import json

import pytest

from lambda_guard.local.aws.event_input import target_input

EVENT = {
    "source": "shop",
    "detail-type": "Ordered",
    "detail": {"id": 'o"1', "n": 2, "lines": [{"sku": "a"}], "a-b": None},
}


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ({}, json.dumps(EVENT)),
        ({"Input": '{"x": 1}'}, '{"x": 1}'),
        ({"InputPath": "$.detail.n"}, "2"),
        ({"InputPath": "$.detail.lines[0].sku"}, '"a"'),
        ({"InputPath": "$['detail-type']"}, '"Ordered"'),
        ({"InputPath": "$.detail-type"}, '"Ordered"'),
        ({"InputPath": "$.detail.a-b"}, "null"),
        ({"InputPath": "$.detail.nothing[3]"}, "null"),
    ],
)
def test_a_target_gets_the_event_a_part_or_a_constant(target, sent):
    """A path leads through objects and lists, names with hyphens included; where it leads nowhere, there is null."""
    assert target_input(target, EVENT, {}) == sent


@pytest.mark.parametrize(
    ("template", "sent"),
    [
        ('{"id": <id>, "n": <n>}', '{"id": "o\\"1", "n": 2}'),
        ('{"text": "order <id>, <n> of <lines>"}', '{"text": "order o\\"1, 2 of [{\\"sku\\": \\"a\\"}]"}'),
        ('"order <id>"', '"order o\\"1"'),
        ('{"a": "\\"<n>\\"", "b": <n>}', '{"a": "\\"2\\"", "b": 2}'),
        ('{"gone": <gone>, "text": "<gone>."}', '{"gone": null, "text": "."}'),
        ('{"rule": <aws.events.rule-name>, "tag": "<b>"}', '{"rule": "R", "tag": "<b>"}'),
    ],
)
def test_a_template_takes_variables_as_json_or_as_text(template, sent):
    """By itself a variable is JSON; within quotes it is text, escaped; one that leads nowhere isn't there."""
    paths = {"id": "$.detail.id", "n": "$.detail.n", "lines": "$.detail.lines", "gone": "$.detail.gone"}
    target = {"InputTransformer": {"InputPathsMap": paths, "InputTemplate": template}}
    made = target_input(target, EVENT, {"aws.events.rule-name": "R"})
    assert made == sent
    json.loads(made)
