"""What is read from a template, and what is said of the rest."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard.local import TemplateError
from lambda_guard.templates.stack import (
    FunctionDeclaration,
    MappingDeclaration,
    QueueDeclaration,
    RouteDeclaration,
    ScheduleDeclaration,
    Stack,
    SubscriptionDeclaration,
    TopicDeclaration,
)
from lambda_guard.templates.template import read_stack

ENDPOINT = "http://127.0.0.1:1"
HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
WHOLE = """
AWSTemplateFormatVersion: 2010-09-09
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
Conditions:
  Production: !Equals [!Ref Stage, prod]
Globals:
  Function:
    Runtime: HERE
    Timeout: 7
    MemorySize: 256
    Tracing: Active
    Environment:
      Variables: {STAGE: !Ref Stage}
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code/
      Handler: app.handler
      FunctionName: !Sub "orders-${Stage}"
      ReservedConcurrentExecutions: 2
      LoggingConfig: {LogFormat: JSON}
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Dead.Arn}
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        MaximumEventAgeInSeconds: 60
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}
      Environment:
        Variables:
          QUEUE: !Ref Queue
          TOPIC: !Ref Topic
          JOINED: !Join ["-", [a, !Ref AWS::Region]]
          KEPT: !Sub "${!literal} ${Queue.QueueName} ${Dead.Arn}"
          CHOSEN: !If [Production, big, small]
          LEFT_OUT: !If [Production, x, !Ref AWS::NoValue]
      Events:
        FromQueue:
          Type: SQS
          Properties:
            Queue: !GetAtt Queue.Arn
            BatchSize: 5
            MaximumBatchingWindowInSeconds: 3
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 4}
        FromTopic: {Type: SNS, Properties: {Topic: !Ref Topic, FilterPolicy: {kind: [order]}}}
        Nightly: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(2 days), State: DISABLED}}
        Http: {Type: HttpApi, Properties: {Path: /orders, Method: post}}
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      FifoQueue: true
      VisibilityTimeout: 42
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: "3"}
  Dead: {Type: AWS::SQS::Queue, Properties: {QueueName: the-dead.fifo, FifoQueue: true}}
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      Subscription: [{Protocol: sqs, Endpoint: !GetAtt Queue.Arn}]
  OnlyInProduction: {Type: AWS::SQS::Queue, Condition: Production}
Outputs:
  QueueUrl: {Value: !Ref Queue}
  None: {Value: !Ref OnlyInProduction, Condition: Production}
