"""`lambda-guard policy --diff TEMPLATE`: the role of a function as SAM and CloudFormation make it."""

import re
from pathlib import Path

import pytest

from .conftest import AT, ENOUGH, QUERY, QUEUE, STOCK

PAGE = Path(__file__).parents[3] / "docs" / "least-privilege.md"
NAMED = {**QUERY, "resource": "shop-Stock-1A2B3C"}


@pytest.fixture
def compare(diff, tmp_path, monkeypatch):
    """Compare records with a template, in an account that doesn't answer."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)

    def call(template, **more):
        (tmp_path / "template.yaml").write_text(template, encoding="utf-8")
        return diff(against="template.yaml", **more)

    return call


def sam(policies="", properties="", resources="", name="orders"):
    """Return a template with one function of SAM's."""
    return f"""
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {{Type: String}}
  Table: {{Type: String, Default: stock}}
Conditions:
  Live: !Equals [!Ref Stage, live]
Resources:
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      {f"FunctionName: {name}" if name else "Description: it has no name"}
      CodeUri: src/
      Handler: app.handler
      Runtime: python3.13
      {properties}
      Events: {{It: {{Type: SQS, Properties: {{Queue: "{QUEUE}"}}}}}}
      {policies}
  Stock: {{Type: AWS::DynamoDB::Table, Properties: {{}}}}
  Prices: {{Type: AWS::DynamoDB::Table, Properties: {{TableName: prices}}}}
  {resources}
"""


def test_the_page_shows_what_the_command_writes(compare):
    """The checklist's own example, docs/least-privilege.md: `dynamodb:Query` on one table in place of `*`."""
    page = PAGE.read_text(encoding="utf-8")
    template = re.search(r"```yaml\n(Transform:.*?)```", page, re.DOTALL)[1]
    shown = re.search(r"--diff template.yaml\n(orders beside .*?)```", page, re.DOTALL)[1]
    record = {"trigger": {"type": "api"}, "calls": [QUERY]}
    here = ("--account", "123456789012", "--region", "eu-west-1")
    code, report, _ = compare(template, records=[record] * 1_200, options=(*ENOUGH, *here), as_json=False)
    assert (code, report) == (1, shown)


WIDE = 'Policies: [{Statement: [{Sid: AllTables, Effect: Allow, Action: "dynamodb:*", Resource: "*"}]}]'


def test_the_checklists_own_example_in_a_template(compare):
    """With the line that it stands at; what SAM adds is kept."""
    code, report, _ = compare(sam(WIDE))
    assert code == 1
    assert report["granted_by"] == "the role of Orders in template.yaml"
    (found,) = report["wider"]
    assert (found["statement"], found["policy"]) == ("AllTables", "OrdersRolePolicy0 (template.yaml:18)")
    assert found["instead"][0]["Action"] == ["dynamodb:Query"]
    assert found["instead"][0]["Resource"] == [STOCK]
    assert report["unread"] == []
    assert {it["statement"] for it in report["kept"]} == {
        "#1 of AWSLambdaBasicExecutionRole",
        "#1 of AWSLambdaSQSQueueExecutionRole",
    }


def test_a_policy_template_of_sams_is_expanded(compare):
    """By the translator's own data: it reads more than a query needs."""
    code, report, _ = compare(sam("Policies: [{DynamoDBReadPolicy: {TableName: !Ref Table}}]"))
    assert code == 1
    (found,) = report["wider"]
    assert "dynamodb:Scan" in found["unused_actions"]
    assert found["unused_resources"] == [f"{STOCK}/index/*"]
    assert [it["Resource"] for it in found["instead"]] == [[STOCK]]


def exact(resource, action="dynamodb:Query"):
    """Return `Policies` with one statement."""
    return f'Policies: [{{Statement: [{{Effect: Allow, Action: "{action}", Resource: {resource}}}]}}]'


