"""`lambda-guard policy --diff`: what a role, a policy or a template grants beside what was used."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard.iam.matcher import decide, statements_of
from lambda_guard.tools.group import run
from lambda_guard.tools.policy.diff.difference import difference, request_of
from lambda_guard.tools.policy.diff.granted import Granted
from lambda_guard.tools.policy.evidence import Called, Evidence
from lambda_guard.tools.policy.needs import needs_of
from lambda_guard.tools.policy.statements import policy

from .conftest import AT, ENOUGH, LOGGING, OWN, QUERY, QUEUE, STOCK, allow
from .test_policy import CALLS, HERE

# --- A policy ---------------------------------------------------------------------------------------------------------


def test_the_checklists_own_example(diff):
    """`dynamodb:*` on `*` becomes `dynamodb:Query` on one table, in a report for people."""
    code, report, said = diff(
        *OWN, allow("dynamodb:*", "*", "AllTables"), as_json=False, calls=(QUERY, QUERY)
    )
    assert code == 1
    assert report == EXAMPLE
    assert "evidence: 1 invocation of orders" in said


EXAMPLE = f"""\
orders beside the policy policy.json

granted, and more than was used
  AllTables of policy.json
    actions wider than what was used: dynamodb:*
    resources wider than what was used: *
    used: dynamodb:Query on {STOCK} (dynamodb Query stock in 2 invocations)
    but: dynamodb:* has actions that no call could show: Lambda polls a trigger, also one that sends nothing
    instead:
      {{
        "Sid": "DynamodbStock",
        "Effect": "Allow",
        "Action": [
          "dynamodb:Query"
        ],
        "Resource": [
          "{STOCK}"
        ]
      }}

