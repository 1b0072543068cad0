"""The policy as SAM, CloudFormation, Terraform and the CDK take it: each is read back by a reader of its own."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import hcl2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambda_guard.iam.resources import Place
from lambda_guard.templates.document import Location
from lambda_guard.templates.marks import compose, value_of
from lambda_guard.templates.template import Template
from lambda_guard.tools.group import run
from lambda_guard.tools.policy.evidence import Called, Evidence
from lambda_guard.tools.policy.formats.made import Made
from lambda_guard.tools.policy.formats.sam import fitting
from lambda_guard.tools.policy.formats.table import FORMATS, too_large
from lambda_guard.tools.policy.limits import MANAGED_MOST, parts, size
from lambda_guard.tools.policy.needs import needs_of
from lambda_guard.tools.policy.statements import Statement, document, statements

from ..conftest import Logs

LOGS = Logs()
HERE = Place("eu-west-1", "123456789012")
AT = "eu-west-1:123456789012"
CALLS = {
    Called("dynamodb", "Query", "stock"): 812,
    Called("sns", "Publish", f"arn:aws:sns:{AT}:news"): 3,
    Called("sqs", "SendMessageBatch", "https://sqs.eu-west-1.amazonaws.com/123456789012/out"): 2,
    Called("kms", "Decrypt", "alias/shop"): 1,
    Called("cloudwatch", "PutMetricData", None): 1,
}


def made(calls=CALLS, function="orders", **others):
    """Return the policy of a function with these calls."""
    evidence = Evidence(function)
    evidence.calls.update(calls)
    found = statements(needs_of(evidence, HERE).granted, draft=False)
    return Made(function, found, HERE, **others)


# --- Readers: what a format says, as the statements of policies ---------------------------------------------------------


def of_json(text):
    return [json.loads(text)["Statement"]]


def of_cloudformation(text):
    resources = value_of(compose(text))["Resources"].values()
    assert {it["Type"] for it in resources} <= {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}
    assert all(it["Properties"]["Roles"] == [{"Ref": "Role"}] for it in resources)
    return [it["Properties"]["PolicyDocument"]["Statement"] for it in resources]


def of_terraform(text):
    found = []
    for block in hcl2.loads(text)["data"]:
        ((_, named),) = [(key, value) for key, value in block.items() if not key.startswith("__")]
        ((_, body),) = [(key, value) for key, value in named.items() if not key.startswith("__")]
        found.append([_of_hcl(it) for it in body["statement"]])
    return found


def _of_hcl(block):
    condition = {}
    for it in block.get("condition", ()):
        keys = condition.setdefault(_text(it["test"]), {})
        keys[_text(it["variable"])] = _text(it["values"][0])
    return {
        "Sid": _text(block["sid"]),
        "Effect": _text(block["effect"]),
        "Action": [_text(one) for one in block["actions"]],
        "Resource": [_text(one) for one in block["resources"]],
        **({"Condition": condition} if condition else {}),
    }


def _text(literal):
    """Return what a literal says; the parser leaves escapes as they are, and JSON has the same but for two."""
    assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', literal, re.DOTALL), literal
    assert not re.search(r"[$%]\{", literal), literal
    return json.loads(re.sub(r"\\U([0-9a-f]{8})", lambda it: json.dumps(chr(int(it[1], 16)))[1:-1], literal))


def of_cdk(text):
    found = []
    fake = SimpleNamespace(PolicyStatement=lambda **given: found.append(given))
    names = {}
    exec(
        text.replace("from aws_cdk import aws_iam as iam", "").replace("list[iam.PolicyStatement]", "list"),
        {"iam": fake},
        names,
    )
    names["statements"].__globals__["iam"] = fake
    names["statements"]()
    return [
        [
            {
                "Sid": it["sid"],
                "Effect": "Allow",
                "Action": it["actions"],
                "Resource": it["resources"],
                **({"Condition": it["conditions"]} if "conditions" in it else {}),
            }
            for it in found
        ]
    ]


READERS = {"json": of_json, "cloudformation": of_cloudformation, "terraform": of_terraform, "cdk": of_cdk}


@pytest.mark.parametrize("form", READERS)
def test_each_format_says_the_same(form):
    """The statements of the document, in its order."""
    one = made()
    assert READERS[form](FORMATS[form](one)) == [document(one.statements)["Statement"]]


TEXTS = st.text(max_size=20) | st.text("ab0:/-*?'\"\\${}%#!&|>\n\r\t\x85\u2028 ", max_size=20)
HOSTILE = st.builds(
    Statement,
    st.from_regex("[A-Za-z0-9]{1,12}", fullmatch=True),
    st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
    st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
    st.just({})
    | st.dictionaries(TEXTS, st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=2), min_size=1, max_size=2),
    TEXTS,
)


@example(
    [
        Statement(
            "A",
            ('a"b\n${x}', "%{y}$${z}"),
            ("\U0001f600\u2028\\", "!Sub '"),
            {"${x}": {"a\n": '"'}},
            "\n- b: 1\n}",
        )
    ],
    ["a\n- b: 1"],
)
@settings(max_examples=80, deadline=None)
@given(st.lists(HOSTILE, min_size=1, max_size=3), st.lists(TEXTS, max_size=2))
def test_no_name_breaks_out(hostile, notes):
    """Quotes, line ends, `${`, `%{`, `!Sub` and comments in any text come back as they were, and are nothing else."""
    one = Made("orders", hostile, HERE, notes)
    for form, read in READERS.items():
        assert read(FORMATS[form](one)) == [document(hostile)["Statement"]], form


# --- SAM ---------------------------------------------------------------------------------------------------------------


def granted_by_sam(policies, **resources):
    """Return what the role of a function allows that has these policies, as SAM's own translator makes it."""
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "InlineCode": "x",
            "Handler": "index.handler",
            "Runtime": "python3.13",
            "Policies": policies,
        },
    }
    template = {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"Orders": function, **resources}}
    read = Template(template, Location("eu-west-1", "123456789012", "https://sqs.eu-west-1.amazonaws.com"))
    (role,) = read.resources("AWS::IAM::Role")
    return {
        (action, arn, json.dumps(it.get("Condition")))
        for policy in role.properties["Policies"]
        for it in policy["PolicyDocument"]["Statement"]
        for action in _listed(it["Action"])
        for arn in _listed(it["Resource"])
    }