@pytest.mark.parametrize(
    ("resource", "call", "options"),
    [
        ("!GetAtt Stock.Arn", NAMED, ()),
        ('!Sub "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Stock}"', NAMED, ()),
        ("!GetAtt Stock.Arn", {**QUERY, "resource": "Stock"}, ()),
        ('!Sub "arn:aws:dynamodb:eu-west-1:123456789012:table/${Table}"', QUERY, ()),
        ("!GetAtt Prices.Arn", {**QUERY, "resource": "prices"}, ()),
        ('!Sub "${Prices.Arn}"', {**QUERY, "resource": "prices"}, ()),
        ('!Sub "arn:aws:dynamodb:eu-west-1:123456789012:table/${Stage}-stock"', {**QUERY, "resource": "live-stock"}, ("--parameter", "Stage=live")),
    ],
)  # fmt: skip
def test_references_are_resolved_as_far_as_the_template_and_the_calls_settle_them(
    compare, resource, call, options
):
    """Names, parameters, and names that CloudFormation or the local cloud made: exactly what was used."""
    code, report, _ = compare(sam(exact(resource)), calls=(call,), options=(*ENOUGH, *options))
    assert (code, report["wider"], report["undecided"], report["not_granted"]) == (0, [], [], [])


@pytest.mark.parametrize(
    "resource",
    [
        "!GetAtt Stock.Arn",
        '!Sub "arn:aws:dynamodb:eu-west-1:123456789012:table/${Stage}"',
        "!ImportValue StockArn",
        '!Sub ["${It}", {It: !ImportValue StockArn}]',
    ],
)  # fmt: skip
def test_what_only_a_deployment_settles_is_open(compare, resource):
    """The table that was queried may be the one: neither unused nor missing, and nothing is guessed."""
    code, report, _ = compare(sam(exact(resource)))
    assert (code, report["wider"], report["not_granted"]) == (0, [], [])
    assert [it["action"] for it in report["undecided"]] == ["dynamodb:Query"]
    assert report["undecided"][0]["depends_on"][0].startswith("${")


def test_what_cannot_be_it_is_not_granted(compare):
    """A table whose name is settled isn't another one, and a queue is no table."""
    code, report, _ = compare(
        sam(exact("[!GetAtt Prices.Arn, !GetAtt Waiting.Arn]"), resources="Waiting: {Type: AWS::SQS::Queue}")
    )
    assert code == 1
    assert [it["action"] for it in report["not_granted"]] == ["dynamodb:Query"]
    assert report["wider"][0]["unused_actions"] == ["dynamodb:Query"]


def test_dead_letters_and_destinations_are_known(compare):
    """SAM adds the permission for the first; Lambda sends both, and no call shows it."""
    properties = (
        f"DeadLetterQueue: {{Type: SQS, TargetArn: arn:aws:sqs:{AT}:failed}}\n"
        f"      EventInvokeConfig: {{DestinationConfig: {{OnSuccess: {{Type: SNS, Destination: !Ref News}}}}}}"
    )
    code, report, _ = compare(
        sam(exact(STOCK), properties, "News: {Type: AWS::SNS::Topic, Properties: {TopicName: news}}")
    )
    assert (code, report["wider"]) == (0, [])
    sent = {it["actions"][0] for it in report["kept"] if it["reason"].startswith("Lambda sends")}
    assert sent == {"sns:publish", "sqs:SendMessage"}


def test_both_branches_of_a_condition_are_read(compare):
    """Either may be deployed."""
    branch = '{Statement: [{Sid: Old, Effect: Allow, Action: "s3:*", Resource: "*"}]}'
    template = sam(f'Policies: [!If [Live, {branch}, !Ref "AWS::NoValue"], {exact(STOCK)[11:-1]}]')
    code, report, _ = compare(template)
    assert (code, [it["statement"] for it in report["wider"]]) == (1, ["Old"])


def test_a_managed_policy_that_the_template_does_not_have_is_unread(compare):
    """Without an account: each is said, AWS is asked once, and the rest is done."""
    template = sam(
        WIDE.replace("[{", "[AmazonS3ReadOnlyAccess, arn:aws:iam::123456789012:policy/own, {", 1),
        "PermissionsBoundary: !Sub arn:aws:iam::${AWS::AccountId}:policy/bound",
    )
    code, report, _ = compare(template)
    assert code == 1
    assert [it["statement"] for it in report["wider"]] == ["AllTables"]
    assert [it.split(" isn't in the template: AWS couldn't be asked")[0] for it in report["unread"]] == [
        "the managed policy arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        "the managed policy arn:aws:iam::123456789012:policy/own",
        "the managed policy arn:aws:iam::123456789012:policy/bound",
    ]


