"""What an AWS call is about: the resources that its parameters name, and nothing else of it."""

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.propagation.called import _MORE, _RESOURCES, account_of, named, partiql

AT = "eu-west-1:123456789012"
KEY = f"arn:aws:kms:{AT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize(
    ("service", "params", "expected"),
    [
        ("sqs", {"QueueUrl": "https://q"}, ["https://q"]),
        ("sqs", {"QueueName": "orders"}, ["orders"]),
        ("sqs", {}, [None]),
        ("sns", {"TopicArn": "arn:t"}, ["arn:t"]),
        ("sns", {"TargetArn": "arn:t"}, ["arn:t"]),
        ("sns", {"PhoneNumber": "+46"}, [None]),
        ("sns", {"TopicArn": "+46701234567"}, [None]),
        (
            "sns",
            {"TargetArn": "arn:aws:sns:eu-west-1:1:endpoint/APNS/shop/5e3e9847-3183-3f18"},
            ["arn:aws:sns:eu-west-1:1:endpoint/APNS/shop/*"],
        ),
        ("ses", {"Source": "shop@example.com", "Destination": {"ToAddresses": ["ann@example.com"]}}, [None]),
        ("sesv2", {"FromEmailAddress": "shop@example.com"}, [None]),
        ("pinpoint", {"MessageRequest": {"Addresses": {"+46": {}}}}, [None]),
        ("pinpoint-sms-voice-v2", {"DestinationPhoneNumber": "+46"}, [None]),
        ("cognito-identity-provider", {"Username": "ann@example.com", "Password": "p"}, [None]),
        ("secrets-manager", {"SecretId": "mail/ann@example.com"}, [None]),
        ("sqs", {"QueueUrl": "https://user:secret@queue.example/1/orders"}, [None]),
        (
            "sqs",
            {"QueueUrl": "https://queue.example/1/orders?token=secret"},
            ["https://queue.example/1/orders"],
        ),
        (
            "sfn",
            {"executionArn": "arn:aws:states:eu-west-1:1:execution:orders:ann@example.com"},
            ["arn:aws:states:eu-west-1:1:execution:orders:*"],
        ),
        (
            "sfn",
            {"executionArn": "arn:aws:states:eu-west-1:1:execution:orders:ann-1"},
            ["arn:aws:states:eu-west-1:1:execution:orders:*"],
        ),
        (
            "sfn",
            {"executionArn": "arn:aws:states:eu-west-1:1:express:orders:ann-1:7f"},
            ["arn:aws:states:eu-west-1:1:express:orders:*"],
        ),
        ("eventbridge", {"Name": "arn:aws:events:eu-west-1:1:rule/a"}, ["arn:aws:events:eu-west-1:1:rule/a"]),
        ("dynamodb", {"TableName": "orders", "Item": {}}, ["orders"]),
        ("dynamodb", {"RequestItems": {"orders": [], "stock": []}}, ["orders", "stock"]),
        (
            "dynamodb",
            {
                "TransactItems": [
                    {"Put": {"TableName": "a"}},
                    {"Get": {"TableName": "b"}},
                    {"Put": {"TableName": "a"}},
                ]
            },
            ["a", "b"],
        ),
        ("dynamodb", {"Statement": "SELECT 1"}, [None]),
        ("s3", {"Bucket": "b", "Key": "secret/key"}, ["b"]),
        ("lambda", {"FunctionName": "billing"}, ["billing"]),
        ("sfn", {"stateMachineArn": "arn:m"}, ["arn:m"]),
        ("eventbridge", {"Name": "rule"}, ["rule"]),
        ("eventbridgev2", {"EventBusArn": "arn:b", "Entries": [{}]}, ["arn:b"]),
        ("secrets-manager", {"SecretId": "s", "SecretString": "hidden"}, ["s"]),
        ("unheard-of", {"Name": "x"}, [None]),
    ],
)
def test_the_resource_of_a_call(service, params, expected):
    """It is named by the parameter that the service has for it, and nothing else of the call is."""
    assert [it.resource for it in named(service, "Do", params)] == expected


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        ("eventbridge", "PutEvents", {"Entries": [{}, {"EventBusName": "b"}, {"EventBusName": "b"}]}, [("default", {}), ("b", {})]),
        ("eventbridge", "PutEvents", {"Entries": ({"EventBusName": "b"},)}, [("b", {})]),
        ("ssm", "GetParameters", {"Names": ["/shop/a", "/shop/b"], "WithDecryption": True}, [("/shop/a", {}), ("/shop/b", {})]),
        ("ssm", "DeleteParameters", {"Names": ["a"]}, [("a", {})]),
        ("dynamodb", "BatchGetItem", {"RequestItems": {"orders": {"Keys": []}, "stock": {}}}, [("orders", {}), ("stock", {})]),
        ("dynamodb", "BatchWriteItem", {"RequestItems": {"orders": [{"PutRequest": {}}]}}, [("orders", {})]),
        ("dynamodb", "Query", {"TableName": "orders", "IndexName": "by-date"}, [("orders", {"index": "by-date"})]),
        (
            "dynamodb",
            "TransactWriteItems",
            {
                "TransactItems": [
                    {"Put": {"TableName": "a", "Item": {"id": {"S": "ann"}}}},
                    {"ConditionCheck": {"TableName": "b"}},
                    {"Delete": {"TableName": "a"}},
                    {"Put": {"TableName": "a"}},
                    {"Put": {"TableName": ["a"]}},
                    {"Put": "a"},
                    "Put",
                    {"Invented": {"TableName": "a"}},
                ]
            },
            [("a", {"kind": "Put"}), ("b", {"kind": "ConditionCheck"}), ("a", {"kind": "Delete"})],
        ),
        ("dynamodb", "TransactGetItems", {"TransactItems": [{"Get": {"TableName": "a"}}]}, [("a", {"kind": "Get"})]),
        ("dynamodb", "ExecuteStatement", {"Statement": "SELECT * FROM orders WHERE id=?"}, [("orders", {"kind": "Select"})]),
        (
            "dynamodb",
            "BatchExecuteStatement",
            {"Statements": [{"Statement": "DELETE FROM a WHERE id='1'"}, {"Statement": "UPDATE b SET n=1"}]},
            [("a", {"kind": "Delete"}), ("b", {"kind": "Update"})],
        ),
        (
            "dynamodb",
            "ExecuteTransaction",
            {"TransactStatements": [{"Statement": "INSERT INTO a VALUE {'id':'1'}"}]},
            [("a", {"kind": "Insert"})],
        ),
        ("s3", "CopyObject", {"Bucket": "to", "Key": "k", "CopySource": "from/a/key?versionId=3"}, [("to", {"source": "from"})]),
        ("s3", "CopyObject", {"Bucket": "to", "CopySource": "/from/a%2Fkey"}, [("to", {"source": "from"})]),
        ("s3", "UploadPartCopy", {"Bucket": "to", "CopySource": {"Bucket": "from", "Key": "k"}}, [("to", {"source": "from"})]),
        (
            "s3",
            "CopyObject",
            {"Bucket": "to", "CopySource": f"arn:aws:s3:{AT}:accesspoint/in/object/a/key"},
            [("to", {"source": f"arn:aws:s3:{AT}:accesspoint/in"})],
        ),
        ("s3", "CopyObject", {"Bucket": "to", "CopySource": 7}, [("to", {})]),
        ("kms", "ReEncrypt", {"DestinationKeyId": "alias/new", "SourceKeyId": "alias/old"}, [("alias/new", {"source": "alias/old"})]),
        ("kms", "Decrypt", {"CiphertextBlob": b"x"}, [(None, {})]),
        ("lambda", "Invoke", {"FunctionName": "f", "Qualifier": "live", "Payload": b"ann"}, [("f", {"qualifier": "live"})]),
        ("kinesis", "SubscribeToShard", {"ConsumerARN": "arn:c"}, [("arn:c", {})]),
        ("kinesis", "DescribeStreamConsumer", {"StreamARN": "arn:s", "ConsumerName": "c"}, [("arn:s", {"consumer": "c"})]),
        ("rds-data", "ExecuteStatement", {"resourceArn": "arn:r", "secretArn": "arn:s", "sql": "x"}, [("arn:r", {"secret": "arn:s"})]),
        ("secrets-manager", "BatchGetSecretValue", {"SecretIdList": ["a", "b"]}, [("a", {}), ("b", {})]),
        ("secrets-manager", "BatchGetSecretValue", {"Filters": [{"Values": ["x"]}]}, [(None, {})]),
        ("iot-data-plane", "Publish", {"topic": "shop/orders", "payload": b"x"}, [("shop/orders", {})]),
        ("iot-data-plane", "Publish", {"topic": "mail/ann@example.com"}, [(None, {})]),
        ("cognito-identity-provider", "AdminGetUser", {"UserPoolId": "eu-west-1_a", "Username": "ann"}, [("eu-west-1_a", {})]),
        ("cloudwatch", "PutMetricData", {"Namespace": "Shop", "MetricData": []}, [("Shop", {})]),
        ("cloudwatch-logs", "StartQuery", {"logGroupNames": ["a", "b"], "queryString": "x"}, [("a", {}), ("b", {})]),
        ("athena", "StartQueryExecution", {"QueryString": "x"}, [("primary", {})]),
        ("athena", "GetQueryResults", {"QueryExecutionId": "x"}, [(None, {})]),
        (
            "appconfigdata",
            "StartConfigurationSession",
            {"ApplicationIdentifier": "a", "EnvironmentIdentifier": "e", "ConfigurationProfileIdentifier": "p"},
            [("a/e/p", {})],
        ),
        ("appconfigdata", "GetLatestConfiguration", {"ConfigurationToken": "x"}, [(None, {})]),
        ("bedrock-agent-runtime", "InvokeAgent", {"agentId": "A", "agentAliasId": "B", "inputText": "x"}, [("A", {"qualifier": "B"})]),
        ("sqs", "GetQueueUrl", {"QueueName": "q", "QueueOwnerAWSAccountId": "210987654321"}, [("q", {"account": "210987654321"})]),
        ("sesv2", "SendEmail", {"FromEmailAddressIdentityArn": f"arn:aws:ses:{AT}:identity/ann@example.com"}, [(None, {})]),
        ("sesv2", "SendEmail", {"FromEmailAddressIdentityArn": f"arn:aws:ses:{AT}:identity/example.com"}, [(f"arn:aws:ses:{AT}:identity/example.com", {})]),
    ],
)  # fmt: skip
def test_what_a_call_names(service, operation, params, expected):
    """Each resource of a list, with what else decides who may make the call."""
    assert [(it.resource, dict(it.more)) for it in named(service, operation, params)] == expected


