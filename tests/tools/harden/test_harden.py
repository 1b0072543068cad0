"""`lambda-guard harden`: what the audit misses is written, once, and deploys as it did before but for that."""

import json
import subprocess
import sys

import pytest
import yaml

from lambda_guard.templates.document import Location
from lambda_guard.templates.marks import written
from lambda_guard.templates.template import Template
from lambda_guard.tools.alarms.declared import Alarm, read_alarms
from lambda_guard.tools.group import run
from lambda_guard.tools.harden.hardening import harden
from lambda_guard.tools.harden.settings import Settings, SettingsError, read_settings

HERE = Location("eu-west-1", "123456789012", "")
BARE = """\
# The shop's.
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.13, CodeUri: ., Timeout: 10, MemorySize: 256}
Resources:
  Parcels:   # what is to be packed
    Type: AWS::SQS::Queue
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  Mailer:
    Type: AWS::Serverless::Function
    Properties:
      Handler: mailer.handler
      Events:
        Night: {Type: Schedule, Properties: {Schedule: rate(1 day)}}
  Shipping:
    Type: AWS::Serverless::Function
    Properties:
      Handler: shipping.handler
      Environment:
        Variables:
          LAMBDA_GUARD_NAMESPACE: Shop
      Events:
        Parcels:
          Type: SQS
          Properties:
            Queue: !GetAtt Parcels.Arn
            BatchSize: 10   # as they come
  Index:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.handler
      Events:
        Changes:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Table.StreamArn
            StartingPosition: LATEST
"""
CODE = {
    "mailer.py": "def handler(event, context):\n    print(event)\n",
    "index.py": "def handler(event, context):\n    print(event)\n",
    "shipping.py": "from lambda_guard import production\n\n@production(each_record=True, report_batch_item_failures=True,"
    " dimensions=('function_version',))\ndef handler(record):\n    print(record)\n",
}


@pytest.fixture
def shop(tmp_path):
    """A template with all that the checklist finds, and its code."""
    path = tmp_path / "template.yaml"
    path.write_text(BARE)
    for name, text in CODE.items():
        (tmp_path / name).write_text(text)
    return path


def plain(path):
    """Return the template as CloudFormation gets it, after SAM's translation."""
    return Template(path, HERE).plain["Resources"]


