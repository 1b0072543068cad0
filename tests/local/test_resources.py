"""Resources of a template exist in the local cloud when its functions start, and functions know their names."""

import json
import sys
from pathlib import Path

import pytest

from lambda_guard.local import Cloud, TemplateError
from lambda_guard.local.placeholders import read_template
from lambda_guard.local.resources.making import TYPES, make
from lambda_guard.templates.document import Location, load
from lambda_guard.templates.template import Template

CODE = """
import os

def handler(event, context):
    return {name[2:]: value for name, value in os.environ.items() if name.startswith("X_")}
"""
ID = {"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}  # fmt: skip
ACCOUNT = "123456789012"
ALLOW = {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
EVERY = Path(__file__).parent / "every_type.yaml"


def resource(kind, **properties):
    """Return a resource."""
    return {"Type": f"AWS::{kind}", "Properties": properties}


def function(**variables):
    """Return a function that answers with these variables."""
    variables = {f"X_{name}": value for name, value in variables.items()}
    return resource(
        "Serverless::Function",
        Handler="index.handler",
        Runtime=f"python3.{sys.version_info.minor}",
        InlineCode=CODE,
        Environment={"Variables": variables},
    )


RESOURCES = {
    # Before what it refers to, as the order in a template doesn't matter.
    "Config": resource(
        "SSM::Parameter", Name="/shop/config", Type="String", Value={"Fn::Sub": "${Orders} ${Orders.StreamArn}"}
    ),
    "Orders": resource(
        "DynamoDB::Table",
        **ID,
        ProvisionedThroughput={"ReadCapacityUnits": "1", "WriteCapacityUnits": 2},
        StreamSpecification={"StreamViewType": "NEW_AND_OLD_IMAGES"},
        TimeToLiveSpecification={"AttributeName": "ends", "Enabled": "true"},
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        Tags=[{"Key": "stage", "Value": "test"}],
        Colour="green",
    ),
    "Simple": resource("Serverless::SimpleTable"),
    "Everywhere": resource("DynamoDB::GlobalTable", **ID, Replicas=[{"Region": "eu-west-1"}]),
    "Uploads": resource(
        "S3::Bucket",
        AccessControl="PublicRead",
        ObjectLockEnabled="false",
        VersioningConfiguration={"Status": "Enabled"},
        CorsConfiguration={"CorsRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAge": "3"}]},
        Tags=[{"Key": "stage", "Value": "test"}],
    ),
    "Password": resource(
        "SecretsManager::Secret",
        GenerateSecretString={
            "SecretStringTemplate": '{"user": "shop"}', "GenerateStringKey": "password", "PasswordLength": "16"
        },
        KmsKeyId={"Ref": "Key"},
    ),
    "Generated": resource("SecretsManager::Secret", GenerateSecretString={}),
    "Key": resource("KMS::Key", KeyPolicy={"Version": "2012-10-17", "Statement": []}, EnableKeyRotation=True),
    "Alias": resource("KMS::Alias", AliasName="alias/shop", TargetKeyId={"Ref": "Key"}),
    "Clicks": resource("Kinesis::Stream", RetentionPeriodHours=48, ShardCount="2"),
    "Bus": resource("Events::EventBus", Name="shop"),
    "Flow": resource(
        "Serverless::StateMachine",
        Definition={"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${Arn}", "End": True}}},
        DefinitionSubstitutions={"Arn": {"Fn::GetAtt": "Fn.Arn"}},
        Role=f"arn:aws:iam::{ACCOUNT}:role/flow",
        Type="EXPRESS",
    ),
    "Wrong": resource("DynamoDB::Table", TableName="wrong", BillingMode="PAY_PER_REQUEST"),
    "Elsewhere": resource("SSM::Parameter", Type="String", Value="v", Description={"Fn::ImportValue": "e"}),
    "Never": {**resource("S3::Bucket"), "Condition": "No"},
    "Fn": function(
        TABLE={"Ref": "Orders"},
        STREAM={"Fn::GetAtt": ["Orders", "StreamArn"]},
        BUCKET={"Ref": "Uploads"},
        SECRET={"Ref": "Password"},
        KEY={"Ref": "Key"},
        WRONG={"Fn::GetAtt": "Wrong.Arn"},
        BUS={"Fn::GetAtt": "Bus.Arn"},
        FLOW={"Ref": "Flow"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def cloud():
    """Return a cloud with all of them."""
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Conditions": {"No": {"Fn::Equals": ["a", "b"]}},
        "Resources": RESOURCES,
        "Outputs": {"Stream": {"Value": {"Fn::GetAtt": "Orders.StreamArn"}}},
    }
    with Cloud(template) as cloud:
        yield cloud


def test_functions_know_what_there_is(cloud):
    """Names, ARNs and identifiers in a function's environment are those of the resources that exist."""
    told = cloud.invoke("Fn").payload
    table = cloud.client("dynamodb").describe_table(TableName="Orders")["Table"]
    keys = [key["KeyId"] for key in cloud.client("kms").list_keys()["Keys"]]

    assert told["STREAM"] == table["LatestStreamArn"] == cloud.outputs["Stream"]
    assert keys == [told["KEY"]]
    assert told["SECRET"] == cloud.client("secretsmanager").describe_secret(SecretId="Password")["ARN"]
    assert {name: told[name] for name in ("TABLE", "BUCKET", "WRONG", "BUS", "FLOW")} == {
        "TABLE": "Orders",
        "BUCKET": "uploads",
        "WRONG": f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/wrong",
        "BUS": f"arn:aws:events:eu-west-1:{ACCOUNT}:event-bus/shop",
        "FLOW": f"arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:Flow",
    }


def test_a_table_is_made_as_the_template_has_it(cloud):
    """Streams, throughput given as text, the time to live, recovery and tags are there; SAM's and global tables, too."""
    dynamodb = cloud.client("dynamodb")
    table = dynamodb.describe_table(TableName="Orders")["Table"]
    tags = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    live = dynamodb.describe_time_to_live(TableName="Orders")["TimeToLiveDescription"]

    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 2
    assert tags == [{"Key": "stage", "Value": "test"}]
    assert live == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ends"}
    assert sorted(dynamodb.list_tables()["TableNames"]) == ["Everywhere", "Orders", "Simple"]


def test_a_bucket_is_made_as_the_template_has_it(cloud):
    """Its name has no capitals, and further calls give it versions, rules for browsers and tags; a condition may leave one out."""
    s3 = cloud.client("s3")
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 3}

    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["uploads"]
    assert s3.get_bucket_acl(Bucket="uploads")["Grants"][1]["Permission"] == "READ"
    assert s3.get_bucket_versioning(Bucket="uploads")["Status"] == "Enabled"
    assert s3.get_bucket_cors(Bucket="uploads")["CORSRules"] == [rule]
    assert s3.get_bucket_tagging(Bucket="uploads")["TagSet"] == [{"Key": "stage", "Value": "test"}]