PLAIN = """
Resources:
  Orders:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: orders
      Code: {ZipFile: x}
      Role: ROLE
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]}
      ManagedPolicyArns: [!Ref Shared, arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole]
      PermissionsBoundary: !Ref Bound
      Policies:
        - PolicyName: inline
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              Effect: Allow
              Action: dynamodb:*
              Resource: STOCK
  Shared:
    Type: AWS::IAM::ManagedPolicy
    Properties: {PolicyDocument: {Statement: [{Sid: Mine, Effect: Allow, Action: "s3:*", Resource: "*"}]}}
  Bound:
    Type: AWS::IAM::ManagedPolicy
    Properties: {PolicyDocument: {Statement: [{Sid: NoQueries, Effect: Deny, Action: "dynamodb:Query", Resource: "*"}]}}
  More:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: more
      Roles: [!Ref Role]
      PolicyDocument: {Statement: [{Sid: Attached, Effect: Allow, Action: "sns:*", Resource: "*"}]}
  Other:
    Type: AWS::IAM::Policy
    Properties:
      Roles: [!Ref Another]
      PolicyDocument: {Statement: [{Sid: OfOthers, Effect: Allow, Action: "sns:*", Resource: "*"}]}
""".replace("STOCK", STOCK)


def test_a_role_of_plain_cloudformation_has_all_that_is_attached_to_it(compare):
    """Inline, managed by the template, attached from elsewhere; the boundary denies."""
    code, report, _ = compare(PLAIN.replace("ROLE", "!GetAtt Role.Arn"))
    assert code == 1
    assert [(it["statement"], it["policy"]) for it in report["wider"]] == [
        ("#1", "inline (template.yaml:16)"),
        ("Mine", "Shared"),
        ("Attached", "More (template.yaml:31)"),
    ]
    denied = [it for it in report["not_granted"] if it["action"] == "dynamodb:Query"]
    assert denied[0]["reason"] == "denied by NoQueries of Bound, the permissions boundary"
    assert report["unread"] == []


def test_a_role_that_the_template_does_not_settle_is_asked_about(compare):
    """Nothing is compared with a role that nobody knows."""
    code, report, said = compare(PLAIN.replace("ROLE", "!ImportValue Role"))
    assert (code, report) == (1, "")
    assert "which role Orders has isn't settled in the template" in said
    assert "give --diff the role's name" in said


def test_a_role_of_the_account_is_read_there(compare):
    """And without an account it can't be."""
    code, report, said = compare(PLAIN.replace("ROLE", "arn:aws:iam::123456789012:role/shared"))
    assert (code, report) == (1, "")
    assert "AWS couldn't be asked to call get_role of iam" in said


@pytest.mark.parametrize(
    ("name", "options", "code", "message"),
    [
        ("billing", (), 1, "template.yaml: it has no function orders: there are Orders"),
        ("!Sub ${Stage}-orders", (), 1, "template.yaml: it has no function orders: there are Orders"),
        ("!Sub ${Stage}orders", (), 0, ""),
        ("!Sub ${Stage}rders", ("--parameter", "Stage=o"), 0, ""),
        ("orders", ("--parameter", "Nope=o"), 2, "template.yaml: the template has no parameter Nope"),
    ],
)
def test_the_function_is_found_by_its_name(compare, name, options, code, message):
    """As far as the template settles it; another one is never taken in its place."""
    found, _, said = compare(sam(exact(STOCK), name=name), options=(*ENOUGH, *options))
    assert (found, message in said) == (code, True)


def test_a_function_without_a_name_is_found_by_its_logical_id(compare, log, tmp_path, capsys):
    """In the name that CloudFormation makes of it."""
    from lambda_guard.tools.group import run

    compare(sam(exact(STOCK)))
    (tmp_path / "template.yaml").write_text(sam(exact(STOCK), name=""), encoding="utf-8")
    for function in ("shop-Orders-1A2B3C4D5E6F", "Orders"):
        asked = ["policy", log({"calls": [QUERY]}, function=function), "--function", function]
        assert run([*asked, "--diff", "template.yaml", *ENOUGH]) == 0
        assert f"{function} beside the role of Orders in template.yaml" in capsys.readouterr().out
