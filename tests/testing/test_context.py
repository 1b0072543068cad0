"""The context for tests is what the runtime client makes."""

import inspect
import re

import pytest
from awslambdaric.lambda_context import LambdaContext as RuntimeContext

from lambda_guard.testing.context import ClientContext, make_context

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def _public(context):
    return {name for name in dir(context) if not name.startswith("_")}


def _runtime_context(client_context=None):
    return RuntimeContext("id", client_context, {"cognitoIdentityId": "c"}, 0, "arn")


def test_has_what_the_runtime_clients_has():
    """The attributes and methods are those of the runtime client's context, and no others."""
    assert _public(make_context()) == _public(_runtime_context())
    assert _public(make_context().identity) == _public(_runtime_context().identity)
    client = {"custom": {"a": "b"}, "env": None, "client": None}
    assert _public(ClientContext()) == _public(_runtime_context(client).client_context)


def test_methods_take_what_the_runtime_clients_take():
    """Each method has the parameters of the runtime client's."""
    for name in ("get_remaining_time_in_millis", "log", "w3c"):
        ours, theirs = getattr(make_context(), name), getattr(_runtime_context(), name)
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


def test_defaults_are_of_one_function():
    """Name, version, ARN, memory and logs fit together."""
    context = make_context(function_name="billing", aws_request_id="id-1")
    identity, client = context.identity, context.client_context
    assert (identity.cognito_identity_id, identity.cognito_identity_pool_id, client) == (None, None, None)
    shown = {
        name: value
        for name, value in vars(context).items()
        if not name.startswith("_") and name != "identity"
    }
    assert shown == {
        "aws_request_id": "id-1",
        "function_name": "billing",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:eu-west-1:123456789012:function:billing",
        "memory_limit_in_mb": "128",
        "log_group_name": "/aws/lambda/billing",
        "log_stream_name": "2025/11/25/[$LATEST]0123456789abcdef0123456789abcdef",
        "client_context": None,
        "tenant_id": None,
    }


def test_each_context_has_its_own_request_id():
    """Two contexts are two invocations."""
    first, second = make_context().aws_request_id, make_context().aws_request_id
    assert UUID.fullmatch(first)
    assert UUID.fullmatch(second)
    assert first != second


def test_every_attribute_can_be_given():
    """What is given is what the context has."""
    given = {
        "aws_request_id": "r",
        "function_name": "f",
        "function_version": "7",
        "invoked_function_arn": "a",
        "memory_limit_in_mb": "512",
        "log_group_name": "g",
        "log_stream_name": "s",
        "identity": None,
        "client_context": ClientContext(custom={"a": "b"}),
        "tenant_id": "t",
    }
    context = make_context(**given)
    assert {name: getattr(context, name) for name in given} == given
    assert context.client_context.custom == {"a": "b"}


def test_an_attribute_that_no_context_has_is_refused():
    """A misspelt attribute is named, with those that there are."""
    with pytest.raises(TypeError, match=r"no memory_limit: it has aws_request_id, .*memory_limit_in_mb"):
        make_context(memory_limit="128")


def test_time_counts_down_to_nothing():
    """The remaining time is whole milliseconds, begins at the timeout, never grows and ends at 0."""
    context = make_context(timeout_ms=60_000)
    seen = [context.get_remaining_time_in_millis() for _ in range(1000)]
    assert all(type(each) is int and 0 <= each <= 60_000 for each in seen)
    assert seen == sorted(seen, reverse=True)
    assert make_context(timeout_ms=-1).get_remaining_time_in_millis() == 0


def test_a_test_has_all_the_time_that_lambda_gives():
    """15 minutes, so that neither a slow machine nor a debugger's prompt makes a timeout."""
    assert 600_000 < make_context().get_remaining_time_in_millis() <= 900_000


def test_w3c_gives_a_copy():
    """The W3C context is what was given, and can't be changed through what the method gives."""
    context = make_context(w3c={"traceparent": "x"})
    context.w3c().clear()
    assert (context.w3c(), make_context().w3c()) == ({"traceparent": "x"}, {})


def test_log_writes_as_it_is(capsys):
    """`log` writes to stdout without a newline, as the runtime client's does."""
    make_context().log("a line")
    make_context().log(7)
    assert capsys.readouterr().out == "a line7"


def test_looks_like_the_runtime_clients():
    """A context shows its attributes in the runtime client's words."""
    shown = repr(make_context(aws_request_id="r", function_name="f", identity=None))
    assert shown.startswith("LambdaContext([aws_request_id=r,function_name=f,")
    assert shown.endswith(",identity=None,client_context=None,tenant_id=None])")
