"""`lambda-guard audit --evidence`: a wide statement has what to write instead, by what was called."""

import json

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from lambda_guard.templates.marks import compose, value_of
from lambda_guard.templates.survey.model import Function, Statement, Survey
from lambda_guard.templates.survey.nodes import Place
from lambda_guard.tools.audit.auditing import audit as run_audit
from lambda_guard.tools.audit.evidence import Records
from lambda_guard.tools.audit.findings import Subject
from lambda_guard.tools.audit.narrowing import narrowed
from lambda_guard.tools.group import run
from lambda_guard.tools.policy.evidence import Called, Evidence
from lambda_guard.tools.policy.gathering import Gathering

from ..conftest import Logs

LOGS = Logs()
AT = "eu-west-1:123456789012"
HEAD = "Transform: AWS::Serverless-2016-10-31\nResources:\n"
STOCK = "  Stock: {Type: AWS::DynamoDB::Table, Properties: {TableName: stock}}\n"
ORDERS = """\
  Orders:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: orders
      Handler: app.handler
"""
CALLS = [
    {"service": "dynamodb", "operation": "Query", "resource": "stock"},
    {"service": "sns", "operation": "Publish", "resource": f"arn:aws:sns:{AT}:news"},
]
ENOUGH = ("--least-invocations", "1", "--least-days", "1")
OLDER = (
    "1 record of an older version: a name without an ARN is taken to be in the function's own Region and account, "
    "which they don't tell"
)
QUERY = {
    "Sid": "DynamodbStock",
    "Effect": "Allow",
    "Action": ["dynamodb:Query"],
    "Resource": [{"Fn::GetAtt": ["Stock", "Arn"]}],
}


def with_policies(*policies):
    """Return a template whose function has these policies, each a line of YAML."""
    return f"{HEAD}{STOCK}{ORDERS}      Policies:\n" + "".join(f"      - {it}\n" for it in policies)


def statement(action, resource="'*'", more=""):
    return f"Statement: [{{Effect: Allow, Action: {action}, Resource: {resource}{more}}}]"


@pytest.fixture
def audit(tmp_path, capsys, monkeypatch):
    """Audit a template with records of functions; gives the wide statements' findings and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(template, *, functions=("orders",), calls=CALLS, options=ENOUGH, form="json", **record):
        lines = [
            LOGS.record(
                n,
                100 * n,
                20,
                function_name=name,
                **{"calls": calls, "trigger": {"type": "sns", "source": f"arn:aws:sns:{AT}:in"}, **record},
            )
            for n, name in enumerate(functions)
        ]
        (tmp_path / "app.log").write_text("".join(f"{line}\n" for line in lines))
        (tmp_path / "template.yaml").write_text(template)
        options = ("--evidence", "app.log", *options)
        code = run(["audit", "template.yaml", "--format", form, *options])
        said = capsys.readouterr()
        if form != "json":
            return code, said.out, said.err
        found = json.loads(said.out)["reports"][0]["findings"]
        return code, {it["rule"]: it["instead"] for it in found if "instead" in it}, said.err

    return call


def test_the_checklists_own_case(audit):
    """`dynamodb:*` on everything becomes `dynamodb:Query` on the one table, which the template owns."""
    _, found, _ = audit(with_policies(statement("dynamodb:*")))
    assert found.keys() == {"WG902", "WG903"}
    assert found["WG902"] == {
        "statements": [QUERY],
        "evidence": [
            "evidence: 1 invocation of orders on 1 day (2026-11-23), versions $LATEST; success 1",
            "never seen: error, timeout. What the function calls then, no record tells",
            OLDER,
        ],
        "draft": [],
        "mind": [],
        "unknown": None,
    }


@pytest.mark.parametrize(
    ("policy", "rule", "actions"),
    [
        (statement("'*'"), "EG901", {"dynamodb:Query", "sns:Publish", "logs:CreateLogStream", "logs:PutLogEvents"}),
        (statement("['dynamodb:Q*', 's3:GetObject']"), "WG903", {"dynamodb:Query"}),
        (statement("'DYNAMODB:query'"), "WG903", {"dynamodb:Query"}),
        (statement("dynamodb:*", "!GetAtt Stock.Arn"), "WG902", {"dynamodb:Query"}),
        (statement("dynamodb:*", "!Sub '${Stock.Arn}*'"), "WG902", {"dynamodb:Query"}),
        (statement("dynamodb:*", "'arn:aws:dynamodb:*:*:table/st*'"), "WG902", {"dynamodb:Query"}),
        ("DynamoDBReadPolicy: {TableName: '*'}", "WG903", {"dynamodb:Query"}),
        ("AmazonDynamoDBFullAccess", "WG905", {"dynamodb:Query", "sns:Publish", "logs:CreateLogStream", "logs:PutLogEvents"}),
    ],
)  # fmt: skip
def test_what_a_statement_covers_is_what_is_written_instead(audit, policy, rule, actions):
    """By its actions and resources, whatever wildcards, references or policy templates they are written with."""
    _, found, _ = audit(with_policies(policy))
    assert {action for it in found[rule]["statements"] for action in it["Action"]} == actions


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (
            statement("'s3:*'"),
            "nothing that was called needs it; delete it, if that holds for what no record tells, too",
        ),
        (
            statement("dynamodb:*", "!ImportValue table"),
            'its resource {"Fn::ImportValue": "table"} isn\'t settled, so that it isn\'t known what it is for',
        ),
    ],
)
def test_what_cannot_be_narrowed_says_why(audit, policy, why):
    """Nothing that was called, or a resource that the template doesn't settle."""
    _, found, _ = audit(with_policies(policy))
    assert {it["unknown"] for it in found.values()} == {why}
    assert all(it["statements"] == [] for it in found.values())


