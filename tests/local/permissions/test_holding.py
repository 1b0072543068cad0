"""What functions are held to, and what the Lambda service can't do then, told before anything runs."""

import pytest

from lambda_guard.local._errors import OptionError
from lambda_guard.local.permissions.deciding import Permissions
from lambda_guard.local.permissions.holding import enforced, hold
from lambda_guard.templates.document import ANYWHERE
from lambda_guard.templates.reading import read_stack
from lambda_guard.templates.template import Template

LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]
QUEUE = "arn:aws:sqs:us-east-1:123456789012:Queue"


def document(*actions, resource="*"):
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}],
    }


def start(function, *, policies=None, actions=LOGS, **properties):
    """Return what decides, the stack and what is said, for a function `Fn` with a role that grants these actions."""
    inline = [{"PolicyName": "own", "PolicyDocument": document(*actions)}]
    own = {"AssumeRolePolicyDocument": {}, "Policies": inline, **properties}
    given = {
        "Handler": "app.handler",
        "Runtime": "python3.13",
        "InlineCode": "x",
        "Role": {"Fn::GetAtt": ["Own", "Arn"]},
    }
    template = Template(
        {
            "Transform": "AWS::Serverless-2016-10-31",
            "Resources": {
                "Fn": {"Type": "AWS::Serverless::Function", "Properties": {**given, **function}},
                "Own": {"Type": "AWS::IAM::Role", "Properties": own},
                "Queue": {"Type": "AWS::SQS::Queue"},
            },
        },
        ANYWHERE,
    )
    permissions = Permissions("us-east-1")
    stack, said = enforced(permissions, template, read_stack(template), policies or {})
    return permissions, stack, said


def asked(operation="ListQueues", service="sqs", **parameters):
    return {
        "key": "ASIALOCAL-Fn",
        "region": "us-east-1",
        "path": "/",
        "service": service,
        "operation": operation,
        "parameters": parameters,
    }


def test_nothing_is_said_of_a_role_that_grants_what_lambda_needs():
    """Logs alone, for a function without traces, queues and destinations."""
    assert start({})[2] == []


def test_a_log_group_of_its_own_is_the_one_that_must_be_granted():
    """Not Lambda's own, under the function's name."""
    narrow = document(*LOGS, resource="arn:aws:logs:us-east-1:123456789012:log-group:shop:*")
    assert start({"LoggingConfig": {"LogGroup": "shop"}}, policies={"Fn": narrow})[2] == []
    (said,) = start({}, policies={"Fn": narrow})[2]
    assert (
        said
        == "Fn: its role doesn't grant logs:CreateLogStream, logs:PutLogEvents: its log lines are lost on AWS, and kept here"
    )


