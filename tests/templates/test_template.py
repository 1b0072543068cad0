"""What a template declares, as it is read."""

import gc
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.templates.document import Location, TemplateError
from lambda_guard.templates.reading import read_stack
from lambda_guard.templates.stack import (
    ApiDeclaration,
    FunctionDeclaration,
    MappingDeclaration,
    QueueDeclaration,
    RouteDeclaration,
    ScheduleDeclaration,
    Stack,
    TopicDeclaration,
)
from lambda_guard.templates.template import Template

ENDPOINT = "http://127.0.0.1:1"
LOCATION = Location("eu-west-1", "123456789012", ENDPOINT)
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
        return read_stack(Template(path, LOCATION, **options))

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
                runtime=HERE,
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
                retry_attempts=1,
                event_age=60,
            ),
        ),
        queues=(
            QueueDeclaration(logical_id="Queue", name="Queue.fifo", dead_letter_arn=dead),
            QueueDeclaration(logical_id="Dead", name="the-dead.fifo"),
        ),
        topics=(TopicDeclaration(logical_id="Topic", name="Topic"),),
        mappings=(
            MappingDeclaration(
                logical_id="OrdersFromQueue",
                function="orders-dev",
                source_arn=queue,
                batch_size=5,
                batching_window=3,
                report_batch_item_failures=True,
                maximum_concurrency=4,
            ),
        ),
        schedules=(
            ScheduleDeclaration(
                logical_id="OrdersNightly",
                name="OrdersNightly",
                arn="arn:aws:scheduler:eu-west-1:123456789012:schedule/default/OrdersNightly",
                source="aws.scheduler",
                expression="rate(2 days)",
                target="orders-dev",
                enabled=False,
            ),
        ),
        apis=(ApiDeclaration(logical_id="ServerlessHttpApi", rest=False, stage="$default"),),
        routes=(
            RouteDeclaration(
                api="ServerlessHttpApi", method="POST", path="/orders", function="orders-dev", version="2.0"
            ),
        ),
        outputs={"QueueUrl": f"{ENDPOINT}/123456789012/Queue.fifo"},
    )


def test_what_cannot_be_run_locally_is_read_as_well(read):
    """Other runtimes, images, code in S3, streams and rules that fire by events are there for whoever checks them."""
    node = {"Handler": "index.handler", "Runtime": "nodejs22.x", "CodeUri": "s3://bucket/key"}
    stream = {"Stream": "arn:aws:kinesis:r:1:stream/s", "StartingPosition": "LATEST", "Enabled": False}
    events = {
        "Stream": {"Type": "Kinesis", "Properties": stream},
        "Bus": {"Type": "EventBridgeRule", "Properties": {"Pattern": {"source": ["x"]}}},
    }
    destination = {"OnSuccess": {"Type": "EventBridge", "Destination": "arn:aws:events:r:1:event-bus/b"}}
    stack = read(
        {
            "Transform": "AWS::Serverless-2016-10-31",
            "Resources": {
                "Node": {
                    "Type": "AWS::Serverless::Function",
                    "Properties": {
                        **node,
                        "Events": events,
                        "EventInvokeConfig": {"DestinationConfig": destination},
                    },
                },
                "Image": {
                    "Type": "AWS::Serverless::Function",
                    "Properties": {
                        "PackageType": "Image",
                        "ImageUri": "image",
                        "ReservedConcurrentExecutions": 0,
                    },
                },
            },
        }
    )

    assert stack.functions == (
        FunctionDeclaration(
            logical_id="Node",
            name="Node",
            runtime="nodejs22.x",
            handler="index.handler",
            on_success="arn:aws:events:r:1:event-bus/b",
        ),
        FunctionDeclaration(logical_id="Image", name="Image", runtime=None, reserved_concurrency=0),
    )
    assert stack.mappings == (
        MappingDeclaration(
            logical_id="NodeStream",
            function="Node",
            source_arn="arn:aws:kinesis:r:1:stream/s",
            batch_size=100,
            enabled=False,
            starting_position="LATEST",
        ),
    )