def _listed(value):
    return value if isinstance(value, list) else [value]


def test_sam_grants_the_same():
    """With policy templates and statements together, by SAM's own translator."""
    one = made()
    policies = value_of(compose(FORMATS["sam"](one)))["Policies"]
    assert [next(iter(it)) for it in policies] == [
        "CloudWatchPutMetricPolicy",
        "SNSPublishMessagePolicy",
        "SQSSendMessagePolicy",
        "Statement",
    ]
    wanted = {
        (action, arn, json.dumps(it.condition or None))
        for it in one.statements
        for action in it.actions
        for arn in it.resources
    }
    sending = ("sqs:SendMessage", f"arn:aws:sqs:{AT}:out", "null")
    assert granted_by_sam(policies) == wanted - {sending} | {("sqs:SendMessage*", *sending[1:])}


POLLING = {"ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage"}


@pytest.mark.parametrize(
    ("actions", "used"),
    [
        (POLLING, ["SQSPollerPolicy"]),
        (POLLING | {"GetQueueUrl"}, ["SQSPollerPolicy"]),
        (POLLING - {"ChangeMessageVisibility"}, []),
        (POLLING - {"DeleteMessage"}, []),
        (POLLING | {"SendMessage"}, ["SQSPollerPolicy", "SQSSendMessagePolicy"]),
    ],
)
def test_a_policy_template_fits_exactly_or_not_at_all(actions, used):
    """All that it grants is needed: one action more, and it isn't taken; names that aren't actions of IAM don't count."""
    found = fitting({(f"sqs:{name}", f"arn:aws:sqs:{AT}:orders") for name in actions}, HERE)
    assert [it.name for it in found] == used
    assert all(it.arguments == (("QueueName", "orders"),) for it in found)


def test_a_policy_template_is_not_taken_for_elsewhere():
    """It means the stack's own Region and account; and one that ends in a wildcard grants more than a function."""
    assert not fitting({("sqs:SendMessage", "arn:aws:sqs:us-east-1:123456789012:out")}, HERE)
    assert not fitting({("lambda:InvokeFunction", f"arn:aws:lambda:{AT}:function:orders")}, HERE)
    assert not fitting({("sqs:SendMessage", f"arn:aws:sqs:{AT}:out")}, Place())


