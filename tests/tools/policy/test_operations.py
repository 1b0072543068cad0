"""Which action on which resource each operation asks for."""

import botocore.session
import pytest

from lambda_guard.iam.actions import asked_by, kinds_of
from lambda_guard.iam.called import asked_in
from lambda_guard.iam.resources import Place
from lambda_guard.tools.policy.evidence import Called, Evidence
from lambda_guard.tools.policy.needs import needs_of

HERE = Place("eu-west-1", "123456789012")
AT = "eu-west-1:123456789012"
QUEUE_URL = "https://sqs.eu-central-1.amazonaws.com/210987654321/orders"
QUEUE = "arn:aws:sqs:eu-central-1:210987654321:orders"
TOPIC = f"arn:aws:sns:{AT}:orders"
TABLE = f"arn:aws:dynamodb:{AT}:table/orders"
MACHINE = f"arn:aws:states:{AT}:stateMachine:orders"
EXECUTION = f"arn:aws:states:{AT}:execution:orders:*"
STREAM = f"arn:aws:kinesis:{AT}:stream/orders"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY = f"arn:aws:kms:{AT}:key/{KEY_ID}"
GROUP = f"arn:aws:logs:{AT}:log-group:orders:*"
CLUSTER = f"arn:aws:rds:{AT}:cluster:orders"
POOL = f"arn:aws:cognito-idp:{AT}:userpool/eu-west-1_abc"
SECRET = f"arn:aws:secretsmanager:{AT}:secret:orders-??????"
PARAMETER = f"arn:aws:ssm:{AT}:parameter/shop/orders"
FUNCTION = f"arn:aws:lambda:{AT}:function:orders"
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
MODEL_ARN = f"arn:aws:bedrock:eu-west-1::foundation-model/{MODEL}"
PROFILE = f"arn:aws:bedrock:{AT}:inference-profile/eu.{MODEL}"

