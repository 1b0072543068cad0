"""What the local cloud makes of a template: what it refuses, and what it says of the rest."""

import json
import sys

import pytest

from lambda_guard.local import TemplateError
from lambda_guard.local.deployable import deployable
from lambda_guard.templates.document import Location
from lambda_guard.templates.template import Template

LOCATION = Location("eu-west-1", "123456789012", "http://127.0.0.1:1")
HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def read(tmp_path):
    """Return a reader of templates that are written to a file, with a code directory beside it."""
    (tmp_path / "code").mkdir()

    def read(template):
        path = tmp_path / "template.yaml"
        path.write_text(json.dumps(template))
        return deployable(Template(path, LOCATION), tmp_path / "inline")

    return read


def function(**properties):
    """Return a template with one function."""
    properties = {"Handler": "a.b", "Runtime": "python3.11", "CodeUri": "code", **properties}
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"Fn": {"Type": "AWS::Serverless::Function", "Properties": properties}},
    }


IMAGE = {
    "Resources": {
        "Fn": {"Type": "AWS::Serverless::Function", "Properties": {"PackageType": "Image", "ImageUri": "i"}}
    }
}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (function(CodeUri="nowhere"), "resource Fn: the code '.*nowhere' isn't a directory"),
        (function(CodeUri="s3://bucket/key"), "resource Fn: CodeUri must be a local directory, not 's3://bucket/key'"),
        (function(CodeUri={"Bucket": "b", "Key": "k"}), "resource Fn: CodeUri must be a local directory, not {"),
        (function(Runtime="nodejs22.x"), "resource Fn: the local cloud runs Python functions"),
        (IMAGE, "resource Fn: the local cloud runs Python functions"),
        (function(Handler="handler"), "resource Fn: Handler must be `module.function`, not 'handler'"),
        (function(ReservedConcurrentExecutions=0), "resource Fn: ReservedConcurrentExecutions must be between 1 and 1000"),
    ],
)  # fmt: skip
def test_what_cannot_run_here_is_refused(read, template, message):
    """A function that this interpreter can't run from a directory is an error that names file and resource."""
    with pytest.raises(TemplateError, match=rf"template\.yaml: {message}"):
        read(template)


def test_a_runtime_may_be_a_parameter_and_properties_may_be_empty(read):
    """The runtime that a warning names is the parameter's value; a resource with nothing below `Properties` has none."""
    template = function(Runtime={"Ref": "Runtime"})
    template["Parameters"] = {"Runtime": {"Type": "String", "Default": "python3.99"}}
    template["Resources"]["Queue"] = {"Type": "AWS::SQS::Queue", "Properties": None}
    stack, warnings = read(template)

    assert [it.name for it in (*stack.functions, *stack.queues)] == ["Fn", "Queue"]
    assert warnings == (f"Runtime python3.99: functions run with this interpreter, {HERE}",)


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
    [function] = read(template)[0].functions

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
                                "TumblingWindowInSeconds": 60,
                                "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::lost"}},
                            },
                        },
                        "Broker": {
                            "Type": "MQ",
                            "Properties": {
                                "Broker": "arn:aws:mq:r:1:broker:b",
                                "Queues": ["q"],
                                "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": "s"}],
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
                                "KmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/k",
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
            "Fleet": {"Type": "AWS::GameLift::Fleet", "Properties": {}},
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}},
        },
    }
    stack, warnings = read(template)
    said = "\n".join(warnings)

    for sentence in (
        "Parameter Key: nothing is read from SSM here, its value is taken as it stands",
        "{{resolve:…}}: nothing is looked up here, the text is taken as it stands",
        "Fn: the property TumblingWindowInSeconds of the event Stream (Kinesis) is not honoured",
        "FnStream: the destination arn:aws:s3:::lost is not honoured: SQS and SNS are",
        "Fn: the event Broker of type MQ doesn't fire here",
        "Fn: the event Bus of type EventBridgeRule doesn't fire here",
        "Fn: the property TimeoutInMillis of the event Http (HttpApi) is not honoured",
        "Fn: the property KmsKeyArn of the event Queue (SQS) is not honoured",
        "Policies and Role of Fn: permissions are not checked without --enforce-policies",
        "Runtime python3.99: functions run with this interpreter",
        "Fn (AWS::Lambda::Function): the property VpcConfig is not honoured",
        "Queue (AWS::SQS::Queue): the property RedriveAllowPolicy is not honoured",
        "Fleet (AWS::GameLift::Fleet) is not created: the local cloud has no such resource",
        "Role (AWS::IAM::Role) has no effect: permissions are not checked without --enforce-policies",
        "the destination arn:aws:events:r:1:event-bus/b is not honoured: SQS, SNS and Lambda are",
        "FnBus (AWS::Events::Rule): a rule without a schedule doesn't fire here",
        "the event source arn:aws:mq:r:1:broker:b is not polled here",
    ):
        assert sentence in said
    assert stack.functions[0].environment == {
        "TABLE": "Table",
        "ARN": "arn:aws:dynamodb:eu-west-1:123456789012:table/Table",
    }