def test_parameters_secrets_keys_streams_and_buses_are_made(cloud):
    """A parameter has what it refers to as its value, a secret what was generated, an alias its key."""
    parameter = cloud.client("ssm").get_parameter(Name="/shop/config")["Parameter"]["Value"]
    secret = json.loads(cloud.client("secretsmanager").get_secret_value(SecretId="Password")["SecretString"])
    stream = cloud.client("kinesis").describe_stream_summary(StreamName="Clicks")["StreamDescriptionSummary"]
    aliases = cloud.client("kms").list_aliases()["Aliases"]
    [alias] = [it for it in aliases if it["AliasName"] == "alias/shop"]

    assert parameter == f"Orders {cloud.outputs['Stream']}"
    assert secret["user"] == "shop"
    assert len(secret["password"]) == 16
    assert len(cloud.client("secretsmanager").get_secret_value(SecretId="Generated")["SecretString"]) == 32
    assert (stream["OpenShardCount"], stream["RetentionPeriodHours"]) == (2, 48)
    assert alias["TargetKeyId"] == cloud.invoke("Fn").payload["KEY"]
    assert [bus["Name"] for bus in cloud.client("events").list_event_buses()["EventBuses"]] == [
        "default",
        "shop",
    ]


def test_a_state_machine_has_its_substitutions(cloud):
    """Its definition names the function's ARN where the template has a placeholder."""
    machine = cloud.client("stepfunctions").describe_state_machine(
        stateMachineArn=cloud.invoke("Fn").payload["FLOW"]
    )
    state = json.loads(machine["definition"])["States"]["A"]

    assert machine["type"] == "EXPRESS"
    assert state["Resource"] == f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:Fn"