kept: no call could show these
  Lambda writes the function's logs: logs:CreateLogGroup, logs:CreateLogStream, logs:PutLogEvents (#1 of policy.json)
  Lambda polls a trigger, also one that sends nothing: sqs:DeleteMessage, sqs:GetQueueAttributes, sqs:ReceiveMessage (#2 of policy.json)
"""


def test_a_policy_that_fits_has_nothing_said_about_it(diff):
    """Exit code 0, in words and as JSON, with what no call could show."""
    code, report, _ = diff(*OWN, allow("dynamodb:Query", STOCK), as_json=False)
    assert code == 0
    assert "nothing is granted beside what was used, and everything that was used is granted\n" in report
    code, report, _ = diff(*OWN, allow("dynamodb:Query", [STOCK]))
    assert code == 0
    kept = report.pop("kept")
    assert [(it["statement"], it["actions"][0]) for it in kept] == [
        ("#1 of policy.json", "logs:CreateLogGroup"),
        ("#2 of policy.json", "sqs:DeleteMessage"),
    ]
    evidence = report.pop("evidence")
    assert evidence[0].startswith("evidence: 1 invocation of orders")
    assert report == {
        "function": "orders",
        "granted_by": "the policy policy.json",
        "wider": [],
        "not_granted": [],
        "not_granted_anywhere": [],
        "denied": [],
        "undecided": [],
        "unread": [],
        "draft": [],
    }


def only(report):
    """Return the one finding about what is wider."""
    (found,) = report["wider"]
    return found


def test_a_statement_that_was_never_used_is_to_be_removed(diff):
    """With the evidence that says so, and whether it is enough."""
    statements = (*OWN, allow("dynamodb:Query", STOCK), allow("s3:PutObjectAcl", "arn:aws:s3:::old/*", "Old"))
    code, report, said = diff(*statements, options=())
    assert code == 1
    found = only(report)
    assert (found["statement"], found["policy"]) == ("Old", "policy.json")
    assert (found["unused_actions"], found["used"], found["instead"]) == (["s3:PutObjectAcl"], [], [])
    assert report["draft"][0] == "it rests on 1 of at least 1,000 invocations"
    assert "lambda-guard: a draft: it rests on 1 of at least 1,000 invocations" in said
    _, text, _ = diff(*statements, as_json=False)
    assert (
        "  Old of policy.json\n    actions never used: s3:PutObjectAcl\n    instead: nothing; remove it\n"
        in text
    )


def test_the_unused_parts_of_a_statement_are_named(diff):
    """An action, and a table; the index of a table, which no call named."""
    tables = [STOCK, f"{STOCK}/index/*", f"arn:aws:dynamodb:{AT}:table/prices"]
    _, report, _ = diff(*OWN, allow(["dynamodb:Query", "dynamodb:PutItem"], tables))
    found = only(report)
    assert found["unused_actions"] == ["dynamodb:PutItem"]
    assert found["unused_resources"] == tables[1:]
    assert found["wide_actions"] == found["wide_resources"] == []
    assert found["instead"] == [allow(["dynamodb:Query"], [STOCK], "DynamodbStock")]


@pytest.mark.parametrize(
    ("statement", "actions", "resources"),
    [
        (allow("dynamodb:Quer*", STOCK), [], []),
        (allow("dynamodb:Q*", f"{STOCK}*"), [], [f"{STOCK}*"]),
        (allow("dynamodb:*", STOCK), ["dynamodb:*"], []),
        (allow("DYNAMODB:QUERY", STOCK.replace("eu-west-1", "*")), [], [STOCK.replace("eu-west-1", "*")]),
        (allow("*", "*"), ["*"], ["*"]),
        ({"Sid": "It", "Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::*"}, ["everything but iam:*"], ["everything but arn:aws:s3:::*"]),
    ],
)  # fmt: skip
def test_wildcards_are_wider_where_they_match_more_than_was_used(diff, statement, actions, resources):
    """What they match beside it is known from the service reference."""
    code, report, _ = diff(*OWN, statement)
    assert code == bool(actions or resources)
    found = only(report) if code else {"wide_actions": [], "wide_resources": []}
    assert (found["wide_actions"], found["wide_resources"]) == (actions, resources)
    if code:
        assert allow(["dynamodb:Query"], [STOCK], "DynamodbStock") in found["instead"]


def test_one_action_that_needs_a_star_is_no_excuse_for_another(diff):
    """The statement becomes two."""
    metric = {
        "service": "cloudwatch",
        "operation": "PutMetricData",
        "resource": None,
        "count": 1,
        "errors": 0,
    }
    statement = allow(["dynamodb:Query", "cloudwatch:PutMetricData"], "*")
    _, report, _ = diff(*OWN, statement, calls=(QUERY, metric))
    found = only(report)
    assert found["wide_resources"] == ["*"]
    assert [(it["Action"], it["Resource"]) for it in found["instead"]] == [
        (["cloudwatch:PutMetricData"], ["*"]),
        (["dynamodb:Query"], [STOCK]),
    ]


def test_actions_on_different_kinds_of_resources_may_share_a_statement(diff):
    """A bucket and its objects: neither action is on both."""
    calls = [
        {**QUERY, "service": "s3", "operation": it, "resource": "b"} for it in ("ListObjectsV2", "GetObject")
    ]
    statement = allow(["s3:ListBucket", "s3:GetObject"], ["arn:aws:s3:::b", "arn:aws:s3:::b/*"])
    code, report, _ = diff(*OWN, statement, calls=calls)
    assert (code, report["wider"]) == (0, [])


def test_what_one_statement_grants_rightly_another_one_need_not(diff):
    """Nor is it written twice, where two are too wide."""
    exact = allow("dynamodb:Query", STOCK, "Exact")
    _, report, _ = diff(*OWN, exact, allow("dynamodb:*", "*", "Wide"))
    assert (only(report)["statement"], only(report)["instead"]) == ("Wide", [])
    _, report, _ = diff(*OWN, allow("dynamodb:*", "*", "Wide"), allow("dynamodb:*", f"{STOCK}*", "Wide2"))
    assert [len(it["instead"]) for it in report["wider"]] == [1, 0]


def test_a_condition_stays(diff):
    """In the statement that takes the place of the wide one, beside the one that the call needs."""
    limit = {"StringEquals": {"aws:PrincipalTag/team": "shop"}}
    alias = {**QUERY, "service": "kms", "operation": "Verify", "resource": "alias/shop"}
    keys = f"arn:aws:kms:{AT}:key/*"
    statement = allow(["kms:Verify", "kms:Sign"], keys, Condition=limit)
    _, report, _ = diff(*OWN, statement, allow("dynamodb:Query", STOCK), calls=(QUERY, alias))
    (instead,) = only(report)["instead"]
    assert instead["Condition"] == {
        "StringEquals": {"aws:PrincipalTag/team": "shop", "kms:RequestAlias": "alias/shop"}
    }


# --- What no call shows -----------------------------------------------------------------------------------------------


def test_what_no_call_could_show_is_never_unused(diff):
    """Polling another queue, interfaces, traces, keys, connections by a token."""
    actions = [
        "sqs:ReceiveMessage",
        "kinesis:GetRecords",
        "ec2:CreateNetworkInterface",
        "xray:PutTraceSegments",
        "kms:Decrypt",
        "kms:GenerateDataKeyWithoutPlaintext",
        "rds-db:connect",
        "es:ESHttpGet",
        "iam:PassRole",
        "lambda:CheckpointDurableExecution",
    ]
    code, report, _ = diff(*OWN, allow("dynamodb:Query", STOCK), allow(actions, "*"))
    assert (code, report["wider"]) == (0, [])
    assert sorted(it for kept in report["kept"][2:] for it in kept["actions"]) == sorted(actions)


def test_what_no_call_could_show_stays_as_it_stands(diff):
    """Beside what of the statement is narrowed."""
    _, report, _ = diff(*OWN, allow(["dynamodb:Query", "xray:PutTraceSegments", "s3:PutObjectAcl"], "*"))
    assert only(report)["instead"] == [
        allow(["dynamodb:Query"], [STOCK], "DynamodbStock"),
        allow(["xray:PutTraceSegments"], ["*"]),
    ]


def test_a_wildcard_with_actions_that_no_call_could_show_is_doubted(diff):
    """It is said with the reason, used or not."""
    _, report, _ = diff(*OWN, allow("dynamodb:Query", STOCK), allow("ec2:*", "*"))
    assert only(report)["unused_actions"] == ["ec2:*"]
    assert only(report)["doubts"] == [
        "ec2:* has actions that no call could show: Lambda makes network interfaces in a VPC"
    ]


def test_sending_may_be_lambdas_own(diff):
    """It is said of an unused one, and known of a queue that --dead-letters names."""
    failed = f"arn:aws:sqs:{AT}:failed"
    statements = (*OWN, allow("dynamodb:Query", STOCK), allow("sqs:SendMessage", failed))
    code, report, _ = diff(*statements)
    assert code == 1
    assert only(report)["doubts"] == [
        "sqs:SendMessage: unless Lambda sends failed events or results there: --dead-letters names such a queue or topic"
    ]
    code, report, _ = diff(*statements, options=(*ENOUGH, "--dead-letters", failed))
    assert (code, report["wider"]) == (0, [])


def test_what_the_code_has_is_doubted(diff, tmp_path):
    """An error path that no invocation took: with --code its place is told."""
    source = "import boto3\n\ndef handler(event, context):\n    boto3.client('dynamodb').delete_item(TableName='stock')\n"
    (tmp_path / "app.py").write_text(source, encoding="utf-8")
    statement = allow(["dynamodb:Query", "dynamodb:Delete*", "dynamodb:PutItem"], STOCK)
    _, report, _ = diff(*OWN, statement, options=(*ENOUGH, "--code", str(tmp_path / "app.py")))
    assert only(report)["unused_actions"] == ["dynamodb:Delete*", "dynamodb:PutItem"]
    (doubt,) = only(report)["doubts"]
    assert doubt == "dynamodb:Delete*: the code has a call that no invocation made, at app.py:4"


KEYLESS = {**QUERY, "service": "kms", "operation": "ReEncrypt", "resource": None}


def test_a_call_on_what_no_record_names_uses_what_is_granted(diff):
    """The statement is left alone, a wildcard keeps the action, and one that isn't granted at all is named."""
    needed = ["kms:ReEncryptFrom", "kms:ReEncryptTo"]
    own = (*OWN, allow("dynamodb:Query", STOCK))
    code, report, _ = diff(*own, allow(needed, "*", "Keys"), calls=(QUERY, KEYLESS))
    assert (code, report["wider"], report["not_granted_anywhere"]) == (0, [], [])
    _, report, _ = diff(*own, allow("kms:*", "*", "Keys"), calls=(QUERY, KEYLESS))
    assert only(report)["instead"] == [allow(needed, ["*"], "Keys")]
    assert only(report)["used_somewhere"] == needed
    code, report, _ = diff(*own, calls=(QUERY, KEYLESS))
    assert (code, report["not_granted_anywhere"]) == (1, needed)


def test_a_call_on_what_no_record_names_may_use_any_resource(diff):
    """A key that is granted for it isn't unused, and everything but some actions may grant it."""
    needed = ["kms:ReEncryptFrom", "kms:ReEncryptTo"]
    own = (*OWN, allow("dynamodb:Query", STOCK))
    key = f"arn:aws:kms:{AT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    sign = {**QUERY, "service": "kms", "operation": "Sign", "resource": key}
    keys = [key, key.replace("1234", "5678")]
    code, report, _ = diff(*own, allow([*needed, "kms:Sign"], keys), calls=(QUERY, KEYLESS, sign))
    assert (code, report["wider"]) == (0, [])
    but = {"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"}
    _, report, _ = diff(*own, but, calls=(QUERY, KEYLESS))
    assert report["not_granted_anywhere"] == needed
    _, report, _ = diff(*own, {**but, "NotAction": "iam:*"}, calls=(QUERY, KEYLESS))
    assert report["not_granted_anywhere"] == []


def test_secrets_that_a_list_may_name_are_not_unused(diff):
    """A record names none of a list: any that is granted may be one."""
    secret = f"arn:aws:secretsmanager:{AT}:secret:shop/db-a1B2c3"
    batch = {**QUERY, "service": "secrets-manager", "operation": "BatchGetSecretValue", "resource": None}
    statements = (
        allow("secretsmanager:GetSecretValue", secret),
        allow("secretsmanager:BatchGetSecretValue", "*"),
    )
    code, report, _ = diff(*OWN, *statements, calls=(batch,))
    assert (code, report["wider"], report["not_granted_anywhere"]) == (0, [], [])


def test_an_action_that_needs_a_star_is_not_granted_by_an_arn(diff):
    """Whatever the ARN."""
    metric = {
        "service": "cloudwatch",
        "operation": "PutMetricData",
        "resource": None,
        "count": 1,
        "errors": 0,
    }
    statement = allow("cloudwatch:PutMetricData", f"arn:aws:cloudwatch:{AT}:alarm:it")
    code, report, _ = diff(*OWN, statement, calls=(metric,))
    assert code == 1
    assert [it["action"] for it in report["not_granted"]] == ["cloudwatch:PutMetricData"]


def test_an_operation_without_a_known_action_is_something_to_say(diff):
    """Nothing can be compared with it."""
    code, report, said = diff(
        *OWN, allow("dynamodb:Query", STOCK), calls=(QUERY, {**QUERY, "operation": "Guess"})
    )
    assert (code, report["wider"]) == (1, [])
    assert "dynamodb Guess stock: no action is known for this operation" in said


# --- Used and not granted ---------------------------------------------------------------------------------------------

PUT = {**QUERY, "operation": "PutItem"}


def test_what_was_used_and_is_not_granted_is_named(diff):
    """By the action and the ARN, with what asked for it; what no call shows, too."""
    code, report, _ = diff(LOGGING, allow("dynamodb:Query", STOCK), calls=(QUERY, PUT), as_json=False)
    assert code == 1
    assert (
        f"  dynamodb:PutItem on {STOCK}: no statement allows it (dynamodb PutItem stock in 1 invocation)\n"
        in report
    )
    assert (
        f"  sqs:ReceiveMessage on {QUEUE}: no statement allows it (no call shows it: Lambda polls its sqs trigger)\n"
        in report
    )


def test_the_statement_that_denies_is_named(diff):
    """Deny wins, by its Sid or its place."""
    deny = {"Sid": "NoQueries", "Effect": "Deny", "Action": "dynamodb:Q*", "Resource": "*"}
    code, report, _ = diff(*OWN, allow("dynamodb:Query", STOCK), deny)
    assert code == 1
    assert report["not_granted"] == [
        {
            "action": "dynamodb:Query",
            "resource": STOCK,
            "why": "dynamodb Query stock in 1 invocation",
            "reason": "denied by NoQueries of policy.json",
            "statement": "NoQueries of policy.json",
        }
    ]


def test_a_condition_that_cannot_be_read_leaves_it_open(diff):
    """That is said, and nothing differs; the Region of a resource is known."""
    limit = {"StringEquals": {"aws:PrincipalTag/team": "shop"}}
    code, report, _ = diff(*OWN, allow("dynamodb:Query", STOCK, Condition=limit), as_json=False)
    assert code == 0
    assert (
        f"  dynamodb:Query on {STOCK}: It of policy.json depends on StringEquals aws:PrincipalTag/team "
        "(dynamodb Query stock in 1 invocation)\n"
    ) in report
    here = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    code, report, _ = diff(*OWN, allow("dynamodb:Query", STOCK, Condition=here))
    assert (code, report["undecided"]) == (0, [])
    there = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}
    code, report, _ = diff(*OWN, allow("dynamodb:Query", STOCK, Condition=there))
    assert (code, len(report["not_granted"])) == (1, 1)