def test_what_sam_generates_is_said_once(read):
    """A property of an event or an API has one sentence, of what the user wrote; the user's own resource has its own."""
    key = {"KmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/k"}
    arn = {"Fn::GetAtt": ["Queue", "Arn"]}
    template = function(
        Runtime=HERE,
        Events={
            "FromQueue": {"Type": "SQS", "Properties": {"Queue": arn, **key}},
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
            "Properties": {"EventSourceArn": arn, "FunctionName": "Fn", **key},
        },
    }

    assert read(template)[1] == (
        "Fn: the property KmsKeyArn of the event FromQueue (SQS) is not honoured",
        "Fn: the property RedrivePolicy of the event FromTopic (SNS) is not honoured",
        "Fn: the property ScheduleExpressionTimezone of the event Daily (ScheduleV2) is not honoured",
        "Rest (AWS::Serverless::Api): the property BinaryMediaTypes is not honoured",
        "Own (AWS::Lambda::EventSourceMapping): the property KmsKeyArn is not honoured",
        "Rest (AWS::ApiGateway::RestApi): the property MinimumCompressionSize is not honoured",
    )


def test_what_has_no_effect_may_be_anything(read):
    """Local definitions of resources that aren't created or used, and values from elsewhere where none is needed, stop nothing."""
    elsewhere = {"Fn::ImportValue": "elsewhere"}
    serverless = "AWS::Serverless::"
    template = function(
        Role=elsewhere,
        Layers=[elsewhere],
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
    stack, warnings = read(template)

    assert [it.name for it in (*stack.functions, *stack.queues)] == ["Fn", "Queue"]
    assert {
        "Rest (AWS::Serverless::Api): the property DefinitionUri is not honoured",
        "Http (AWS::Serverless::HttpApi): the property DefinitionUri is not honoured",
        "Fn (AWS::Lambda::Function): the property VpcConfig is not honoured",
    } <= set(warnings)


def test_an_output_that_is_beyond_us_is_left_out(read):
    """No function needs an output: one that can't be resolved is left out, which a warning says; the others are there."""
    template = function(Runtime=HERE)
    template["Outputs"] = {
        "Name": {"Value": {"Ref": "Fn"}},
        "Elsewhere": {"Value": {"Fn::ImportValue": "elsewhere"}},
        "Version": {"Value": {"Fn::GetAtt": ["Fn", "Version"]}},
        "Mapped": {"Value": {"Fn::FindInMap": ["Map", "a", "b"]}},
    }
    stack, warnings = read(template)
    known = "Fn::Base64, Fn::FindInMap, Fn::GetAtt, Fn::If, Fn::Join, Fn::Select, Fn::Split, Fn::Sub, Ref"

    assert stack.outputs == {"Name": "Fn"}
    assert warnings == (
        f"The output Elsewhere is left out: Value: Fn::ImportValue isn't supported here (supported: {known})",
        "The output Version is left out: resource Fn: AWS::Lambda::Function has no attribute 'Version' here",
        "The output Mapped is left out: Value: Fn::FindInMap has a malformed argument: ['Map', 'a', 'b']",
    )