@pytest.mark.parametrize(
    ("params", "response", "expected"),
    [
        ({}, {"KeyId": KEY}, [(KEY, {})]),
        ({"KeyId": "alias/a"}, {"KeyId": KEY}, [("alias/a", {})]),
        ({"DestinationKeyId": "alias/a"}, {"SourceKeyId": KEY, "KeyId": "x"}, [("alias/a", {"source": KEY})]),
    ],
)
def test_kms_names_the_key_in_its_response(params, response, expected):
    """No parameter has to name the key that decrypts; what the caller has named stands."""
    assert [(it.resource, dict(it.more)) for it in named("kms", "Decrypt", params, response)] == expected


def test_secrets_found_by_a_filter_are_named_by_the_response():
    """Their ARNs, and not their values."""
    response = {"SecretValues": [{"ARN": "arn:s", "SecretString": "hidden"}]}
    found = named("secrets-manager", "BatchGetSecretValue", {"Filters": []}, response)
    assert found == [("arn:s", ())]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a1b2c3.execute-api.eu-west-1.amazonaws.com/prod", "a1b2c3/prod"),
        ("https://a1b2c3.execute-api.eu-west-1.amazonaws.com/prod/", "a1b2c3/prod"),
        ("https://ws.example.com/prod", None),
        (None, None),
    ],
)
def test_a_websocket_api_is_named_by_its_endpoint(url, expected):
    """No parameter names it; the connection's id isn't kept."""
    found = named("apigatewaymanagementapi", "PostToConnection", {"ConnectionId": "c"}, None, url)
    assert found == [(expected, ())]