def test_the_reader_is_not_part_of_the_local_cloud():
    """Reading a template imports nothing of the local cloud, of the tools."""
    code = (
        "import sys; from lambda_guard.templates.reading import read_stack; "
        "from lambda_guard.templates.template import Template; "
        "print([name for name in sys.modules if name.startswith(('lambda_guard.local', 'lambda_guard.tools'))])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


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


def test_what_cloudformation_reads_is_read(read):
    """A question mark in a flow, and JSON that is indented by tabs; a table's name has the three characters it needs."""
    stack = read("""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          A:
            Type: AWS::Serverless::Function
            Properties:
              {Handler: a.b, Runtime: python3.11, CodeUri: code, Environment: {Variables: {TABLE: !Ref T}},
               Events: {At: {Type: ScheduleV2, Properties: {ScheduleExpression: cron(0 3 * * ? *)}}}}
          T: {Type: AWS::DynamoDB::Table}
    """)

    assert [it.expression for it in stack.schedules] == ["cron(0 3 * * ? *)"]
    assert stack.functions[0].environment == {"TABLE": "T00"}
    assert read('{\n\t"Resources": {\n\t\t"Q": {"Type": "AWS::SQS::Queue"}}}').queues[0].name == "Q"


def test_loops_are_written_out(read):
    """By a list or a parameter's, in resources and outputs, one within the other; names lose what ids can't have."""
    stack = read(
        """
        Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
        Parameters: {Names: {Type: CommaDelimitedList, Default: "a-1, b"}}
        Resources:
          Fn::ForEach::Names:
            - Name
            - !Ref Names
            - Fn::ForEach::Kinds:
                - Kind
                - [in, out]
                - "Queue&{Name}${Kind}": {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${Name}-${Kind}"}}
        Outputs:
          Fn::ForEach::Outputs: [Kind, [in], {"Of${Kind}": {Value: !GetAtt [!Sub "Queueb${Kind}", QueueName]}}]
        """,
        parameters={"Names": "b,c-2"},
    )

    assert {it.logical_id: it.name for it in stack.queues} == {
        "Queuebin": "b-in",
        "Queuebout": "b-out",
        "Queuec2in": "c-2-in",
        "Queuec2out": "c-2-out",
    }
    assert stack.outputs == {"Ofin": "b-in"}
    with pytest.raises(TemplateError, match="Fn::ForEach::Q must be a name, a list of texts"):
        read('{"Resources": {"Fn::ForEach::Q": ["Name", {"Fn::GetAZs": ""}, {}]}}')


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


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Fn::Select": [1, {"Fn::GetAZs": ""}]}, "eu-west-1b"),
        ({"Fn::Join": [",", {"Fn::GetAZs": "us-east-1"}]}, "us-east-1a,us-east-1b,us-east-1c"),
        ({"Fn::Length": {"Ref": "AWS::NotificationARNs"}}, "0"),
        ({"Fn::Length": {"Fn::Split": [",", "a,b"]}}, "2"),
        ({"Fn::ToJsonString": {"region": {"Ref": "AWS::Region"}, "none": {"Ref": "AWS::NoValue"}}}, '{"region": "eu-west-1"}'),
        ({"Fn::FindInMap": ["Sizes", "small", "n"]}, "1"),
        ({"Fn::Sub": ["${ AWS::Region }-${ one}-${!two}", {"one": 1}]}, "eu-west-1-1-${two}"),
        ({"Fn::FindInMap": ["Sizes", "large", "n", {"DefaultValue": {"Ref": "AWS::Region"}}]}, "eu-west-1"),
    ],
)  # fmt: skip
def test_functions_of_the_language_are_resolved(read, value, expected):
    """Those of its extensions among them, as CloudFormation's documentation has them."""
    template = {
        "Mappings": {"Sizes": {"small": {"n": 1}}},
        **function(Environment={"Variables": {"X": value}}),
    }
    [fn] = read(template).functions

    assert fn.environment == {"X": expected}


def test_base64_is_encoded(read):
    """What `Fn::Base64` gives is the text in Base64, with what stands in it resolved."""
    template = function(Environment={"Variables": {"X": {"Fn::Base64": {"Fn::Sub": "in ${AWS::Region}"}}}})
    [fn] = read(template).functions

    assert fn.environment == {"X": "aW4gZXUtd2VzdC0x"}


def function(**properties):
    """Return a template with one function."""
    properties = {"Handler": "a.b", "Runtime": "python3.11", "CodeUri": "code", **properties}
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"Fn": {"Type": "AWS::Serverless::Function", "Properties": properties}},
    }