KNOWN = [
    ("s3", "GetObject", "shop", ["s3:GetObject"], ["arn:aws:s3:::shop/*"]),
    ("s3", "HeadObject", "shop", ["s3:GetObject"], ["arn:aws:s3:::shop/*"]),
    ("s3", "PutObject", "shop", ["s3:PutObject"], ["arn:aws:s3:::shop/*"]),
    ("s3", "PutObject", f"arn:aws:s3:{AT}:accesspoint/in", ["s3:PutObject"], [f"arn:aws:s3:{AT}:accesspoint/in/object/*"]),
    ("s3", "DeleteObject", "shop", ["s3:DeleteObject"], ["arn:aws:s3:::shop/*"]),
    ("s3", "DeleteObjects", "shop", ["s3:DeleteObject"], ["arn:aws:s3:::shop/*"]),
    ("s3", "CreateMultipartUpload", "shop", ["s3:PutObject"], ["arn:aws:s3:::shop/*"]),
    ("s3", "UploadPart", "shop", ["s3:PutObject"], ["arn:aws:s3:::shop/*"]),
    ("s3", "CompleteMultipartUpload", "shop", ["s3:PutObject"], ["arn:aws:s3:::shop/*"]),
    ("s3", "AbortMultipartUpload", "shop", ["s3:AbortMultipartUpload"], ["arn:aws:s3:::shop/*"]),
    ("s3", "ListObjectsV2", "shop", ["s3:ListBucket"], ["arn:aws:s3:::shop"]),
    ("s3", "ListObjects", f"arn:aws:s3:{AT}:accesspoint/in", ["s3:ListBucket"], [f"arn:aws:s3:{AT}:accesspoint/in"]),
    ("s3", "HeadBucket", "shop", ["s3:ListBucket"], ["arn:aws:s3:::shop"]),
    ("s3", "ListBuckets", None, ["s3:ListAllMyBuckets"], ["*"]),
    ("s3", "GetObjectTagging", "shop", ["s3:GetObjectTagging"], ["arn:aws:s3:::shop/*"]),
    ("s3", "GetObjectAttributes", "shop", ["s3:GetObject", "s3:GetObjectAttributes"], ["arn:aws:s3:::shop/*"]),
    *(
        ("dynamodb", name, "orders", [f"dynamodb:{name}"], [TABLE])
        for name in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem")
    ),
    ("dynamodb", "DescribeTable", TABLE, ["dynamodb:DescribeTable"], [TABLE]),
    ("dynamodb", "TransactGetItems", "orders", ["dynamodb:GetItem"], [TABLE]),
    (
        "dynamodb",
        "TransactWriteItems",
        "orders",
        ["dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
        [TABLE],
    ),
    ("dynamodb-streams", "DescribeStream", f"{TABLE}/stream/2026-11-23T00:00:00.000", ["dynamodb:DescribeStream"],
     [f"{TABLE}/stream/2026-11-23T00:00:00.000"]),
    ("sqs", "SendMessage", QUEUE_URL, ["sqs:SendMessage"], [QUEUE]),
    ("sqs", "SendMessageBatch", QUEUE_URL, ["sqs:SendMessage"], [QUEUE]),
    ("sqs", "ReceiveMessage", QUEUE_URL, ["sqs:ReceiveMessage"], [QUEUE]),
    ("sqs", "DeleteMessage", QUEUE_URL, ["sqs:DeleteMessage"], [QUEUE]),
    ("sqs", "DeleteMessageBatch", QUEUE_URL, ["sqs:DeleteMessage"], [QUEUE]),
    ("sqs", "ChangeMessageVisibility", QUEUE_URL, ["sqs:ChangeMessageVisibility"], [QUEUE]),
    ("sqs", "ChangeMessageVisibilityBatch", QUEUE_URL, ["sqs:ChangeMessageVisibility"], [QUEUE]),
    ("sqs", "GetQueueAttributes", QUEUE_URL, ["sqs:GetQueueAttributes"], [QUEUE]),
    ("sqs", "GetQueueUrl", "orders", ["sqs:GetQueueUrl"], [f"arn:aws:sqs:{AT}:orders"]),
    ("sns", "Publish", TOPIC, ["sns:Publish"], [TOPIC]),
    ("sns", "PublishBatch", TOPIC, ["sns:Publish"], [TOPIC]),
    ("sns", "Publish", f"arn:aws:sns:{AT}:endpoint/GCM/app/*", ["sns:Publish"], [f"arn:aws:sns:{AT}:endpoint/GCM/app/*"]),
    ("eventbridge", "PutEvents", "default", ["events:PutEvents"], [f"arn:aws:events:{AT}:event-bus/default"]),
    ("eventbridge", "PutEvents", f"arn:aws:events:{AT}:event-bus/shop", ["events:PutEvents"], [f"arn:aws:events:{AT}:event-bus/shop"]),
    ("secrets-manager", "GetSecretValue", "orders", ["secretsmanager:GetSecretValue"], [SECRET]),
    ("secrets-manager", "DescribeSecret", "orders", ["secretsmanager:DescribeSecret"], [SECRET]),
    ("secrets-manager", "PutSecretValue", f"arn:aws:secretsmanager:{AT}:secret:orders", ["secretsmanager:PutSecretValue"], [SECRET]),
    ("ssm", "GetParameter", "/shop/orders", ["ssm:GetParameter"], [PARAMETER]),
    ("ssm", "GetParameter", "orders:3", ["ssm:GetParameter"], [f"arn:aws:ssm:{AT}:parameter/orders"]),
    ("ssm", "GetParametersByPath", "/shop/orders", ["ssm:GetParametersByPath"], [PARAMETER]),
    ("ssm", "PutParameter", "/shop/orders", ["ssm:PutParameter"], [PARAMETER]),
    *(
        ("kms", name, KEY_ID, [f"kms:{name}"], [KEY])
        for name in ("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "Sign", "Verify")
    ),
    ("kms", "GenerateRandom", None, ["kms:GenerateRandom"], ["*"]),
    ("sfn", "StartExecution", MACHINE, ["states:StartExecution"], [MACHINE]),
    ("sfn", "StartSyncExecution", MACHINE, ["states:StartSyncExecution"], [MACHINE]),
    ("sfn", "DescribeExecution", EXECUTION, ["states:DescribeExecution"], [EXECUTION]),
    ("sfn", "StopExecution", EXECUTION, ["states:StopExecution"], [EXECUTION]),
    ("sfn", "SendTaskSuccess", None, ["states:SendTaskSuccess"], ["*"]),
    ("sfn", "SendTaskFailure", None, ["states:SendTaskFailure"], ["*"]),
    ("lambda", "Invoke", "orders", ["lambda:InvokeFunction"], [FUNCTION]),
    ("lambda", "Invoke", "123456789012:function:orders:live", ["lambda:InvokeFunction"], [f"{FUNCTION}:live"]),
    ("lambda", "InvokeWithResponseStream", FUNCTION, ["lambda:InvokeFunction"], [FUNCTION]),
    ("lambda", "GetFunction", "orders", ["lambda:GetFunction"], [FUNCTION]),
    ("sts", "AssumeRole", "arn:aws:iam::210987654321:role/a/b", ["sts:AssumeRole"], ["arn:aws:iam::210987654321:role/a/b"]),
    ("sts", "GetCallerIdentity", None, [], []),
    *(
        ("kinesis", name, "orders", [f"kinesis:{name}"], [STREAM])
        for name in ("PutRecord", "PutRecords", "DescribeStreamSummary", "GetShardIterator", "ListShards")
    ),
    ("firehose", "PutRecord", "orders", ["firehose:PutRecord"], [f"arn:aws:firehose:{AT}:deliverystream/orders"]),
    ("firehose", "PutRecordBatch", "orders", ["firehose:PutRecordBatch"], [f"arn:aws:firehose:{AT}:deliverystream/orders"]),
    ("cloudwatch", "PutMetricData", None, ["cloudwatch:PutMetricData"], ["*"]),
    ("cloudwatch", "GetMetricData", None, ["cloudwatch:GetMetricData"], ["*"]),
    ("cloudwatch-logs", "PutLogEvents", "orders", ["logs:PutLogEvents"], [GROUP]),
    ("cloudwatch-logs", "CreateLogStream", "orders", ["logs:CreateLogStream"], [GROUP]),
    ("cloudwatch-logs", "FilterLogEvents", "orders", ["logs:FilterLogEvents"], [GROUP]),
    ("cloudwatch-logs", "StartQuery", "orders", ["logs:StartQuery"], [GROUP]),
    ("cloudwatch-logs", "DescribeLogGroups", None, ["logs:DescribeLogGroups"], ["*"]),
    ("bedrock-runtime", "InvokeModel", MODEL, ["bedrock:InvokeModel"], [MODEL_ARN]),
    ("bedrock-runtime", "InvokeModelWithResponseStream", MODEL_ARN, ["bedrock:InvokeModelWithResponseStream"], [MODEL_ARN]),
    ("bedrock-runtime", "Converse", MODEL, ["bedrock:InvokeModel"], [MODEL_ARN]),
    (
        "bedrock-runtime",
        "ConverseStream",
        f"eu.{MODEL}",
        ["bedrock:InvokeModelWithResponseStream"],
        [PROFILE, f"arn:aws:bedrock:*::foundation-model/{MODEL}"],
    ),
    ("cognito-identity-provider", "AdminGetUser", "eu-west-1_abc", ["cognito-idp:AdminGetUser"], [POOL]),
    ("cognito-identity-provider", "AdminCreateUser", "eu-west-1_abc", ["cognito-idp:AdminCreateUser"], [POOL]),
    ("cognito-identity-provider", "InitiateAuth", None, [], []),
    ("bedrock-agent-runtime", "RetrieveAndGenerateStream", f"arn:aws:bedrock:{AT}:knowledge-base/KB1", ["bedrock:RetrieveAndGenerate"], ["*"]),
    ("iot-data-plane", "Publish", "shop/orders", ["iot:Publish"], [f"arn:aws:iot:{AT}:topic/shop/orders"]),
    ("xray", "PutTraceSegments", None, ["xray:PutTraceSegments"], ["*"]),
    ("textract", "AnalyzeDocument", None, ["textract:AnalyzeDocument"], ["*"]),
]  # fmt: skip
"""Service, operation, the record's resource → actions, ARNs."""

TOLD = [
    ("dynamodb", "Query", "orders", {"index": "by-date"}, {"dynamodb:Query": [f"{TABLE}/index/by-date"]}),
    ("dynamodb", "Scan", TABLE, {"index": "by-date"}, {"dynamodb:Scan": [f"{TABLE}/index/by-date"]}),
    *(
        ("dynamodb", "TransactWriteItems", "orders", {"kind": kind}, {f"dynamodb:{kind}Item": [TABLE]})
        for kind in ("ConditionCheck", "Delete", "Put", "Update")
    ),
    ("dynamodb", "TransactGetItems", "orders", {"kind": "Get"}, {"dynamodb:GetItem": [TABLE]}),
    *(
        ("dynamodb", name, "orders", {"kind": kind}, {f"dynamodb:PartiQL{kind}": [TABLE]})
        for name in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction")
        for kind in ("Delete", "Insert", "Select", "Update")
    ),
    ("dynamodb", "ExecuteStatement", "orders", {"kind": "Select", "index": "by-date"}, {"dynamodb:PartiQLSelect": [f"{TABLE}/index/by-date"]}),
    ("s3", "CopyObject", "to-1", {"source": "from-1"}, {"s3:PutObject": ["arn:aws:s3:::to-1/*"], "s3:GetObject": ["arn:aws:s3:::from-1/*"]}),
    (
        "s3",
        "UploadPartCopy",
        "to-1",
        {"source": f"arn:aws:s3:{AT}:accesspoint/in"},
        {"s3:PutObject": ["arn:aws:s3:::to-1/*"], "s3:GetObject": [f"arn:aws:s3:{AT}:accesspoint/in/object/*"]},
    ),
    ("s3", "GetObject", "shop", {"presigned": True}, {"s3:GetObject": ["arn:aws:s3:::shop/*"]}),
    ("kms", "ReEncrypt", KEY_ID, {"source": KEY}, {"kms:ReEncryptTo": [KEY], "kms:ReEncryptFrom": [KEY]}),
    ("kms", "Decrypt", KEY, {}, {"kms:Decrypt": [KEY]}),
    ("lambda", "Invoke", "orders", {"qualifier": "live"}, {"lambda:InvokeFunction": [f"{FUNCTION}:live"]}),
    ("lambda", "Invoke", "orders", {"qualifier": "$LATEST"}, {"lambda:InvokeFunction": [f"{FUNCTION}:$LATEST"]}),
    ("lambda", "Invoke", f"{FUNCTION}:7", {"qualifier": "7"}, {"lambda:InvokeFunction": [f"{FUNCTION}:7"]}),
    ("kinesis", "DescribeStreamConsumer", STREAM, {"consumer": "a"}, {"kinesis:DescribeStreamConsumer": [f"{STREAM}/consumer/a:*"]}),
    ("kinesis", "SubscribeToShard", f"{STREAM}/consumer/a:1", {}, {"kinesis:SubscribeToShard": [f"{STREAM}/consumer/a:1"]}),
    (
        "rds-data",
        "ExecuteStatement",
        CLUSTER,
        {"secret": f"arn:aws:secretsmanager:{AT}:secret:orders"},
        {"rds-data:ExecuteStatement": [CLUSTER], "secretsmanager:GetSecretValue": [SECRET]},
    ),
    ("secrets-manager", "BatchGetSecretValue", "orders", {}, {"secretsmanager:BatchGetSecretValue": ["*"], "secretsmanager:GetSecretValue": [SECRET]}),
    ("ssm", "GetParameters", "/shop/orders", {}, {"ssm:GetParameters": [PARAMETER]}),
    ("sqs", "GetQueueUrl", "orders", {"account": "210987654321", "region": "us-east-1"}, {"sqs:GetQueueUrl": ["arn:aws:sqs:us-east-1:210987654321:orders"]}),
    ("appconfigdata", "StartConfigurationSession", "abcdef1/abcdef2/abcdef3", {},
     {"appconfig:StartConfigurationSession": [f"arn:aws:appconfig:{AT}:application/abcdef1/environment/abcdef2/configuration/abcdef3"]}),
    ("apigatewaymanagementapi", "PostToConnection", "a1b2/prod", {}, {"execute-api:ManageConnections": [f"arn:aws:execute-api:{AT}:a1b2/prod/POST/@connections/*"]}),
    ("bedrock-agent-runtime", "InvokeAgent", "AGENT1", {"qualifier": "ALIAS1"}, {"bedrock:InvokeAgent": [f"arn:aws:bedrock:{AT}:agent-alias/AGENT1/ALIAS1"]}),
    ("bedrock-agent-runtime", "Retrieve", "KB1", {}, {"bedrock:Retrieve": [f"arn:aws:bedrock:{AT}:knowledge-base/KB1"]}),
    ("bedrock-runtime", "ApplyGuardrail", "gr1", {}, {"bedrock:ApplyGuardrail": [f"arn:aws:bedrock:{AT}:guardrail/gr1"]}),
    ("iot-data-plane", "GetThingShadow", "lamp", {}, {"iot:GetThingShadow": [f"arn:aws:iot:{AT}:thing/lamp"]}),
    ("sesv2", "SendEmail", f"arn:aws:ses:{AT}:identity/example.com", {}, {"ses:SendEmail": [f"arn:aws:ses:{AT}:identity/example.com"]}),
]  # fmt: skip
"""Service, operation, resource, what else the record says → the ARNs of each action."""

UNKNOWN = [
    ("s3", "PutObject", "shop--x-s3", "s3express:CreateSession"),
    ("s3", "CopyObject", "shop", "s3:GetObject (s3 CopyObject shop): the object that it copies"),
    ("s3", "UploadPartCopy", "shop", "s3:GetObject (s3 UploadPartCopy shop): the object that it copies"),
    ("dynamodb", "ExecuteStatement", None, "that stands in the statement"),
    ("dynamodb", "ExecuteTransaction", None, "that stands in the statement"),
    ("kms", "Decrypt", None, "kms:Decrypt (kms Decrypt): the record names no resource"),
    ("kms", "ReEncrypt", None, "kms:ReEncryptFrom (kms ReEncrypt): the key that it is encrypted with"),
    ("sns", "Publish", None, "sns:Publish (sns Publish): the record names no resource"),
    ("sns", "Publish", "orders", "names something else than its topic"),
    ("ssm", "GetParameters", None, "ssm:GetParameters (ssm GetParameters): the record names no resource"),
    ("ssm", "GetDocument", "orders", "names something else than its document"),
    ("eventbridge", "PutRule", "orders", "names something else than its rule"),
    ("secrets-manager", "BatchGetSecretValue", None, "a record names none of a list"),
    ("kinesis", "DescribeStreamConsumer", STREAM, "doesn't name the stream's consumer"),
    ("bedrock-agent-runtime", "InvokeAgent", "AGENT1", "doesn't name the agent's alias"),
    ("kinesis", "GetRecords", None, "kinesis:GetRecords (kinesis GetRecords): the record names no resource"),
    ("rds-data", "ExecuteStatement", CLUSTER, "secretsmanager:GetSecretValue"),
    ("ses", "SendEmail", None, "ses:SendEmail (ses SendEmail): the record names no resource"),
    ("sesv2", "SendEmail", None, "ses:SendEmail (sesv2 SendEmail): the record names no resource"),
    ("ses", "SendRawEmail", None, "ses:SendRawEmail"),
    ("appconfigdata", "StartConfigurationSession", "shop/prod/flags", "its ARN has ids, and the call names it by names"),
    ("appconfigdata", "GetLatestConfiguration", None, "appconfig:GetLatestConfiguration"),
    ("athena", "StartQueryExecution", "primary", "s3:GetObject, s3:PutObject (athena StartQueryExecution primary): the tables"),
    ("athena", "GetQueryResults", None, "athena:GetQueryResults"),
    ("ecs", "RunTask", "cluster", "names something else than its task-definition"),
    ("apigatewaymanagementapi", "PostToConnection", None, "execute-api:ManageConnections"),
    ("bedrock-runtime", "InvokeModel", f"arn:aws:bedrock:{AT}:inference-profile/x1y2", "the models of its inference"),
    ("sqs", "SendMessage", "*", "isn't named as AWS names any"),
    ("dynamodb", "Query", "orders*", "isn't named as AWS names any"),
    ("dynamodb", "Query", 'o"}],"Effect":"Allow', "isn't named as AWS names any"),
    ("dynamodb", "Query", "${aws:username}", "isn't named as AWS names any"),
    ("sqs", "SendMessage", f"arn:aws:sqs:{AT}:*", "isn't named as AWS names any"),
    ("s3", "GetObject", "arn:aws:s3:::shop/*", "isn't named as AWS names any"),
    ("dynamodb", "Query", f"arn:aws:dynamodb:{AT}:table/*", "isn't named as AWS names any"),
    ("kms", "Decrypt", f"arn:aws:kms:{AT}:key/*", "isn't named as AWS names any"),
    ("sqs", "SendMessage", f"arn:aws:lambda:{AT}:function:orders", "names something else than its queue"),
    ("nowhere", "Do", None, "no action is known"),
    ("s3", "DoWhatNobodyKnows", "shop", "no action is known"),
    ("../../etc", "passwd", None, "no action is known"),
]  # fmt: skip
"""Service, operation, resource → a part of what is said."""


def needs(*call, place=HERE, besides=(), **more):
    evidence = Evidence("orders")
    evidence.calls[Called(*call, **more)] += 1
    evidence.calls.update(besides)
    found = needs_of(evidence, place)
    for need in [one for one in found.granted if "/aws/lambda/orders" in one.resource]:
        del found.granted[need]
    return found


def of_a_call(found):
    return sorted({one.action for one in found.granted}), list(
        dict.fromkeys(one.resource for one in found.granted)
    )


@pytest.mark.parametrize(("service", "operation", "resource", "actions", "arns"), KNOWN)
def test_an_operation_asks_for(service, operation, resource, actions, arns):
    """The actions and the ARNs, and nothing that stays unknown."""
    found = needs(service, operation, resource)
    assert of_a_call(found) == (actions, arns)
    assert not found.unknown


@pytest.mark.parametrize(("service", "operation", "resource", "more", "expected"), TOLD)
def test_what_a_record_tells_besides(service, operation, resource, more, expected):
    """Indexes, kinds, sources and all the others narrow what is granted: nothing stays unknown, nothing is too wide."""
    found = needs(service, operation, resource, **more)
    granted = {}
    for one in found.granted:
        granted.setdefault(one.action, []).append(one.resource)
    assert granted == expected
    assert not found.unknown


@pytest.mark.parametrize("service", ["cognito-identity", "cognito-idp", "sts"])
def test_what_the_sdk_does_not_sign_asks_for_nothing(service):
    """Nobody's permissions can be asked about then: what the SDK's own models mark so."""
    model = botocore.session.get_session().get_service_model(service)
    unsigned = [it for it in model.operation_names if model.operation_model(it).auth_type == "none"]
    assert unsigned
    for operation in unsigned:
        asked = asked_in(Called(model.service_id.hyphenize(), operation, None))
        assert asked is not None
        assert not asked.actions, operation


@pytest.mark.parametrize("more", [{"index": "*"}, {"index": "a/../b"}, {"index": "${a}"}])
def test_what_is_no_name_widens_nothing(more):
    """A forged index, version or consumer is refused."""
    found = needs("dynamodb", "Query", "orders", **more)
    assert not found.granted
    assert "isn't named as AWS names any" in found.unknown[0]
    found = needs("lambda", "Invoke", "orders", qualifier="*")
    assert not found.granted
    assert not needs("dynamodb", "ExecuteStatement", "orders", kind="*").granted
    assert not needs("dynamodb", "Query", "orders", region="*", place=Place(None, "123456789012")).granted


@pytest.mark.parametrize(
    ("before", "operation", "action", "arn"),
    [
        (("kinesis", "GetShardIterator", "orders"), "GetRecords", "kinesis:GetRecords", STREAM),
        (("athena", "StartQueryExecution", "a"), "GetQueryResults", "athena:GetQueryResults", f"arn:aws:athena:{AT}:workgroup/a"),
        (("cloudwatch-logs", "StartQuery", "orders"), "GetQueryResults", "logs:GetQueryResults", GROUP),
    ],
)  # fmt: skip
def test_a_token_is_on_what_it_was_given_for(before, operation, action, arn):
    """What a call names by a token is what the call that got the token has named, in the same Region."""
    service = before[0]
    found = needs(service, operation, None, besides=[Called(*before)])
    assert arn in [one.resource for one in found.granted if one.action == action]
    elsewhere = needs(service, operation, None, besides=[Called(*before, "us-east-1")])
    assert not [one for one in elsewhere.granted if one.action == action]


def test_a_metrics_namespace_is_a_condition():
    """The action is granted on `*` alone, but for this namespace."""
    (need,) = needs("cloudwatch", "PutMetricData", "Shop/Orders").granted
    assert need.condition == '{"StringEquals": {"cloudwatch:namespace": "Shop/Orders"}}'


@pytest.mark.parametrize(("service", "operation", "resource", "why"), UNKNOWN)
def test_what_cannot_be_known_is_said(service, operation, resource, why):
    """It is named with its reason, and nothing is granted on a wildcard that nobody asked for."""
    found = needs(service, operation, resource)
    assert why in "\n".join(found.unknown)
    assert not [one for one in found.granted if one.resource == "*" and kinds_of(one.action)]


def test_the_tables_have_every_service_that_the_page_names():
    """Seventy operations at least, of twenty services."""
    rows = {
        (service, operation) for service, operation, *_ in (*KNOWN, *UNKNOWN) if asked_by(service, operation)
    }
    assert len(rows) >= 90
    assert len({service for service, _ in rows}) >= 20


def test_a_key_by_its_alias_is_a_condition():
    """An alias is no resource in IAM: every key, if it is named by this alias."""
    (need,) = needs("kms", "Encrypt", "alias/shop").granted
    assert need.resource == f"arn:aws:kms:{AT}:key/*"
    assert need.condition == '{"StringEquals": {"kms:RequestAlias": "alias/shop"}}'
    (need,) = needs("kms", "Encrypt", "arn:aws:kms:us-east-1:210987654321:alias/shop").granted
    assert need.resource == "arn:aws:kms:us-east-1:210987654321:key/*"


def test_a_secret_whose_name_may_end_as_an_arn_does_is_granted_both_ways():
    """`my-secret` ends in six letters, too."""
    arn = f"arn:aws:secretsmanager:{AT}:secret:my-secret"
    assert of_a_call(needs("secrets-manager", "GetSecretValue", arn))[1] == [arn, f"{arn}-??????"]


def test_a_name_without_a_place_stays_unknown():
    """Which account and Region it is in is asked for, not guessed."""
    found = needs("dynamodb", "Query", "orders", place=Place("eu-west-1"))
    assert "--account" in found.unknown[0]
    assert not found.granted
    assert "--region" in needs("dynamodb", "Query", "orders", place=Place(None, "123456789012")).unknown[0]
    assert "--region" in needs("bedrock-runtime", "Converse", MODEL, place=Place()).unknown[0]


@pytest.mark.parametrize(
    ("region", "arn"),
    [
        ("cn-north-1", "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/orders"),
        ("us-gov-west-1", "arn:aws-us-gov:dynamodb:us-gov-west-1:123456789012:table/orders"),
    ],
)
def test_the_region_of_a_call_goes_before_the_functions(region, arn):
    """Where a record says in which Region a call was made, the resource is there, and in its partition."""
    assert of_a_call(needs("dynamodb", "Query", "orders", region))[1] == [arn]