""".replace("HERE", HERE)


@pytest.fixture
def read(tmp_path):
    """Return a reader of templates that are written to a file, with a code directory beside it."""
    (tmp_path / "code").mkdir()

    def read(text, **options):
        path = tmp_path / "template.yaml"
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return read_stack(
            path,
            region="eu-west-1",
            account="123456789012",
            endpoint=ENDPOINT,
            inline_code=tmp_path / "inline",
            **options,
        )

    return read


def test_a_whole_template(read, tmp_path):
    """Everything that is supported becomes a declaration, with every reference resolved."""
    queue, dead = (
        "arn:aws:sqs:eu-west-1:123456789012:Queue.fifo",
        "arn:aws:sqs:eu-west-1:123456789012:the-dead.fifo",
    )
    topic = "arn:aws:sns:eu-west-1:123456789012:Topic"

    assert read(WHOLE) == Stack(
        functions=(
            FunctionDeclaration(
                logical_id="Orders",
                name="orders-dev",
                handler="app.handler",
                code=tmp_path / "code",
                timeout=7,
                memory=256,
                environment={
                    "STAGE": "dev",
                    "QUEUE": f"{ENDPOINT}/123456789012/Queue.fifo",
                    "TOPIC": topic,
                    "JOINED": "a-eu-west-1",
                    "KEPT": f"${{literal}} Queue.fifo {dead}",
                    "CHOSEN": "small",
                },
                log_format="JSON",
                tracing=True,
                reserved_concurrency=2,
                dead_letter_arn=dead,
                on_failure=dead,
                retries_most=1,
                event_age_most=60,
            ),
        ),
        queues=(
            QueueDeclaration(
                logical_id="Queue",
                name="Queue.fifo",
                attributes={
                    "VisibilityTimeout": "42",
                    "FifoQueue": "true",
                    "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 3}),
                },
            ),
            QueueDeclaration(logical_id="Dead", name="the-dead.fifo", attributes={"FifoQueue": "true"}),
        ),
        topics=(TopicDeclaration(logical_id="Topic", name="Topic"),),
        subscriptions=(
            SubscriptionDeclaration(
                logical_id="OrdersFromTopic",
                topic_arn=topic,
                protocol="lambda",
                endpoint="arn:aws:lambda:eu-west-1:123456789012:function:orders-dev",
                attributes={"FilterPolicy": '{"kind": ["order"]}'},
            ),
            SubscriptionDeclaration(logical_id="Topic", topic_arn=topic, protocol="sqs", endpoint=queue),
        ),
        mappings=(
            MappingDeclaration(
                logical_id="OrdersFromQueue",
                function="orders-dev",
                queue_arn=queue,
                batch_size=5,
                window=3,
                report_batch_item_failures=True,
                concurrency_most=4,
            ),
        ),
        schedules=(
            ScheduleDeclaration(
                logical_id="OrdersNightly",
                name="OrdersNightly",
                arn="arn:aws:scheduler:eu-west-1:123456789012:schedule/default/OrdersNightly",
                source="aws.scheduler",
                expression="rate(2 days)",
                function="orders-dev",
                enabled=False,
            ),
        ),
        routes=(
            RouteDeclaration(
                api="ServerlessHttpApi", method="POST", path="/orders", function="orders-dev", version="2.0"
            ),
        ),
        outputs={"QueueUrl": f"{ENDPOINT}/123456789012/Queue.fifo"},
        warnings=(),
    )


def test_a_runtime_may_be_a_parameter_and_properties_may_be_empty(read):
    """The runtime that a warning names is the parameter's value; a resource with nothing below `Properties` has none."""
    template = function(Runtime={"Ref": "Runtime"})
    template["Parameters"] = {"Runtime": {"Type": "String", "Default": "python3.99"}}
    template["Resources"]["Queue"] = {"Type": "AWS::SQS::Queue", "Properties": None}
    stack = read(template)

    assert [it.name for it in (*stack.functions, *stack.queues)] == ["Fn", "Queue"]
    assert stack.warnings == (f"Runtime python3.99: functions run with this interpreter, {HERE}",)


def test_parameters_can_be_given(read):
    """A given value wins over the default, in conditions too."""
    stack = read(WHOLE, parameters={"Stage": "prod"})

    assert stack.functions[0].name == "orders-prod"
    assert stack.functions[0].environment["LEFT_OUT"] == "x"
    assert [queue.logical_id for queue in stack.queues] == ["Queue", "Dead", "OnlyInProduction"]
    assert set(stack.outputs) == {"QueueUrl", "None"}


def test_a_plain_cloudformation_template(read):
    """Resources without SAM are read as well, with the code in a local directory."""
    template = {
        "Resources": {
            "Fn": {
                "Type": "AWS::Lambda::Function",
                "Properties": {"Handler": "a.b", "Code": "code", "Runtime": "python3.12"},
            }
        }
    }
    [function] = read(template).functions

    assert (function.name, function.handler, function.code.name, function.tracing) == (
        "Fn",
        "a.b",
        "code",
        False,
    )


def test_aliases_stand_for_copies(read):
    """Two functions that share their properties by a YAML alias are two functions."""
    stack = read("""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          A: &function
            Type: AWS::Serverless::Function
            Properties: {Handler: a.b, Runtime: python3.11, CodeUri: code}
          B: *function
    """)

    assert [(function.name, function.code.name) for function in stack.functions] == [
        ("A", "code"),
        ("B", "code"),
    ]
    with pytest.raises(TemplateError, match="not a template"):
        read("Resources: &r {X: *r}")


def test_inline_code_is_written(read):
    """InlineCode becomes a module of its own."""
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Fn": {
                "Type": "AWS::Serverless::Function",
                "Properties": {"Handler": "index.handler", "Runtime": "python3.11", "InlineCode": "x = 1\n"},
            }
        },
    }
    [function] = read(template).functions

    assert (function.code / "index.py").read_text() == "x = 1\n"