def test_all_is_written_and_nothing_else_changes(shop, capsys):
    """The old lines are there in their order; translated, each old resource has its old properties."""
    before = plain(shop)
    assert run(["harden", str(shop)]) == 0
    new = shop.read_text()
    lines = iter(new.splitlines())
    assert all(line in lines for line in BARE.splitlines())  # each of them, in this order
    after = plain(shop)
    changed = {"Lambda::Version", "Lambda::Alias", "CodeDeploy", "IAM::Role", "Lambda::Permission"}
    for name, resource in before.items():
        if any(kind in resource["Type"] for kind in changed):
            continue  # what SAM makes anew of an alias, a version and a role
        kept = {key: after[name]["Properties"].get(key) for key in resource.get("Properties", {})}
        for key in ("Tags", "FunctionName", "Targets", "Environment"):
            kept.pop(key, None)
        assert kept == {key: resource["Properties"][key] for key in kept}, name
    said = capsys.readouterr().err
    assert "0 refused" in said
    resources = written(str(shop), new).document["Resources"]
    shipping = resources["Shipping"]["Properties"]
    assert shipping["Events"]["Parcels"]["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert shipping["AutoPublishAlias"] == "live"
    assert shipping["Environment"]["Variables"]["LAMBDA_GUARD_MAX_RECEIVE_COUNT"] == "5"
    assert resources["Parcels"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] == 5
    assert resources["Parcels"]["Properties"]["VisibilityTimeout"] == 60
    assert resources["Mailer"]["Properties"]["DeadLetterQueue"]["TargetArn"] == {
        "Fn::GetAtt": ["MailerDeadLetters", "Arn"]
    }
    stream = resources["Index"]["Properties"]["Events"]["Changes"]["Properties"]
    assert (stream["MaximumRetryAttempts"], stream["BisectBatchOnFunctionError"]) == (10, True)
    assert stream["DestinationConfig"]["OnFailure"]["Destination"] == {
        "Fn::GetAtt": ["IndexUndelivered", "Arn"]
    }


def test_a_second_run_writes_nothing(shop, capsys):
    """It is idempotent: a pipeline may run it each time."""
    run(["harden", str(shop)])
    once = shop.read_text()
    capsys.readouterr()
    assert run(["harden", str(shop)]) == 0
    assert shop.read_text() == once
    assert "0 blocks written" in capsys.readouterr().err


def test_the_audit_finds_none_of_it_again(shop, capsys):
    """What harden mends, the audit doesn't see any more; what is left is for people."""
    run(["harden", str(shop)])
    capsys.readouterr()
    run(["audit", str(shop), "--format", "json", "--fleet", "AWS/Lambda"])
    found = {it["rule"] for it in json.loads(capsys.readouterr().out)["reports"][0]["findings"]}
    assert not found & {
        "WG201",
        "WG211",
        "WG212",
        "WG301",
        "WG306",
        "IG310",
        "EG401",
        "IG406",
        "IG601",
        "IG701",
        "IG702",
        "WG703",
    }


def test_what_it_adds_brings_the_permissions_it_needs(shop):
    """SAM's roles may send dead letters and write traces; no policy is `*` but X-Ray's, which knows no other."""
    run(["harden", str(shop)])
    role = json.dumps(plain(shop)["MailerRole"])
    assert "sqs:SendMessage" in role
    assert "MailerDeadLetters" in role
    assert "AWSXrayWriteOnlyAccess" in role


def test_a_role_of_ones_own_is_told_what_it_needs(shop, capsys):
    """SAM adds nothing to it: the statements are printed, with the resources that were written."""
    shop.write_text(
        BARE.replace(
            "      Handler: mailer.handler\n", "      Handler: mailer.handler\n      Role: !GetAtt Mine.Arn\n"
        )
    )
    assert run(["harden", str(shop)]) == 0
    out, err = capsys.readouterr()
    assert "Mailer has a Role of its own" in err
    statements = written("", f"Resources: {{A: 1}}\n{out}").document["Statement"]
    assert {
        "Effect": "Allow",
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": ["MailerDeadLetters", "Arn"]},
    } in statements
    assert len(statements) == 2


def test_a_version_that_fails_in_part_rings(shop):
    """Of a function that tells its versions apart there is an alarm on failed records, timeouts and server errors."""
    run(["harden", str(shop)])
    found = {it.name: it for it in read_alarms(shop, {}, set()) if isinstance(it, Alarm)}
    assert found.keys() == {
        "MailerNewVersionFails",
        "IndexNewVersionFails",
        "ShippingNewVersionFails",
        "ShippingNewVersionFailsInPart",
    }
    in_part = found["ShippingNewVersionFailsInPart"]
    assert [it.name for it in in_part.metrics.values()] == [
        "RecordFailures",
        "Timeouts",
        "ServerErrors",
        "Invocations",
    ]
    assert {it.namespace for it in in_part.metrics.values()} == {"Shop", "AWS/Lambda"}
    shifting = written("", shop.read_text()).document["Resources"]["Shipping"]["Properties"][
        "DeploymentPreference"
    ]
    assert shifting["Alarms"] == [
        {"Ref": "ShippingNewVersionFails"},
        {"Ref": "ShippingNewVersionFailsInPart"},
    ]


def test_diff_shows_and_writes_nothing(shop, capsys):
    """A review before anything happens; CI sees that something is missing by the text."""
    assert run(["harden", str(shop), "--diff"]) == 0
    out = capsys.readouterr().out
    assert shop.read_text() == BARE
    assert "+      Tracing: Active" in out
    assert "\n-" not in out.replace("\n---", "")


def test_settings_of_a_file(shop, capsys):
    """Beside the template, or named."""
    (shop.parent / "lambda-guard.toml").write_text('[harden]\nretention_days = 7\nalias = "prod"\n')
    assert run(["harden", str(shop)]) == 0
    document = written("", shop.read_text()).document["Resources"]
    assert document["MailerLogs"]["Properties"]["RetentionInDays"] == 7
    assert document["Mailer"]["Properties"]["AutoPublishAlias"] == "prod"
    assert {"Name": "Resource", "Value": {"Fn::Sub": "${Mailer}:prod"}} in document["MailerNewVersionFails"][
        "Properties"
    ]["Dimensions"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[harden]\nretention = 7\n", "'retention' isn't a setting"),
        ('[harden]\nretention_days = "7"\n', "retention_days must be a whole number, not '7'"),
        ("[harden\n", "the settings can't be read"),
        ("harden = 3\n", r"write one table, \[harden\]"),
        ("[hardn]\nretention_days = 7\n", r"write one table, \[harden\]"),
        ("[harden]\nretention_days = 31\n", "retention_days can't be 31: AWS takes 1, 3, 5, 7, 14, 30"),
        ("[harden]\ndead_letter_days = 15\n", "dead_letter_days can't be 15: AWS takes 1 to 14"),
        ("[harden]\nmax_receive_count = 0\n", "max_receive_count can't be 0: AWS takes 1 to 1000"),
    ],
)
def test_settings_that_are_wrong_are_said(tmp_path, text, said):
    """With the file, and what is known."""
    (tmp_path / "lambda-guard.toml").write_text(text)
    with pytest.raises(SettingsError, match=said):
        read_settings(None, tmp_path / "template.yaml")
    with pytest.raises(SettingsError, match="can't be read"):
        read_settings(tmp_path / "none.toml", tmp_path / "template.yaml")


