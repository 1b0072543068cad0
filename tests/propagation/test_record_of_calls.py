"""The record's `calls`: real clients of botocore, against AWS's services on loopback and against denials."""

import json

import boto3
import botocore.config
import botocore.stub
import pytest

from lambda_guard import production
from lambda_guard.testing import capture, make_context

HERE = "arn:aws:lambda:eu-west-1:123456789012:function:test"
BASIC = {"service", "operation", "resource", "count", "errors", "duration_ms"}


@pytest.fixture
def client(services, monkeypatch):
    """Return a maker of clients of the services on loopback."""
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)
    config = botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0})

    def make(service, region="eu-west-1", **options):
        return boto3.client(
            service, region_name=region, **{"endpoint_url": services.endpoint, "config": config} | options
        )

    return make


def record_of(work, **context):
    """Return the record of an invocation that does this work, outside of which nothing is said."""

    @production
    def handler(event, _):
        work()

    with capture() as captured:
        handler({}, make_context(**context))
    return captured.record


def calls_of(work):
    """Return the calls of its record without what a plain call has, by service and operation."""
    return [
        {key: value for key, value in call.items() if key not in ("count", "errors", "duration_ms")}
        for call in record_of(work).get("calls", ())
    ]


def test_how_long_calls_took(client):
    """Together, in ms, and no longer than the invocation; of several resources, the first has the time of their call."""
    ssm = client("ssm")

    def work():
        for _ in range(3):
            ssm.get_parameters(Names=["/shop/a", "/shop/b"])
        ssm.get_parameters(Names=["/shop/c"])
        ssm.generate_presigned_url("get_parameter", Params={"Name": "/shop/d"})

    record = record_of(work)
    took = {call["resource"]: call.get("duration_ms") for call in record["calls"]}
    assert min(took["/shop/a"], took["/shop/c"]) > 0
    assert (took["/shop/b"], took["/shop/d"]) == (None, None)
    assert took["/shop/a"] + took["/shop/c"] <= record["duration_ms"]


def test_a_call_of_its_own_region_and_account_says_neither(client):
    """They stand in the record once, in the function's own ARN."""
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    record = record_of(lambda: sqs.send_message(QueueUrl=url, MessageBody="x"))
    (call,) = record["calls"]
    assert set(call) == BASIC
    assert record["function_arn"].split(":")[3:5] == ["eu-west-1", "123456789012"]


def test_another_region_and_another_account_are_named(client):
    """The client's Region, and the account that an ARN names."""
    sns = client("sns", "us-east-1")
    arn = sns.create_topic(Name="orders")["TopicArn"]
    other = arn.replace("123456789012", "210987654321")

    def work():
        sns.publish(TopicArn=arn, Message="x")
        with pytest.raises(Exception, match="NotFound"):
            sns.publish(TopicArn=other, Message="x")

    mine, theirs = calls_of(work)
    assert mine["region"] == "us-east-1"
    assert "account" not in mine
    assert theirs["account"] == "210987654321"


def test_lists_are_named_one_by_one(client):
    """Parameters, tables with the kind of their items, and the index of a query."""
    ssm, dynamodb = client("ssm"), client("dynamodb")
    for name in ("a", "b"):
        ssm.put_parameter(Name=f"/shop/{name}", Value="hidden", Type="String", Overwrite=True)
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-id",
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
    item = {"id": {"S": "ann"}}

    def work():
        ssm.get_parameters(Names=["/shop/a", "/shop/b"])
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "a", "Item": item}},
                {"Put": {"TableName": "b", "Item": item}},
            ]
        )
        dynamodb.transact_write_items(TransactItems=[{"Delete": {"TableName": "a", "Key": item}}])
        dynamodb.query(
            TableName="a",
            IndexName="by-id",
            KeyConditionExpression="id = :i",
            ExpressionAttributeValues={":i": {"S": "ann"}},
        )
        dynamodb.execute_statement(Statement="SELECT * FROM b WHERE id = 'ann'")

    record = record_of(work)
    assert "ann" not in json.dumps(record)
    assert [
        tuple(
            value for key, value in call.items() if key not in ("service", "count", "errors", "duration_ms")
        )
        for call in record["calls"]
    ] == [
        ("GetParameters", "/shop/a"),
        ("GetParameters", "/shop/b"),
        ("TransactWriteItems", "a", "Put"),
        ("TransactWriteItems", "b", "Put"),
        ("TransactWriteItems", "a", "Delete"),
        ("Query", "a", "by-id"),
        ("ExecuteStatement", "b", "Select"),
    ]


