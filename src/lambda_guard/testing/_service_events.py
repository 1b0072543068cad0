"""Sample events of services that call a function as part of their own work."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from lambda_guard.shapes.sample import fill
from lambda_guard.testing._samples import ACCOUNT, REGION, SENT_MS, Event, iso, uuid

_STACK = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/orders/{uuid(1)}"


def cognito(
    trigger_source: str = "PreSignUp_SignUp",
    *,
    user_pool_id: str = f"{REGION}_Example01",
    user_name: str = "user-1",
    request: Mapping[str, Any] | None = None,
) -> Event:
    """A trigger of a Cognito user pool; the handler returns the same event with `response` filled in.

    Args:
        trigger_source: the trigger: `PreSignUp_SignUp`, `TokenGeneration_Authentication` …
        user_pool_id: the user pool.
        user_name: the user.
        request: the trigger's request; if not given, one without user attributes.
    """
    request = {"userAttributes": {}} if request is None else dict(request)
    return fill("cognito", locals())


def iot(
    thing_name: str = "thermometer-1",
    *,
    operation: str = "CREATED",
    attributes: Mapping[str, str] | None = None,
    sent_ms: int = SENT_MS,
) -> Event:
    """A registry event of AWS IoT about a thing; a topic rule sends your devices' payload as it is.

    Args:
        thing_name: the thing.
        operation: `CREATED`, `UPDATED` or `DELETED`.
        attributes: the thing's attributes.
        sent_ms: when it happened, in milliseconds since the epoch.
    """
    return fill("iot", locals(), attributes=dict(attributes or {}))


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
    """A request from CloudFormation to a custom resource; the response is sent with PUT to `ResponseURL`.

    Args:
        request_type: `Create`, `Update` or `Delete`.
        properties: the resource's properties in the template.
        resource_type: the resource's type.
        logical_id: its name in the template.
        physical_id: the resource's id; if not given, `orders-1`, except in a `Create` request, which has none.
        response_url: where the response is sent: use a server of your test.
        stack_id: the stack.
    """
    return fill(
        "cloudformation",
        locals(),
        properties=dict(properties or {}),
        physical_id=None if request_type == "Create" else physical_id or "orders-1",
        old_properties={} if request_type == "Update" else None,
    )


def codepipeline(user_parameters: str = "", *, job_id: str | None = None) -> Event:
    """A job of an Invoke action in CodePipeline; the function reports back with `PutJobSuccessResult`.

    Args:
        user_parameters: the parameters in the pipeline's definition.
        job_id: the job.
    """
    return fill("codepipeline", locals(), job_id=job_id or uuid(1, kind=10))


def ses(
    recipient: str = "orders@example.com",
    *,
    sender: str = "customer@example.com",
    subject: str = "An order",
    message_id: str = "o3vrnil0e2ic28tr",
    sent_ms: int = SENT_MS,
) -> Event:
    """An email that an SES receipt rule passes on, without its content.

    Args:
        recipient: the recipient's address.
        sender: the sender's address.
        subject: the subject.
        message_id: the id assigned by SES.
        sent_ms: when it was received, in milliseconds since the epoch.
    """
    return fill("ses", locals(), time=iso(sent_ms))


def step_functions(
    payload: Any = None,
    *,
    trace_header: str | None = None,
    state: str = "Bill",
    state_machine: str = "orders",
    execution: str = "o-1",
    attempt: int = 1,
) -> Event:
    """The input of a task state that passes on the context object: `{"Payload.$": "$", "Context.$": "$$"}`.

    Without the context object, nothing in a state's input shows where it comes from.

    Args:
        payload: the state's input; `{}` if not given.
        trace_header: a `traceHeader` that the sender put into the execution's input.
        state: the state's name.
        state_machine: the state machine's name.
        execution: the execution's name.
        attempt: the number of the state's attempt, from 1.
    """
    payload = {} if payload is None else payload
    sent = deepcopy(payload)
    if trace_header is not None:
        sent = {"traceHeader": trace_header, "input": sent}
    return fill("stepfunctions", locals(), retries=attempt - 1)