def test_functions_without_evidence_say_so(audit):
    """Also where two functions of the records may be the one of the template."""
    template = with_policies(statement("dynamodb:*"))
    _, found, _ = audit(template, functions=("billing",))
    assert found["WG902"]["unknown"] == "Orders: no record is of it"
    nameless = template.replace("      FunctionName: orders\n", "")
    two = ("a-Orders-1A2B3C4D5E", "b-Orders-1A2B3C4D5E")
    _, found, _ = audit(nameless, functions=two)
    assert found["WG902"]["unknown"] == f"Orders: {', '.join(two)} in the records may be it"


def test_names_that_a_stack_made(audit):
    """The function's own tells the stack's, and so which resources are the stack's, too."""
    template = with_policies(statement("dynamodb:*")).replace("      FunctionName: orders\n", "")
    template = template.replace(", Properties: {TableName: stock}", "")
    calls = [{**CALLS[0], "resource": f"shop-{name}-1A2B3C4D5E6F"} for name in ("Stock", "Else")]
    calls += [{**CALLS[0], "resource": "test-Stock-1A2B3C4D5E6F"}]
    _, found, _ = audit(template, functions=("shop-Orders-1A2B3C4D5E6F",), calls=calls)
    (one,) = found["WG902"]["statements"]
    assert one["Resource"] == [
        f"arn:aws:dynamodb:{AT}:table/shop-Else-1A2B3C4D5E6F",
        {"Fn::GetAtt": ["Stock", "Arn"]},
        f"arn:aws:dynamodb:{AT}:table/test-Stock-1A2B3C4D5E6F",
    ]


def test_little_evidence_is_a_draft_and_what_is_left_out_is_said(audit):
    """In the names of the statements, and as a reason; a key that isn't known, and a Condition."""
    template = with_policies(
        statement("['dynamodb:*']", more=", Condition: {Bool: {'aws:SecureTransport': true}}")
    )
    calls = [*CALLS, {"service": "kms", "operation": "Decrypt"}]
    _, found, _ = audit(template, calls=calls, options=())
    assert found["WG902"]["statements"][0]["Sid"] == "DraftDynamodbStock"
    assert found["WG902"]["draft"] == [
        "it rests on 1 of at least 1,000 invocations",
        "it rests on 1 of at least 7 days",
    ]
    assert found["WG902"]["mind"] == [
        (
            "not in it: kms:Decrypt (kms Decrypt): the record names no resource of the call: the key stands in the "
            "ciphertext, and in the response of a call that succeeds"
        ),
        "its Condition isn't in it: add it to each statement",
    ]


