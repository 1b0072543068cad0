"""What the function's template owns is referred to, and what it doesn't own stays as it is, and is said."""

import json

import boto3
import pytest
from moto import mock_aws

from lambda_guard.templates.marks import compose, value_of, written
from lambda_guard.templates.owned import owned
from lambda_guard.tools.group import run

from ..conftest import Logs
from .test_formats import granted_by_sam

LOGS = Logs()
AT = "eu-west-1:123456789012"
HERE = {
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::StackName": "shop",
}
TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
Conditions:
  Prod: !Equals [!Ref Stage, prod]
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: orders, InlineCode: x, Handler: index.handler, Runtime: python3.13}
  Mine:
    Type: AWS::Lambda::Function
    Properties: {FunctionName: mine, Role: !GetAtt MyRole.Arn, Code: {ZipFile: x}}
  Theirs:
    Type: AWS::Lambda::Function
    Properties: {FunctionName: theirs, Role: 'arn:aws:iam::123456789012:role/a/b/theirs', Code: {ZipFile: x}}
  Stock:
    Type: AWS::DynamoDB::Table
    Properties: {TableName: !Sub '${AWS::StackName}-stock-${Stage}'}
  Prices: {Type: AWS::Serverless::SimpleTable, Properties: {TableName: prices}}
  Out: {Type: AWS::SQS::Queue, Properties: {QueueName: out}}
  News: {Type: AWS::SNS::Topic, Properties: {TopicName: news}}
  Files: {Type: AWS::S3::Bucket, Properties: {BucketName: shop-files}}
  Password: {Type: AWS::SecretsManager::Secret, Properties: {Name: db}}
  Machine: {Type: AWS::StepFunctions::StateMachine, Properties: {StateMachineName: billing}}
  Clicks: {Type: AWS::Kinesis::Stream, Properties: {Name: clicks}}
  Lines: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /shop/lines}}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: shop}}
  Sometimes: {Type: AWS::SQS::Queue, Condition: Prod, Properties: {QueueName: sometimes}}
  One: {Type: AWS::SQS::Queue, Properties: {QueueName: twice}}
  Two: {Type: AWS::SQS::Queue, Properties: {QueueName: twice}}
  Nameless: {Type: AWS::SQS::Queue}
  Ordered: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
  Key: {Type: AWS::KMS::Key}
