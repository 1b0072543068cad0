"""Nested stacks whose templates are files: their resources are the template's own."""

import pytest

from lambda_guard.local.placeholders import read_template
from lambda_guard.templates.document import Location, TemplateError
from lambda_guard.templates.reading import read_stack

LOCATION = Location("eu-west-1", "123456789012", "http://127.0.0.1:1")
PARENT = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
Conditions:
  Production: !Equals [!Ref Stage, prod]
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Properties:
      Handler: a.b
      Runtime: python3.11
      CodeUri: code
      Environment: {Variables: {ARN: !GetAtt Orders.Outputs.Arn, DEEP: !Sub "<${Orders.Outputs.Deep}>"}}
  Queue: {Type: AWS::SQS::Queue}
  Orders:
    Type: AWS::Serverless::Application
    Properties:
      Location: orders/template.yaml
      Parameters:
        Stage: !Sub "${Stage}-1"
        Queue: !GetAtt Queue.Arn
        Memory: "256"
        Queues: !Join [",", [!Ref Queue, b]]
  Never:
    Type: AWS::CloudFormation::Stack
    Condition: Production
    Properties: {TemplateURL: nowhere.yaml}
  Missing:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: nowhere.yaml}
  Remote:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: https://s3.amazonaws.com/b/t.yaml}
Outputs:
  Wrong: {Value: !GetAtt Orders.Outputs.Nothing}
"""
CHILD = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String}
  Queue: {Type: String}
  Memory: {Type: Number}
  Queues: {Type: CommaDelimitedList}
  Own: {Type: String, Default: own}
  Open: {Type: String}
Conditions:
  Development: !Equals [!Ref Stage, dev-1]
  Neither: !Not [{Condition: Development}]
Mappings:
  Sizes: {small: {timeout: 7}}
Globals:
  Function: {Runtime: python3.12, MemorySize: !Ref Memory}
Resources:
  Fn:
    Type: AWS::Serverless::Function
    DependsOn: Table
    Properties:
      Handler: c.d
      CodeUri: code
      Timeout: !FindInMap [Sizes, small, timeout]
      Environment:
        Variables:
          QUEUE: !Ref Queue
          SUB: !Sub "${Stage} ${Queue} ${Table} ${Table.Arn} ${!kept} ${AWS::Region} ${Own}"
          LIST: !Join ["+", !Ref Queues]
          IF: !If [Development, !Ref Table, none]
          OPEN: !Ref Open
      Events:
        Jobs: {Type: SQS, Properties: {Queue: !Ref Queue}}
        Http: {Type: HttpApi, Properties: {Path: /orders, Method: get}}
  Plain:
    Type: AWS::Lambda::Function
    Properties: {Handler: e.f, Runtime: python3.12, Code: code, Role: r}
  Asset:
    Type: AWS::Lambda::Function
    Metadata: {"aws:asset:path": code, "aws:asset:property": Code}
    Properties: {Handler: g.h, Runtime: python3.12, Code: {S3Bucket: b, S3Key: k}, Role: r}
  Table: {Type: AWS::DynamoDB::Table, Condition: Development}
  NotHere: {Type: AWS::SQS::Queue, Condition: Neither}
  Deep:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: deep.yaml, Parameters: {Name: !Ref Table}}
Outputs:
  Arn: {Value: !GetAtt Fn.Arn}
  Deep: {Value: !GetAtt Deep.Outputs.Name}
"""
DEEP = """
Parameters: {Name: {Type: String}}
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: !Sub "${Name}-topic"}}
Outputs:
  Name: {Value: !GetAtt Topic.TopicName}
"""


@pytest.fixture
def template(tmp_path):
    """Return a template that has a stack, which has another one."""
    for name, text in {
        "template.yaml": PARENT,
        "orders/template.yaml": CHILD,
        "orders/deep.yaml": DEEP,
    }.items():
        path = tmp_path / name
        (path.parent / "code").mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_template(tmp_path / "template.yaml", LOCATION, None, None)


def test_the_resources_of_a_nested_stack_are_the_templates_own(template, tmp_path):
    """With the stack's name before theirs, values of parameters, conditions, mappings and paths as the nested template has them."""
    stack = read_stack(template)
    arn = "arn:aws:sqs:eu-west-1:123456789012:Queue"
    functions = {it.name: it for it in stack.functions}
    fn, nested, plain = (functions[name] for name in ("Fn", "OrdersFn", "OrdersPlain"))
    asset = functions["OrdersAsset"]
    table = "arn:aws:dynamodb:eu-west-1:123456789012:table/OrdersTable"

    assert len(functions) == 4
    assert (nested.runtime, nested.memory, nested.timeout) == ("python3.12", 256, 7)
    assert (fn.code, nested.code, plain.code, asset.code) == (
        tmp_path / "code",
        *[tmp_path / "orders" / "code"] * 3,
    )
    assert nested.environment == {
        "QUEUE": arn,
        "SUB": f"dev-1 {arn} OrdersTable {table} ${{kept}} eu-west-1 own",
        "LIST": "http://127.0.0.1:1/123456789012/Queue+b",
        "IF": "OrdersTable",
        "OPEN": "placeholder",
    }
    assert [(it.logical_id, it.function, it.source_arn) for it in stack.mappings] == [
        ("OrdersFnJobs", "OrdersFn", arn)
    ]
    assert [(it.api, it.function) for it in stack.routes] == [("OrdersServerlessHttpApi", "OrdersFn")]
    assert [it.name for it in (*stack.queues, *stack.topics)] == ["Queue", "OrdersTable-topic"]
    assert template.depends_on("OrdersFn") == ["OrdersTable"]


def test_outputs_of_a_nested_stack_are_resolved(template):
    """However deep; one that there isn't is an error that names the stack."""
    stack = read_stack(template)

    assert stack.functions[0].environment == {
        "ARN": "arn:aws:lambda:eu-west-1:123456789012:function:OrdersFn",
        "DEEP": "<OrdersTable-topic>",
    }
    assert stack.unresolved_outputs == {
        "Wrong": "resource Orders: the nested stack has no output 'Outputs.Nothing'"
    }


def test_what_has_no_file_is_left_out(template, tmp_path):
    """With the reason; a stack whose condition doesn't hold is nothing to say. Parameters without a value are named after the stack."""
    assert template.left_out == {
        "Missing": f"its template '{tmp_path / 'nowhere.yaml'}' isn't there: build it, or correct the path",
        "Remote": "its template isn't a file on this machine",
    }
    assert template.placeholders == {"Orders.Open": "placeholder"}


def test_a_template_that_is_nested_in_itself_is_refused(tmp_path):
    """It would never end."""
    path = tmp_path / "template.yaml"
    path.write_text(
        "Resources: {Own: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: template.yaml}}}"
    )
    with pytest.raises(TemplateError, match=r"template\.yaml: the template is nested in itself"):
        read_template(path, LOCATION, None, None)
