"""What the local cloud makes of a template: what it refuses, and what it says of the rest."""

import json
import re
import stat
import sys
import zipfile
from importlib.resources import files

import pytest

from lambda_guard.local.aws.event_bus import TARGETS
from lambda_guard.local.deployable import deployable
from lambda_guard.local.placeholders import read_template
from lambda_guard.templates.document import Location

LOCATION = Location("eu-west-1", "123456789012", "http://127.0.0.1:1")
HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def read(tmp_path):
    """Return a reader of templates that are written to a file, with a code directory beside it."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/a.py").write_text("def b(event, context): ...")

    def read(template):
        path = tmp_path / "template.yaml"
        path.write_text(json.dumps(template))
        return deployable(read_template(path, LOCATION, None, None), tmp_path / "inline")

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
    ("template", "reason"),
    [
        (function(CodeUri="nowhere"), "its code '.*nowhere' isn't there: build it, or correct the path"),
        (function(CodeUri="s3://bucket/key"), "its code is in S3 \\(s3://bucket/key\\), not on this machine"),
        (function(CodeUri={"Bucket": {"Ref": "AWS::Region"}, "Key": "k"}), "its code is in S3, not on this machine"),
        (function(Runtime="nodejs22.x"), "its runtime is nodejs22.x, and Python functions do"),
        (IMAGE, "it's a container image, and Python functions from a directory or zip archive do"),
        (function(Handler="handler"), "Handler must be `module.function`, not 'handler'"),
        (function(Timeout={"Fn::ImportValue": "t"}), "resource Fn.Timeout: Fn::ImportValue isn't supported here"),
    ],
)  # fmt: skip
def test_a_function_that_cannot_run_here_is_named(read, template, reason):
    """Once, with the reason; what else the template has starts."""
    template["Resources"]["Queue"] = {"Type": "AWS::SQS::Queue"}
    template["Resources"]["FromQueue"] = {
        "Type": "AWS::Lambda::EventSourceMapping",
        "Properties": {"FunctionName": {"Ref": "Fn"}, "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}},
    }
    stack, warnings = read(template)
    [absent] = stack.absent

    assert [warning for warning in warnings if warning.startswith("Fn ")] == [
        f"Fn doesn't run here: {absent.reason}"
    ]
    assert re.match(reason, absent.reason)
    assert absent.queues == ("arn:aws:sqs:eu-west-1:123456789012:Queue",)
    assert (stack.functions, stack.mappings, [it.name for it in stack.queues]) == ((), (), ["Queue"])


def test_parameters_without_a_value_get_placeholders(read):
    """By their types, and within what they allow; one warning names them all."""
    template = function(
        Environment={"Variables": {"VPC": {"Ref": "Vpc"}, "ZONES": {"Fn::Join": ["+", {"Ref": "Zones"}]}}}
    )
    template["Parameters"] = {
        "Vpc": {"Type": "AWS::EC2::VPC::Id"},
        "Zones": {"Type": "List<AWS::EC2::AvailabilityZone::Name>"},
        "Stage": {"Type": "String", "AllowedValues": ["dev", "prod"]},
        "Mail": {"Type": "String", "AllowedPattern": r"[^@]+@[^@]+\.[a-z]+"},
        "Long": {"Type": "String", "MinLength": 14, "MaxLength": 20},
        "Short": {"Type": "String", "MaxLength": "3"},
        "Count": {"Type": "Number", "MinValue": 2},
        "Image": {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"},
        "Strange": {"Type": "String", "AllowedPattern": "(?<x>"},
        "Names": {"Type": "CommaDelimitedList"},
        "Set": {"Type": "String", "Default": ""},
    }
    stack, warnings = read(template)

    values = (
        "Vpc=vpc-00000000000000000, Zones=eu-west-1a, Stage=dev, Mail=placeholder@example.com, Long=placeholderxxx, "
        "Short=pla, Count=2, Image=ami-00000000000000000, Strange=placeholder, Names=placeholder"
    )
    assert (
        f"Placeholders stand for parameters without a value: {values}; give them one with --parameter NAME=VALUE"
        in warnings
    )
    assert stack.functions[0].environment == {"VPC": "vpc-00000000000000000", "ZONES": "eu-west-1a"}


def test_a_variable_from_elsewhere_stays_as_it_is_written(read):
    """So that the function starts, and what it does with it shows where it comes from; a condition for all is read."""
    elsewhere = {"Fn::ImportValue": "theirs"}
    template = function(
        Environment={"Variables": {"THEIRS": elsewhere, "OURS": "x", "NONE": {"Ref": "AWS::NoValue"}}}
    )
    variables = {"Fn::If": ["Yes", {"Variables": {"A": "1"}}, {"Ref": "AWS::NoValue"}]}
    template["Conditions"] = {"Yes": {"Fn::Equals": ["a", "a"]}}
    template["Resources"]["Other"] = {
        "Type": "AWS::Lambda::Function",
        "Properties": {"Runtime": HERE, "Handler": "a.b", "Code": "code", "Environment": variables},
    }
    template["Resources"]["Daily"] = {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {"ScheduleExpression": elsewhere},
    }
    stack, warnings = read(template)

    assert {it.name: it.environment for it in stack.functions} == {
        "Fn": {"THEIRS": '{"Fn::ImportValue": "theirs"}', "OURS": "x"},
        "Other": {"A": "1"},
    }
    said = "\n".join(warnings)
    assert "The variable THEIRS of Fn has its value as it is written: resource Fn.Environment" in said
    assert (
        "Daily is left out: resource Daily.ScheduleExpression: Fn::ImportValue isn't supported here" in said
    )
    assert stack.schedules == ()


def test_a_schedule_whose_target_is_not_here_is_said(read):
    """EventBridge Scheduler starts functions and state machines here; any other target is named, and left out."""
    template = function()
    for name, target in (("Flow", "states:eu-west-1:1:stateMachine:f"), ("Send", "sqs:eu-west-1:1:q")):
        properties = {"ScheduleExpression": "rate(1 day)", "Target": {"Arn": f"arn:aws:{target}"}}
        template["Resources"][name] = {"Type": "AWS::Scheduler::Schedule", "Properties": properties}
    stack, warnings = read(template)

    assert [it.name for it in stack.schedules] == ["Flow"]
    assert "Send: the target arn:aws:sqs:eu-west-1:1:q gets nothing here" in warnings


def test_code_may_be_a_zip_archive(read, tmp_path):
    """It's unpacked once for all functions that have it; one that leads elsewhere or is damaged stops its function alone."""
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("a.py", "def b(event, context): ...")
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        archive.writestr("../a.py", "")
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        link = zipfile.ZipInfo("a.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    (tmp_path / "torn.zip").write_bytes((tmp_path / "code.zip").read_bytes()[:40])
    template = function(CodeUri="code.zip")
    fn = template["Resources"]["Fn"]
    for name in ("code", "slip", "link", "torn"):
        template["Resources"][name.title()] = {
            **fn,
            "Properties": {**fn["Properties"], "CodeUri": f"{name}.zip"},
        }
    stack, _ = read(template)

    assert [it.logical_id for it in stack.functions] == ["Fn", "Code"]
    assert len({it.code for it in stack.functions}) == 1
    assert (stack.functions[0].code / "a.py").exists()
    assert [it.reason.removeprefix(f"its code '{tmp_path}/") for it in stack.absent] == [
        "slip.zip' leads out of /var/task: '../a.py'",
        "link.zip' leads out of /var/task, by the link 'a.py'",
        "torn.zip' isn't a directory or a zip archive",
    ]
    assert not (tmp_path / "inline/a.py").exists()


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
                "Properties": {
                    "Handler": "index.handler",
                    "Runtime": "python3.11",
                    "InlineCode": "handler = 1\n",
                },
            }
        },
    }
    [function] = read(template)[0].functions

    assert (function.code / "index.py").read_text() == "handler = 1\n"