def test_what_is_not_honoured_is_named(read):
    """Each resource, property and event without effect has a sentence; nothing is ignored in silence."""
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Parameters": {"Key": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/shop/key"}},
        "Resources": {
            "Fn": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Description": "{{resolve:ssm:/shop/text}}",
                    "Handler": "a.b",
                    "Runtime": "python3.99",
                    "CodeUri": "code",
                    "Policies": ["AWSLambdaBasicExecutionRole"],
                    "VpcConfig": {"SubnetIds": ["s"], "SecurityGroupIds": ["g"]},
                    "Environment": {
                        "Variables": {"TABLE": {"Ref": "Table"}, "ARN": {"Fn::GetAtt": "Table.Arn"}}
                    },
                    "EventInvokeConfig": {
                        "DestinationConfig": {
                            "OnSuccess": {
                                "Type": "EventBridge",
                                "Destination": "arn:aws:events:r:1:event-bus/b",
                            }
                        }
                    },
                    "Events": {
                        "Stream": {
                            "Type": "Kinesis",
                            "Properties": {
                                "Stream": "arn:aws:kinesis:r:1:stream/s",
                                "StartingPosition": "LATEST",
                            },
                        },
                        "Bus": {"Type": "EventBridgeRule", "Properties": {"Pattern": {"source": ["x"]}}},
                        "Http": {
                            "Type": "HttpApi",
                            "Properties": {"Path": "/", "Method": "get", "TimeoutInMillis": 9000},
                        },
                        "Queue": {
                            "Type": "SQS",
                            "Properties": {
                                "Queue": {"Fn::GetAtt": ["Queue", "Arn"]},
                                "FilterCriteria": {"Filters": [{"Pattern": "{}"}]},
                            },
                        },
                    },
                },
            },
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {"RedriveAllowPolicy": {"redrivePermission": "denyAll"}},
            },
            "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {}},
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}},
        },
    }
    stack = read(template)
    said = "\n".join(stack.warnings)

    for sentence in (
        "Parameter Key: nothing is read from SSM here, its value is taken as it stands",
        "{{resolve:…}}: nothing is looked up here, the text is taken as it stands",
        "Fn: the event Stream of type Kinesis doesn't fire here",
        "Fn: the event Bus of type EventBridgeRule doesn't fire here",
        "Fn: the property TimeoutInMillis of the event Http (HttpApi) is not honoured",
        "Fn: the property FilterCriteria of the event Queue (SQS) is not honoured",
        "Policies and Role of Fn: permissions are not checked here",
        "Runtime python3.99: functions run with this interpreter",
        "Fn (AWS::Lambda::Function): the property VpcConfig is not honoured",
        "Queue (AWS::SQS::Queue): the property RedriveAllowPolicy is not honoured",
        "Table (AWS::DynamoDB::Table) is not created: the local cloud has no such resource",
        "Role (AWS::IAM::Role) has no effect: permissions are not checked here",
        "the destination arn:aws:events:r:1:event-bus/b is not honoured: SQS, SNS and Lambda are",
        "FnBus (AWS::Events::Rule): a rule without a schedule doesn't fire here",
        "the event source arn:aws:kinesis:r:1:stream/s is not polled here",
    ):
        assert sentence in said
    assert stack.functions[0].environment == {
        "TABLE": "Table",
        "ARN": "arn:aws:dynamodb:eu-west-1:123456789012:Table",
    }


def test_what_sam_generates_is_said_once(read):
    """A property of an event or an API has one sentence, of what the user wrote; the user's own resource has its own."""
    filters = {"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}
    arn = {"Fn::GetAtt": ["Queue", "Arn"]}
    template = function(
        Runtime=HERE,
        Events={
            "FromQueue": {"Type": "SQS", "Properties": {"Queue": arn, **filters}},
            "FromTopic": {"Type": "SNS", "Properties": {"Topic": "arn:t", "RedrivePolicy": {}}},
            "Daily": {
                "Type": "ScheduleV2",
                "Properties": {"ScheduleExpression": "rate(1 day)", "ScheduleExpressionTimezone": "UTC"},
            },
            "Get": {
                "Type": "Api",
                "Properties": {"RestApiId": {"Ref": "Rest"}, "Path": "/", "Method": "get"},
            },
        },
    )
    template["Globals"] = {"Api": {"MinimumCompressionSize": 5}}
    template["Resources"] |= {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Http": {"Type": "AWS::Serverless::HttpApi"},
        "Rest": {
            "Type": "AWS::Serverless::Api",
            "Properties": {"StageName": "p", "BinaryMediaTypes": ["image/png"]},
        },
        "Own": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": arn, "FunctionName": "Fn", **filters},
        },
    }

    assert read(template).warnings == (
        "Fn: the property FilterCriteria of the event FromQueue (SQS) is not honoured",
        "Fn: the property RedrivePolicy of the event FromTopic (SNS) is not honoured",
        "Fn: the property ScheduleExpressionTimezone of the event Daily (ScheduleV2) is not honoured",
        "Rest (AWS::Serverless::Api): the property BinaryMediaTypes is not honoured",
        "Own (AWS::Lambda::EventSourceMapping): the property FilterCriteria is not honoured",
        "Rest (AWS::ApiGateway::RestApi): the property MinimumCompressionSize is not honoured",
    )