"""


def owns(physical=None, **parameters):
    """Return what the template owns in its stack."""
    return owned(written("template.yaml", TEMPLATE), {**HERE, **parameters}, physical or {})


def att(name, attribute="Arn"):
    return {"Fn::GetAtt": [name, attribute]}


@pytest.mark.parametrize(
    ("arn", "reference"),
    [
        (f"arn:aws:dynamodb:{AT}:table/shop-stock-dev", att("Stock")),
        (f"arn:aws:dynamodb:{AT}:table/shop-stock-dev/index/by-${{day}}", {"Fn::Sub": "${Stock.Arn}/index/by-${!day}"}),
        (f"arn:aws:dynamodb:{AT}:table/shop-stock-dev/stream/2026-11-23T00:00:00.000", att("Stock", "StreamArn")),
        (f"arn:aws:dynamodb:{AT}:table/prices", att("Prices")),
        (f"arn:aws:sqs:{AT}:out", att("Out")),
        (f"arn:aws:sns:{AT}:news", {"Ref": "News"}),
        ("arn:aws:s3:::shop-files", att("Files")),
        ("arn:aws:s3:::shop-files/*", {"Fn::Sub": "${Files.Arn}/*"}),
        (f"arn:aws:secretsmanager:{AT}:secret:db-??????", {"Ref": "Password"}),
        (f"arn:aws:states:{AT}:stateMachine:billing", {"Ref": "Machine"}),
        (f"arn:aws:kinesis:{AT}:stream/clicks", att("Clicks")),
        (f"arn:aws:events:{AT}:event-bus/shop", att("Bus")),
        (f"arn:aws:logs:{AT}:log-group:/shop/lines:*", att("Lines")),
        (f"arn:aws:lambda:{AT}:function:mine:live", {"Fn::Sub": "${Mine.Arn}:live"}),
        (
            f"arn:aws:logs:{AT}:log-group:/aws/lambda/orders:*",
            {"Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/${Orders}:*"},
        ),
    ],
)  # fmt: skip
def test_what_the_template_owns_is_referred_to(arn, reference):
    """By the name that it gives; what follows the ARN of a resource stays, and means nothing to Fn::Sub."""
    assert owns().reference(arn) == reference
    assert not owns().unmatched(arn)


def test_the_local_cloud_calls_it_by_its_logical_id():
    """In its own account alone: elsewhere a queue of this name is another one."""
    assert owns().reference(f"arn:aws:sqs:{AT}:Nameless") == att("Nameless")
    assert owns().reference(f"arn:aws:sqs:{AT}:Ordered.fifo") == att("Ordered")
    other = "arn:aws:sqs:eu-west-1:210987654321:Nameless"
    assert owns(**{"AWS::AccountId": "210987654321"}).reference(other) == other


@pytest.mark.parametrize(
    ("arn", "why"),
    [
        (f"arn:aws:dynamodb:{AT}:table/shop-stock-prod", "template.yaml has no resource of this name"),
        (f"arn:aws:dynamodb:{AT}:table/shop-stock-dev2", "template.yaml has no resource of this name"),
        ("arn:aws:sqs:us-east-1:123456789012:out", "template.yaml has no resource of this name"),
        (f"arn:aws:sqs:{AT}:twice", "template.yaml has no resource of this name"),
        (f"arn:aws:sqs:{AT}:sometimes", "template.yaml has no resource of this name"),
        (
            f"arn:aws:sqs:{AT}:shop-Nameless-1A2B3C4D5E6F",
            "it looks like Nameless of a stack: name it with --stack shop",
        ),
    ],
)
def test_what_it_does_not_own_stays_as_it_is(arn, why):
    """Another name or Region, one that two resources have, one that isn't always there, and one that a stack made."""
    assert owns().reference(arn) == arn
    assert owns().unmatched(arn) == why


@pytest.mark.parametrize(
    ("physical", "arn", "reference"),
    [
        ({"Nameless": "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-Nameless-1A2B3C"},
         f"arn:aws:sqs:{AT}:shop-Nameless-1A2B3C", att("Nameless")),
        ({"News": f"arn:aws:sns:{AT}:shop-News-1A2B3C"}, f"arn:aws:sns:{AT}:shop-News-1A2B3C", {"Ref": "News"}),
        ({"Password": f"arn:aws:secretsmanager:{AT}:secret:shop-x1-AbCdEf"},
         f"arn:aws:secretsmanager:{AT}:secret:shop-x1-??????", {"Ref": "Password"}),
        ({"Key": "1234abcd-12ab-34cd-56ef-1234567890ab"},
         f"arn:aws:kms:{AT}:key/1234abcd-12ab-34cd-56ef-1234567890ab", att("Key")),
    ],
)  # fmt: skip
def test_the_stack_tells_the_names_that_it_made(physical, arn, reference):
    """As CloudFormation lists them: names, ARNs, a queue's URL."""
    assert owns(physical).reference(arn) == reference


def test_the_role_of_the_function_is_referred_to():
    """SAM's own, one of the template, or one by its name."""
    arn = f"arn:aws:lambda:{AT}:function:"
    assert owns().role(f"{arn}orders") == {"Ref": "OrdersRole"}
    assert owns().role(f"{arn}mine") == {"Ref": "MyRole"}
    assert owns().role(f"{arn}theirs") == "theirs"
    assert owns().role(f"{arn}other") is None


CALLS = [
    {"service": "dynamodb", "operation": "Query", "resource": "prices", "count": 2, "errors": 0},
    {
        "service": "sqs",
        "operation": "SendMessage",
        "resource": "https://sqs.eu-west-1.amazonaws.com/123456789012/out",
    },
    {"service": "sns", "operation": "Publish", "resource": f"arn:aws:sns:{AT}:elsewhere"},
]


