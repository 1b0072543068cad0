"""`lambda-guard harden --evidence`: wide statements become what was called, and nothing else changes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_guard.templates.document import Location
from lambda_guard.templates.marks import written
from lambda_guard.templates.template import Template
from lambda_guard.tools.group import run
from lambda_guard.tools.harden.insertion import RefusedError
from lambda_guard.tools.harden.replacement import replaced

from ..conftest import Logs

LOGS = Logs()
AT = "eu-west-1:123456789012"
HEAD = """\
Transform: AWS::Serverless-2016-10-31   # by hand
Resources:
  Stock:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: stock
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: orders
      Handler: index.handler
      Runtime: python3.13
      Timeout: 10
      MemorySize: 256
      InlineCode: 'def handler(event, context): pass'
      Policies:
"""
CALLS = [
    {"service": "dynamodb", "operation": "Query", "resource": "stock"},
    {"service": "sns", "operation": "Publish", "resource": f"arn:aws:sns:{AT}:news"},
]
QUERY = {
    "Sid": "DynamodbStock",
    "Effect": "Allow",
    "Action": ["dynamodb:Query"],
    "Resource": [{"Fn::GetAtt": ["Stock", "Arn"]}],
}
ENOUGH = ("--least-invocations", "1", "--least-days", "1")


@pytest.fixture
def harden(tmp_path, capsys):
    """Harden a template with evidence; gives the exit code, the text, standard output and standard error."""

    def call(template, *options, calls=CALLS, name="template.yaml", enough=ENOUGH):
        log, path = tmp_path / "app.log", tmp_path / name
        trigger = {"type": "sns", "source": f"arn:aws:sns:{AT}:in"}
        log.write_text(f"{LOGS.record(0, 0, 20, function_name='orders', trigger=trigger, calls=calls)}\n")
        path.write_bytes(template.encode())
        code = run(["harden", str(path), "--evidence", str(log), *enough, *options])
        said = capsys.readouterr()
        return code, path.read_bytes().decode(), said.out, said.err

    return call


BLOCK = """\
      # narrow me
      - Statement:
          - Effect: Allow   # all of it
            Action:
              - dynamodb:*
            Resource: '*'

          # stays
          - Effect: Deny
            Action: dynamodb:DeleteTable
            Resource: '*'
      - AWSLambdaExecute
"""


def test_the_checklists_own_case_is_written(harden):
    """`dynamodb:*` on everything becomes `dynamodb:Query` on the one table; each line that isn't its stays."""
    code, text, _, said = harden(HEAD + BLOCK)
    assert code == 0
    expected = BLOCK.replace(
        """\
          - Effect: Allow   # all of it
            Action:
              - dynamodb:*
            Resource: '*'
""",
        """\
          # dynamodb Query stock in 1 invocation
          - Sid: DynamodbStock
            Effect: Allow
            Action:
            - dynamodb:Query
            Resource:
            - !GetAtt Stock.Arn
""",
    )
    assert expected in text
    assert "WG902  Orders allows dynamodb:*: narrowed to what was called\n" in said
    assert "evidence: 1 invocation of orders" in said


def test_a_second_run_writes_nothing(harden):
    """What was narrowed isn't wide."""
    _, once, _, _ = harden(HEAD + BLOCK)
    code, twice, _, said = harden(once)
    assert (code, twice) == (0, once)
    assert "0 blocks written, 0 refused" in said


def test_without_evidence_statements_stay(tmp_path, capsys):
    """It is done on demand."""
    path = tmp_path / "template.yaml"
    path.write_text(HEAD + BLOCK)
    assert run(["harden", str(path)]) == 0
    assert BLOCK in path.read_text()


