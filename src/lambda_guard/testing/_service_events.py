"""Sample events of services that call a function as a part of their own work."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from lambda_guard.testing._samples import ACCOUNT, REGION, SENT_MS, Event, iso, uuid

_MAIL_CHECKS = ("spam", "virus", "spf", "dkim", "dmarc")
_STATES = f"arn:aws:states:{REGION}:{ACCOUNT}"
_STACK = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/orders/{uuid(1)}"


def cognito(
    trigger_source: str = "PreSignUp_SignUp",
    *,
    user_pool_id: str = f"{REGION}_Example01",
    user_name: str = "user-1",
    request: Mapping[str, Any] | None = None,
) -> Event:
    """A trigger of a Cognito user pool; the handler answers with the same event, `response` filled in.

    Args:
        trigger_source: which trigger: `PreSignUp_SignUp`, `TokenGeneration_Authentication` …
        user_pool_id: the user pool.
        user_name: whom it is about.
        request: what the trigger asks, without user attributes if not given.
    """
    return {
        "version": "1",
        "region": REGION,
        "userPoolId": user_pool_id,
        "userName": user_name,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "example-client"},
        "triggerSource": trigger_source,
        "request": {"userAttributes": {}} if request is None else dict(request),
        "response": {},
    }


def iot(
    thing_name: str = "thermometer-1",
    *,
    operation: str = "CREATED",
    attributes: Mapping[str, str] | None = None,
    sent_ms: int = SENT_MS,
) -> Event:
    """A registry event of AWS IoT about a thing; a topic rule sends the bare payload of your devices.

    Args:
        thing_name: the thing.
        operation: `CREATED`, `UPDATED` or `DELETED`.
        attributes: the thing's attributes.
        sent_ms: when it happened, milliseconds since the epoch.
    """
    return {
        "eventType": "THING_EVENT",
        "eventId": uuid(1, kind=7),
        "timestamp": sent_ms,
        "operation": operation,
        "accountId": ACCOUNT,
        "thingId": uuid(1, kind=8),
        "thingName": thing_name,
        "versionNumber": 1,
        "thingTypeName": None,
        "attributes": dict(attributes or {}),
    }


def cloudformation(
    request_type: str = "Create",
    *,
    properties: Mapping[str, Any] | None = None,
    resource_type: str = "Custom::Orders",
    logical_id: str = "Orders",
    physical_id: str | None = None,
    response_url: str = "https://example.com/response",
    stack_id: str = _STACK,
) -> Event:
    """A request of CloudFormation to a custom resource; the answer goes by PUT to `ResponseURL`.

    Args:
        request_type: `Create`, `Update` or `Delete`.
        properties: the resource's properties in the template.
        resource_type: the resource's type.
        logical_id: its name in the template.
        physical_id: its own id; from the second request on, if not given `orders-1`.
        response_url: where the answer goes: point it at a server of your test.
        stack_id: the stack.
    """
    event: Event = {
        "RequestType": request_type,
        "ServiceToken": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders",
        "ResponseURL": response_url,
        "StackId": stack_id,
        "RequestId": uuid(1, kind=9),
        "LogicalResourceId": logical_id,
        "ResourceType": resource_type,
        "ResourceProperties": dict(properties or {}),
    }
    if request_type != "Create":
        event["PhysicalResourceId"] = physical_id or "orders-1"
    if request_type == "Update":
        event["OldResourceProperties"] = {}
    return event


# long: one event, key by key, as AWS documents it
def codepipeline(user_parameters: str = "", *, job_id: str | None = None) -> Event:
    """A job of an Invoke action in CodePipeline; the function reports back with `PutJobSuccessResult`.

    Args:
        user_parameters: what the pipeline's definition passes on.
        job_id: the job.
    """
    return {
        "CodePipeline.job": {
            "id": job_id or uuid(1, kind=10),
            "accountId": ACCOUNT,
            "data": {
                "actionConfiguration": {
                    "configuration": {"FunctionName": "orders", "UserParameters": user_parameters},
                },
                "inputArtifacts": [
                    {
                        "name": "source",
                        "revision": None,
                        "location": {
                            "type": "S3",
                            "s3Location": {"bucketName": "example-artifacts", "objectKey": "source.zip"},
                        },
                    },
                ],
                "outputArtifacts": [],
                "artifactCredentials": {
                    "accessKeyId": "example",
                    "secretAccessKey": "example",
                    "sessionToken": "example",
                },
            },
        },
    }


# long: one event, key by key, as AWS documents it
def ses(
    recipient: str = "orders@example.com",
    *,
    sender: str = "customer@example.com",
    subject: str = "An order",
    message_id: str = "o3vrnil0e2ic28tr",
    sent_ms: int = SENT_MS,
) -> Event:
    """A mail that a receipt rule of SES passes on, without its content.

    Args:
        recipient: to whom.
        sender: from whom.
        subject: about what.
        message_id: the id that SES gave.
        sent_ms: when it came, milliseconds since the epoch.
    """
    return {
        "Records": [
            {
                "eventSource": "aws:ses",
                "eventVersion": "1.0",
                "ses": {
                    "mail": {
                        "timestamp": iso(sent_ms),
                        "source": sender,
                        "messageId": message_id,
                        "destination": [recipient],
                        "headersTruncated": False,
                        "headers": [{"name": "Subject", "value": subject}],
                        "commonHeaders": {"from": [sender], "to": [recipient], "subject": subject},
                    },
                    "receipt": {
                        "timestamp": iso(sent_ms),
                        "processingTimeMillis": 12,
                        "recipients": [recipient],
                        **{f"{check}Verdict": {"status": "PASS"} for check in _MAIL_CHECKS},
                        "action": {
                            "type": "Lambda",
                            "functionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders",
                            "invocationType": "Event",
                        },
                    },
                },
            },
        ],
    }


def step_functions(
    payload: Any = None,
    *,
    trace_header: str | None = None,
    state: str = "Bill",
    state_machine: str = "orders",
    execution: str = "o-1",
    attempt: int = 1,
) -> Event:
    """The input of a task state that passes the context object on: `{"Payload.$": "$", "Context.$": "$$"}`.

    Without the context object nothing in a state's input says where it comes from.

    Args:
        payload: the state's input; `{}` if not given.
        trace_header: a `traceHeader` that the sender put into the execution's input.
        state: the state's name.
        state_machine: the state machine's name.
        execution: the execution's name.
        attempt: which try of the state this is, from 1.
    """
    given = {} if payload is None else payload
    sent = deepcopy(given)
    entered = iso(SENT_MS)
    return {
        "Payload": given,
        "Context": {
            "Execution": {
                "Id": f"{_STATES}:execution:{state_machine}:{execution}",
                "Input": sent if trace_header is None else {"traceHeader": trace_header, "input": sent},
                "Name": execution,
                "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{state_machine}",
                "StartTime": entered,
            },
            "State": {"EnteredTime": entered, "Name": state, "RetryCount": attempt - 1},
            "StateMachine": {"Id": f"{_STATES}:stateMachine:{state_machine}", "Name": state_machine},
        },
    }