def test_a_part_of_a_bucket_is_open(diff):
    """Records have no keys: whether the granted ones are those that were read isn't known."""
    read = {**QUERY, "service": "s3", "operation": "GetObject", "resource": "photos"}
    code, report, _ = diff(*OWN, allow("s3:GetObject", "arn:aws:s3:::photos/public/*"), calls=(read,))
    assert (code, report["wider"], report["not_granted"]) == (0, [], [])
    assert report["undecided"][0]["depends_on"] == ["which of arn:aws:s3:::photos/*"]


def test_a_secret_by_its_whole_arn_is_not_too_narrow(diff):
    """The name in a record is without the six characters: it is open whether they are the secret's."""
    secret = {**QUERY, "service": "secrets-manager", "operation": "GetSecretValue", "resource": "shop/db"}
    granted = f"arn:aws:secretsmanager:{AT}:secret:shop/db-a1B2c3"
    code, report, _ = diff(*OWN, allow("secretsmanager:GetSecretValue", granted), calls=(secret,))
    assert (code, report["wider"], report["not_granted"]) == (0, [], [])


# --- Denied -----------------------------------------------------------------------------------------------------------

ID = "abcdef0123456789abcdef"


def denied(**said):
    """Return a query that AWS denied twice, in these words."""
    return {
        **QUERY,
        "errors": 2,
        "denied": {"count": 2, "action": "dynamodb:Query", "resource": STOCK, **said},
    }