def test_a_queue_that_may_not_be_polled_has_no_mapping():
    """The others run."""
    polled = {"Events": {"Q": {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": ["Queue", "Arn"]}}}}}
    _, stack, said = start(polled)
    assert stack.mappings == ()
    assert [it.partition(":")[0] for it in said] == ["FnQ"]
    granted = [*LOGS, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    _, stack, said = start(polled, actions=granted)
    assert [it.source_arn for it in stack.mappings] == [QUEUE]
    assert said == []


def test_destinations_that_may_not_be_sent_to():
    """Each is named, with what is lost."""
    queue = {"Type": "SQS", "Destination": QUEUE}
    dead = {"Type": "SQS", "TargetArn": QUEUE}
    settings = {"DestinationConfig": {"OnFailure": queue, "OnSuccess": queue}}
    said = start({"DeadLetterQueue": dead, "EventInvokeConfig": settings})[2]
    assert [it.partition(f"on {QUEUE}: its ")[2] for it in said] == [
        "dead letters are lost, and AWS refuses such a function",
        "failed events are lost, and AWS refuses such a function",
        "results are lost, and AWS refuses such a function",
    ]


def test_a_managed_policy_that_nobody_knows():
    """The function isn't held, rather than denied what the policy may grant."""
    permissions, _, (said,) = start({}, ManagedPolicyArns=["arn:aws:iam::123456789012:policy/team/own"])
    assert said.startswith(
        "Fn isn't held to policies: the managed policy arn:aws:iam::123456789012:policy/team/own is"
    )
    assert permissions.refusal(asked()) is None


def test_aws_managed_policies_are_known():
    """By their ARN, whatever its path."""
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"
    permissions, _, said = start({}, ManagedPolicyArns=[arn])
    assert said == []
    assert permissions.refusal(asked("ReceiveMessage", QueueUrl="http://127.0.0.1/123456789012/q")) is None
    assert permissions.refusal(asked("SendMessage", QueueUrl="http://127.0.0.1/123456789012/q")) is not None


def test_a_given_policy_stays_within_the_boundary():
    """It takes the place of the role's policies, not of what bounds them."""
    permissions, _, _ = start(
        {},
        policies={"Fn": document("*")},
        PermissionsBoundary="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
    )
    for _ in range(2):
        assert "no permissions boundary allows the sqs:listqueues action" in permissions.refusal(asked())
        assert permissions.refusal(asked("ListBuckets", "s3")) is None
        hold(permissions, "Fn", document("*"))


def test_a_given_policy_keeps_the_roles_name():
    """Messages say whose it is."""
    permissions, _, _ = start({}, policies={"Fn": document(*LOGS)}, RoleName="shop-role")
    assert ":assumed-role/shop-role/Fn is not authorized" in permissions.refusal(asked())
    hold(permissions, "Fn", document("sns:*"))
    assert ":assumed-role/shop-role/Fn is not authorized" in permissions.refusal(asked())


def test_a_condition_that_cannot_be_read_lets_pass_and_is_said_once(caplog):
    """The statement and what it rests on are named."""
    team = {
        "Effect": "Allow",
        "Action": "sqs:*",
        "Resource": "*",
        "Sid": "Team",
        "Condition": {"StringEquals": {"aws:PrincipalTag/team": "a"}},
    }
    permissions, _, _ = start({}, policies={"Fn": {"Version": "2012-10-17", "Statement": [team]}})
    assert [permissions.refusal(asked()) for _ in range(3)] == [None] * 3
    said = [it.getMessage() for it in caplog.records]
    assert said == [
        "Fn: sqs ListQueues passes, though Team of the policy given rests on what isn't known here: StringEquals aws:PrincipalTag/team"
    ]


def test_a_condition_on_the_region_is_read():
    """The Region of the request, in the signature, counts."""
    here = {
        "Effect": "Allow",
        "Action": "*",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
    }
    permissions, _, _ = start({}, policies={"Fn": {"Version": "2012-10-17", "Statement": [here]}})
    assert permissions.refusal(asked()) is None
    assert permissions.refusal({**asked(), "region": "eu-west-1"}) is not None


def test_what_is_denied_is_counted_and_summed_up(caplog):
    """One line a function when all ends; text that would steer a terminal comes through as text."""
    permissions, _, _ = start({})
    for _ in range(3):
        permissions.refusal(asked("GetObject", "s3", Bucket="shop", Key="\x1b[31mred"))
    permissions.sum_up()
    lines = [it.getMessage() for it in caplog.records]
    assert len(lines) == 2
    assert lines[1].startswith("Fn was denied in all: s3:GetObject on arn:aws:s3:::shop/")
    assert lines[1].endswith("(3)")
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("name", ["Fn", "orders"])
def test_a_policy_is_given_by_logical_id_or_name(name):
    """Both mean the same function."""
    permissions, _, _ = start({"FunctionName": "orders"}, policies={name: document("s3:*")})
    assert permissions.refusal({**asked(), "key": "ASIALOCAL-orders"}) is not None


def test_a_policy_for_nobody_is_refused():
    """A typing mistake doesn't leave the function as it was."""
    with pytest.raises(OptionError, match="there is no function 'Nf' for a policy"):
        start({}, policies={"Nf": document("*")})