@pytest.mark.parametrize(
    ("statement", "table", "more"),
    [
        ('SELECT "a", b FROM "orders" WHERE x = \'from stock\'', "orders", {"kind": "Select"}),
        ('select * from "orders"."by-date" where d > 1', "orders", {"kind": "Select", "index": "by-date"}),
        ('SELECT "it\'s" FROM orders WHERE x = \' FROM secret\'', "orders", {"kind": "Select"}),
        ("SELECT ' FROM secret ' FROM orders", "orders", {"kind": "Select"}),
        ("SELECT 'it''s from secret' FROM orders", "orders", {"kind": "Select"}),
        ("\n EXISTS ( SELECT * FROM orders WHERE id=1)", "orders", {"kind": "Select"}),
        ('INSERT INTO "orders" VALUE {\'id\': \'update stock\'}', "orders", {"kind": "Insert"}),
        ("INSERT INTO orders value {'id':1}", "orders", {"kind": "Insert"}),
        ("UPDATE orders SET a=1 WHERE id='1'", "orders", {"kind": "Update"}),
        ('DELETE FROM "arn:aws:dynamodb:eu-west-1:123456789012:table/orders" WHERE id=1',
         "arn:aws:dynamodb:eu-west-1:123456789012:table/orders", {"kind": "Delete"}),
        ("SELECT 1", None, {}),
        ("DROP TABLE orders", None, {}),
        ("SELECT * FROM 'ann@example.com'", None, {}),
        ('SELECT * FROM "ann@example.com"', None, {}),
        ("SELECT " + "from " * 2000, None, {}),
        (None, None, {}),
    ],
)  # fmt: skip
def test_a_statement_of_partiql(statement, table, more):
    """Its table, index and kind; a literal is never taken for one, and what isn't understood stays unnamed."""
    found = partiql(statement)
    assert (found.resource, dict(found.more)) == (table, more)