def test_cfn_lint_and_sam_take_it(harden, tmp_path):
    """It is a template as before, whose role has the statement."""
    harden(HEAD + BLOCK)
    path = tmp_path / "template.yaml"
    lint = [Path(sys.executable).with_name("cfn-lint"), "--ignore-checks", "W", "--", str(path)]
    done = subprocess.run(lint, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout
    read = Template(path, Location("eu-west-1", "123456789012", ""))
    role = read.plain["Resources"]["OrdersRole"]["Properties"]
    assert role["Policies"][0]["PolicyDocument"]["Statement"][0] == QUERY


STYLES = {
    "a single statement": "Statement:\n          Effect: Allow\n          Action: 'dynamodb:*'\n          Resource: '*'\n",
    "flow in a block": "Statement:\n        - {Effect: Allow, Action: 'dynamodb:*', Resource: '*'}   # here\n",
    "flow": "Statement: [{Effect: Allow, Action: 'dynamodb:*', Resource: '*'}]   # here\n",
    "flow over lines": "Statement: [\n          {Effect: Allow,\n           Action: 'dynamodb:*', Resource: '*'}\n        ]\n",
    "a single one in flow": "Statement: {Effect: Allow, Action: 'dynamodb:*', Resource: '*'}   # here\n",
    "the end of the file": "Statement:\n        - Effect: Allow\n          Action: 'dynamodb:*'\n          Resource: '*'",
}  # fmt: skip


@pytest.mark.parametrize("policy", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_styles(harden, policy, newline):
    """However a statement is written, it is replaced, and all around it is as it was."""
    template = f"{HEAD}      - {policy}".replace("\n", newline)
    _, text, _, _ = harden(template, "--settings", "/dev/null")
    document = written("", text).document["Resources"]["Orders"]["Properties"]
    assert document["Policies"][0]["Statement"] == [QUERY]
    assert text.startswith(HEAD.replace("\n", newline).rstrip())
    assert text.replace("\r\n", "\n").count("\n") == text.count("\n")
    assert newline == "\n" or "\n" not in text.replace("\r\n", "")


def test_json_stays_json(harden):
    """On lines of its own, as its neighbours are."""
    document = written("", HEAD + BLOCK).document
    code, text, _, _ = harden(json.dumps(document, indent=2), name="template.json")
    assert code == 0
    assert json.loads(text)["Resources"]["Orders"]["Properties"]["Policies"][0]["Statement"][0] == QUERY


def test_names_differ_within_a_policy(harden):
    """IAM refuses a policy with one name twice: that of a statement that stays, and that of another narrowed one."""
    policy = """\
      - Statement:
          - {Sid: DynamodbStock, Effect: Deny, Action: 'dynamodb:DeleteTable', Resource: '*'}
          - {Effect: Allow, Action: 'dynamodb:*', Resource: '*'}
          - {Effect: Allow, Action: ['dynamodb:*', 'sns:*'], Resource: '*'}
"""
    _, text, _, _ = harden(HEAD + policy)
    made = written("", text).document["Resources"]["Orders"]["Properties"]["Policies"][0]["Statement"]
    assert [it["Sid"] for it in made] == ["DynamodbStock", "DynamodbStockx3", "DynamodbStockx2", "SnsNews"]
    assert all(it["Action"] == ["dynamodb:Query"] for it in made[1:3])


@pytest.mark.parametrize(
    ("policy", "calls", "why"),
    [
        (BLOCK, [*CALLS, {"service": "kms", "operation": "Decrypt"}], "not in it: kms:Decrypt (kms Decrypt)"),
        ("      - DynamoDBCrudPolicy: {TableName: '*'}\n", CALLS, "it is one of SAM's policy templates"),
        ("      - AmazonDynamoDBFullAccess\n", CALLS, "it is a managed policy"),
        ("      - Statement: [{Effect: Allow, Action: 's3:*', Resource: '*'}]\n", CALLS, "nothing that was called needs it"),
        (
            "      - Statement: [!If [A, {Effect: Allow, Action: 'dynamodb:*', Resource: '*'}, !Ref AWS::NoValue]]\n",
            CALLS,
            "is written in a way that nothing can be replaced in",
        ),
        (
            "      - Statement: [{Effect: Allow, Action: 'dynamodb:*', Resource: '*', Condition: {Bool: {a: b}}}]\n",
            CALLS,
            "its Condition isn't in it",
        ),
        (
            "      - Statement: [&all {Effect: Allow, Action: 'dynamodb:*', Resource: '*'}, *all]\n",
            CALLS,
            "is written in a way that nothing can be replaced in",
        ),
    ],
)  # fmt: skip
def test_what_is_not_replaced_is_printed(harden, policy, calls, why):
    """With the reason, and what is known to paste; the statement stays as it is."""
    code, text, _, said = harden(HEAD + policy, calls=calls)
    assert code == 1
    assert policy in text
    assert why in said


def test_a_draft_is_printed_and_not_written(harden):
    """An error path that never ran would be denied from then on."""
    code, text, out, said = harden(HEAD + BLOCK, enough=())
    assert code == 1
    assert BLOCK in text
    assert "this is a draft (it rests on 1 of at least 1,000 invocations; " in said
    assert "- Sid: DraftDynamodbStock\n" in out


def test_diff_shows_it_and_writes_nothing(harden):
    """A review before anything happens."""
    code, text, out, _ = harden(HEAD + BLOCK, "--diff")
    assert (code, text) == (0, HEAD + BLOCK)
    assert "-              - dynamodb:*\n" in out
    assert "+            - dynamodb:Query\n" in out


def test_a_place_that_is_not_there_is_refused():
    """Rather than guessed."""
    with pytest.raises(RefusedError, match="nothing can be replaced in"):
        replaced("Resources: {A: {B: 1}}\n", ("Resources", "A", "C", 0), "", [QUERY])


def test_a_new_name_is_none_of_the_others():
    """Neither of a statement that stays, nor of one that comes with it."""
    text = "Resources:\n  A:\n  - {Sid: Q}\n  - {Sid: W}\n"
    block = "- Sid: Q\n- Sid: Qx2\n"
    new = replaced(text, ("Resources", "A", 1), block, [{"Sid": "Q"}, {"Sid": "Qx2"}])
    assert [it["Sid"] for it in written("", new).document["Resources"]["A"]] == ["Q", "Qx2", "Qx2x2"]