def test_what_is_not_honoured_is_named(read):
    """Each resource, property and event without effect has a sentence; nothing is ignored in silence."""
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Fn": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
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
                                "Destination": "arn:aws:s3:::b",
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
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {}},
            "Fleet": {"Type": "AWS::GameLift::Fleet", "Properties": {}},
            "Seed": {"Type": "Custom::Seed", "Properties": {"ServiceToken": {"Fn::GetAtt": "Fn.Arn"}}},
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}},
            "Nodes": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "EventPattern": {"source": ["x"]},
                    "Targets": [
                        {"Id": str(number), "Arn": arn}
                        for number, arn in enumerate(
                            ("arn:aws:ecs:r:1:cluster/c", "arn:aws:events:r:1:api-destination/d/1")
                        )
                    ],
                },
            },
        },
    }
    stack, warnings = read(template)
    said = "\n".join(warnings)

    for sentence in (
        "Fn: the property TumblingWindowInSeconds of the event Stream (Kinesis) is not honoured",
        "FnStream: the destination arn:aws:s3:::lost is not honoured: SQS and SNS are",
        "Fn: the event Broker of type MQ doesn't fire here",
        "Fn: the property TimeoutInMillis of the event Http (HttpApi) is not honoured",
        "Fn: the property KmsKeyArn of the event Queue (SQS) is not honoured",
        "Policies and Role of Fn: permissions are not checked without --enforce-policies",
        "Runtime python3.99: functions run with this interpreter",
        "Fn (AWS::Lambda::Function): the property VpcConfig is not honoured",
        "Fleet (AWS::GameLift::Fleet) is not created: the local cloud has no such resource",
        "Seed (Custom::Seed) is not created: what a custom resource's function makes isn't made here, and references to it have its name",
        "Role (AWS::IAM::Role) has no effect: permissions are not checked without --enforce-policies",
        "the destination arn:aws:s3:::b is not honoured: SQS, SNS, Lambda and EventBridge are",
        "Nodes: the target arn:aws:ecs:r:1:cluster/c gets nothing here",
        "Nodes: the target arn:aws:events:r:1:api-destination/d/1 gets nothing here",
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
            "Properties": {"StageName": "p", "TracingEnabled": True},
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
        "Rest (AWS::Serverless::Api): the property TracingEnabled is not honoured",
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
        "Rest is left out: its definition 'api.yaml' isn't there: build it, or correct the path",
        "Http is left out: its definition 'api.yaml' isn't there: build it, or correct the path",
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
    known = "Fn::Base64, Fn::FindInMap, Fn::GetAZs, Fn::GetAtt, Fn::If, Fn::Join, Fn::Length, Fn::Select, Fn::Split, Fn::Sub, Fn::ToJsonString, Ref"

    assert stack.outputs == {"Name": "Fn"}
    assert warnings == (
        f"The output Elsewhere is left out: Value: Fn::ImportValue isn't supported here (supported: {known})",
        "The output Version is left out: resource Fn: AWS::Lambda::Function has no attribute 'Version' here",
        "The output Mapped is left out: Value: Mappings has no Map.a.b",
    )


def test_targets_that_get_events_are_those_that_are_not_warned_of():
    """What is honoured and what moto's process delivers to are one list."""
    honoured = json.loads(files("lambda_guard.local").joinpath("honoured.json").read_text())
    assert set(honoured["targets"]) == set(TARGETS)