def test_a_denied_call_is_told_with_what_decides(diff):
    """By the statements that are compared, in AWS's words, and with how to ask for its evaluation; not listed twice."""
    call = denied(deny="implicit", policy_type="identity-based", authorization_id=ID)
    code, report, _ = diff(*OWN, allow("s3:GetObject", "arn:aws:s3:::b/*"), calls=(call,), as_json=False)
    assert code == 1
    assert (
        "denied, and why\n"
        f"  dynamodb:Query on {STOCK}: no statement allows it\n"
        f"    dynamodb Query stock: denied 2 times: dynamodb:Query on {STOCK}, nothing allows it, identity-based policy, "
        f"authorization id {ID}\n"
        f"    ask: aws iam-toolbox get-request-authorization-details --authorization-id {ID} --region eu-west-1\n"
    ) in report
    assert "used and not granted" not in report


@pytest.mark.parametrize(
    ("statements", "said", "reason", "code"),
    [
        ([allow("dynamodb:Query", STOCK), {"Sid": "No", "Effect": "Deny", "Action": "*", "Resource": STOCK}], {"deny": "explicit"}, "denied by No of policy.json", 1),
        ([allow("dynamodb:Query", STOCK)], {}, "It of policy.json allows it: it was denied before that, or by another role", 0),
        ([allow("dynamodb:Query", STOCK)], {"policy_type": "service control"}, "It of policy.json allows it, and a service control policy didn't, which isn't compared", 1),
        ([allow("dynamodb:Query", STOCK, Condition={"Bool": {"a:b": "true"}})], {}, "It of policy.json depends on Bool a:b", 1),
    ],
)  # fmt: skip
def test_the_reason_of_a_denial_is_as_exact_as_it_can_be(diff, statements, said, reason, code):
    """The statement that denies; what isn't compared; what was granted since."""
    found, report, _ = diff(*OWN, *statements, calls=(denied(**said),))
    assert (found, [it["reason"] for it in report["denied"]]) == (code, [reason])
    assert report["denied"][0]["count"] == 2
    assert report["denied"][0]["granted_now"] is (code == 0)
    assert report["denied"][0]["policy_type"] == said.get("policy_type", "")