def test_a_copy_names_both_buckets_and_no_key(client):
    """Also where boto3's transfers make the calls, in threads of their own."""
    s3 = client("s3")
    where = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    s3.create_bucket(Bucket="incoming", **where)
    s3.create_bucket(Bucket="outgoing", **where)
    s3.put_object(Bucket="incoming", Key="ann/letter", Body=b"x")

    def work():
        s3.copy_object(Bucket="outgoing", Key="ann/1", CopySource={"Bucket": "incoming", "Key": "ann/letter"})
        s3.copy_object(Bucket="outgoing", Key="ann/2", CopySource="incoming/ann/letter")
        s3.copy({"Bucket": "incoming", "Key": "ann/letter"}, "outgoing", "ann/3")

    record = record_of(work)
    assert "ann" not in json.dumps(record)
    (copy,) = [call for call in record["calls"] if call["operation"] == "CopyObject"]
    assert (copy["resource"], copy["source"], copy["count"]) == ("outgoing", "incoming", 3)


def test_the_key_that_decrypts_is_named_by_the_response(client):
    """No parameter has it."""
    kms = client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    (call,) = calls_of(lambda: kms.decrypt(CiphertextBlob=blob))
    assert call["resource"] == key


def test_presigned_requests_are_told_apart(client):
    """Who signs needs the permission: a URL and a POST, of a client that has called nothing, and of one that has."""
    s3, used, sqs = client("s3"), client("s3"), client("sqs")

    def work():
        params = {"Bucket": "shop", "Key": "ann/letter"}
        s3.generate_presigned_url("get_object", Params=params)
        used.list_buckets()
        used.generate_presigned_url("get_object", Params=params)
        used.generate_presigned_post("shop", "ann/letter")
        sqs.generate_presigned_url("send_message", Params={"QueueUrl": "https://q/1/o", "MessageBody": "ann"})
        with pytest.raises(Exception, match="Missing required parameter"):
            s3.generate_presigned_url("get_object", Params={"Bucket": "shop"})

    record = record_of(work)
    assert "ann" not in json.dumps(record)
    assert [(call["operation"], call["resource"], call.get("presigned"), call["count"], call["errors"])
            for call in record["calls"]] == [
        ("GetObject", "shop", True, 2, 0),
        ("ListBuckets", None, None, 1, 0),
        ("PutObject", "shop", True, 1, 0),
        ("SendMessage", "https://q/1/o", True, 1, 0),
    ]  # fmt: skip


def test_signing_is_the_callers_own(client):
    """The URL is the same as without us, and outside of an invocation nothing is noted."""
    s3 = client(
        "s3", config=botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "path"})
    )
    params = {"Bucket": "shop", "Key": "k"}
    found = []
    record_of(lambda: found.append(s3.generate_presigned_url("get_object", Params=params)))
    without_date = [
        url.partition("?")[0] for url in (*found, s3.generate_presigned_url("get_object", Params=params))
    ]
    assert without_date[0] == without_date[1]
    assert params == {"Bucket": "shop", "Key": "k"}
    (call,) = calls_of(lambda: s3.generate_presigned_url("create_bucket", Params={"Bucket": "shop"}))
    assert call["operation"] == "CreateBucket"


MESSAGE = (
    "User: arn:aws:sts::123456789012:assumed-role/orders/orders is not authorized to perform: dynamodb:Query on "
    "resource: arn:aws:dynamodb:eu-west-1:123456789012:table/orders because no identity-based policy allows the "
    "dynamodb:Query action"
)


def test_a_denied_call_says_why(client):
    """The count, and the newest authorization id; the exception is AWS's own."""
    dynamodb = client("dynamodb")
    stubber = botocore.stub.Stubber(dynamodb)
    for number in (1, 2):
        stubber.add_client_error(
            "query", "AccessDeniedException", f"{MESSAGE}, authorization id: EXAMPLE{number}a2b", 403
        )
    caught = []

    def work():
        for _ in range(2):
            try:
                dynamodb.query(TableName="orders")
            except dynamodb.exceptions.ClientError as error:
                caught.append(error)

    with stubber:
        (call,) = record_of(work)["calls"]
    assert call["errors"] == 2
    assert call["denied"] == {
        "count": 2,
        "action": "dynamodb:Query",
        "resource": "arn:aws:dynamodb:eu-west-1:123456789012:table/orders",
        "deny": "implicit",
        "policy_type": "identity-based",
        "authorization_id": "EXAMPLE2a2b",
    }
    assert [error.response["Error"]["Code"] for error in caught] == ["AccessDeniedException"] * 2