@given(st.text("'\"abSELECTFROM(). \n", max_size=60))
def test_any_statement(text):
    """Whatever a statement is, none of its literals is named."""
    found = partiql(f"SELECT * FROM t WHERE s='hidden' AND {text}")
    assert found.resource in ("t", None)


@pytest.mark.parametrize(
    ("resource", "account"),
    [
        (f"arn:aws:sqs:{AT}:orders", "123456789012"),
        ("arn:aws:s3:::shop", None),
        ("arn:t", None),
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "123456789012"),
        ("http://127.0.0.1:9/1/orders", None),
        ("123456789012:function:orders", "123456789012"),
        ("orders", None),
    ],
)
def test_the_account_of_a_resource(resource, account):
    """It stands in an ARN, in a queue's URL, or before a function's name."""
    assert account_of(resource) == account


def test_the_tables_name_what_the_services_have():
    """Services and parameters exist in botocore's models, under these very names."""
    session = botocore.session.Session()
    names = {
        session.get_service_model(name).service_id.hyphenize(): name
        for name in (*_RESOURCES, "stepfunctions", "events", "secretsmanager", "logs", "cognito-idp", "dynamodbstreams",
                     "iot-data", "sesv2")
        if name in session.get_available_services()
    }  # fmt: skip
    names.pop("sagemaker", None)
    for service in _RESOURCES:
        model = session.get_service_model(names[service])
        inputs = [model.operation_model(name).input_shape for name in model.operation_names]
        known = {name for shape in inputs if shape is not None for name in shape.members}
        wanted = {*_RESOURCES[service], *_MORE.get(service, ())[:1]}
        assert wanted <= known, (service, wanted - known)


VALUES = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
PARAMETERS = st.dictionaries(
    st.sampled_from(
        ["Entries", "QueueUrl", "TopicArn", "TableName", "RequestItems", "Records", "Name", "Names", "TransactItems",
         "Statement", "Statements", "CopySource", "SecretIdList", "logGroupNames", "Qualifier", "KeyId"]
    ),
    VALUES,
)  # fmt: skip


@given(st.sampled_from(sorted(_RESOURCES)), PARAMETERS, PARAMETERS)
def test_resources_of_any_parameters(service, params, response):
    """Parameters that botocore would refuse are looked at without an error, and named by text or not at all."""
    for found in named(service, "PutEvents", params, response):
        assert found.resource is None or isinstance(found.resource, str)
        assert all(isinstance(value, str) for _, value in found.more)
        hash(found)