@pytest.mark.parametrize(("timeout", "memory"), [(1_800, 32_768), (5_400, 65_536)])
def test_no_limit_that_aws_raises_is_held(read, timeout, memory):
    """How long a function may run and how much memory it may have is AWS's business: it has grown, and will."""
    (declared,) = read(function(Timeout=timeout, MemorySize=memory)).functions

    assert (declared.timeout, declared.memory) == (timeout, memory)


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
        ({"Resources": {"Rule": {"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(1 day)", "Targets": [3]}}}}, "resource Rule: a property isn't what AWS::Events::Rule has there"),
        (function(EventInvokeConfig={"DestinationConfig": {"OnFailure": "queue"}}), "template.yaml: .*Fn"),
        (function(MemorySize="big"), "resource Fn: MemorySize must be a number"),
        (function(Timeout=0), "resource Fn: Timeout must be at least 0.01, not 0"),
        (function(Timeout="inf"), "resource Fn: Timeout must be at least 0.01, not inf"),
        (function(MemorySize=127), "resource Fn: MemorySize must be at least 128, not 127"),
        (function(MemorySize="nan"), "resource Fn: MemorySize must be at least 128, not nan"),
        (function(FunctionName={"Ref": "Nobody"}), "resource Fn.FunctionName: 'Nobody' is neither a resource nor a parameter"),
        (function(Environment={"Variables": {"X": {"Fn::ImportValue": "y"}}}), "resource Fn.*: Fn::ImportValue isn't supported"),
        (function(Environment={"Variables": {"X": {"Fn::Select": ["a"]}}}), "Fn::Select has a malformed argument"),
        (function(Environment={"Variables": {"X": {"Fn::Base64": ["a"]}}}), "Fn::Base64 has a malformed argument"),
        (function(Environment={"Variables": {"X": {"Fn::GetAtt": ["Fn", "Nothing"]}}}), "AWS::Lambda::Function has no attribute 'Nothing'"),
        (function(Environment={"Variables": {"X": {"Fn::GetAtt": ["Fn", "Ref"]}}}), "AWS::Lambda::Function has no attribute 'Ref'"),
        (function(Environment={"Variables": {"X": {"Fn::If": ["Nobody", 1, 2]}}}), "condition 'Nobody' isn't declared"),
        (function(Events={"Q": {"Type": "SQS", "Properties": {}}}), "template.yaml: .*Fn"),
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
        Template(tmp_path / "none.yaml", LOCATION)


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


@given(VALUES)
def test_any_value_is_resolved_or_refused(value):
    """Whatever stands in a property, reading gives a stack or a TemplateError, never anything else."""
    try:
        stack = read_stack(Template(queue(DelaySeconds=value), LOCATION))
    except TemplateError:
        return
    assert len(stack.queues) == 1


SHIFTED = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: orders
      Runtime: python3.12
      Handler: orders.handler
      CodeUri: code
      AutoPublishAlias: live
      DeploymentPreference: {Type: Canary10Percent5Minutes}
      Events:
        Place: {Type: HttpApi, Properties: {Method: POST, Path: /orders}}
        Parcels: {Type: SQS, Properties: {Queue: !GetAtt Parcels.Arn}}
  Parcels: {Type: AWS::SQS::Queue}
Outputs:
  Version: {Value: !GetAtt Orders.Version.Version}
"""


def test_what_is_addressed_by_an_alias_reaches_the_function(read, caplog):
    """A route and a mapping of a function with traffic shifting lead to the function, and the translation is silent."""
    stack = read(SHIFTED)

    assert [route.function for route in stack.routes] == ["orders"]
    assert [mapping.function for mapping in stack.mappings] == ["orders"]
    assert stack.outputs == {"Version": "$LATEST"}
    assert [line.message for line in caplog.records if "feature" in line.name] == []


def test_several_translations_leave_no_line_on_standard_error(read, caplog):
    """The translator's own metrics go nowhere, and it doesn't warn of them when the next template takes its place."""
    for _ in range(2):
        read(SHIFTED)
    with pytest.raises(TemplateError):
        read(
            SHIFTED.replace(
                "Outputs:", "  Wrong: {Type: AWS::Serverless::Function, Properties: {Runtime: 3}}\nOutputs:"
            )
        )
    read(SHIFTED)
    gc.collect()
    assert [line.message for line in caplog.records if line.name.startswith("samtranslator")] == []