def test_what_was_denied_and_is_granted_now_is_told_apart(diff):
    """Nothing is to be done about it."""
    code, report, _ = diff(*OWN, allow("dynamodb:Query", STOCK), calls=(denied(),), as_json=False)
    assert code == 0
    assert (
        f"was denied, and is granted now\n  dynamodb:Query on {STOCK}: It of policy.json allows it" in report
    )
    assert "denied, and why" not in report


def test_a_denial_without_words_is_about_what_the_call_asks_for(diff):
    """One of a HEAD request has none; and one whose resource isn't known is told all the same."""
    bare = {**QUERY, "errors": 1, "denied": {"count": 1}}
    _, report, _ = diff(*OWN, calls=(bare,))
    (told,) = report["denied"]
    assert (told["action"], told["resource"], told["reason"]) == (
        "dynamodb:Query",
        STOCK,
        "no statement allows it",
    )
    code, report, _ = diff(*OWN, calls=({**KEYLESS, "denied": {"count": 1}},))
    assert code == 1
    assert (report["denied"][0]["action"], report["denied"][0]["reason"]) == (
        None,
        "nothing is compared with it",
    )


def test_what_a_denial_asked_for_besides_is_told(diff):
    """The key that encrypts a bucket, say: the action of the message, not the call's."""
    key = f"arn:aws:kms:{AT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    call = {**QUERY, "service": "s3", "operation": "GetObject", "resource": "b"}
    call["denied"] = {"count": 1, "action": "kms:Decrypt", "resource": key, "deny": "implicit"}
    _, report, _ = diff(*OWN, allow("s3:GetObject", "arn:aws:s3:::b/*"), calls=(call,))
    assert [(it["action"], it["resource"]) for it in report["denied"]] == [("kms:Decrypt", key)]
    assert report["not_granted"] == []


