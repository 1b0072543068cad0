"""Triggers that few functions have: each is told by its own row, and costs the others nothing."""

import json
import subprocess
import sys

import pytest

from lambda_guard import production
from lambda_guard.propagation.extract import extract
from lambda_guard.propagation.header import parse
from lambda_guard.testing import capture, events, make_context
from lambda_guard.trigger.rare import RARE
from lambda_guard.trigger.read import Request, Trigger, read_trigger
from lambda_guard.trigger.table import RARE_MARKS, TABLE

PERSON = "ann@example.com"
ACCOUNT = "arn:aws:{}:eu-west-1:123456789012:{}"
UPSTREAM = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=4c721bf33e3caf8f;Sampled=1"
LATTICE = {
    "version": "2.0",
    "path": f"/people/{PERSON}",
    "method": "GET",
    "headers": {"x-amzn-trace-id": [UPSTREAM]},
    "requestContext": {
        "serviceNetworkArn": ACCOUNT.format("vpc-lattice", "servicenetwork/sn-0bf3f2882e9cc805a"),
        "serviceArn": ACCOUNT.format("vpc-lattice", "service/svc-0a40eebed65f8d69c"),
        "targetGroupArn": ACCOUNT.format("vpc-lattice", "targetgroup/tg-6d0ecf831eec9f09"),
        "identity": {"principal": PERSON},
    },
}
SKILL = {"application": {"applicationId": "amzn1.ask.skill.0"}, "user": {"userId": PERSON}}
BOT = {"id": "B1", "name": "orders", "version": "1"}
AGENT = {"name": "orders", "id": "A1", "alias": "prod", "version": "1"}
USER_REQUEST = {"url": f"https://s3.example/{PERSON}", "headers": {"Authorization": PERSON}}
POINT = ACCOUNT.format("s3-object-lambda", "accesspoint/orders")
EVENTS = {
    "codecommit": (
        {
            "Records": [
                {
                    "eventSource": "aws:codecommit",
                    "eventSourceARN": ACCOUNT.format("codecommit", "orders"),
                    "eventTime": "2025-11-25T15:04:05.135+0000",
                    "eventId": "31ade2c7-f889-47c5-a937-1cf99e2790e9",
                    "userIdentityARN": PERSON,
                    "codecommit": {"references": [{"ref": f"refs/heads/{PERSON}"}]},
                }
            ]
        },
        Trigger("codecommit", ACCOUNT.format("codecommit", "orders"), 1, None, 1_764_083_045_135),
    ),
    "cloudfront": (
        {
            "Records": [
                {
                    "cf": {
                        "config": {"distributionId": "EDFDVBD6EXAMPLE", "eventType": "viewer-request"},
                        "request": {"uri": f"/{PERSON}", "method": "GET"},
                    }
                }
            ]
        },
        Trigger("cloudfront", "EDFDVBD6EXAMPLE"),
    ),
    "vpc-lattice": (
        LATTICE,
        Trigger("vpc-lattice", LATTICE["requestContext"]["serviceArn"], http=Request("GET", None, "2.0")),
    ),
    "vpc-lattice 1.0": (
        {
            "raw_path": f"/{PERSON}?a=b",
            "method": "PUT",
            "headers": {},
            "body": "",
            "is_base64_encoded": False,
        },
        Trigger("vpc-lattice", http=Request("PUT", None, None)),
    ),
    "apigateway without the id": (
        {
            "resource": "/a/{id}",
            "path": f"/a/{PERSON}",
            "httpMethod": "GET",
            "requestContext": {"stage": "p"},
        },
        Trigger("apigateway", http=Request("GET", "/a/{id}", None)),
    ),
    "apigateway-v2 without the id": (
        {
            "version": "2.0",
            "routeKey": "GET /a/{id}",
            "rawPath": f"/a/{PERSON}",
            "requestContext": {"http": {"method": "GET", "path": f"/a/{PERSON}"}},
        },
        Trigger("apigateway-v2", http=Request("GET", "/a/{id}", "2.0")),
    ),
    **{
        context: (
            {
                context: {"inputS3Url": PERSON},
                "configuration": {"accessPointArn": POINT},
                "userRequest": USER_REQUEST,
            },
            Trigger("s3", POINT),
        )
        for context in ("headObjectContext", "listObjectsContext", "listObjectsV2Context")
    },
    "appsync of Amplify": (
        {"typeName": "Query", "fieldName": "order", "arguments": {"id": PERSON}, "identity": {"sub": PERSON}},
        Trigger("appsync", "order"),
    ),
    "config": (
        {
            "invokingEvent": json.dumps(
                {"messageType": "ConfigurationItemChangeNotification", "who": PERSON}
            ),
            "configRuleArn": ACCOUNT.format("config", "config-rule/config-rule-0123456"),
            "resultToken": "secret",
        },
        Trigger("config", ACCOUNT.format("config", "config-rule/config-rule-0123456")),
    ),
    "cloudwatch-alarm": (
        {
            "source": "aws.cloudwatch",
            "alarmArn": ACCOUNT.format("cloudwatch", "alarm:orders"),
            "time": "2025-11-25T15:04:05.135+0000",
            "alarmData": {"alarmName": "orders", "state": {"value": "ALARM", "reason": PERSON}},
        },
        Trigger("cloudwatch-alarm", ACCOUNT.format("cloudwatch", "alarm:orders"), 1, None, 1_764_083_045_135),
    ),
    "secretsmanager": (
        {
            "Step": "createSecret",
            "SecretId": ACCOUNT.format("secretsmanager", "secret:orders-a1b2c3"),
            "ClientRequestToken": "0d17d6a4-efeb-46f3-b3ab-a63741badeb8",
        },
        Trigger("secretsmanager", ACCOUNT.format("secretsmanager", "secret:orders-a1b2c3")),
    ),
    "secretsmanager of somebody": (
        {"Step": "setSecret", "SecretId": f"mail/{PERSON}", "ClientRequestToken": "t"},
        Trigger("secretsmanager"),
    ),
    "codedeploy": (
        {"DeploymentId": "d-H3PAB64GQ", "LifecycleEventHookExecutionId": "eyJl"},
        Trigger("codedeploy", "d-H3PAB64GQ"),
    ),
    "lex": (
        {
            "messageVersion": "1.0",
            "invocationSource": "DialogCodeHook",
            "sessionId": PERSON,
            "inputTranscript": PERSON,
            "bot": BOT,
        },
        Trigger("lex", "orders"),
    ),
    "lex 1": (
        {
            "messageVersion": "1.0",
            "invocationSource": "FulfillmentCodeHook",
            "userId": PERSON,
            "bot": BOT,
            "currentIntent": {},
        },
        Trigger("lex", "orders"),
    ),
    "alexa": (
        {
            "version": "1.0",
            "session": {"sessionId": PERSON, **SKILL},
            "context": {"System": SKILL},
            "request": {"type": "LaunchRequest"},
        },
        Trigger("alexa", "amzn1.ask.skill.0"),
    ),
    "alexa outside of a session": (
        {"context": {"System": SKILL}, "request": {"type": "AudioPlayer.PlaybackStarted"}},
        Trigger("alexa", "amzn1.ask.skill.0"),
    ),
    "alexa at home": (
        {
            "directive": {
                "header": {"namespace": "Alexa.Discovery", "name": "Discover", "messageId": "m"},
                "payload": {"scope": {"type": "BearerToken", "token": PERSON}},
            }
        },
        Trigger("alexa"),
    ),
    "connect": (
        {
            "Name": "ContactFlowEvent",
            "Details": {
                "ContactData": {
                    "CustomerEndpoint": {"Address": "+46701234567", "Type": "TELEPHONE_NUMBER"},
                    "InstanceARN": ACCOUNT.format("connect", "instance/c8c0e68d-2200-4265-82c0-000000000001"),
                },
                "Parameters": {"who": PERSON},
            },
        },
        Trigger("connect", ACCOUNT.format("connect", "instance/c8c0e68d-2200-4265-82c0-000000000001")),
    ),
    "bedrock-agent": (
        {
            "messageVersion": "1.0",
            "agent": AGENT,
            "actionGroup": "orders",
            "function": "find",
            "inputText": PERSON,
            "sessionId": PERSON,
        },
        Trigger("bedrock-agent", "orders"),
    ),
    "iot 1-Click": (
        {
            "deviceEvent": {"buttonClicked": {"clickType": "SINGLE"}},
            "deviceInfo": {"deviceId": "G030PM0", "attributes": {"who": PERSON}},
            "placementInfo": {"placementName": PERSON},
        },
        Trigger("iot", "G030PM0"),
    ),
    "iot of somebody": (events.iot(PERSON), Trigger("iot")),
    "iot presence": (
        {"clientId": PERSON, "eventType": "connected", "principalIdentifier": PERSON},
        Trigger("iot"),
    ),
    "iot": (events.iot(), Trigger("iot", "thermometer-1")),
    "codepipeline": (events.codepipeline(), Trigger("codepipeline")),
}