def test_a_head_without_permission_is_a_denial(client):
    """Its response has no body: nothing but the status is known."""
    s3 = client("s3")
    stubber = botocore.stub.Stubber(s3)
    stubber.add_client_error("head_object", "403", "Forbidden", 403)

    def work():
        with pytest.raises(s3.exceptions.ClientError):
            s3.head_object(Bucket="shop", Key="ann")

    with stubber:
        (call,) = record_of(work)["calls"]
    assert call["denied"] == {"count": 1}


def test_resources_can_be_left_out(client, monkeypatch):
    """By a variable; what was called, how often and why it was denied is there, and the record says what isn't."""
    monkeypatch.setenv("LAMBDA_GUARD_CALL_RESOURCES", "off")
    dynamodb, sqs = client("dynamodb", "us-east-1"), client("sqs")
    url = sqs.create_queue(QueueName="customer-ann")["QueueUrl"]
    stubber = botocore.stub.Stubber(dynamodb)
    stubber.add_client_error("query", "AccessDeniedException", MESSAGE.replace("orders", "ann"), 403)

    def work():
        sqs.send_message(QueueUrl=url, MessageBody="x")
        with pytest.raises(dynamodb.exceptions.ClientError):
            dynamodb.query(TableName="ann", IndexName="ann")

    with stubber:
        record = record_of(work)
    assert "ann" not in json.dumps(record)
    assert record["calls_unnamed"] is True
    assert record["sent"][0]["target"] is None
    send, query = record["calls"]
    assert send["resource"] is None
    assert (query["region"], query["denied"]["action"]) == ("us-east-1", "dynamodb:Query")


def test_without_the_functions_arn_the_environment_says_its_region(client, monkeypatch):
    """As in a test, whose context has none."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    sns = client("sns")

    @production
    def handler(event, context):
        sns.list_topics()

    with capture() as captured:
        handler({}, None)
    assert captured.record["calls"][0]["region"] == "eu-west-1"
    assert "function_arn" not in captured.record


def test_a_function_without_calls_names_itself_on_a_cold_start_alone():
    """Where it is, is then known of every function."""
    records = []
    handler = production(lambda event, context: None)
    for _ in range(2):
        with capture() as captured:
            handler({}, make_context())
        records.append(captured.record)
    assert [("function_arn" in record) for record in records] == [record["cold_start"] for record in records]


def test_each_denied_entry_of_a_call_that_succeeds_is_counted(client):
    """S3 deletes what it may, and says of each other object why not; the newest reason is kept."""
    s3 = client("s3")
    stubber = botocore.stub.Stubber(s3)
    errors = [
        {
            "Key": key,
            "Code": "AccessDenied",
            "Message": f"not authorized to perform: s3:{action} on resource: arn:aws:s3:::shop/{key}",
        }
        for key, action in (("ann", "DeleteObject"), ("bob", "DeleteObjectVersion"))
    ]
    stubber.add_response("delete_objects", {"Errors": errors})
    with stubber:
        (call,) = record_of(
            lambda: s3.delete_objects(Bucket="shop", Delete={"Objects": [{"Key": "ann"}, {"Key": "bob"}]})
        )["calls"]
    assert (call["count"], call["errors"]) == (1, 0)
    assert call["denied"] == {
        "count": 2,
        "action": "s3:DeleteObjectVersion",
        "resource": "arn:aws:s3:::shop/*",
    }


def test_a_global_service_is_in_no_region(client):
    """IAM's clients call their Region `aws-global`, which is none."""
    iam = client("iam", endpoint_url=None)
    stubber = botocore.stub.Stubber(iam)
    stubber.add_response("list_roles", {"Roles": []})
    assert iam.meta.region_name == "aws-global"
    with stubber:
        assert calls_of(iam.list_roles) == [{"service": "iam", "operation": "ListRoles", "resource": None}]
