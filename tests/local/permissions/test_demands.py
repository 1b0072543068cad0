"""What a request has to be granted: exactly the objects, indexes and streams that it names."""

import pytest

from lambda_guard.iam.resources import Place
from lambda_guard.local.permissions.demands import demands

HERE = Place("eu-west-1", "123456789012")
AT = "eu-west-1:123456789012"
TABLE = f"arn:aws:dynamodb:{AT}:table/stock"
EXACT = [
    ("s3", "GetObject", {"Bucket": "shop", "Key": "a/b*"}, [("s3:GetObject", "arn:aws:s3:::shop/a/b*")]),
    (
        "s3",
        "DeleteObjects",
        {"Bucket": "shop", "Delete": {"Objects": [{"Key": "1"}, {"Key": "2"}]}},
        [("s3:DeleteObject", "arn:aws:s3:::shop/1"), ("s3:DeleteObject", "arn:aws:s3:::shop/2")],
    ),
    ("s3", "ListObjectsV2", {"Bucket": "shop"}, [("s3:ListBucket", "arn:aws:s3:::shop")]),
    ("dynamodb", "Query", {"TableName": "stock"}, [("dynamodb:Query", TABLE)]),
    (
        "dynamodb",
        "Query",
        {"TableName": "stock", "IndexName": "by-date"},
        [("dynamodb:Query", f"{TABLE}/index/by-date")],
    ),
    (
        "dynamodb",
        "BatchGetItem",
        {"RequestItems": {"stock": {}, "prices": {}}},
        [("dynamodb:BatchGetItem", TABLE), ("dynamodb:BatchGetItem", f"arn:aws:dynamodb:{AT}:table/prices")],
    ),
    (
        "cloudwatch-logs",
        "PutLogEvents",
        {"logGroupName": "audit", "logStreamName": "1"},
        [("logs:PutLogEvents", f"arn:aws:logs:{AT}:log-group:audit:log-stream:1")],
    ),
    (
        "sqs",
        "SendMessageBatch",
        {"QueueUrl": "http://127.0.0.1:4566/123456789012/orders"},
        [("sqs:SendMessage", f"arn:aws:sqs:{AT}:orders")],
    ),
    (
        "secrets-manager",
        "GetSecretValue",
        {"SecretId": f"arn:aws:secretsmanager:{AT}:secret:token-AbCdEf"},
        [("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{AT}:secret:token-AbCdEf")],
    ),
    *(
        (
            "s3",
            "CopyObject",
            {"Bucket": "shop", "Key": "new", "CopySource": source},
            [("s3:PutObject", "arn:aws:s3:::shop/new"), ("s3:GetObject", "arn:aws:s3:::other/old one")],
        )
        for source in ("other/old%20one", "/other/old%20one?versionId=1")
    ),
    (
        "dynamodb",
        "TransactWriteItems",
        {"TransactItems": [{"Put": {"TableName": "stock"}}, {"Delete": {"TableName": "prices"}}]},
        [("dynamodb:PutItem", TABLE), ("dynamodb:DeleteItem", f"arn:aws:dynamodb:{AT}:table/prices")],
    ),
    (
        "dynamodb",
        "ExecuteStatement",
        {"Statement": "SELECT * FROM stock WHERE id = '1'"},
        [("dynamodb:PartiQLSelect", TABLE)],
    ),
    (
        "lambda",
        "Invoke",
        {"FunctionName": "orders", "Qualifier": "live"},
        [("lambda:InvokeFunction", f"arn:aws:lambda:{AT}:function:orders:live")],
    ),
    (
        "ssm",
        "GetParameters",
        {"Names": ["/a", "b"]},
        [
            ("ssm:GetParameters", f"arn:aws:ssm:{AT}:parameter/a"),
            ("ssm:GetParameters", f"arn:aws:ssm:{AT}:parameter/b"),
        ],
    ),
    ("ec2", "DescribeRegions", {}, [("ec2:DescribeRegions", "*")]),
    ("sts", "GetCallerIdentity", {}, []),
]


@pytest.mark.parametrize(("service", "operation", "parameters", "expected"), EXACT)
def test_actions_on_exact_resources(service, operation, parameters, expected):
    """Nothing in them is a pattern, whatever characters a key has."""
    found = demands(service, operation, parameters, HERE)
    assert [(it.action, it.resource) for it in found] == expected
    assert not any(it.pattern for it in found)


def test_the_region_that_is_called():
    """It is the request's, which policies may ask for."""
    (found,) = demands("dynamodb", "Query", {"TableName": "stock"}, Place("us-east-1", "123456789012"))
    assert found.resource == "arn:aws:dynamodb:us-east-1:123456789012:table/stock"
    assert found.keys["aws:RequestedRegion"] == "us-east-1"


def test_what_parameters_do_not_tell_is_a_pattern():
    """Six characters of a secret's ARN, the key behind an alias, the key that decrypts."""
    (secret,) = demands("secrets-manager", "GetSecretValue", {"SecretId": "token"}, HERE)
    assert (secret.resource, secret.pattern) == (f"arn:aws:secretsmanager:{AT}:secret:token-??????", True)
    (alias,) = demands("kms", "Encrypt", {"KeyId": "alias/shop"}, HERE)
    assert (alias.resource, alias.pattern) == (f"arn:aws:kms:{AT}:key/*", True)
    assert alias.keys["kms:RequestAlias"] == "alias/shop"
    (decrypt,) = demands("kms", "Decrypt", {}, HERE)
    assert (decrypt.action, decrypt.resource, decrypt.pattern) == ("kms:Decrypt", "*", True)


def test_an_operation_without_a_known_action():
    """It is told apart from one that asks for nothing."""
    assert demands("no-such-service", "Anything", {}, HERE) is None