@pytest.fixture(scope="module")
def every():
    """Return a cloud with a resource of each type that isn't above."""
    with Cloud(EVERY) as cloud:
        yield cloud


def test_a_resource_of_each_type_is_made(every):
    """Without a warning, but for those of what has no effect: no property is lost."""
    resources = [*RESOURCES.values(), *load(EVERY)[1]["Resources"].values()]
    warnings = [warning for warning in every.warnings if "has no effect" not in warning]

    # SAM makes the last one of its own.
    assert TYPES.keys() - {it["Type"] for it in resources} == {"AWS::StepFunctions::StateMachine"}
    assert warnings == ["Users: the triggers of LambdaConfig don't fire here"]


def test_queues_and_subscriptions_are_made_as_the_template_has_them(every):
    """A queue may name its dead letters' by a text: it's made again once that exists; tags and filters are there."""
    sqs, sns = every.client("sqs"), every.client("sns")
    url = every.queue_url("Jobs")
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    subscribed = {
        it["Endpoint"].rpartition(":")[2]: it["SubscriptionArn"]
        for it in sns.list_subscriptions()["Subscriptions"]
    }
    filtered = sns.get_subscription_attributes(SubscriptionArn=subscribed["dead"])["Attributes"]

    assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"] == every.queue_arn("Dead")
    assert attributes["VisibilityTimeout"] == "45"
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"stage": "test"}
    assert sqs.get_queue_attributes(QueueUrl=every.queue_url("Ordered"), AttributeNames=["FifoQueue"])[
        "Attributes"
    ] == {"FifoQueue": "true"}
    assert set(subscribed) == {"Jobs", "dead"}
    assert (filtered["RawMessageDelivery"], filtered["FilterPolicy"]) == ("true", '{"kind": ["order"]}')


def test_every_type_is_named_on_the_page():
    """The table of the documentation has what the table in code has."""
    page = (Path(__file__).parents[2] / "docs" / "local-cloud.md").read_text()
    section = page.partition("### Resources")[2].partition("\n### ")[0]

    assert [kind for kind in TYPES if f"`{kind.rpartition('::')[2]}`" not in section] == []


def test_a_policy_for_a_functions_own_role_is_attached(every):
    """SAM makes the role, which exists as a policy refers to it."""
    policy = resource("IAM::Policy", PolicyName="own", PolicyDocument=ALLOW, Roles=[{"Ref": "OwnRole"}])
    document = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"Own": function(), "Other": function(), "P": policy},
    }
    made = make(Template(document, Location("eu-west-1", ACCOUNT, every.endpoint)), every.client, "eu-west-1")
    iam = every.client("iam")

    assert made.warnings == []
    assert iam.list_role_policies(RoleName="OwnRole")["PolicyNames"] == ["own"]
    assert "OtherRole" not in [role["RoleName"] for role in iam.list_roles()["Roles"]]


