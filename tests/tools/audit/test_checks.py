"""Each item of the checklist by a pair of templates: one with the finding, and its sibling, which has none."""

import re
from pathlib import Path

import pytest

from lambda_guard.tools.audit.checklist import CHECKS, GROUPS

from .auditing import reported, rules

TRANSFORM = "Transform: AWS::Serverless-2016-10-31\n"


def sam(*resources, head=""):
    """Make a SAM template of resources."""
    return TRANSFORM + head + "Resources:\n" + "\n".join(resources)


def plain(*resources, head=""):
    """Make a CloudFormation template of resources."""
    return head + "Resources:\n" + "\n".join(resources)


def resource(name, kind, **properties):
    """Write a resource; its properties are YAML in flow style."""
    lines = (
        [f"  {name}:", f"    Type: {kind}", "    Properties:"]
        if properties
        else [f"  {name}:", f"    Type: {kind}"]
    )
    return "\n".join([*lines, *(f"      {key}: {value}" for key, value in properties.items())])


def function(name="Fn", **properties):
    """Write a SAM function."""
    return resource(
        name, "AWS::Serverless::Function", **{"Handler": "app.handler", "Runtime": "python3.13", **properties}
    )


def bare(name="Fn", **properties):
    """Write a function of plain CloudFormation."""
    given = {
        "Handler": "app.handler",
        "Runtime": "python3.13",
        "Code": "{S3Bucket: b, S3Key: k}",
        **properties,
    }
    return resource(name, "AWS::Lambda::Function", **given)


def queue(name="Queue", **properties):
    """Write a queue."""
    return resource(name, "AWS::SQS::Queue", **properties)


def topic(name="Topic", **properties):
    """Write a topic."""
    return resource(name, "AWS::SNS::Topic", **properties)


def alarm(name="Alarm", **properties):
    """Write an alarm, by default on errors of the function."""
    given = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": "[{Name: FunctionName, Value: !Ref Fn}]",
        "Period": "60",
        "EvaluationPeriods": "1",
        **properties,
    }
    return resource(name, "AWS::CloudWatch::Alarm", **given)


def sqs(**properties):
    """Write the events of a function that reads a queue."""
    given = {"Queue": "!GetAtt Queue.Arn", **properties}
    return (
        "{Q: {Type: SQS, Properties: {" + ", ".join(f"{key}: {value}" for key, value in given.items()) + "}}}"
    )


def event(kind, properties="{}"):
    """Write the events of a function."""
    return f"{{E: {{Type: {kind}, Properties: {properties}}}}}"


REDRIVE = "{deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 5}"
PARTIAL = "[ReportBatchItemFailures]"
BY_SUB = "!Sub '${AWS::StackName}-orders'"
ASSUME = "{Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]}"
SHIFTED = {"AutoPublishAlias": "live"}
NEW_VERSION = "[{Name: FunctionName, Value: !Ref Fn}, {Name: Resource, Value: !Sub '${Fn}:live'}, {Name: ExecutedVersion, Value: !GetAtt Fn.Version.Version}]"


def policy(statement):
    """Write the policies of a SAM function."""
    return f"[{{Statement: [{statement}]}}]"


def shifted(preference="{Type: Canary10Percent5Minutes, Alarms: [!Ref Alarm]}"):
    """Write a function whose new version takes over bit by bit."""
    return function(**SHIFTED, DeploymentPreference=preference)


# --- The twenty traps: (rule, the template that has no such finding, the one that has it) --------------------------