def test_what_has_no_effect_may_be_anything(read):
    """Local definitions of resources that aren't created, and values from elsewhere where none is needed, stop nothing."""
    elsewhere = {"Fn::ImportValue": "elsewhere"}
    serverless = "AWS::Serverless::"
    template = function(
        Role=elsewhere,
        Layers=[{"Ref": "Layer"}, elsewhere],
        VpcConfig={"SubnetIds": elsewhere},
        Tags={"t": elsewhere},
    )
    template["Resources"] |= {
        "Layer": {"Type": f"{serverless}LayerVersion", "Properties": {"ContentUri": "layer/"}},
        "Flow": {"Type": f"{serverless}StateMachine", "Properties": {"DefinitionUri": "flow.json"}},
        "Rest": {"Type": f"{serverless}Api", "Properties": {"StageName": "p", "DefinitionUri": "api.yaml"}},
        "Http": {"Type": f"{serverless}HttpApi", "Properties": {"DefinitionUri": "api.yaml"}},
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"KmsMasterKeyId": elsewhere, "Tags": [elsewhere]},
        },
    }
    stack = read(template)

    assert [it.name for it in (*stack.functions, *stack.queues)] == ["Fn", "Queue"]
    assert {
        "Layer (AWS::Serverless::LayerVersion) has no effect: functions run with what is installed for this interpreter",
        "Flow (AWS::StepFunctions::StateMachine) is not created: the local cloud has no such resource",
        "Rest (AWS::Serverless::Api): the property DefinitionUri is not honoured",
        "Http (AWS::Serverless::HttpApi): the property DefinitionUri is not honoured",
        "Fn (AWS::Lambda::Function): the property Layers is not honoured",
        "Fn (AWS::Lambda::Function): the property VpcConfig is not honoured",
    } <= set(stack.warnings)


def test_base64_is_encoded(read):
    """What `Fn::Base64` gives is the text in Base64, with what stands in it resolved."""
    template = function(Environment={"Variables": {"X": {"Fn::Base64": {"Fn::Sub": "in ${AWS::Region}"}}}})
    [fn] = read(template).functions

    assert fn.environment == {"X": "aW4gZXUtd2VzdC0x"}


def test_an_output_that_is_beyond_us_is_left_out(read):
    """No function needs an output: one that can't be resolved is left out, which a warning says; the others are there."""
    template = function(Runtime=HERE)
    template["Outputs"] = {
        "Name": {"Value": {"Ref": "Fn"}},
        "Elsewhere": {"Value": {"Fn::ImportValue": "elsewhere"}},
        "Version": {"Value": {"Fn::GetAtt": ["Fn", "Version"]}},
        "Mapped": {"Value": {"Fn::FindInMap": ["Map", "a", "b"]}},
    }
    stack = read(template)
    known = "Fn::Base64, Fn::FindInMap, Fn::GetAtt, Fn::If, Fn::Join, Fn::Select, Fn::Split, Fn::Sub, Ref"

    assert stack.outputs == {"Name": "Fn"}
    assert stack.warnings == (
        f"The output Elsewhere is left out: Value: Fn::ImportValue isn't supported here (supported: {known})",
        "The output Version is left out: resource Fn: AWS::Lambda::Function has no attribute 'Version' here",
        "The output Mapped is left out: Value: Fn::FindInMap has a malformed argument: ['Map', 'a', 'b']",
    )


def function(**properties):
    """Return a template with one function."""
    properties = {"Handler": "a.b", "Runtime": "python3.11", "CodeUri": "code", **properties}
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"Fn": {"Type": "AWS::Serverless::Function", "Properties": properties}},
    }


