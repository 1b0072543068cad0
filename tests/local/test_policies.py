"""Functions held to their roles' policies: what isn't granted is denied, as on AWS, and everybody else is let through."""

import io
import json

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from lambda_guard.local import Cloud, OptionError

KEY = {"aws_access_key_id": "ASIALOCAL-Anonymous", "aws_secret_access_key": "x", "region_name": "eu-west-1"}
AT = "eu-west-1:123456789012"
USER = "User: arn:aws:sts::123456789012:assumed-role"
OTHERS = "arn:aws:sns:eu-west-1:123456789012:Others"


def allow(actions, resources="*", **more):
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def role(*statements, **properties):
    """Return a role with one inline policy."""
    policies = [{"PolicyName": "own", "PolicyDocument": document(*statements)}] if statements else []
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {}, "Policies": policies, **properties},
    }


LOGS = allow(["logs:CreateLogStream", "logs:PutLogEvents"])


@pytest.fixture(scope="module")
def cloud(build, functions):
    """Functions whose roles grant this and that, and what they are sent to."""
    dead = {"Type": "SQS", "TargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}}
    settings = {"MaximumRetryAttempts": 0}
    bounds = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"PolicyDocument": document(allow("s3:*"), LOGS)},
    }
    template = build.template(
        Topic=build.topic(),
        Others=build.topic(),
        Dead=build.queue(),
        Parcels=build.queue(),
        Table={"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "stock"}},
        Sam=build.function(
            "caller.handler",
            Policies=[
                {"SNSPublishMessagePolicy": {"TopicName": {"Fn::GetAtt": ["Topic", "TopicName"]}}},
                {"DynamoDBReadPolicy": {"TableName": {"Ref": "Table"}}},
            ],
        ),
        Forbidden=build.function("caller.handler", Role={"Fn::GetAtt": ["ForbiddenRole", "Arn"]}),
        ForbiddenRole=role(allow("*"), LOGS, {**allow("sns:*", OTHERS), "Effect": "Deny"}),
        Bounded=build.function("caller.handler", Role={"Fn::GetAtt": ["BoundedRole", "Arn"]}),
        BoundedRole=role(allow("*"), PermissionsBoundary={"Ref": "Bounds"}),
        Bounds=bounds,
        Polling=build.function(
            "caller.handler",
            Role={"Fn::GetAtt": ["PollingRole", "Arn"]},
            events={"Q": build.from_queue("Parcels")},
        ),
        PollingRole=role(allow(["sqs:ReceiveMessage", "sqs:GetQueueAttributes"])),
        Failing=build.function(
            "caller.handler",
            Role={"Fn::GetAtt": ["FailingRole", "Arn"]},
            DeadLetterQueue=dead,
            EventInvokeConfig=settings,
        ),
        FailingRole=role(LOGS),
        Elsewhere=build.function("caller.handler", Role="arn:aws:iam::123456789012:role/elsewhere"),
        Signing=build.function(
            "caller.presigned", Policies=[document(allow("s3:GetObject", "arn:aws:s3:::shop/open/*"))]
        ),
        Anonymous=build.function("caller.unsigned"),
    )
    with Cloud(template, root=functions, speed=1000, enforce_policies=True) as cloud:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="shop", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        for key in ("open/1", "closed/1"):
            s3.put_object(Bucket="shop", Key=key, Body=b"x", ACL="public-read")
        yield cloud


def errors(cloud, function, *calls):
    return cloud.invoke(function, {"calls": calls}).payload


def publish(topic):
    return ["sns", "publish", {"TopicArn": topic, "Message": "x"}]


def test_a_call_that_a_sam_policy_template_grants_passes(cloud):
    """SAM's policy templates are what the translator makes of them."""
    assert errors(cloud, "Sam", publish(cloud.topic_arn("Topic"))) == [None]


def test_a_call_that_no_policy_grants_is_denied_in_the_words_of_its_service(cloud):
    """The client raises the service's own code and IAM's sentence, as on AWS, and it is counted."""
    found = errors(
        cloud,
        "Sam",
        publish(OTHERS),
        ["dynamodb", "delete_item", {"TableName": "stock", "Key": {"id": {"S": "1"}}}],
    )
    table = f"arn:aws:dynamodb:{AT}:table/stock"
    assert found == [
        f"AuthorizationError: {USER}/SamRole/Sam is not authorized to perform: SNS:Publish on resource: {OTHERS} because no identity-based policy allows the SNS:Publish action",
        f"AccessDeniedException: {USER}/SamRole/Sam is not authorized to perform: dynamodb:DeleteItem on resource: {table} because no identity-based policy allows the dynamodb:DeleteItem action",
    ]
    counts = {(it.action, it.resource): count for it, count in cloud.denied.items() if it.function == "Sam"}
    assert counts == {("sns:Publish", OTHERS): 1, ("dynamodb:DeleteItem", table): 1}


def test_an_explicit_deny_wins(cloud):
    """A Deny beside an Allow of everything denies, and is named as the reason."""
    (found,) = errors(cloud, "Forbidden", publish(OTHERS))
    assert found.endswith("with an explicit deny in an identity-based policy")
    assert errors(cloud, "Forbidden", publish(cloud.topic_arn("Topic"))) == [None]


def test_a_permissions_boundary_bounds(cloud):
    """What the role grants and its boundary doesn't is denied, with the boundary as the reason."""
    (found, passed) = errors(cloud, "Bounded", publish(OTHERS), ["s3", "list_buckets", {}])
    assert found.endswith("because no permissions boundary allows the SNS:Publish action")
    assert passed is None


def test_other_callers_are_not_held_to_anything(cloud):
    """The test's own clients may everything."""
    assert cloud.client("sns").publish(TopicArn=OTHERS, Message="x")["MessageId"]


def test_a_mapping_whose_role_may_not_poll_is_said_and_does_not_poll(cloud):
    """AWS refuses to create such a mapping: the warning names what is missing, and the message stays."""
    (warning,) = [it for it in cloud.warnings if "is not polled for" in it]
    assert "sqs:DeleteMessage: AWS refuses such a mapping" in warning
    cloud.client("sqs").send_message(QueueUrl=cloud.queue_url("Parcels"), MessageBody="x")
    cloud.settle(240)
    assert cloud.messages("Parcels")["visible"] == 1


def test_a_dead_letter_that_may_not_be_sent_is_lost_and_counted(cloud):
    """Without sqs:SendMessage the event is gone, and the metric is all that says so."""
    cloud.client("lambda").invoke(FunctionName="Failing", InvocationType="Event", Payload=b'{"fail": true}')
    cloud.settle(240)
    assert cloud.messages("Dead")["visible"] == 0
    lines = [json.loads(event.message) for event in cloud.service_metrics.events()]
    assert [line["FunctionName"] for line in lines if "DeadLetterErrors" in line] == ["Failing"]
    assert [it.action for it in cloud.denied if it.function == "Failing"] == ["sqs:SendMessage"]


def test_what_the_service_misses_is_said(cloud):
    """Lines and traces that AWS would lose are kept here, and said."""
    said = "\n".join(cloud.warnings)
    assert (
        "Polling: its role doesn't grant logs:CreateLogStream, logs:PutLogEvents: its log lines are lost on AWS"
        in said
    )
    assert (
        "Failing: its role doesn't grant xray:PutTraceSegments, xray:PutTelemetryRecords: its traces are lost"
        in said
    )


def test_a_function_whose_role_is_elsewhere_is_said_and_not_held(cloud):
    """What a role outside of the template grants can't be known; a policy may be given for it."""
    (warning,) = [it for it in cloud.warnings if it.startswith("Elsewhere")]
    assert "role arn:aws:iam::123456789012:role/elsewhere isn't in the template" in warning
    assert "--policy Elsewhere=FILE" in warning
    assert errors(cloud, "Elsewhere", publish(OTHERS)) == [None]
    cloud.hold("Elsewhere", document(LOGS))
    assert errors(cloud, "Elsewhere", publish(OTHERS))[0].startswith("AuthorizationError")


def test_who_signs_a_url_needs_the_permission(cloud):
    """A presigned URL may do what the function may that signed it, object by object."""
    assert cloud.invoke("Signing", {"bucket": "shop", "key": "open/1"}).payload == 200
    assert cloud.invoke("Signing", {"bucket": "shop", "key": "closed/1"}).payload == 403


def test_objects_arrive_whole_whatever_their_keys_and_lengths(cloud):
    """A body in chunks has no length; a key may have any characters; several parts are one object."""
    own = cloud.client("s3")
    cloud.hold("Anonymous", document(allow("s3:PutObject", "arn:aws:s3:::shop/in/*")))
    s3 = boto3.client("s3", endpoint_url=cloud.endpoint, **KEY)
    s3.upload_fileobj(io.BytesIO(b"x" * 9_000_000), "shop", "in/parts")
    s3.put_object(Bucket="shop", Key="in/ü +%2F?", Body=b"y")
    scope = f"{KEY['aws_access_key_id']}/20261101/eu-west-1/s3/aws4_request"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
    chunks = (b"z" * 1000 for _ in range(5))
    assert requests.put(f"{cloud.endpoint}/shop/in/chunks", data=chunks, headers=signed, timeout=240).ok
    sizes = {it["Key"]: it["Size"] for it in own.list_objects_v2(Bucket="shop", Prefix="in/")["Contents"]}
    assert sizes == {"in/parts": 9_000_000, "in/ü +%2F?": 1, "in/chunks": 5000}
    with pytest.raises(ClientError, match=r"\(403\) when calling the HeadObject operation.*: Forbidden"):
        s3.head_object(Bucket="shop", Key="open/1")


def test_a_call_without_a_signature_is_not_the_functions(cloud):
    """An anonymous call asks for no role's permission."""
    assert cloud.invoke("Anonymous", {"bucket": "shop", "key": "open/1"}).payload == 1


def test_an_operation_without_a_known_action_passes_and_is_said_once(cloud, caplog):
    """It is neither denied nor let through without a word."""
    call = ["lightsail", "get_regions", {}]
    assert "AccessDenied" not in str(errors(cloud, "Sam", call, call))
    said = [it.getMessage() for it in caplog.records if "isn't held to policies" in it.getMessage()]
    assert len(said) <= 1


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("no-such-file.json", "can't be read as JSON"),
        ({"Statement": [{"Effect": "Maybe"}]}, "Effect is 'Maybe', and may be Allow or Deny"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused(cloud, policy, message):
    """A file that isn't there and a document that isn't a policy are mistakes of whoever gave them."""
    with pytest.raises(OptionError, match=message):
        cloud.hold("Sam", policy)


def test_policies_without_enforcement_are_refused(build):
    """They would hold nothing, and the reader of the test would believe that they do."""
    with pytest.raises(OptionError, match="enforce_policies=True"):
        Cloud(build.template(Topic=build.topic()), policies={"Orders": document()})


def test_a_policy_for_a_function_that_is_not_there_is_refused(build):
    """A typing mistake doesn't leave the function as it was."""
    with pytest.raises(OptionError, match="there is no function 'Odrers'"):
        Cloud(build.template(Topic=build.topic()), enforce_policies=True, policies={"Odrers": document(LOGS)})