def test_roles_have_their_policies(every):
    """Inline ones, managed ones of the template, and those that the template attaches; AWS's own aren't here to be attached."""
    iam = every.client("iam")

    assert [
        it["PolicyName"] for it in iam.list_attached_role_policies(RoleName="Role")["AttachedPolicies"]
    ] == ["Managed"]
    assert iam.list_role_policies(RoleName="Role")["PolicyNames"] == ["p", "inline", "inline2"]


def test_outputs_have_what_the_services_chose(every):
    """Identifiers of pools, clients and keys can be used."""
    pool = every.client("cognito-idp").describe_user_pool(UserPoolId=every.outputs["Pool"])["UserPool"]
    client = every.client("cognito-idp").describe_user_pool_client(
        UserPoolId=pool["Id"], ClientId=every.outputs["Client"]
    )
    arn = every.outputs["Consumer"]

    assert every.outputs["Provider"] == f"cognito-idp.eu-west-1.amazonaws.com/{pool['Id']}"
    assert client["UserPoolClient"]["ClientName"] == "Client"
    assert (
        every.client("kinesis").describe_stream_consumer(ConsumerARN=arn)["ConsumerDescription"][
            "ConsumerName"
        ]
        == "c"
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (resource("SQS::Queue", RedrivePolicy={"maxReceiveCount": 3}), "CreateQueue: InvalidParameterValue: Redrive policy does not contain deadLetterTargetArn"),
        (resource("SNS::Subscription", TopicArn="arn:aws:sns:eu-west-1:1:none", Protocol="sqs", Endpoint="x"), "Subscribe: NotFound: Topic does not exist"),
        (resource("SNS::Subscription", Protocol="sqs", Endpoint="x"), 'Missing required parameter in input: "TopicArn"'),
        (resource("SecretsManager::Secret", GenerateSecretString="x"), "resource Wrong: GenerateSecretString must be a mapping, not 'x'"),
        (resource("CloudWatch::Alarm", Threshold="high"), "Invalid type for parameter Threshold, value: high"),
        (resource("StepFunctions::StateMachine", Definition={"QueryLanguage": "JSONata"}), "resource Wrong: its states are in JSONata, and moto interprets JSONPath alone"),
        (resource("KMS::Key", Tags=3), "Invalid type for parameter Tags"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_the_services_words(every, wrong, reason):
    """The resource is named by its logical id, and the reason by what refuses it."""
    template = Template({"Resources": {"Wrong": wrong}}, Location("eu-west-1", ACCOUNT, every.endpoint))
    [warning] = make(template, every.client, "eu-west-1").warnings

    assert warning.startswith(f"Wrong ({wrong['Type']}) isn't created: {reason}")


def test_a_further_call_that_is_refused_leaves_the_resource(every):
    """A bucket whose rules S3 refuses is there without them."""
    wrong = resource(
        "S3::Bucket", CorsConfiguration={"CorsRules": [{"AllowedMethods": ["FOO"], "AllowedOrigins": ["*"]}]}
    )
    template = Template({"Resources": {"Open": wrong}}, Location("eu-west-1", ACCOUNT, every.endpoint))
    [warning] = make(template, every.client, "eu-west-1").warnings

    assert warning.startswith(
        "Open (AWS::S3::Bucket) is there without what was refused: PutBucketCors: InvalidRequest: "
    )
    assert "open" in [bucket["Name"] for bucket in every.client("s3").list_buckets()["Buckets"]]


LOOKED_UP = {
    "Parameters": {
        "Ours": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/shop/key"},
        "Theirs": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/theirs/key"},
        "Listed": {"Type": "AWS::SSM::Parameter::Value<List<String>>", "Default": "/shop/list"},
        "Open": {"Type": "AWS::SSM::Parameter::Value<String>"},
    },
    "Resources": {
        # Whose value is looked up, too: a parameter further down.
        "Named": resource("SecretsManager::Secret", Name="named", SecretString="{{resolve:ssm:/shop/key}}"),
        "Secret": resource("SecretsManager::Secret", Name="document", SecretString='{"password": "p", "port": 5432}'),
        "KeyParameter": resource("SSM::Parameter", Name="/shop/key", Type="String", Value="k"),
        "ListParameter": resource("SSM::Parameter", Name="/shop/list", Type="StringList", Value="a,b"),
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{{resolve:ssm:/shop/key}}", "k"),
        ("<{{resolve:ssm-secure:/shop/key:1}}>", "<k>"),
        ("{{resolve:ssm:/shop/key:7}}", "{{resolve:ssm:/shop/key:7}}"),
        ("{{resolve:ssm:/theirs/key}}", "{{resolve:ssm:/theirs/key}}"),
        ("{{resolve:secretsmanager:named}}", "k"),
        ({"Fn::Sub": "{{resolve:secretsmanager:${Secret}:SecretString:password}}"}, "p"),
        ({"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "Secret"}, ":SecretString:port:AWSCURRENT}}"]]}, "5432"),
        ("{{resolve:secretsmanager:document:SecretString:user}}", "{{resolve:secretsmanager:document:SecretString:user}}"),
        ("{{resolve:secretsmanager:theirs}}", "{{resolve:secretsmanager:theirs}}"),
        ("{{resolve:vault:x}}", "{{resolve:vault:x}}"),
        ({"Ref": "Ours"}, "k"),
        ({"Fn::Sub": "${Theirs}!"}, "/theirs/key!"),
        ({"Ref": "Listed"}, "a,b"),
        ({"Ref": "Open"}, "placeholder"),
    ],
)  # fmt: skip
def test_values_are_looked_up(looked_up, value, expected):
    """Of parameters and secrets of the template, wherever a value may stand; others are as they're written."""
    looked_up.plain["Outputs"] = {"Value": {"Value": value}}

    assert looked_up.outputs() == ({"Value": expected}, {})


@pytest.fixture(scope="module")
def looked_up(every):
    """Return a template whose resources exist."""
    template = read_template(LOOKED_UP, Location("eu-west-1", ACCOUNT, every.endpoint), None, None)
    assert make(template, every.client, "eu-west-1").warnings == []
    return template


def test_values_that_are_not_found_are_named():
    """Once each; and so are those that AWS would want before the stack is made."""
    variables = {
        "OURS": {"Ref": "Ours"},
        "THEIRS": {"Ref": "Theirs"},
        "SSM": "{{resolve:ssm:/theirs/key}}",
        "AGAIN": "{{resolve:ssm:/theirs/key}}",
    }
    resources = {**LOOKED_UP["Resources"], "Fn": function(**variables)}
    with Cloud({**LOOKED_UP, "Transform": "AWS::Serverless-2016-10-31", "Resources": resources}) as cloud:
        told = cloud.invoke("Fn").payload
    assert told == {
        "OURS": "k",
        "THEIRS": "/theirs/key",
        "SSM": "{{resolve:ssm:/theirs/key}}",
        "AGAIN": "{{resolve:ssm:/theirs/key}}",
    }
    assert sorted(cloud.warnings) == [
        "Parameter Ours: its value is that of /shop/key in this template; AWS wants it in SSM before the stack is made",
        "Parameter Theirs: SSM has no '/theirs/key' here, and that is its value",
        "Placeholders stand for parameters without a value: Open=placeholder; give them one with --parameter NAME=VALUE",
        "{{resolve:ssm:/theirs/key}}: this cloud doesn't have it, and the text is taken as it stands",
    ]


def test_what_is_refused_is_not_polled():
    """A mapping of a queue or table that isn't created is named, and the function starts."""
    queue = {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": "Wrong.Arn"}}}
    stream = {"Type": "DynamoDB", "Properties": {"Stream": {"Fn::GetAtt": "Table.StreamArn"}, "StartingPosition": "LATEST"}}  # fmt: skip
    fn = function()
    fn["Properties"]["Events"] = {"Queue": queue, "Stream": stream}
    resources = {
        "Fn": fn,
        "Wrong": resource("SQS::Queue", RedrivePolicy={"maxReceiveCount": 3}),
        "Table": resource("DynamoDB::Table", StreamSpecification={"StreamViewType": "KEYS_ONLY"}),
    }
    with Cloud({"Transform": "AWS::Serverless-2016-10-31", "Resources": resources}) as cloud:
        cloud.settle(5)
        told = cloud.invoke("Fn").payload
    said = "\n".join(cloud.warnings)

    assert told == {}
    assert "Wrong (AWS::SQS::Queue) isn't created: CreateQueue: InvalidParameterValue: Redrive policy" in said
    assert f"FnQueue: arn:aws:sqs:eu-west-1:{ACCOUNT}:Wrong is not polled, since Wrong isn't created" in said
    assert "FnStream: arn:aws:dynamodb:eu-west-1" in said


def test_nested_stacks_run(tmp_path):
    """A function and a table of a nested stack exist, and its outputs have what its services say."""
    nested = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Parameters": {"Bucket": {"Type": "String"}},
        "Resources": {
            "Table": resource(
                "DynamoDB::Table", **ID, StreamSpecification={"StreamViewType": "KEYS_ONLY"}, BillingMode="PAY_PER_REQUEST"
            ),
            "Fn": function(STREAM={"Fn::GetAtt": "Table.StreamArn"}, BUCKET={"Ref": "Bucket"}),
        },
        "Outputs": {"Stream": {"Value": {"Fn::GetAtt": "Table.StreamArn"}}},
    }  # fmt: skip
    (tmp_path / "nested.json").write_text(json.dumps(nested))
    outer = {
        "Resources": {
            "Orders": resource("CloudFormation::Stack", TemplateURL="nested.json", Parameters={"Bucket": {"Ref": "Uploads"}}),
            "Uploads": resource("S3::Bucket"),
        },
        "Outputs": {"Stream": {"Value": {"Fn::GetAtt": "Orders.Outputs.Stream"}}},
    }  # fmt: skip
    (tmp_path / "template.json").write_text(json.dumps(outer))
    with Cloud(tmp_path / "template.json") as cloud:
        told = cloud.invoke("OrdersFn").payload
        table = cloud.client("dynamodb").describe_table(TableName="OrdersTable")["Table"]

    assert told == {"STREAM": table["LatestStreamArn"], "BUCKET": "uploads"}
    assert cloud.outputs == {"Stream": table["LatestStreamArn"]}
    assert cloud.warnings == ()


def test_resources_that_depend_on_each_other_are_refused():
    """A circle ends the start with an error that names all that are in it."""
    first, second = ({"Type": "AWS::S3::Bucket", "DependsOn": other} for other in ("Second", "First"))
    with pytest.raises(
        TemplateError,
        match="resource First: resources depend on each other in a circle: First → Second → First",
    ):
        Cloud({"Resources": {"First": first, "Second": second}})


def test_what_cannot_be_made_is_named(cloud):
    """A resource that its service refuses stops nothing; neither does a property that nobody knows or that can't be resolved."""
    why = "Fn::ImportValue isn't supported here (supported: Fn::Base64, Fn::FindInMap, Fn::GetAZs, Fn::GetAtt, Fn::If, Fn::Join, Fn::Length, Fn::Select, Fn::Split, Fn::Sub, Fn::ToJsonString, Ref)"

    assert cloud.warnings == (
        "Orders (AWS::DynamoDB::Table): the property Colour is not honoured",
        "Wrong (AWS::DynamoDB::Table) isn't created: moto failed in CreateTable; is a property missing that AWS wants?",
        f"Elsewhere (AWS::SSM::Parameter): the property Description is left out: resource Elsewhere.Description: {why}",
    )
    assert "Elsewhere" in [it["Name"] for it in cloud.client("ssm").describe_parameters()["Parameters"]]