@pytest.fixture
def made(tmp_path, capsys):
    """Run the command over one record, with the template."""

    def call(*options, calls=CALLS, function="orders"):
        log, template = tmp_path / "app.log", tmp_path / "template.yaml"
        trigger = {"type": "sqs", "source": f"arn:aws:sqs:{AT}:orders", "records": 1}
        log.write_text(f"{LOGS.record(0, 0, 20, trigger=trigger, calls=calls, function_name=function)}\n")
        template.write_text(TEMPLATE)
        code = run(["policy", str(log), "--function", function, "--template", str(template), *options])
        said = capsys.readouterr()
        return code, value_of(compose(said.out)) if said.out else None, said.err

    return call


def test_sam_with_a_template(made):
    """Policy templates get names as references, statements get ARNs; SAM grants what JSON has."""
    code, found, said = made("--format", "sam")
    assert code == 0
    policies = {name: arguments for policy in found["Policies"] for name, arguments in policy.items()}
    assert policies["SQSSendMessagePolicy"] == {"QueueName": att("Out", "QueueName")}
    assert policies["SNSPublishMessagePolicy"] == {"TopicName": "elsewhere"}
    assert policies["Statement"][0]["Resource"] == [att("Prices")]
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "out"}}
    table = {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "prices"}}
    granted = granted_by_sam(found["Policies"], Out=queue, Prices=table)
    assert ("sqs:SendMessage*", f"arn:aws:sqs:{AT}:out", "null") in granted
    assert f"written as it is: arn:aws:sns:{AT}:elsewhere: " in said
    assert "written as it is: *" not in said


def test_cloudformation_with_a_template(made):
    """The policy goes to the function's own role."""
    code, found, _ = made("--format", "cloudformation")
    assert code == 0
    assert found.keys() == {"Resources"}
    properties = found["Resources"]["OrdersPolicy"]["Properties"]
    assert properties["Roles"] == [{"Ref": "OrdersRole"}]
    assert properties["PolicyDocument"]["Statement"][0]["Resource"] == [att("Prices")]


def test_a_stack_is_asked_for_its_names(made, monkeypatch):
    """What CloudFormation named is matched by the stack's own list."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_REGION", "eu-west-1"),
    ):
        monkeypatch.setenv(name, value)
    with mock_aws():
        plain = json.dumps({"Resources": {"Nameless": {"Type": "AWS::SQS::Queue"}}})
        cloudformation = boto3.client("cloudformation", region_name="eu-west-1")
        cloudformation.create_stack(StackName="shop", TemplateBody=plain)
        (resource,) = cloudformation.list_stack_resources(StackName="shop")["StackResourceSummaries"]
        name = resource["PhysicalResourceId"].rsplit("/", 1)[-1]
        call = {"service": "sqs", "operation": "GetQueueUrl", "resource": name}
        code, found, _ = made("--format", "sam", "--stack", "shop", calls=[call])
        assert code == 0
        assert [att("Nameless")] in [it["Resource"] for it in found["Policies"][0]["Statement"]]
        assert made("--format", "sam", "--stack", "nothing")[0] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--template goes with --format sam or cloudformation"),
        (("--format", "terraform"), "--template goes with --format sam or cloudformation"),
    ],
)
def test_a_template_for_another_format_is_refused(made, options, message):
    """Rather than ignored."""
    code, found, said = made(*options)
    assert (code, found) == (2, None)
    assert message in said


def test_parameters_are_those_of_the_template(made):
    """Its names are resolved with them."""
    calls = [{**CALLS[0], "resource": "shop-stock-prod"}]
    options = ("--format", "cloudformation", "-p", "Stage=prod", "-p", "AWS::StackName=shop")
    code, found, _ = made(*options, calls=calls)
    assert code == 0
    document = found["Resources"]["OrdersPolicy"]["Properties"]["PolicyDocument"]
    assert document["Statement"][0]["Resource"] == [att("Stock")]


def test_a_stack_without_a_template_is_refused(capsys):
    """Its names are of no use without one."""
    assert run(["policy", "app.log", "--function", "orders", "--stack", "shop"]) == 2
    assert "--stack goes with --template" in capsys.readouterr().err