TRAPS = {
    "1 a subscription inline in the topic is an asynchronous trigger": (
        "WG201",
        plain(bare(), topic(Subscription="[{Protocol: email, Endpoint: a@example.com}]")),
        plain(bare(), topic(Subscription="[{Protocol: lambda, Endpoint: !GetAtt Fn.Arn}]")),
    ),
    "2 a dead-letter queue needs no redrive of its own": (
        "WG301",
        sam(function(Events=sqs()), queue(RedrivePolicy=REDRIVE), queue("Letters"), function("Mop", Events=sqs(Queue="!GetAtt Letters.Arn"))),
        sam(function(Events=sqs()), queue(), queue("Letters")),
    ),
    "3 a destination of failures isn't for mappings of queues": (
        "WG211",
        sam(function(Events=sqs()), queue()),
        sam(function(Events=event("Kinesis", "{Stream: !GetAtt S.Arn, StartingPosition: LATEST}")), resource("S", "AWS::Kinesis::Stream")),
    ),
    "4 no dead-letter queue for functions that are called synchronously": (
        "WG201",
        sam(function(Events=event("Api", "{Path: /, Method: get}"))),
        sam(function(Events="{A: {Type: Api, Properties: {Path: /, Method: get}}, B: {Type: S3, Properties: {Bucket: !Ref B, Events: s3:ObjectCreated:*}}}")),
    ),
    "5 SNS → SQS → function is no asynchronous trigger": (
        "WG201",
        sam(function(Events=event("SNS", "{Topic: !Ref T, SqsSubscription: true}"))),
        sam(function(Events=event("SNS", "{Topic: !Ref T}"))),
    ),
    "5 SqsSubscription hides a queue": (
        "WG301",
        sam(
            function(Events=event("SNS", "{Topic: !Ref T, SqsSubscription: {QueueArn: !GetAtt Queue.Arn, QueueUrl: !Ref Queue}}")),
            queue(RedrivePolicy=REDRIVE),
            queue("Letters"),
        ),
        sam(function(Events=event("SNS", "{Topic: !Ref T, SqsSubscription: true}"))),
    ),
    "6 a function's dead-letter queue does nothing for an SQS-fed function": (
        "WG301",
        sam(function(Events=sqs()), queue(RedrivePolicy=REDRIVE), queue("Letters")),
        sam(function(Events=sqs(), DeadLetterQueue="{Type: SQS, TargetArn: !GetAtt Letters.Arn}"), queue(), queue("Letters")),
    ),
    "7 a schedule's dead-letter queue isn't for a failing handler": (
        "WG201",
        sam(function(Events=event("Schedule", "{Schedule: rate(1 hour)}"), DeadLetterQueue="{Type: SQS, TargetArn: !GetAtt Letters.Arn}"), queue("Letters")),
        sam(function(Events=event("Schedule", "{Schedule: rate(1 hour), DeadLetterConfig: {Arn: !GetAtt Letters.Arn}}")), queue("Letters")),
    ),
    "8 retention by LoggingConfig.LogGroup": (
        "WG703",
        sam(function(LoggingConfig="{LogGroup: !Ref Logs}"), resource("Logs", "AWS::Logs::LogGroup", RetentionInDays=30)),
        sam(function(LoggingConfig="{LogGroup: !Ref Logs}"), resource("Logs", "AWS::Logs::LogGroup", LogGroupName="orders")),
    ),
    "9 names by the same Sub on both sides": (
        "WG703",
        sam(function(FunctionName=BY_SUB), resource("Logs", "AWS::Logs::LogGroup", LogGroupName="!Sub '/aws/lambda/${AWS::StackName}-orders'", RetentionInDays=30)),
        sam(function(FunctionName=BY_SUB), resource("Logs", "AWS::Logs::LogGroup", LogGroupName="!Sub '/aws/lambda/${AWS::StackName}-other'", RetentionInDays=30)),
    ),
    "10 an API's access log isn't the function's": (
        "WG703",
        sam(
            function(),
            resource("Access", "AWS::Logs::LogGroup", RetentionInDays=30),
            resource("Own", "AWS::Logs::LogGroup", LogGroupName="!Sub '/aws/lambda/${Fn}'", RetentionInDays=30),
        ),
        sam(function(), resource("Access", "AWS::Logs::LogGroup", RetentionInDays=30)),
    ),
    "11 values only in Globals": (
        "WG801",
        sam(function(), head="Globals: {Function: {Timeout: 20}}\n"),
        sam(function(), head="Globals: {Function: {MemorySize: 256}}\n"),
    ),
    "12 Timeout by a parameter without a default": (
        "WG306",
        sam(function(Timeout="!Ref Seconds", Events=sqs()), queue(), head="Parameters: {Seconds: {Type: Number}}\n"),
        sam(function(Timeout="!Ref Seconds", Events=sqs()), queue(), head="Parameters: {Seconds: {Type: Number, Default: 60}}\n"),
    ),
    "13 alarms under Fn::If": (
        "WG602",
        sam(shifted("{Type: Canary10Percent5Minutes, Alarms: !If [Prod, [!Ref Alarm], !Ref AWS::NoValue]}"), alarm()),
        sam(shifted("{Type: Canary10Percent5Minutes}"), alarm()),
    ),
    "13 alarms as plain names": (
        "WG602",
        sam(shifted("{Type: Canary10Percent5Minutes, Alarms: [orders-errors]}")),
        sam(shifted("{Type: Canary10Percent5Minutes, Alarms: []}")),
    ),
    "14 alarms of AWS/ApiGateway aren't the function's": (
        "WG101",
        sam(function(), alarm()),
        sam(function(), alarm(Namespace="AWS/ApiGateway", MetricName="5XXError", Dimensions="[{Name: ApiName, Value: orders}]")),
    ),
    "15 Resource * that IAM demands": (
        "WG903",
        sam(function(Policies=policy("{Effect: Allow, Action: ['ec2:CreateNetworkInterface', 'xray:PutTraceSegments', 'textract:DetectDocumentText', 'polly:SynthesizeSpeech', 'cloudwatch:PutMetricData'], Resource: '*'}"))),
        sam(function(Policies=policy("{Effect: Allow, Action: ['xray:PutTraceSegments', 'sqs:SendMessage'], Resource: '*'}"))),
    ),
    "15 a key policy's * is the key": (
        "WG903",
        sam(function(), resource("Key", "AWS::KMS::Key", KeyPolicy="{Statement: [{Effect: Allow, Principal: {AWS: !Sub 'arn:aws:iam::${AWS::AccountId}:root'}, Action: 'kms:*', Resource: '*'}]}")),
        sam(function(Policies=policy("{Effect: Allow, Action: 'kms:Decrypt', Resource: '*'}"))),
    ),
    "16 Deny with *": (
        "EG901",
        sam(function(Policies=policy("{Effect: Deny, Action: '*', Resource: '*'}"))),
        sam(function(Policies=policy("{Effect: Allow, Action: '*', Resource: '*'}"))),
    ),
    "17 runtimes as placeholders": (
        "WG805",
        sam(function(Runtime="!Ref Runtime"), head="Parameters: {Runtime: {Type: String}}\n"),
        sam(function(Runtime="!Ref Runtime"), head="Parameters: {Runtime: {Type: String, Default: python3.9}}\n"),
    ),
    "17 images have no runtime": (
        "WG805",
        sam(resource("Fn", "AWS::Serverless::Function", PackageType="Image", Runtime="python3.9", ImageUri="orders")),
        sam(function(Runtime="python3.10")),
    ),
    "18 functions of state machines have their retries there": (
        "WG201",
        sam(function(), resource("Flow", "AWS::Serverless::StateMachine", DefinitionUri="flow.json", DefinitionSubstitutions="{Fn: !GetAtt Fn.Arn}")),
        sam(function(Events=event("EventBridgeRule", "{Pattern: {source: [orders]}}"))),
    ),
    "19 functions of custom resources want no alarm": (
        "WG101",
        sam(function(), resource("Setup", "Custom::Setup", ServiceToken="!GetAtt Fn.Arn")),
        sam(function(), resource("Setup", "Custom::Setup", ServiceToken="!GetAtt Other.Arn"), alarm(Dimensions="[{Name: FunctionName, Value: other}]")),
    ),
    "19 functions of custom resources want no dead-letter queue and no tracing": (
        "IG701",
        sam(function(), resource("Setup", "AWS::CloudFormation::CustomResource", ServiceToken="!GetAtt Fn.Arn")),
        sam(function()),
    ),
    "20 BatchSize 1 needs no partial answers": (
        "WG403",
        sam(function(Events=sqs(BatchSize=1)), queue()),
        sam(function(Events=sqs(BatchSize=2)), queue()),
    ),
    "20 MaximumBatchingWindow counts into the visibility": (
        "WG306",
        sam(function(Timeout=10, Events=sqs(MaximumBatchingWindowInSeconds=20)), queue(VisibilityTimeout=80)),
        sam(function(Timeout=10, Events=sqs(MaximumBatchingWindowInSeconds=20)), queue(VisibilityTimeout=79)),
    ),
}  # fmt: skip