# --- Limits --------------------------------------------------------------------------------------------------------------

MANY = {Called("dynamodb", "Query", f"stock-{number:050}"): 1 for number in range(140)}


@pytest.mark.parametrize("form", ["sam", "cloudformation", "terraform"])
def test_what_is_too_large_becomes_managed_policies(form):
    """They allow together what the one would, each within 6,144 characters."""
    one = made(MANY)
    text = FORMATS[form](one)
    if form == "sam":
        template = value_of(compose(text))
        assert template["Policies"] == [{"Ref": name} for name in template["Resources"]]
        found = [it["Properties"]["PolicyDocument"]["Statement"] for it in template["Resources"].values()]
    else:
        found = READERS[form](text)
    assert len(found) == 3
    assert all(size({"Version": "2012-10-17", "Statement": it}) <= MANAGED_MOST for it in found)
    assert sorted(pairs(itertools.chain(*found))) == sorted(pairs(document(one.statements)["Statement"]))
    (said,) = too_large(one, form)
    assert said == (
        f"the policy has {size(document(one.statements)):,} characters, and a role's inline policies may have 10,240 "
        "in all: written as 3 managed policies of at most 6,144 each"
    )


def pairs(of):
    return [(action, arn) for it in of for action in it["Action"] for arn in it["Resource"]]


def test_more_managed_policies_than_a_role_may_have_are_said():
    """Ten, unless AWS raises it."""
    many = {Called("dynamodb", "Query", f"{number:0200}"): 1 for number in range(300)}
    said = list(too_large(made(many), "terraform"))
    assert said[1].startswith("it takes 13 managed policies, and a role has 10 unless its quota is raised")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Stock", "Stock2", "Stockx2"]),
            st.lists(st.integers(40, 90), min_size=1, max_size=9, unique=True),
            st.lists(st.integers(40, 1_200), min_size=1, max_size=40, unique=True),
        ),
        min_size=1,
        max_size=9,
    )
)
def test_parts_are_the_whole(rows):
    """Nothing is lost, nothing is added, and names differ within a policy; numbers are lengths of names."""
    whole = [
        Statement(sid, tuple(f"a:{'b' * each}" for each in actions), tuple("c" * each for each in on), {})
        for sid, actions, on in rows
    ]
    found = parts(whole)
    assert {one for part in found for one in pairs(document(part)["Statement"])} == set(
        pairs(document(whole)["Statement"])
    )
    if len(found) > 1:
        assert all(size(document(part)) <= MANAGED_MOST for part in found)
        assert all(len({it.sid for it in part}) == len(part) for part in found)


# --- The command -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_the_command_writes_each(form, tmp_path, capsys):
    """The same bytes each time; what asked for a statement stands above it, or for JSON on standard error."""
    log = tmp_path / "app.log"
    call = {"service": "dynamodb", "operation": "Query", "resource": "stock", "count": 2, "errors": 0}
    trigger = {"type": "sqs", "source": f"arn:aws:sqs:{AT}:orders", "records": 1}
    log.write_text(f"{LOGS.record(0, 0, 20, trigger=trigger, calls=[call])}\n")
    texts = set()
    for _ in range(2):
        assert run(["policy", str(log), "--function", "orders", "--format", form]) == 0
        out, err = capsys.readouterr()
        texts.add(out)
    assert len(texts) == 1
    if form == "json":
        assert "DraftDynamodbStock: dynamodb Query stock in 1 invocation\n" in err
    else:
        assert "# dynamodb Query stock in 1 invocation\n" in out
        assert (
            "# a draft: it rests on 1 of at least 1,000 invocations; it rests on 1 of at least 7 days\n"
            in out
        )


def test_cfn_lint_takes_it(tmp_path):
    """The template of CloudFormation, inline and managed."""
    for name, calls in (("inline", CALLS), ("managed", MANY)):
        (tmp_path / f"{name}.yaml").write_text(FORMATS["cloudformation"](made(calls)))
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), *map(str, tmp_path.glob("*.yaml"))],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