@pytest.mark.parametrize("name", EVENTS)
def test_each_event_is_told_and_named_without_a_word_of_its_content(name):
    """Type and source are told; nobody's address, path, id or text is in what is written."""
    event, trigger = EVENTS[name]
    assert read_trigger(event) == trigger
    with capture() as captured:
        production(lambda event, context: {"statusCode": 200})(event, make_context())
    said = captured.record["trigger"]
    assert (said["type"], said["source"]) == (trigger.type, trigger.source)
    assert not any(each in captured.output for each in (PERSON, "+4670", 'secret"', "eyJl"))
    assert "GuardErrors" not in captured.record


def test_every_row_is_asked_for():
    """The table knows the marks of the rare shapes, and each rare type has an event above."""
    assert {shape.mark for _, shape in RARE.shapes} == RARE_MARKS
    assert set(RARE.types) == {trigger.type for _, trigger in EVENTS.values()}
    assert not set(RARE.event_sources) & set(TABLE.event_sources)


@pytest.mark.parametrize(
    "event",
    [
        {"agent": "ann", "actionGroup": "g"},
        {"bot": {"name": "orders"}},
        {"session": {"application": "a"}, "request": {"type": "x"}},
        {"context": {"System": {}}, "request": {"type": "x"}},
        {"directive": {"header": "x"}},
        {"Name": "ann", "Details": {"ContactData": {}}},
        {"SecretId": "s", "Step": 1, "ClientRequestToken": "t"},
        {"SecretId": ["s"], "Step": "createSecret", "ClientRequestToken": "t"},
        {"typeName": "T", "fieldName": "f"},
        {"alarmArn": "arn:a", "alarmData": "x"},
        {"Records": [{"cf": {"config": "x"}}]},
        {"requestContext": {"http": {"method": "GET"}}},
        {"raw_path": "/", "is_base64_encoded": "no", "method": "GET"},
    ],
)
def test_what_only_resembles_one_is_a_direct_invocation(event):
    """One key of an event is no event: people's own have such names, too."""
    assert read_trigger(event) == Trigger("lambda")


def test_an_upstream_trace_comes_with_a_request():
    """VPC Lattice passes headers on, as lists in format 2.0."""
    event, trigger = EVENTS["vpc-lattice"]
    (upstream,) = extract(event, trigger)
    assert upstream.header == parse(UPSTREAM)


def test_the_others_dont_pay_for_them():
    """A queue's message, a request and a direct invocation import none of these rows."""
    code = """
import sys
from lambda_guard import production
from lambda_guard.testing import events, make_context
handler = production(lambda event, context: {"statusCode": 200})
for event in (events.sqs("a"), events.api_gateway(), events.http_api(), events.eventbridge(), {"id": 1}):
    handler(event, make_context())
print("lambda_guard.trigger.rare" in sys.modules, file=sys.stderr)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stderr == "False\n"