# --- The other items: likewise -----------------------------------------------------------------------------------

LETTERS = queue("Letters")
OWN_NAMESPACE = "{Variables: {LAMBDA_GUARD_NAMESPACE: Shop}}"
FLEET = """\
Resources:
  Fleet:
    Type: AWS::CloudWatch::Alarm
    Properties:
      EvaluationPeriods: 1
      Metrics:
        - Id: q
          Expression: SELECT SUM(FinalAttempts) FROM SCHEMA("LambdaGuard", function_name, service) GROUP BY function_name
"""

ITEMS = {
    "an alarm in metric math": (
        "WG101",
        sam(function(), alarm(Metrics="[{Id: e, MetricStat: {Metric: {Namespace: AWS/Lambda, MetricName: Errors, Dimensions: [{Name: FunctionName, Value: !Ref Fn}]}, Period: 60, Stat: Sum}}, {Id: r, Expression: 'e * 2'}]", Namespace="AWS/SQS")),
        sam(function(), alarm(Dimensions="[{Name: FunctionName, Value: billing}]", Namespace="AWS/Lambda"), function("Other", FunctionName="billing")),
    ),
    "an alarm by a function's name, which isn't settled": (
        "WG101",
        sam(function(FunctionName="!Ref Name"), alarm(Dimensions="[{Name: FunctionName, Value: orders}]")),
        sam(function(FunctionName="billing"), alarm(Dimensions="[{Name: FunctionName, Value: orders}]")),
    ),
    "an alarm by the name that the function has": (
        "WG101",
        sam(function(FunctionName="orders"), alarm(Dimensions="[{Name: FunctionName, Value: orders}]")),
        sam(function(), alarm(Dimensions="[{Name: FunctionName, Value: orders}]")),
    ),
    "an alarm on the dead letters of a function": (
        "WG101",
        sam(function(Events=sqs()), queue(RedrivePolicy=REDRIVE), LETTERS, alarm(Namespace="AWS/SQS", Dimensions="[{Name: QueueName, Value: !GetAtt Letters.QueueName}]")),
        sam(function(Events=sqs()), queue(RedrivePolicy=REDRIVE), LETTERS, alarm(Namespace="AWS/SQS", Dimensions="[{Name: QueueName, Value: !GetAtt Queue.QueueName}]")),
    ),
    "a FIFO queue for asynchronous events": (
        "EG202",
        sam(function(DeadLetterQueue="{Type: SQS, TargetArn: !GetAtt Letters.Arn}"), LETTERS),
        sam(function(DeadLetterQueue="{Type: SQS, TargetArn: !GetAtt Letters.Arn}"), queue("Letters", FifoQueue="true")),
    ),
    "a queue that is its own dead-letter queue": (
        "EG203",
        sam(queue(RedrivePolicy=REDRIVE), LETTERS),
        sam(queue("Letters", RedrivePolicy=REDRIVE)),
    ),
    "a function that sends failures to its source": (
        "EG203",
        sam(function(Events=sqs(), DeadLetterQueue="{Type: SQS, TargetArn: !GetAtt Letters.Arn}"), queue(), LETTERS),
        sam(function(Events=sqs(), DeadLetterQueue="{Type: SQS, TargetArn: !GetAtt Queue.Arn}"), queue()),
    ),
    "a function that sends failures to its topic": (
        "EG203",
        sam(function(Events=event("SNS", "{Topic: !Ref Topic}"), DeadLetterQueue="{Type: SNS, TargetArn: !Ref Other}"), topic(), topic("Other")),
        sam(function(Events=event("SNS", "{Topic: !Ref Topic}"), DeadLetterQueue="{Type: SNS, TargetArn: !Ref Topic}"), topic()),
    ),
    "a dead-letter queue that nothing fills": (
        "IG204",
        sam(function(Events="{Q: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}, S: {Type: SNS, Properties: {Topic: !Ref T}}}", DeadLetterQueue="{Type: SQS, TargetArn: !GetAtt Letters.Arn}"), queue(), LETTERS),
        sam(function(Events=sqs(), DeadLetterQueue="{Type: SQS, TargetArn: !GetAtt Letters.Arn}"), queue(), LETTERS),
    ),
    "retries of a stream without end": (
        "WG212",
        sam(function(Events=event("DynamoDB", "{Stream: !GetAtt T.StreamArn, StartingPosition: LATEST, MaximumRetryAttempts: 5}"))),
        sam(function(Events=event("DynamoDB", "{Stream: !GetAtt T.StreamArn, StartingPosition: LATEST, MaximumRetryAttempts: -1}"))),
    ),
    "a stream with a destination": (
        "WG211",
        plain(bare(), resource("M", "AWS::Lambda::EventSourceMapping", FunctionName="!Ref Fn", EventSourceArn="arn:aws:kinesis:eu-west-1:123456789012:stream/orders", DestinationConfig="{OnFailure: {Destination: !Ref Arn}}")),
        plain(bare(), resource("M", "AWS::Lambda::EventSourceMapping", FunctionName="!Ref Fn", EventSourceArn="arn:aws:kinesis:eu-west-1:123456789012:stream/orders")),
    ),
    "few receives": (
        "WG302",
        sam(function(Events=sqs()), queue(RedrivePolicy=REDRIVE), LETTERS),
        sam(function(Events=sqs()), queue(RedrivePolicy="'{\"deadLetterTargetArn\": \"arn:aws:sqs:eu-west-1:123456789012:letters\", \"maxReceiveCount\": 3}'")),
    ),
    "dead letters that are deleted first": (
        "WG303",
        sam(queue(RedrivePolicy=REDRIVE), queue("Letters", MessageRetentionPeriod=1209600)),
        sam(queue(RedrivePolicy=REDRIVE, MessageRetentionPeriod=1209600), queue("Letters")),
    ),
    "FIFO with FIFO": (
        "EG304",
        sam(queue(RedrivePolicy=REDRIVE, FifoQueue="true"), queue("Letters", FifoQueue="'true'")),
        sam(queue(RedrivePolicy=REDRIVE, FifoQueue="true"), queue("Letters")),
    ),
    "a mapping that is throttled": (
        "EG308",
        sam(function(ReservedConcurrentExecutions=5, Events=sqs(ScalingConfig="{MaximumConcurrency: 5}")), queue()),
        sam(function(ReservedConcurrentExecutions=5, Events=sqs(ScalingConfig="{MaximumConcurrency: 10}")), queue()),
    ),
    "a mapping without a maximum": (
        "WG309",
        sam(function(Events=sqs()), queue()),
        sam(function(ReservedConcurrentExecutions=5, Events=sqs()), queue()),
    ),
    "mappings that count": (
        "IG310",
        sam(function(Events=sqs(MetricsConfig="{Metrics: [EventCount]}")), queue()),
        sam(function(Events=sqs()), queue()),
    ),
    "whole batches": (
        "WG403",
        sam(function(Events=sqs(FunctionResponseTypes=PARTIAL)), queue()),
        sam(function(Events=sqs()), queue()),
    ),
    "partial answers under Fn::If": (
        "WG403",
        sam(function(Events=sqs(FunctionResponseTypes="!If [Partial, [ReportBatchItemFailures], !Ref AWS::NoValue]")), queue()),
        sam(function(Events=event("Kinesis", "{Stream: !GetAtt S.Arn, StartingPosition: LATEST}"))),
    ),
    "the number of receives": (
        "WG404",
        sam(function(Events=sqs(), Environment="{Variables: {LAMBDA_GUARD_MAX_RECEIVE_COUNT: 5}}"), queue(RedrivePolicy=REDRIVE), LETTERS),
        sam(function(Events=sqs(), Environment="{Variables: {LAMBDA_GUARD_MAX_RECEIVE_COUNT: 3}}"), queue(RedrivePolicy=REDRIVE), LETTERS),
    ),
    "gradual deployments": (
        "IG601",
        sam(shifted(), alarm()),
        sam(function()),
    ),
    "gradual deployments in plain CloudFormation": (
        "IG601",
        plain(bare(), resource("Live", "AWS::Lambda::Alias", FunctionName="!Ref Fn") + "\n    UpdatePolicy: {CodeDeployLambdaAliasUpdate: {ApplicationName: a, DeploymentGroupName: !Ref G}}"),
        plain(bare(), resource("Live", "AWS::Lambda::Alias", FunctionName="!Ref Fn")),
    ),
    "an alarm that is too slow": (
        "WG603",
        sam(shifted(), alarm(Period=60, EvaluationPeriods=3)),
        sam(shifted(), alarm(Period=300)),
    ),
    "a linear deployment takes longer": (
        "WG603",
        sam(shifted("{Type: Linear10PercentEvery1Minute, Alarms: [!Ref Alarm]}"), alarm(Period=300)),
        sam(shifted("{Type: Linear10PercentEvery1Minute, Alarms: [!Ref Alarm]}"), alarm(Period=600)),
    ),
    "an alarm on the new version": (
        "WG604",
        sam(shifted(), alarm(Dimensions=NEW_VERSION)),
        sam(shifted(), alarm()),
    ),
    "tracing": ("IG701", sam(function(Tracing="Active")), sam(function(Tracing="PassThrough"))),
    "tracing in plain CloudFormation": ("IG701", plain(bare(TracingConfig="{Mode: Active}")), plain(bare())),
    "JSON": ("IG702", sam(function(), head="Globals: {Function: {LoggingConfig: {LogFormat: JSON}}}\n"), sam(function())),
    "the class of a log group": (
        "WG704",
        sam(function(LoggingConfig="{LogGroup: !Ref L}"), resource("L", "AWS::Logs::LogGroup", LogGroupClass="STANDARD")),
        sam(function(LoggingConfig="{LogGroup: !Ref L}"), resource("L", "AWS::Logs::LogGroup", LogGroupClass="INFREQUENT_ACCESS")),
    ),
    "memory": ("IG802", sam(function(MemorySize=512)), sam(function())),
    "a caller that waits": (
        "WG803",
        sam(function(Timeout=29, Events=event("Api", "{Path: /, Method: get}"))),
        sam(function(Timeout=30, Events=event("Api", "{Path: /, Method: get}"))),
    ),
    "a durable execution under a mapping": (
        "EG804",
        sam(function(Events=sqs(), DurableConfig="{ExecutionTimeout: 900}"), queue()),
        sam(function(Events=sqs(), DurableConfig="{ExecutionTimeout: 3600}"), queue()),
    ),
    "all of a service": (
        "WG902",
        sam(function(Policies=policy("{Effect: Allow, Action: 's3:Get*', Resource: !GetAtt B.Arn}"))),
        sam(function(Policies=policy("{Effect: Allow, Action: 's3:*', Resource: !GetAtt B.Arn}"))),
    ),
    "NotAction": (
        "EG901",
        plain(resource("R", "AWS::IAM::Role", AssumeRolePolicyDocument=ASSUME)),
        plain(resource("R", "AWS::IAM::Role", Policies="[{PolicyName: p, PolicyDocument: {Statement: {Effect: Allow, NotAction: 'iam:*', Resource: '*'}}}]")),
    ),
    "a managed policy of the template": (
        "WG903",
        plain(resource("P", "AWS::IAM::ManagedPolicy", PolicyDocument="{Statement: [{Effect: Allow, Action: 'dynamodb:PutItem', Resource: !GetAtt T.Arn}]}")),
        plain(resource("P", "AWS::IAM::ManagedPolicy", PolicyDocument="{Statement: [{Effect: Allow, Action: 'dynamodb:PutItem', Resource: 'arn:aws:dynamodb:*:*:*'}]}")),
    ),
    "an attached policy": (
        "WG903",
        plain(resource("P", "AWS::IAM::Policy", PolicyDocument="{Statement: [{Effect: Allow, Action: 'ssm:GetParameter', Resource: '*', Condition: {StringEquals: {'aws:ResourceTag/a': b}}}]}")),
        plain(resource("P", "AWS::IAM::Policy", PolicyDocument="{Statement: [{Effect: Allow, Action: 'ssm:GetParameter', Resource: '*'}]}")),
    ),
    "SAM's policy templates": (
        "WG903",
        sam(function(Policies="[{S3ReadPolicy: {BucketName: !Ref B}}]")),
        sam(function(Policies="[{S3ReadPolicy: {BucketName: '*'}}]")),
    ),
    "who may send": (
        "WG904",
        plain(resource("P", "AWS::SQS::QueuePolicy", PolicyDocument="{Statement: [{Effect: Allow, Principal: '*', Action: 'sqs:SendMessage', Resource: '*', Condition: {ArnEquals: {'aws:SourceArn': !Ref T}}}]}")),
        plain(resource("P", "AWS::SQS::QueuePolicy", PolicyDocument="{Statement: [{Effect: Allow, Principal: {AWS: '*'}, Action: 'sqs:SendMessage', Resource: '*'}]}")),
    ),
    "who may invoke": (
        "WG904",
        plain(bare(), resource("P", "AWS::Lambda::Permission", FunctionName="!Ref Fn", Principal="'*'", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")),
        plain(bare(), resource("P", "AWS::Lambda::Permission", FunctionName="!Ref Fn", Principal="'*'", Action="lambda:InvokeFunction")),
    ),
    "managed policies": (
        "WG905",
        sam(function(Policies="[AWSLambdaBasicExecutionRole, AmazonS3ReadOnlyAccess]")),
        plain(resource("R", "AWS::IAM::Role", ManagedPolicyArns="[!Sub 'arn:${AWS::Partition}:iam::aws:policy/AmazonDynamoDBFullAccess']")),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "without", "with_it"), [*TRAPS.values(), *ITEMS.values()], ids=[*TRAPS, *ITEMS]
)
def test_the_finding_is_there_and_its_sibling_has_none(rule, without, with_it):
    """A template that does as the item asks has no such finding, and the one that doesn't has exactly one."""
    assert rule not in rules(without)
    assert rules(with_it).count(rule) == 1


def test_the_fleet_alarm_of_another_template_counts():
    """One alarm on all functions is enough; a function whose metrics go elsewhere isn't covered, and is said to be."""
    assert "WG101" in rules(sam(function()))
    assert "WG101" not in rules(sam(function()), FLEET)
    assert "WG101" not in rules(sam(function()), covered=frozenset({"AWS/Lambda"}))
    own = sam(function(Environment=OWN_NAMESPACE))
    assert [rule for rule in rules(own, FLEET) if rule.startswith("WG1")] == ["WG101", "WG102"]
    assert "WG102" not in rules(own, FLEET.replace("LambdaGuard", "Shop"))


def test_logical_ids_belong_to_a_template():
    """Another template's function and alarm of the same logical id aren't this one's; a name is, wherever it stands."""
    other = sam(function(), alarm(Period=300, AlarmName="slow"))
    assert "WG101" in rules(sam(function()), other)
    assert "WG603" not in rules(sam(shifted()), other)
    named = sam(shifted("{Type: Canary10Percent5Minutes, Alarms: [slow]}"))
    assert "WG603" in rules(named, other)


def test_alarms_are_one_finding_a_template():
    """Three functions without an alarm are one finding, which names them unless it is all."""
    report = reported(sam(function(), function("A"), function("B"), alarm()))
    found = [finding for finding in report.findings if finding.rule == "WG101"]
    assert [(finding.functions, finding.what) for finding in found] == [
        (("A", "B"), "no alarm looks at A, B")
    ]


# --- Code against template ---------------------------------------------------------------------------------------

IMPORT = "from lambda_guard import production\n"
GUARDED = f"{IMPORT}@production(each_record=True, report_batch_item_failures=True)\ndef handler(record, context): ...\n"
BY_HAND = "def handler(event, context):\n    return answer(event)\n\ndef answer(event):\n    return {'batchItemFailures': []}\n"
POWERTOOLS = (
    "from aws_lambda_powertools.utilities.batch import process_partial_response\n"
    "def handler(event, context):\n    return process_partial_response(event=event, record_handler=f, processor=p)\n"
)
WRAPPED = f"{IMPORT}def process(event, context):\n    return None\nhandler = production(process)\n"
CALLS_OUT = "def handler(event, context):\n    return elsewhere(event)\n"
NOTHING = "def handler(event, context):\n    for record in event['Records']:\n        print(record)\n"


@pytest.mark.parametrize(
    ("code", "declared", "expected"),
    [
        (GUARDED, False, ["EG401"]),
        (BY_HAND, False, ["EG401"]),
        (POWERTOOLS, False, ["EG401"]),
        (GUARDED, True, []),
        (BY_HAND, True, []),
        (NOTHING, True, ["WG402"]),
        (NOTHING, False, ["WG403"]),
        (CALLS_OUT, True, []),
        (CALLS_OUT, False, ["WG403"]),
        (WRAPPED, True, ["WG402"]),
        ("def handler(:", True, []),
        ("def handler(:", False, ["WG403"]),
        ("from elsewhere import handler", True, []),
    ],
)
def test_partial_batch_responses_in_code_and_template(tmp_path, code, declared, expected):
    """What the code answers and the mapping doesn't read is an error; the reverse is a warning if it is plain to see."""
    (tmp_path / "app.py").write_text(code)
    events = sqs(FunctionResponseTypes=PARTIAL) if declared else sqs()
    found = rules(sam(function(Events=events), queue()), folder=tmp_path)
    assert [rule for rule in found if rule in {"EG401", "WG402", "WG403"}] == expected


def test_code_that_is_elsewhere_is_left_open(tmp_path):
    """S3, intrinsics, images, missing folders and other languages: nothing is found, and what can't be known is said."""
    for where, reason in (
        ("s3://bucket/key", "its code isn't here"),
        ("!Ref Where", "its code isn't here"),
        ("missing/", "there is no app.py below"),
        ("{Bucket: b, Key: k}", "its code isn't here"),
    ):
        report = reported(sam(function(CodeUri=where, Events=sqs()), queue()), folder=tmp_path)
        assert "EG401" not in {finding.rule for finding in report.findings}
        [said] = [it.what for check, it in report.open if check.rule == "EG401"]
        assert said.startswith(reason)
    report = reported(sam(function(Runtime="nodejs22.x", Events=sqs()), queue()), folder=tmp_path)
    assert ("EG401", "it isn't Python in a zip") in {(check.rule, it.what) for check, it in report.open}


def test_undecorated_handlers(tmp_path):
    """A handler without @production is a note; decorated, by hand, or wrapped from outside it is none."""
    for code, settings, expected in (
        (NOTHING, {}, True),
        (GUARDED, {}, False),
        (WRAPPED, {}, False),
        (f"import lambda_guard as lg\n@lg.production\n{NOTHING}", {}, False),
        (NOTHING, {"Handler": "lambda_guard_handler.handler", "Environment": "{Variables: {LAMBDA_GUARD_HANDLER: app.handler}}"}, False),
        (f"import lambda_guard, other\n@other.production\n{NOTHING}", {}, False),
        (f"import other\n@other.production\n{NOTHING}", {}, True),
        (f"from other import production\n@production\n{NOTHING}", {}, True),
        (f"from lambda_guard import production as guard\n@guard\n{NOTHING}", {}, False),
        (NOTHING, {"Environment": "{Variables: {AWS_LAMBDA_EXEC_WRAPPER: /opt/lambda-guard}}"}, False),
    ):  # fmt: skip
        (tmp_path / "app.py").write_text(code)
        assert ("IG405" in rules(sam(function(**settings)), folder=tmp_path)) is expected, code


def test_what_wraps_a_handler_must_be_told_which(tmp_path):
    """Without LAMBDA_GUARD_HANDLER, or with one that isn't settled, the handler's code is left open."""
    for variables in ("{}", "{LAMBDA_GUARD_HANDLER: !Ref H}", "{LAMBDA_GUARD_HANDLER: handler}"):
        text = sam(
            function(
                Handler="lambda_guard_handler.handler",
                Environment=f"{{Variables: {variables}}}",
                Events=sqs(),
            ),
            queue(),
        )
        said = {(check.rule, it.what) for check, it in reported(text, folder=tmp_path).open}
        assert ("EG401", "LAMBDA_GUARD_HANDLER isn't settled in the template") in said


def test_a_function_by_its_alias():
    """SAM makes an alias of AutoPublishAlias, under a name of its own; it and a version mean the function."""
    alias = "!Ref FnAliaslive"
    for name in (
        alias,
        "!GetAtt Fn.Arn",
        "!Sub '${Fn.Alias}'",
        "!Sub 'arn:aws:lambda:eu-west-1:1:function:${Fn}:live'",
    ):
        rule = resource("R", "AWS::Events::Rule", Targets=f"[{{Id: a, Arn: {name}}}]")
        assert "WG201" in rules(sam(function(AutoPublishAlias="live"), rule)), name
    rule = resource("R", "AWS::Events::Rule", Targets=f"[{{Id: a, Arn: {alias}}}]")
    assert "WG201" not in rules(sam(function(AutoPublishAlias="other"), rule))


def test_the_number_of_receives_is_told_to_guarded_functions(tmp_path):
    """A decorated function that reads a queue should know its maxReceiveCount; others write no record of it."""
    (tmp_path / "app.py").write_text(GUARDED)
    text = sam(function(Events=sqs(FunctionResponseTypes=PARTIAL)), queue(RedrivePolicy=REDRIVE), LETTERS)
    assert "IG406" in rules(text, folder=tmp_path)
    (tmp_path / "app.py").write_text(BY_HAND)
    assert "IG406" not in rules(text, folder=tmp_path)


def test_a_guarded_function_keeps_its_records(tmp_path):
    """Lambda's own level above INFO drops invocation records; without ours there is nothing to lose."""
    text = sam(function(LoggingConfig="{LogFormat: JSON, ApplicationLogLevel: WARN}"))
    (tmp_path / "app.py").write_text(GUARDED)
    assert "WG705" in rules(text, folder=tmp_path)
    assert "WG705" not in rules(text.replace("WARN", "INFO"), folder=tmp_path)
    (tmp_path / "app.py").write_text(NOTHING)
    assert "WG705" not in rules(text, folder=tmp_path)


def test_the_dependency_is_looked_for(tmp_path):
    """In requirements, in pyproject.toml, in layers, in the folder; what includes other lists is left open."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "app.py").write_text(GUARDED)
    assert "WG407" in rules(sam(function()), folder=tmp_path)
    assert "WG407" not in rules(sam(function(Layers="[!Ref Layer]")), folder=tmp_path)
    for name, text in (
        ("requirements.txt", "boto3\naws-lambda-guard==0.1\n"),
        ("requirements.txt", "-r ../all.txt\n"),
        ("pyproject.toml", "dependencies = ['aws-lambda-guard']"),
        ("Makefile", "build-Fn:"),
    ):
        (tmp_path / name).write_text(text)
        assert "WG407" not in rules(sam(function()), folder=tmp_path)
        (tmp_path / name).unlink()
    (tmp_path / "requirements.txt").write_text("boto3\n")
    assert "WG407" in rules(sam(function()), folder=tmp_path)


def test_inline_code_is_read():
    """The text of ZipFile and InlineCode is code, too."""
    code = "\n        ".join(["|", *BY_HAND.splitlines()])
    text = sam(function(InlineCode=code, Events=sqs()), queue())
    assert "EG401" in rules(text)


def test_what_cfn_lint_reports_is_marked_as_such():
    """Visibility below the timeout in plain CloudFormation, which cfn-lint compares, too; not of SAM's events."""
    mapping = resource(
        "M", "AWS::Lambda::EventSourceMapping", FunctionName="!Ref Fn", EventSourceArn="!GetAtt Queue.Arn"
    )
    for text, known in (
        (plain(bare(Timeout=60), queue(), mapping), {"WG306": "E3505"}),
        (plain(bare(Timeout=20), queue(), mapping), {}),
        (sam(function(Timeout=60, Events=sqs()), queue()), {}),
        (sam(function(Runtime="python3.9")), {"WG805": "W2531"}),
        (sam(function(Runtime="python3.10")), {}),
    ):
        assert {finding.rule: rule for finding, rule in reported(text).known.items()} == known


# --- Silencing ---------------------------------------------------------------------------------------------------

SILENT = """
    Metadata:
      LambdaGuard:
        Ignore:
          {entry}"""


def test_a_finding_is_silenced_with_a_reason():
    """In the Metadata of the function, of the resource where it stands, or of the template; the reason is kept."""
    report = reported(sam(function() + SILENT.format(entry="IG701: traced by hand")))
    assert [(it.rule, reason) for it, reason in report.silenced] == [("IG701", "traced by hand")]
    assert "IG701" not in {it.rule for it in report.findings}
    whole = sam(
        function(), function("Other"), head="Metadata: {LambdaGuard: {Ignore: {IG701: traced by hand}}}\n"
    )
    assert len(reported(whole).silenced) == 2
    text = sam(
        function(Events=sqs()), queue() + SILENT.format(entry="WG301: messages may come again for ever")
    )
    assert "WG301" not in rules(text)


@pytest.mark.parametrize("entry", ["IG701:", "IG701: ''", "IG701: true", "XX1: because"])
def test_silencing_without_a_reason_is_a_finding(entry):
    """It silences nothing, and is an error of its own; a rule that doesn't exist likewise."""
    found = rules(sam(function() + SILENT.format(entry=entry)))
    assert found.count("EG001") == 1
    assert found.count("IG701") == 1


def test_silencing_what_isnt_there_is_a_note():
    """An entry that no finding needs any more should go."""
    assert "IG002" in rules(sam(function(Tracing="Active") + SILENT.format(entry="IG701: traced by hand")))


def test_a_finding_of_the_whole_template_is_silenced_for_one_function():
    """The function is left out of it; the others stay."""
    text = sam(function() + SILENT.format(entry="WG101: nobody minds"), function("Other"))
    report = reported(text)
    [found] = [it for it in report.findings if it.rule == "WG101"]
    assert found.functions == ("Other",)
    assert "IG002" not in {it.rule for it in report.findings}


# --- The table ---------------------------------------------------------------------------------------------------


def test_the_checklist_is_whole():
    """Every item has its words, a page of AWS's, a group, and an id of its own in the order of the groups."""
    assert all(
        check.group in GROUPS and check.title and check.why and check.sees and check.mend for check in CHECKS
    )
    assert all(re.fullmatch(r"[EWI]G\d{3}", check.rule) for check in CHECKS)
    assert all(check.page.startswith("https://docs.aws.amazon.com/") for check in CHECKS)
    assert [GROUPS.index(check.group) for check in CHECKS] == sorted(
        GROUPS.index(check.group) for check in CHECKS
    )
    assert len({check.rule[2:] for check in CHECKS}) == len(CHECKS)


def test_every_item_has_a_finding_in_a_test():
    """An item that is added has a template that shows it."""
    here = Path(__file__).read_text()
    assert [check.rule for check in CHECKS if f'"{check.rule}"' not in here] == []