def queue(**properties):
    """Return a template with one queue."""
    return {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": properties}}}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a: [", "template.yaml: not YAML"),
        ("just text", "a non-empty mapping `Resources`"),
        ({"Resources": {}}, "a non-empty mapping `Resources`"),
        ({"Resources": {"X": {}}}, "resource X: it needs a `Type`"),
        ({"Resources": {"X": {"Type": "AWS::SQS::Queue", "Properties": []}, "Y": {"Type": "T", "Properties": 1}}}, "resource Y: `Properties` must be a mapping"),
        ({"Parameters": {"P": 3}, **queue()}, "`Parameters` must be a mapping of names to mappings"),
        ({"Outputs": ["O"], **queue()}, "`Outputs` must be a mapping of names to mappings"),
        ({"Globals": 3, **queue()}, "`Globals` must be a mapping of names to mappings"),
        ({"Outputs": {"O": {"Condition": ["C"], "Value": 1}}, **queue()}, r"the condition \['C'\] isn't declared"),
        ({"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"Subscription": [3]}}}}, "resource Topic: a property isn't what AWS::SNS::Topic has there"),
        (function(EventInvokeConfig={"DestinationConfig": {"OnFailure": "queue"}}), "template.yaml: .*Fn"),
        (function(CodeUri="nowhere"), "resource Fn: the code '.*nowhere' is no directory"),
        (function(CodeUri="s3://bucket/key"), "resource Fn: CodeUri must be a local directory"),
        (function(Runtime="nodejs22.x"), "resource Fn: the local cloud runs Python functions"),
        (function(Handler="handler"), "resource Fn: Handler must be `module.function`"),
        (function(MemorySize="big"), "resource Fn: MemorySize must be a number"),
        (function(Timeout=901), "resource Fn: Timeout must be between 0.01 and 900, not 901"),
        (function(FunctionName={"Ref": "Nobody"}), "resource Fn.FunctionName: 'Nobody' is neither a resource nor a parameter"),
        (function(Environment={"Variables": {"X": {"Fn::ImportValue": "y"}}}), "resource Fn.*: Fn::ImportValue isn't supported"),
        (function(Environment={"Variables": {"X": {"Fn::Select": ["a"]}}}), "Fn::Select has a malformed argument"),
        (function(Environment={"Variables": {"X": {"Fn::Base64": ["a"]}}}), "Fn::Base64 has a malformed argument"),
        (function(Environment={"Variables": {"X": {"Fn::GetAtt": ["Fn", "Nothing"]}}}), "AWS::Lambda::Function has no attribute 'Nothing'"),
        (function(Environment={"Variables": {"X": {"Fn::If": ["Nobody", 1, 2]}}}), "condition 'Nobody' isn't declared"),
        (function(Events={"Q": {"Type": "SQS", "Properties": {}}}), "template.yaml: .*Fn"),
        (queue(RedrivePolicy={"maxReceiveCount": 3}), "resource Queue: RedrivePolicy needs `deadLetterTargetArn`"),
    ],
)  # fmt: skip
def test_a_wrong_template_says_where(read, template, message):
    """Every error names the file, and the resource where there is one."""
    with pytest.raises(TemplateError, match=message) as caught:
        read(template)

    assert "template.yaml" in str(caught.value)


def test_parameters_are_checked(read):
    """An unknown parameter and one without a value are refused."""
    template = {"Parameters": {"P": {"Type": "String"}}, **queue()}
    with pytest.raises(TemplateError, match="parameter P has no default"):
        read(template)
    with pytest.raises(TemplateError, match="no parameter Q"):
        read(template, parameters={"P": "1", "Q": "2"})


def test_a_file_that_is_not_there(tmp_path):
    """A missing file is a template error as well."""
    with pytest.raises(TemplateError, match="can't be read"):
        read_stack(
            tmp_path / "none.yaml", region="r", account="1", endpoint=ENDPOINT, inline_code=Path(tmp_path)
        )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Ref", "Fn::Sub", "Fn::GetAtt", "Fn::If", "Fn::Join", "x"]), inner, max_size=2
        )
    ),
    max_leaves=5,
)


@settings(deadline=None)  # SAM's translator is imported by the first example, in a second
@given(VALUES)
def test_any_value_is_resolved_or_refused(tmp_path_factory, value):
    """Whatever stands in a property, reading gives a stack or a TemplateError, never anything else."""
    try:
        stack = read_stack(
            queue(DelaySeconds=value),
            region="eu-west-1",
            account="1",
            endpoint=ENDPOINT,
            inline_code=tmp_path_factory.getbasetemp(),
        )
    except TemplateError:
        return
    assert len(stack.queues) == 1