def test_what_lambda_does_by_the_template_is_kept(audit):
    """Dead letters, destinations, network interfaces, traces and a log group of its own: no record tells of them."""
    more = """\
      Tracing: Active
      VpcConfig: {SubnetIds: [s], SecurityGroupIds: [g]}
      KmsKeyArn: arn:aws:kms:eu-west-1:123456789012:key/1
      LoggingConfig: {LogGroup: !Ref Lines}
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Letters.Arn}
      EventInvokeConfig: {DestinationConfig: {OnFailure: {Type: SNS, Destination: !Ref Failed}}}
  Letters: {Type: AWS::SQS::Queue}
  Failed: {Type: AWS::SNS::Topic}
  Lines: {Type: AWS::Logs::LogGroup}
"""
    _, found, _ = audit(f"{with_policies(statement(chr(39) + '*' + chr(39)))}{more}")
    allowed = {
        (action, json.dumps(arn))
        for it in found["EG901"]["statements"]
        for action in it["Action"]
        for arn in it["Resource"]
    }
    lines = json.dumps(
        {"Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${Lines}:*"}
    )
    assert allowed >= {
        ("sqs:SendMessage", json.dumps({"Fn::GetAtt": ["Letters", "Arn"]})),
        ("sns:Publish", json.dumps({"Ref": "Failed"})),
        ("ec2:CreateNetworkInterface", '"*"'),
        ("xray:PutTraceSegments", '"*"'),
        ("logs:PutLogEvents", lines),
    }
    assert not [arn for action, arn in allowed if "/aws/lambda/orders" in arn]
    key = "not in it: kms:Decrypt on the key of the environment's variables, which no record names"
    assert key in found["EG901"]["mind"]


def test_functions_that_share_a_role_share_the_statement(audit):
    """It has what each of them called; without evidence of one, nothing is written."""
    role = """\
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: []}
      Policies: [{PolicyName: p, PolicyDocument: {Statement: [{Effect: Allow, Action: 'dynamodb:*', Resource: '*'}]}}]
"""
    both = "".join(
        f"  {name}: {{Type: AWS::Lambda::Function, Properties: {{FunctionName: {name}, Role: !GetAtt Role.Arn}}}}\n"
        for name in ("one", "two")
    )
    template = f"{HEAD}{STOCK}{role}{both}"
    _, found, _ = audit(template, functions=("one",))
    assert found["WG902"]["unknown"] == "two: no record is of it"
    _, found, _ = audit(template, functions=("one", "two"))
    assert found["WG902"]["statements"] == [QUERY]
    assert len(found["WG902"]["evidence"]) == 6


def test_more_than_a_role_takes_is_said(audit):
    """A hundred tables have no room in an inline policy."""
    calls = [{**CALLS[0], "resource": f"stock-{number:0100}"} for number in range(90)]
    _, found, _ = audit(with_policies(statement("dynamodb:*")), calls=calls)
    (said,) = found["WG902"]["mind"]
    assert said.endswith("characters, and a role's inline policies may have 10,240")