def test_a_forged_authorization_id_never_stands_in_a_command(diff):
    """People copy it."""
    _, report, _ = diff(*OWN, calls=(denied(authorization_id="abcdefgh; rm -rf /"),), as_json=False)
    assert "rm -rf" not in report


# --- Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", "{}", "--diff: p.json: it isn't a policy: there is no Statement"),
        ("p.json", "[1]", "a template is a mapping"),
        ("p.json", '{"Statement": [{"Effect": "Allow", "Principal": "*"}]}', "statement #1 has a Principal"),
        ("p.yaml", "a: [", "p.yaml: not YAML"),
        ("p.yaml", "Resources: {It: {Type: AWS::SQS::Queue}}", "p.yaml: it has no function orders: there are none"),
        ("p.json", "\ud800".encode("utf-8", "surrogatepass"), "p.json: the template can't be read"),
        (None, "", "--diff: there is no file other.yaml"),
    ],
)  # fmt: skip
def test_a_file_that_is_neither_policy_nor_template_is_said(diff, tmp_path, name, text, message):
    """What is wrong with it, and nothing else is written."""
    if name:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    code, report, said = diff(against=name or "other.yaml")
    assert (code, report) in {(1, ""), (2, "")}
    assert message in said


def test_what_is_no_name_at_all_is_a_wrong_command_line(diff):
    """So are the report's options without one."""
    code, _, said = diff(against="a role!")
    assert (code, "--diff: 'a role!' is neither a role, nor a policy, nor a file" in said) == (2, True)
    assert run(["policy", "app.log", "--function", "orders", "--json"]) == 2


