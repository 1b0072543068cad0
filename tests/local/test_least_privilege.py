"""The policy made from a run lets the same run pass, and nothing of it can be taken away."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lambda_guard.local import Cloud
from lambda_guard.local.permissions.deciding import Permissions
from lambda_guard.local.permissions.holding import enforced
from lambda_guard.templates.document import Location
from lambda_guard.templates.template import Template
from lambda_guard.tools.policy.commands import policy

SHOP = Path(__file__).parent.parent.parent / "examples" / "app" / "template.yaml"
SHOPS = ("Orders", "Billing", "Shipping")

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
SERVICE = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTelemetryRecords", "xray:PutTraceSegments"}
PLACE = ("--account", "123456789012", "--region", "eu-west-1")
ENOUGH = ("--least-invocations", "1", "--least-days", "0")


@pytest.fixture(scope="module")
def cloud(build, functions):
    template = build.template(
        Orders=build.queue(QueueName="orders"),
        Placed=build.topic(TopicName="placed"),
        Thirty=build.function("thirty.handler", FunctionName="thirty", Timeout=60, Tracing="PassThrough"),
        Other=build.function("single.handler", FunctionName="other"),
    )
    with Cloud(template, root=functions, enforce_policies=True, policies={"Thirty": EVERYTHING}) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def event(cloud):
    """What the calls are about, made by the test's own clients; the names that are known only then."""
    made = cloud.client
    role = "arn:aws:iam::123456789012:role/service"
    made("events").create_event_bus(Name="orders")
    made("s3").create_bucket(Bucket="receipts", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    made("firehose").create_delivery_stream(
        DeliveryStreamName="orders",
        S3DestinationConfiguration={"RoleARN": role, "BucketARN": "arn:aws:s3:::receipts"},
    )
    made("kinesis").create_stream(StreamName="orders", ShardCount=1)
    made("logs").create_log_group(logGroupName="audit")
    made("logs").create_log_stream(logGroupName="audit", logStreamName="orders")
    made("ssm").put_parameter(Name="/shop/limit", Value="1", Type="String")
    done = {"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}}
    made("stepfunctions").create_state_machine(name="ship", roleArn=role, definition=json.dumps(done))
    table = made("dynamodb").create_table(
        TableName="stock",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    return {
        "first": "",
        "QUEUE": cloud.queue_url("orders"),
        "POOL": made("cognito-idp").create_user_pool(PoolName="shop")["UserPool"]["Id"],
        "STREAM": table["TableDescription"]["LatestStreamArn"],
        "KEY": made("kms").create_key()["KeyMetadata"]["KeyId"],
        "SECRET": made("secretsmanager").create_secret(Name="token", SecretString="x")["ARN"],
    }


@pytest.fixture(scope="module")
def thirty(cloud, event):
    """The lines of a run in which everything was granted."""
    assert cloud.invoke("Thirty", event).payload >= 30
    return lines(cloud, "Thirty")


def lines(cloud, function):
    return "\n".join(line.message for line in cloud.logs(function))


def policy_of(log, name, folder, *more):
    """Return the policy that the command makes of a function's lines."""
    (folder / "lines.log").write_text(log)
    options = ["--function", name, *ENOUGH, *more, "-o", str(folder / "policy.json")]
    result = CliRunner().invoke(policy, [str(folder / "lines.log"), *options], standalone_mode=False)
    assert (result.return_value, result.exception) == (0, None), result.output
    return json.loads((folder / "policy.json").read_text())


def difference(log, name, folder, before):
    """Return the exit code and what the command finds between a function's lines and a policy."""
    (folder / "lines.log").write_text(log)
    (folder / "before.json").write_text(json.dumps(before))
    options = ["--function", name, *PLACE, "--diff", str(folder / "before.json"), "--json"]
    result = CliRunner().invoke(policy, [str(folder / "lines.log"), *options], standalone_mode=False)
    assert result.exception is None, result.output
    return result.return_value, json.loads(result.stdout)


def without(document, statement):
    return {**document, "Statement": [one for one in document["Statement"] if one is not statement]}


def test_a_function_of_thirty_services_needs_every_statement_and_no_more(cloud, event, thirty, tmp_path):
    """With the policy from its run the same run passes; with any one statement taken away it is denied just that."""
    made = policy_of(thirty, "thirty", tmp_path)
    cloud.hold("Thirty", made)
    assert cloud.invoke("Thirty", event).payload >= 30
    assert not cloud.denied
    for statement in made["Statement"]:
        cloud.hold("Thirty", without(made, statement))
        before = dict(cloud.denied)
        result = cloud.invoke("Thirty", {**event, "first": statement["Action"][0].partition(":")[0]})
        denied = [it for it, count in cloud.denied.items() if count > before.get(it, 0)]
        if set(statement["Action"]) <= SERVICE and "audit" not in str(statement):
            assert (
                not denied
            )  # what Lambda does by itself no call shows; the cloud says at its start what is missing
            continue
        assert result.function_error, statement
        assert [it.action for it in denied] in [[action] for action in statement["Action"]], statement
        record = json.loads(next(line for line in reversed(result.lines) if '"record":"invocation"' in line))
        (told,) = [call["denied"] for call in record["calls"] if "denied" in call]
        assert told["action"].lower() == denied[0].action.lower()
        assert (told["deny"], told["policy_type"]) == ("implicit", "identity-based")


def test_what_a_function_of_thirty_services_had_too_wide_is_named(thirty, tmp_path):
    """Beside everything on everything the command writes its policy; beside whole services, each statement by its name."""
    made = policy_of(thirty, "thirty", tmp_path)
    assert difference(thirty, "thirty", tmp_path, made)[0] == 0
    code, found = difference(thirty, "thirty", tmp_path, EVERYTHING)
    assert code == 1
    assert [it["statement"] for it in found["wider"]] == ["#1"]
    assert found["wider"][0]["instead"] == made["Statement"]
    whole = [{**one, "Action": f"{one['Action'][0].partition(':')[0]}:*"} for one in made["Statement"]]
    code, found = difference(thirty, "thirty", tmp_path, {**made, "Statement": whole})
    assert {it["statement"]: it["instead"] for it in found["wider"]} == {
        one["Sid"]: [one] for one in made["Statement"]
    }


@pytest.fixture(scope="module")
def shop():
    """The shop with roles that may everything, after two orders."""
    with Cloud(SHOP, speed=40, enforce_policies=True, policies=dict.fromkeys(SHOPS, EVERYTHING)) as cloud:
        assert [place(cloud, number) for number in (1, 2)] == [202, 202]
        cloud.settle(240)
        yield cloud


@pytest.fixture(scope="module")
def ran(shop):
    """The functions' lines of that run."""
    return {it: lines(shop, it) for it in SHOPS}


@pytest.fixture(scope="module")
def made(shop, ran, tmp_path_factory):
    """The policies of the shop's functions, made by the command from the run."""
    dead = ("--dead-letters", shop.queue_arn("Unbilled"))
    return {
        it: policy_of(ran[it], it.lower(), tmp_path_factory.mktemp(it), *PLACE, *dead * (it == "Billing"))
        for it in SHOPS
    }


def place(cloud, number):
    order = {"id": f"o-{number}", "items": [{"sku": "lamp", "price": 10.0, "count": 1, "grams": 100}]}
    return cloud.request("POST", "/orders", order).status


def done(cloud, function, message):
    return sum(
        f'"message":"{message}"' in line.message.replace('": "', '":"') for line in cloud.logs(function)
    )


def test_the_shop_runs_with_the_policies_of_its_run(shop, made):
    """Held to what its records ask for, an order is placed, billed and packed as before, and nothing is denied."""
    for function, document in made.items():
        shop.hold(function, document)
    before = [done(shop, "Billing", "customer charged"), done(shop, "Shipping", "parcel packed")]
    denied = dict(shop.denied)
    assert place(shop, 3) == 202
    shop.settle(240)
    after = [done(shop, "Billing", "customer charged"), done(shop, "Shipping", "parcel packed")]
    assert after == [count + 1 for count in before]
    assert shop.denied == denied


def said(shop, policies):
    """Return what a cloud says at its start of the shop with these policies."""
    template = Template(SHOP, Location("eu-west-1", "123456789012", shop.endpoint))
    return enforced(Permissions("eu-west-1"), template, shop.stack, policies)[1]


def test_the_shop_needs_every_statement(shop, made):
    """With any one taken away an order isn't placed, or the cloud says at its start what Lambda misses."""
    assert said(shop, made) == []
    found = {}
    for function, document in made.items():
        for statement in document["Statement"]:
            found[function, statement["Sid"]] = said(shop, {**made, function: without(document, statement)})
    (unsaid,) = [key for key, sentences in found.items() if not sentences]
    assert unsaid == ("Orders", "SnsPlaced")
    assert len(found) == 9
    (statement,) = [one for one in made["Orders"]["Statement"] if one["Sid"] == "SnsPlaced"]
    shop.hold("Orders", without(made["Orders"], statement))
    assert place(shop, 4) == 500
    assert [(it.function, it.action) for it in shop.denied] == [("orders", "sns:Publish")]


def test_what_was_too_wide_is_named(ran, made, tmp_path):
    """Beside the policy before, each statement that is wider than the run, with what to write instead; beside its own, none."""
    code, found = difference(ran["Orders"], "orders", tmp_path, made["Orders"])
    assert (code, found["wider"], found["not_granted"]) == (0, [], [])
    (own,) = [one for one in made["Orders"]["Statement"] if one["Sid"] == "SnsPlaced"]
    for wider in (
        {"Action": "sns:*"},
        {"Resource": "arn:aws:sns:eu-west-1:123456789012:*"},
        {"Resource": "*"},
    ):
        before = [{**one, **wider} if one is own else one for one in made["Orders"]["Statement"]]
        code, found = difference(ran["Orders"], "orders", tmp_path, {**made["Orders"], "Statement": before})
        assert code == 1
        assert [it["statement"] for it in found["wider"]] == ["SnsPlaced"]
        assert found["wider"][0]["instead"] == [own]
        assert found["not_granted"] == []
