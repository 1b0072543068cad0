"""The triggers that few functions have, asked where no row of `table` matches; imported only then.

Where each event comes from: https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html and the pages below.
"""

from typing import Any, Final

from lambda_guard.trigger.table import (
    _HTTP_CARRIERS,
    _OBJECT,
    Row,
    Shape,
    Table,
    _anything,
    _chosen,
    _holding,
    _is,
    _one_of,
    _text,
)


def _requests(look: dict[str, Any], *, source: str = "", method: str = "method", route: str = "") -> Shape:
    shape = Shape(look, source=source)
    shape.method, shape.route = tuple(method.split("/")), (route,) if route else ()
    return shape


RARE: Final = Table(
    (
        # https://docs.aws.amazon.com/lambda/latest/dg/services-codecommit.html
        Row(
            "codecommit",
            Shape("aws:codecommit", source="eventSourceARN", time="eventTime"),
            asynchronous=True,
            ids="eventId",
        ),
        # Lambda@Edge: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html
        Row(
            "cloudfront",
            Shape({"Records/0/cf/config": _OBJECT}, source="Records/0/cf/config/distributionId"),
            asynchronous=False,
        ),
        # https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html (formats 2.0 and 1.0)
        Row(
            "vpc-lattice",
            _requests({"requestContext/serviceArn": _text}, source="requestContext/serviceArn"),
            _requests({"raw_path": _text, "is_base64_encoded": _is(bool), "method": _text}),
            asynchronous=False,
            carriers=_HTTP_CARRIERS,
        ),
        # Without the API's id: from a mapping template of one's own, or a test's, which was cut down.
        Row(
            "apigateway",
            _requests(
                {"requestContext": _OBJECT, "httpMethod": _text, "path": _text},
                method="httpMethod",
                route="resource",
            ),
        ),
        Row(
            "apigateway-v2",
            _requests(
                {"requestContext/http/method": _text, "rawPath": _text},
                method="requestContext/http/method",
                route="routeKey",
            ),
        ),
        # Object Lambda: https://docs.aws.amazon.com/AmazonS3/latest/userguide/olap-writing-lambda.html
        Row(
            "s3",
            *[
                Shape(
                    {context: _OBJECT, "configuration/accessPointArn": _text},
                    source="configuration/accessPointArn",
                )
                for context in ("headObjectContext", "listObjectsContext", "listObjectsV2Context")
            ],
        ),
        # A resolver of Amplify's `@function`: https://docs.amplify.aws/gen1/javascript/tools/cli-legacy/function-directive/
        Row(
            "appsync",
            Shape({"typeName": _text, "fieldName": _text, "arguments": _OBJECT}, source="fieldName"),
        ),
        # https://docs.aws.amazon.com/config/latest/developerguide/evaluate-config_develop-rules_example-events.html
        Row(
            "config",
            Shape({"configRuleArn": _text, "invokingEvent": _text}, source="configRuleArn"),
            asynchronous=True,
        ),
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
        Row(
            "cloudwatch-alarm",
            Shape({"alarmArn": _text, "alarmData": _OBJECT}, source="alarmArn", time="time"),
            asynchronous=True,
        ),
        # https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda.html
        Row(
            "secretsmanager",
            _chosen(
                Shape({"SecretId": _text, "Step": _text, "ClientRequestToken": _text}, source="SecretId")
            ),
        ),
        # https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html
        Row(
            "codedeploy",
            Shape({"LifecycleEventHookExecutionId": _text, "DeploymentId": _text}, source="DeploymentId"),
        ),
        # Versions 1 and 2: https://docs.aws.amazon.com/lexv2/latest/dg/lambda-input-format.html
        Row(
            "lex",
            Shape({"bot/name": _text, "invocationSource": _text}, source="bot/name"),
            asynchronous=False,
        ),
        # Custom skills, and those of the smart home, which don't say whose they are.
        # https://developer.amazon.com/en-US/docs/alexa/custom-skills/request-and-response-json-reference.html
        # https://developer.amazon.com/en-US/docs/alexa/smarthome/smart-home-skill-api-message-reference.html
        Row(
            "alexa",
            Shape(
                {"session/application/applicationId": _text, "request/type": _text},
                source="session/application/applicationId",
            ),
            Shape(
                {"context/System/application/applicationId": _text, "request/type": _text},
                source="context/System/application/applicationId",
            ),
            Shape({"directive/header/namespace": _text, "directive/header/messageId": _text}),
            asynchronous=False,
        ),
        # https://docs.aws.amazon.com/connect/latest/adminguide/connect-lambda-functions.html
        Row(
            "connect",
            Shape(
                {"Name": _one_of("ContactFlowEvent"), "Details/ContactData": _OBJECT},
                source="Details/ContactData/InstanceARN",
            ),
            asynchronous=False,
        ),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/agents-lambda.html
        Row(
            "bedrock-agent",
            Shape({"agent": _OBJECT, "actionGroup": _text}, source="agent/name"),
            asynchronous=False,
        ),
        Row(
            "codepipeline",
            Shape({"CodePipeline.job": _OBJECT}),
            asynchronous=True,
            ids="CodePipeline.job/id",
        ),
        # What IoT sends of itself; a topic rule sends the bare payload, which is like a direct invocation.
        Row(
            "iot",
            Shape({"templateArn": _holding(":iot:"), "certificateId": _text}, source="templateArn"),
            Shape({"protocolData": _OBJECT, "connectionMetadata": _OBJECT}),
            _chosen(
                Shape(
                    {"thingName": _anything, "operation": _text, "eventType": _holding("THING_")},
                    source="thingName",
                )
            ),
            _chosen(
                Shape(
                    {"principalIdentifier": _anything, "clientId": _text, "eventType": _text},
                    source="clientId",
                )
            ),
            Shape({"clickType": _text, "serialNumber": _text}, source="serialNumber"),
            # https://docs.aws.amazon.com/iot-1-click/latest/developerguide/1click-events.html
            Shape({"deviceEvent": _OBJECT, "deviceInfo/deviceId": _text}, source="deviceInfo/deviceId"),
        ),
    )
)