def test_without_an_account_a_role_cannot_be_read(diff, monkeypatch):
    """That is said with what to do."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    code, report, said = diff(against="orders-role")
    assert (code, report) == (1, "")
    assert "no credentials for AWS: log in (aws sso login), or choose a profile with AWS_PROFILE" in said


def test_nothing_in_a_policy_steers(diff):
    """Names, actions and resources are anybody's."""
    hostile = 'a\x1b[31m\u202e"}]\n\u2713 success  forged'
    statements = (
        allow(hostile, hostile, hostile),
        {**allow("dynamodb:*", hostile, hostile), "Condition": {hostile: {hostile: hostile}}},
    )
    code, report, said = diff(*statements, as_json=False)
    assert code == 1
    for text in (report, said):
        assert not {char for char in text if not char.isprintable()} - {"\n"}
        assert not [line for line in text.splitlines() if line.strip().startswith("\u2713")]


# --- Properties -------------------------------------------------------------------------------------------------------

GRANTED = st.builds(
    lambda actions, resources, effect: {"Effect": effect, "Action": actions, "Resource": resources},
    st.lists(
        st.sampled_from(
            [
                "*",
                "dynamodb:*",
                "dynamodb:Query",
                "dynamodb:Put*",
                "s3:Get*",
                "s3:ListBucket",
                "sqs:*",
                "kms:*",
                "logs:*",
                "logs:PutLogEvents",
                "ec2:CreateNetworkInterface",
                "xray:*",
                "secretsmanager:GetSecretValue",
            ]
        ),
        min_size=1,
        max_size=3,
    ),
    st.lists(
        st.sampled_from(
            [
                "*",
                "arn:aws:dynamodb:*",
                f"arn:aws:dynamodb:{AT}:table/a*",
                "arn:aws:s3:::*",
                "arn:aws:s3:::a*/*",
                f"arn:aws:sqs:{AT}:*",
                f"arn:aws:secretsmanager:{AT}:secret:*",
                f"arn:aws:logs:{AT}:*",
            ]
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["Allow", "Allow", "Allow", "Deny"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(GRANTED, max_size=4), st.lists(CALLS, max_size=8, unique=True), st.booleans())
def test_what_is_written_instead_allows_what_was_used_and_has_nothing_left_to_say(statements, calls, keyless):
    """Whatever is granted: after each statement is replaced, what was allowed is, and no statement is too wide."""
    evidence = Evidence("orders")
    evidence.calls.update([*calls, *([Called("kms", "ReEncrypt", None)] if keyless else [])])
    needs = needs_of(evidence, HERE)
    granted = Granted("it")
    granted.add({"Version": "2012-10-17", "Statement": statements}, "")
    found = difference(granted, needs)
    narrowed = Granted("it")
    for statement in granted.statements:
        mine = [one for one in found.findings if one.statement is statement]
        narrowed.statements += (
            statements_of({"Version": "2012-10-17", "Statement": mine[0].instead}) if mine else [statement]
        )
    for need in needs.granted:
        if decide(granted.statements, request_of(need)).allowed:
            assert decide(narrowed.statements, request_of(need)).allowed
    again = difference(narrowed, needs)
    assert again.findings == []
    assert [one.need for one in again.not_granted] == [one.need for one in found.not_granted]
    assert again.unplaced == found.unplaced


@settings(max_examples=100, deadline=None)
@given(st.lists(CALLS, max_size=12, unique=True))
def test_a_policy_made_from_calls_has_no_difference_to_them(calls):
    """What the command writes is what it compares with."""
    evidence = Evidence("orders")
    evidence.calls.update(calls)
    needs = needs_of(evidence, HERE)
    granted = Granted("it")
    granted.add(policy(needs.granted, draft=False), "")
    found = difference(granted, needs)
    assert not found
    assert found.undecided == []
