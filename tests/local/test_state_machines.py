"""State machines of a template run: their tasks are functions and services of the local cloud."""

import json
import sys
import time

import pytest

from lambda_guard.local import Cloud

RUNTIME = f"python3.{sys.version_info.minor}"
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Handler: index.handler, Runtime: HERE}}
Resources:
  Double:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: |
        def handler(event, context):
            return {"n": event["n"] * 2}
  Refuse:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: |
        class TooMuchError(Exception): ...

        def handler(event, context):
            raise TooMuchError(str(event["n"]))
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Queue: {Type: AWS::SQS::Queue}
  Flow:
    Type: AWS::Serverless::StateMachine
    Properties:
      Role: arn:aws:iam::123456789012:role/flow
      DefinitionUri: flow.yaml
      DefinitionSubstitutions:
        Double: !GetAtt Double.Arn
        Refuse: !GetAtt Refuse.Arn
        Table: !Ref Table
        Queue: !Ref Queue
  Direct:
    Type: AWS::Serverless::StateMachine
    Properties:
      Type: EXPRESS
      Role: arn:aws:iam::123456789012:role/flow
      Events:
        Placed: {Type: EventBridgeRule, Properties: {Pattern: {source: [shop]}}}
        Nightly: {Type: ScheduleV2, Properties: {ScheduleExpression: cron(0 3 * * ? *), Input: '{"n": 21}'}}
      Definition: {StartAt: Once, States: {Once: {Type: Task, Resource: !GetAtt Double.Arn, End: true}}}
""".replace("HERE", RUNTIME)
FLOW = """
StartAt: Once
States:
  Once: {Type: Task, Resource: "${Double}", Next: Again}
  Again:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke
    Parameters: {FunctionName: "${Double}", Payload.$: $}
    OutputPath: $.Payload
    Next: Enough
  Enough:
    Type: Choice
    Choices: [{Variable: $.n, NumericGreaterThan: 3, Next: Risky}]
    Default: Done
  Risky:
    Type: Task
    Resource: "${Refuse}"
    Retry: [{ErrorEquals: [States.ALL], MaxAttempts: 1, IntervalSeconds: 1}]
    Catch: [{ErrorEquals: [TooMuchError], ResultPath: $.error, Next: Kept}]
    End: true
  Kept:
    Type: Task
    Resource: arn:aws:states:::dynamodb:putItem
    Parameters: {TableName: "${Table}", Item: {id: {S.$: $.error.Error}}}
    ResultPath: null
    Next: Sent
  Sent:
    Type: Task
    Resource: arn:aws:states:::sqs:sendMessage
    Parameters: {QueueUrl: "${Queue}", MessageBody.$: $.error.Error}
    ResultPath: null
    Next: Done
  Done: {Type: Succeed}
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """Return a cloud with two state machines, one of a file beside the template."""
    directory = tmp_path_factory.mktemp("flow")
    (directory / "flow.yaml").write_text(FLOW)
    (directory / "template.yaml").write_text(TEMPLATE)
    with Cloud(directory / "template.yaml") as cloud:
        yield cloud


def ended(client, execution):
    """Return an execution's description once it has ended."""
    while (found := client.describe_execution(executionArn=execution))["status"] == "RUNNING":
        time.sleep(0.05)
    return found


def test_an_execution_runs_functions_and_services(cloud):
    """Tasks invoke functions, both ways; an error is retried, then caught by its type; a table and a queue get what follows."""
    client = cloud.client("stepfunctions")
    started = client.start_execution(stateMachineArn=arn("Flow"), input='{"n": 1}')
    found = ended(client, started["executionArn"])
    output = json.loads(found["output"])

    assert (found["status"], output["n"], output["error"]["Error"]) == ("SUCCEEDED", 4, "TooMuchError")
    assert [result.status for result in cloud.results("Refuse")] == ["error", "error"]
    assert cloud.client("dynamodb").scan(TableName="Table")["Items"] == [{"id": {"S": "TooMuchError"}}]
    assert cloud.messages("Queue")["visible"] == 1
    assert cloud.warnings == ()


def test_an_express_machine_answers_at_once(cloud):
    """StartSyncExecution waits for the output."""
    before = len(cloud.results("Double"))
    answer = cloud.client("stepfunctions").start_sync_execution(
        stateMachineArn=arn("Direct"), input='{"n": 5}'
    )

    assert (answer["status"], json.loads(answer["output"])) == ("SUCCEEDED", {"n": 10})
    assert len(cloud.results("Double")) == before + 1


def test_a_schedule_starts_a_state_machine(cloud):
    """EventBridge Scheduler's own schedule, with its input."""
    cloud.fire("DirectNightly")
    executions = cloud.client("stepfunctions").list_executions(stateMachineArn=arn("Direct"))["executions"]
    found = [ended(cloud.client("stepfunctions"), it["executionArn"]) for it in executions]

    assert '{"n": 21}' in [it["input"] for it in found]


def test_rules_start_state_machines(cloud):
    """An execution of its own for each event, even for two that are the same."""
    client = cloud.client("stepfunctions")
    before = {
        it["executionArn"] for it in client.list_executions(stateMachineArn=arn("Direct"))["executions"]
    }
    entry = {"Source": "shop", "DetailType": "placed", "Detail": "{}"}
    cloud.client("events").put_events(Entries=[entry, entry])
    after = {it["executionArn"] for it in client.list_executions(stateMachineArn=arn("Direct"))["executions"]}
    found = [ended(client, execution) for execution in after - before]

    assert len(found) == 2
    assert {json.loads(it["input"])["source"] for it in found} == {"shop"}


def arn(machine):
    """Return the ARN of a state machine."""
    return f"arn:aws:states:eu-west-1:123456789012:stateMachine:{machine}"