def test_what_is_silenced_stays_as_it_is(shop):
    """A reason in `Metadata` holds for harden, too."""
    text = BARE.replace(
        "  Mailer:\n    Type: AWS::Serverless::Function\n",
        "  Mailer:\n    Type: AWS::Serverless::Function\n    Metadata: {LambdaGuard: {Ignore: {WG201: nobody misses a mail}}}\n",
    )
    done = harden(shop, text, {}, Settings())
    assert "MailerDeadLetters" not in done.text
    assert not done.refused


def test_what_cannot_be_inserted_is_printed_to_paste(shop, capsys):
    """Wholly or not at all: the queue isn't written without what sends to it."""
    mailer = "  Mailer: {Type: AWS::Serverless::Function, Properties: &same {Handler: mailer.handler, Events: {N: {Type: S3, Properties: {Bucket: b, Events: e}}}}}\n"
    other = "  Other: {Type: AWS::Serverless::Function, Properties: *same}\n"
    shop.write_text(f"Transform: AWS::Serverless-2016-10-31\nResources:\n{mailer}{other}")
    before = shop.read_text()
    assert run(["harden", str(shop)]) == 1
    out, err = capsys.readouterr()
    assert "written in a way that nothing can be inserted into; to paste:" in err
    assert "# into Resources\nMailerDeadLetters:\n  Type: AWS::SQS::Queue\n" in out
    assert shop.read_text() == before


def test_functions_that_sam_does_not_make_are_left_for_people(shop, capsys):
    """Their roles and aliases are the template's own affair."""
    code = "{ZipFile: 'def handler(event, context): pass'}"
    properties = f"{{Handler: index.handler, Runtime: python3.13, Role: r, Code: {code}}}"
    shop.write_text(f"Resources:\n  Plain:\n    Type: AWS::Lambda::Function\n    Properties: {properties}\n")
    before = shop.read_text()
    assert run(["harden", str(shop)]) == 0
    assert shop.read_text() == before
    assert "0 blocks written, 0 refused" in capsys.readouterr().err


def test_a_file_is_never_half_written(shop, monkeypatch):
    """The new text takes the place of the old in one step, with its permissions."""
    shop.chmod(0o640)
    code = (
        "import os, sys\n"
        "import lambda_guard.tools.files as files\n"
        "from lambda_guard.tools.group import run\n"
        "files.os.replace = lambda *paths: os._exit(9)\n"
        f"run(['harden', {str(shop)!r}])\n"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=240).returncode
        == 9
    )
    assert shop.read_text() == BARE
    assert run(["harden", str(shop)]) == 0
    assert shop.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("text", ["", "nothing: here\n", "- a\n", "{{ cookiecutter.name }}: 1\n", "\x00"])
def test_what_is_no_template_is_said(tmp_path, text, capsys):
    """A sentence, exit code 2, and the file as it was."""
    path = tmp_path / "template.yaml"
    path.write_text(text)
    assert run(["harden", str(path)]) == 2
    assert "template.yaml" in capsys.readouterr().err
    assert path.read_text() == text


def test_a_template_in_json(shop):
    """It stays JSON."""
    document = written("", BARE).document
    path = shop.with_suffix(".json")
    path.write_text(json.dumps(document, indent=2))
    assert run(["harden", str(path)]) == 0
    made = json.loads(path.read_text())
    assert made["Resources"]["Mailer"]["Properties"]["Tracing"] == "Active"
    assert yaml.safe_load(path.read_text()) == made