def test_a_deployed_role_is_narrowed_as_a_whole():
    """Its statements have one place: a narrow one in front of the wide one doesn't stand for it."""
    evidence = Evidence("orders")
    evidence.invocations = 1
    evidence.calls.update({Called("dynamodb", "Query", f"arn:aws:dynamodb:{AT}:table/stock"): 1})
    records = Records(0, 0, {"orders": Gathering("orders", by_home={None: evidence})})
    place = Place("arn:aws:iam::123456789012:role/orders")
    allowed = [(("s3:GetObject",), ("arn:aws:s3:::a/*",)), (("dynamodb:*",), ("*",))]
    found = [
        Statement(
            kind="identity", owner="orders", place=place, actions=some, resources=on, functions=("orders",)
        )
        for some, on in allowed
    ]
    function = Function(logical_id="orders", name="orders", place=Place("arn:aws:lambda:x"))
    survey = Survey(file="account", deployed=True, functions=(function,), statements=tuple(found))
    report = narrowed(run_audit(Subject(survey=survey)), {}, records)
    (instead,) = {it.instead for it in report.findings if it.rule == "WG902"}
    (one,) = json.loads(instead.document)
    assert (one["Action"], one["Resource"]) == (["dynamodb:Query"], [f"arn:aws:dynamodb:{AT}:table/stock"])


def test_text_and_sarif_have_it(audit):
    """The text shows statements once, as YAML to paste; SARIF has them in the message, and as properties."""
    template = with_policies(statement("dynamodb:*"))
    _, out, _ = audit(template, form="table")
    block = out.split("by evidence\n")[1].split("\ntemplate.yaml")[0]
    pasted = "\n".join(
        line[6:]
        for line in block.splitlines()
        if line.startswith("      ")
        and not line.startswith(("      evidence", "      never", "      1 record"))
    )
    assert value_of(compose(pasted)) == [QUERY]
    assert "by evidence  as above" in out
    _, out, _ = audit(template, form="sarif")
    Sarif.model_validate_json(out)
    results = [it for it in json.loads(out)["runs"][0]["results"] if it["ruleId"] == "WG902"]
    assert results[0]["properties"]["instead"]["statements"] == [QUERY]
    assert "# dynamodb Query stock in 1 invocation\n- Sid: DynamodbStock\n" in results[0]["message"]["text"]
    _, out, _ = audit(template, form="junit")
    assert "- Sid: DynamodbStock" in out


def test_nothing_from_a_record_breaks_out(audit):
    """A name with quotes and line ends stands in no statement; the YAML says what the JSON says."""
    hostile = 'a"\n- Sid: Evil\n\u2028${x}'
    calls = [
        {"service": "dynamodb", "operation": "Query", "resource": hostile},
        {"service": "textract", "operation": "AnalyzeDocument", "resource": hostile},
    ]
    _, out, _ = audit(with_policies(statement("'*'")), calls=calls, form="sarif")
    (result,) = [it for it in json.loads(out)["runs"][0]["results"] if it["ruleId"] == "EG901"]
    text = result["message"]["text"]
    block = text[text.index("# ") :]
    assert value_of(compose(block)) == result["properties"]["instead"]["statements"]
    assert "Evil" not in {it["Sid"] for it in result["properties"]["instead"]["statements"]}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "2h"), (2, "--since and --until go with --evidence")),
        (("--evidence", ""), (2, "the name of a source is empty")),
        (("--evidence", "none.log"), (1, "none.log")),
        (
            ("--evidence", "/none/app.log"),
            (1, "there is no file /none/app.log: read as the name of a log group"),
        ),
    ],
)
def test_what_is_typed_wrong_is_said(tmp_path, capsys, monkeypatch, options, said):
    """Before anything is audited."""
    code, message = said
    monkeypatch.chdir(tmp_path)
    (tmp_path / "template.yaml").write_text(with_policies(statement("dynamodb:*")))
    assert run(["audit", "template.yaml", *options]) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", [("audit",), ("harden", "--diff")], ids=" ".join)
def test_a_source_that_cannot_be_read_is_no_success(tmp_path, capsys, monkeypatch, command):
    """Not even where there is nothing to narrow: evidence was asked for, and isn't there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "template.yaml").write_text(f"Resources:\n{STOCK}")
    name, *options = command
    assert run([name, "template.yaml", *options]) == 0
    assert run([name, "template.yaml", *options, "--evidence", "none.log"]) == 1
    assert "none.log: no such file" in capsys.readouterr().err
